"""`tf.compat.v1.nn.rnn_cell`: cells of recurrent networks, and what wraps them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import numpy as np

import dovetail as tf
from dovetail.base.errors import ArgumentTypeError, at_user_location
from dovetail.compat.first.initializers import Ones, Zeros
from dovetail.compat.first.layers import Layer
from dovetail.compat.first.scopes import variable_scope
from dovetail.tensor.tensor import TensorLike


class LSTMStateTuple(NamedTuple):
    """The state of an LSTM: the cell `c` and the output `h`, each of shape (batch, units)."""

    c: Any
    h: Any

    @property
    def dtype(self) -> Any:
        return self.c.dtype


_PARTS = ("output_size", "state_size", "zero_state")


def require_cell(cell: Any) -> None:
    """Raises TypeError for what is no cell.  One of Keras has `get_initial_state` in place of `zero_state`."""
    lacks = [
        part for part in _PARTS if not hasattr(type(cell), part) and part not in getattr(cell, "__dict__", ())
    ]
    if lacks == ["zero_state"] and hasattr(cell, "get_initial_state"):
        lacks = []
    if lacks or not callable(cell):
        raise ArgumentTypeError(
            f"cell: expected an RNNCell, received {cell!r:.60}, which has no {', '.join(lacks) or '__call__'}"
            f"{at_user_location()}"
        )


class RNNCell(Layer):
    """Base of the cells: `output, state = cell(inputs, state)` for one step.

    Subclasses define `call(inputs, state)`, or `__call__(inputs, state, scope=None)`, and the properties `state_size`
    and `output_size`.
    """

    _base: ClassVar[str] = "rnn_cell"

    def __init__(
        self, trainable: bool = True, name: str | None = None, dtype: Any = None, **others: Any
    ) -> None:
        super().__init__(trainable=trainable, name=name, dtype=dtype, **others)

    def __call__(self, inputs: Any, state: Any, scope: Any = None) -> Any:  # type: ignore[override]
        if scope is not None and self._scope is None:
            self._scope_given = scope
        return super().__call__(inputs, state)

    @property
    def state_size(self) -> Any:
        """The sizes of the state, nested as the state is."""
        raise NotImplementedError(f"{type(self).__name__}: define state_size")

    @property
    def output_size(self) -> Any:
        raise NotImplementedError(f"{type(self).__name__}: define output_size")

    def zero_state(self, batch_size: Any, dtype: Any) -> Any:
        """Returns a state of zeros, of shape (batch, size) for each size of the state."""
        return tf.nest.map_structure(
            lambda size: tf.zeros([batch_size, *tf.TensorShape(size).as_list()], dtype), self.state_size
        )

    def get_initial_state(self, inputs: Any = None, batch_size: Any = None, dtype: Any = None) -> Any:
        """Returns a state of zeros for inputs, or for a size and a dtype."""
        if inputs is not None:
            return self.zero_state(tf.shape(inputs)[0], inputs.dtype)
        return self.zero_state(batch_size, dtype)


class _OwnCell(RNNCell):
    """Cells that have a kernel and a bias over the inputs and the last output."""

    def __init__(
        self,
        num_units: int,
        activation: Any = None,
        reuse: Any = None,
        name: str | None = None,
        dtype: Any = None,
        **others: Any,
    ) -> None:
        super().__init__(name=name, dtype=dtype, _reuse=reuse, **others)
        self._num_units = num_units
        found = tf.tanh if activation is None else activation
        self._activation = getattr(tf.nn, found) if isinstance(found, str) else found

    @property
    def state_size(self) -> Any:
        return self._num_units

    @property
    def output_size(self) -> int:
        return self._num_units

    def _product(
        self, values: list, size: int, prefix: str = "", kernel: Any = None, bias: Any = None
    ) -> Any:
        """Returns the affine map of some tensors side by side to `size` units."""
        depth = sum(int(value.shape[-1]) for value in values)
        weights = self.add_weight(f"{prefix}kernel", [depth, size], kernel)
        offsets = self.add_weight(f"{prefix}bias", [size], Zeros() if bias is None else bias)
        return tf.nn.bias_add(tf.matmul(tf.concat(values, 1), weights), offsets)


class BasicRNNCell(_OwnCell):
    """`output = state = activation([inputs, state] @ kernel + bias)`."""

    _base = "basic_rnn_cell"

    def call(self, inputs: Any, state: Any) -> Any:  # type: ignore[override]
        output = self._activation(self._product([inputs, state], self._num_units))
        return output, output


class GRUCell(_OwnCell):
    """Gates `r` and `u` over the inputs and the state, and a candidate over the inputs and `r * state`."""

    _base = "gru_cell"

    def __init__(
        self,
        num_units: int,
        activation: Any = None,
        reuse: Any = None,
        kernel_initializer: Any = None,
        bias_initializer: Any = None,
        name: str | None = None,
        dtype: Any = None,
        **others: Any,
    ) -> None:
        super().__init__(num_units, activation, reuse, name, dtype, **others)
        self._kernel_initializer, self._bias_initializer = kernel_initializer, bias_initializer

    def call(self, inputs: Any, state: Any) -> Any:  # type: ignore[override]
        kernel, bias = self._kernel_initializer, self._bias_initializer
        gates = self._product([inputs, state], 2 * self._num_units, "gates/", kernel, bias or Ones())
        r, u = tf.split(tf.sigmoid(gates), 2, axis=1)
        inner = self._product([inputs, r * state], self._num_units, "candidate/", kernel, bias)
        output = u * state + (1 - u) * self._activation(inner)
        return output, output


class BasicLSTMCell(_OwnCell):
    """The LSTM without further options; the gates stand in the order input, new, forget, output."""

    _base = "basic_lstm_cell"

    def __init__(
        self,
        num_units: int,
        forget_bias: float = 1.0,
        state_is_tuple: bool = True,
        activation: Any = None,
        reuse: Any = None,
        name: str | None = None,
        dtype: Any = None,
        **others: Any,
    ) -> None:
        super().__init__(num_units, activation, reuse, name, dtype, **others)
        self._forget_bias, self._state_is_tuple = forget_bias, state_is_tuple

    @property
    def state_size(self) -> Any:
        pair = (self._num_units, self.output_size)
        return LSTMStateTuple(*pair) if self._state_is_tuple else sum(pair)

    def _parts(self, state: Any) -> tuple:
        if self._state_is_tuple:
            return tuple(state)
        return tuple(tf.split(state, [self._num_units, self.output_size], axis=1))

    def _packed(self, c: Any, h: Any) -> Any:
        return LSTMStateTuple(c, h) if self._state_is_tuple else tf.concat([c, h], 1)

    def call(self, inputs: Any, state: Any) -> Any:  # type: ignore[override]
        c, h = self._parts(state)
        i, new, forget, out = tf.split(self._product([inputs, h], 4 * self._num_units), 4, axis=1)
        c = c * tf.sigmoid(forget + self._forget_bias) + tf.sigmoid(i) * self._activation(new)
        h = self._activation(c) * tf.sigmoid(out)
        return h, self._packed(c, h)


class LSTMCell(BasicLSTMCell):
    """The LSTM with peepholes, clipping and a projection of the output.

    Args:
        num_units: the size of the cell.
        use_peepholes: the gates see the cell, too.
        cell_clip: the cell is kept between -cell_clip and cell_clip.
        initializer: of the kernels.
        num_proj: the size of the output, which a product makes of the cell's.
        proj_clip: as `cell_clip`, of the projection.
        forget_bias: added to the forget gate.
        state_is_tuple: the state is an `LSTMStateTuple`, else both side by side.
        num_unit_shards, num_proj_shards: accepted for TensorFlow's sake.
    """

    _base = "lstm_cell"

    def __init__(
        self,
        num_units: int,
        use_peepholes: bool = False,
        cell_clip: float | None = None,
        initializer: Any = None,
        num_proj: int | None = None,
        proj_clip: float | None = None,
        num_unit_shards: Any = None,
        num_proj_shards: Any = None,
        forget_bias: float = 1.0,
        state_is_tuple: bool = True,
        activation: Any = None,
        reuse: Any = None,
        name: str | None = None,
        dtype: Any = None,
        **others: Any,
    ) -> None:
        super().__init__(num_units, forget_bias, state_is_tuple, activation, reuse, name, dtype, **others)
        self._use_peepholes, self._cell_clip, self._initializer = use_peepholes, cell_clip, initializer
        self._num_proj, self._proj_clip = num_proj, proj_clip

    @property
    def output_size(self) -> int:
        return self._num_units if self._num_proj is None else self._num_proj

    def _seen(self, gate: str, c: Any) -> Any:
        if not self._use_peepholes:
            return 0.0
        return self.add_weight(f"w_{gate}_diag", [self._num_units], self._initializer) * c

    def call(self, inputs: Any, state: Any) -> Any:  # type: ignore[override]
        c, h = self._parts(state)
        gates = self._product([inputs, h], 4 * self._num_units, kernel=self._initializer)
        i, new, forget, out = tf.split(gates, 4, axis=1)
        kept = tf.sigmoid(forget + self._forget_bias + self._seen("f", c)) * c
        c = kept + tf.sigmoid(i + self._seen("i", c)) * self._activation(new)
        if self._cell_clip is not None:
            c = tf.clip_by_value(c, -self._cell_clip, self._cell_clip)
        h = tf.sigmoid(out + self._seen("o", c)) * self._activation(c)
        if self._num_proj is not None:
            shape = [self._num_units, self._num_proj]
            h = tf.matmul(h, self.add_weight("projection/kernel", shape, self._initializer))
            if self._proj_clip is not None:
                h = tf.clip_by_value(h, -self._proj_clip, self._proj_clip)
        return h, self._packed(c, h)


class MultiRNNCell(RNNCell):
    """Cells on top of each other: each takes what the one below gives."""

    _base = "multi_rnn_cell"

    def __init__(self, cells: Any, state_is_tuple: bool = True) -> None:
        super().__init__()
        if not cells or not isinstance(cells, list | tuple):
            raise ValueError(
                f"MultiRNNCell: pass a list of cells, received {cells!r:.60}{at_user_location()}"
            )
        self._cells, self._state_is_tuple = list(cells), state_is_tuple

    @property
    def state_size(self) -> Any:
        sizes = tuple(cell.state_size for cell in self._cells)
        return sizes if self._state_is_tuple else sum(sizes)

    @property
    def output_size(self) -> Any:
        return self._cells[-1].output_size

    def zero_state(self, batch_size: Any, dtype: Any) -> Any:
        if not self._state_is_tuple:
            return super().zero_state(batch_size, dtype)
        return tuple(cell.zero_state(batch_size, dtype) for cell in self._cells)

    def call(self, inputs: Any, state: Any) -> Any:  # type: ignore[override]
        sizes = [cell.state_size for cell in self._cells]
        states = state if self._state_is_tuple else tf.split(state, sizes, axis=1)
        kept = []
        for number, (cell, one) in enumerate(zip(self._cells, states, strict=True)):
            with variable_scope(f"cell_{number}"):
                inputs, new = cell(inputs, one)
            kept.append(new)
        return inputs, tuple(kept) if self._state_is_tuple else tf.concat(kept, 1)

    @property
    def variables(self) -> list:
        return [variable for cell in self._cells for variable in cell.variables]

    weights = variables
    trainable_weights = property(lambda self: [v for v in self.variables if v.trainable])
    trainable_variables = trainable_weights


class _Wrapper(RNNCell):
    """A cell around another one."""

    def __init__(self, cell: Any) -> None:
        super().__init__()
        require_cell(cell)
        self._cell = cell

    def __call__(self, inputs: Any, state: Any, scope: Any = None) -> Any:  # type: ignore[override]
        return self.call(inputs, state, scope)

    def call(self, inputs: Any, state: Any, scope: Any = None) -> Any:  # type: ignore[override]
        raise NotImplementedError

    @property
    def wrapped_cell(self) -> Any:
        return self._cell

    @property
    def state_size(self) -> Any:
        return self._cell.state_size

    @property
    def output_size(self) -> Any:
        return self._cell.output_size

    def zero_state(self, batch_size: Any, dtype: Any) -> Any:
        return self._cell.zero_state(batch_size, dtype)

    @property
    def variables(self) -> list:
        return list(self._cell.variables)

    weights = variables
    trainable_weights = property(lambda self: list(self._cell.trainable_weights))
    trainable_variables = trainable_weights


def _checked(keep: Any, name: str) -> Any:
    """Returns a probability: a number, or a tensor.

    Raises:
        ValueError: it is not in [0, 1], as far as its value is known, or None.
        TypeError: it is no number.
    """
    known = tf.get_static_value(keep) if isinstance(keep, TensorLike) else keep
    if known is None and keep is not None:
        return keep
    if isinstance(known, str | bytes):
        raise ArgumentTypeError(
            f"DropoutWrapper: {name} must be a number, received {known!r}{at_user_location()}"
        )
    if known is None or np.ndim(known) or not 0 <= known <= 1:
        raise ValueError(
            f"DropoutWrapper: {name} must be a number between 0 and 1, received {known!r}{at_user_location()}"
        )
    return keep


class DropoutWrapper(_Wrapper):
    """Dropout of what goes into a cell, of its state and of what comes out.

    Args:
        cell: the cell.
        input_keep_prob, output_keep_prob, state_keep_prob: how much is kept, in [0, 1], 1: all; numbers or tensors.
        dropout_state_filter_visitor: called with each part of the state; False: it is kept.  The `c` of an
            `LSTMStateTuple` is kept when None.
        variational_recurrent, input_size, dtype: must not be used: the same mask in every step is not there.
        seed: of the random numbers.
    """

    def __init__(
        self,
        cell: Any,
        input_keep_prob: Any = 1.0,
        output_keep_prob: Any = 1.0,
        state_keep_prob: Any = 1.0,
        variational_recurrent: bool = False,
        input_size: Any = None,
        dtype: Any = None,
        seed: int | None = None,
        dropout_state_filter_visitor: Callable | None = None,
    ) -> None:
        super().__init__(cell)
        if variational_recurrent:
            raise NotImplementedError(
                f"DropoutWrapper: variational_recurrent is not there; leave it out{at_user_location()}"
            )
        if dropout_state_filter_visitor is not None and not callable(dropout_state_filter_visitor):
            raise ArgumentTypeError(
                "DropoutWrapper: dropout_state_filter_visitor must be callable, received "
                f"{dropout_state_filter_visitor!r:.60}{at_user_location()}"
            )
        self._kept = (
            _checked(input_keep_prob, "input_keep_prob"),
            _checked(state_keep_prob, "state_keep_prob"),
            _checked(output_keep_prob, "output_keep_prob"),
        )
        self._seed, self._drops = seed, dropout_state_filter_visitor

    def call(self, inputs: Any, state: Any, scope: Any = None) -> Any:  # type: ignore[override]
        of_input, of_state, of_output = self._kept
        output, new = self._cell(self._dropped(inputs, of_input), state, scope)
        return self._dropped(output, of_output), self._state(new, of_state)

    def _state(self, state: Any, keep: Any) -> Any:
        if not isinstance(keep, TensorLike) and keep >= 1:
            return state
        if isinstance(state, LSTMStateTuple) and self._drops is None:
            return LSTMStateTuple(state.c, self._dropped(state.h, keep))
        if isinstance(state, tuple) and not hasattr(state, "_fields"):
            return tuple(self._state(part, keep) for part in state)
        drops = self._drops or (lambda part: True)
        return tf.nest.map_structure(lambda x: self._dropped(x, keep) if drops(x) else x, state)

    def _dropped(self, value: Any, keep: Any) -> Any:
        if not isinstance(keep, TensorLike) and keep >= 1:
            return value
        return tf.nest.map_structure(lambda x: tf.nn.dropout(x, rate=1 - keep, seed=self._seed), value)


class ResidualWrapper(_Wrapper):
    """Adds what goes into a cell to what comes out."""

    def __init__(self, cell: Any, residual_fn: Callable | None = None) -> None:
        super().__init__(cell)
        self._residual = residual_fn

    def call(self, inputs: Any, state: Any, scope: Any = None) -> Any:  # type: ignore[override]
        output, new = self._cell(inputs, state, scope)
        combine = self._residual or (lambda i, o: tf.nest.map_structure(tf.add, i, o))
        return combine(inputs, output), new


class DeviceWrapper(_Wrapper):
    """Runs a cell on a device."""

    def __init__(self, cell: Any, device: Any) -> None:
        super().__init__(cell)
        self._device = device

    def call(self, inputs: Any, state: Any, scope: Any = None) -> Any:  # type: ignore[override]
        with tf.device(self._device):
            return self._cell(inputs, state, scope)


NAMES: dict[str, Any] = {
    kind.__name__: kind
    for kind in (
        *(BasicLSTMCell, BasicRNNCell, DeviceWrapper, DropoutWrapper, GRUCell, LSTMCell, LSTMStateTuple),
        *(MultiRNNCell, ResidualWrapper, RNNCell),
    )
}
