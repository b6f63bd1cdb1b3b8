"""`keras.layers.RNN`: a cell run over time, and what the layers with a cell of their own share."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

from dovetail.base import nest
from dovetail.base.errors import at_user_location
from dovetail.keras.backend.recurrence import prepared_mask, rnn, swapped
from dovetail.keras.idiom import recurrent_config, with_states
from dovetail.keras.layers.machinery.declared import Argument, Declared
from dovetail.keras.layers.machinery.input_spec import InputSpec
from dovetail.keras.layers.machinery.layer import Layer
from dovetail.keras.layers.machinery.shapes import is_shape, map_shapes
from dovetail.keras.layers.machinery.signature import call_spec
from dovetail.keras.layers.recurrent import arguments as rows
from dovetail.keras.layers.recurrent.lengths import dense
from dovetail.keras.layers.recurrent.stacked import StackedRNNCells, checked_cell
from dovetail.keras.layers.recurrent.states import (
    Kept,
    as_list,
    batch_of,
    default_dtype,
    initial_states,
    is_size,
    map_sizes,
    output_size_of,
    size_shape,
    sizes_of,
)
from dovetail.keras.naming import to_snake_case
from dovetail.keras.serialization import deserialize_keras_object, serialize_keras_object
from dovetail.ops import create, indexing, reduction, shapes
from dovetail.ops.arithmetic import cast
from dovetail.ops.shapes import as_tensor
from dovetail.tensor.shape import TensorShape

__all__ = ["RNN"]


def _cell(layer: Any, name: str, value: Any) -> Any:
    return StackedRNNCells(value) if isinstance(value, list | tuple) else checked_cell(value)


class Sequence(NamedTuple):
    """What a call of a recurrent layer runs over.

    Attributes:
        inputs: tensor, or a structure of tensors, with batch and time in front.
        states: the first ones, None where none were given.
        constants: given to each step.
        mask: booleans (batch, time), or None.
    """

    inputs: Any
    states: list | None
    constants: list | None
    mask: Any


class RNN(Declared):
    """Runs a cell over the time axis of its inputs.

    Args:
        cell: has `call(inputs, states)`, which returns `(output, new states)`, and `state_size`; further
            `output_size`, `get_initial_state`, and `training` and `constants` in its call.  A list of cells is a stack.
        return_sequences: return the outputs of all steps instead of the last one's.
        return_state: return the last states after the output.
        go_backwards: begin with the last step; outputs come in the order in which they were computed.
        stateful: begin where the last batch ended, until `reset_state()`; the batch size must be known.
        unroll: write the loop out in compiled code.
        zero_output_for_mask: outputs of masked steps are zero; else they repeat the last one before.
        time_major: inputs and outputs are (time, batch, ...).

    Call arguments: sequences, initial_state (list of states), mask (batch, time), training, constants (list of tensors
    given to each step).

    Shapes: (batch, time, ...) -> (batch, output size), or (batch, time, output size) with `return_sequences`.
    """

    _calls_own_alone = True  # its cell, which may be a user's: that is looked at by itself
    supports_masking = True
    _holds_layers = True
    _arguments = (
        *(Argument("cell", read=_cell), *rows.SEQUENCES, rows.UNROLL, *rows.BY_KEYWORD),
        Argument("activity_regularizer", None),
    )
    cell: Any
    return_sequences: bool
    return_state: bool
    go_backwards: bool
    stateful: bool
    unroll: bool
    zero_output_for_mask: bool
    time_major: bool

    def _begin(self) -> None:
        self._kept: Kept | None = None
        self._num_constants: int | None = None
        sizes_of(self.cell)

    # ---- states

    @property
    def state_size(self) -> list:
        """Sizes of the states, as a list."""
        sizes = sizes_of(self.cell)
        return [sizes] if is_size(sizes) else sizes

    @property
    def states(self) -> Any:
        """The variables of a stateful layer; None before it is built, and for others."""
        return None if self._kept is None else self._kept.variables

    def get_initial_state(self, batch_size: Any = None, inputs: Any = None) -> list:
        """Returns the states that a batch begins with.

        Args:
            batch_size: a number, or (Keras 2) the inputs.
            inputs: instead of the batch size.
        """
        if hasattr(batch_size, "shape") and len(batch_size.shape) > 1:
            inputs = batch_size
        if inputs is not None:
            batch_size = batch_of(nest.flatten(inputs)[0], 1 if self.time_major else 0)
        return initial_states(self.cell, batch_size, default_dtype(self), inputs)

    def reset_state(self) -> None:
        """Lets a stateful layer begin with zeros again."""
        if self._kept is not None:
            self._kept.reset()

    def reset_states(self, states: Any = None) -> None:
        """Lets a stateful layer begin with zeros again, or with the given states.

        Raises:
            AttributeError: the layer is not stateful.
        """
        if states is None:
            self.reset_state()
            return
        if self._kept is None:
            raise AttributeError(
                f"{self.name}.reset_states: only a stateful layer that is built keeps states{at_user_location()}"
            )
        self._kept.assign(as_list(states), f"{self.name}.reset_states")

    # ---- building

    def build(self, sequences_shape: Any, initial_state_shape: Any = None) -> None:
        sequences_shape = _without_states(sequences_shape)
        shape = _first_shape(sequences_shape)
        if isinstance(self.cell, Layer) and not self.cell.built:
            self.cell.build(map_shapes(self._step_shape, sequences_shape))
            self.cell.built = True
        if self.stateful and self._kept is None:
            batch = shape[1 if self.time_major else 0]
            if batch is None:
                raise ValueError(
                    f"{self.name}: a stateful layer needs a known batch size, received inputs of shape {tuple(shape)}. "
                    f"Pass keras.Input(batch_shape=...){at_user_location()}"
                )
            self._kept = Kept(self.get_initial_state(batch), self.variable_dtype)

    def _step_shape(self, shape: Any) -> tuple:
        """Returns the shape of one step's inputs."""
        return (shape[1 if self.time_major else 0], *tuple(shape)[2:])

    # ---- calls

    def call(
        self,
        sequences: Any,
        initial_state: Any = None,
        mask: Any = None,
        training: Any = False,
        constants: Any = None,
    ) -> Any:
        inputs, lengths = dense(sequences, mask, self.name)
        given = self._taken_apart(inputs, initial_state, constants, mask if lengths is None else lengths.mask)
        self._check_times(given)
        given = given._replace(states=self._first_states(given))
        outputs, last, states = self._run(given, training)
        if self._kept is not None:
            self._kept.assign(states, self.name)
        output = outputs if self.return_sequences else last
        if lengths is not None and self.return_sequences:
            output = lengths.ragged(output, self.go_backwards)
        return with_states([output], states) if self.return_state else output

    def _taken_apart(self, inputs: Any, states: Any, constants: Any, mask: Any) -> Sequence:
        """Sorts what was given; Keras 2 takes states and constants in one list behind the inputs."""
        if isinstance(inputs, list) and len(inputs) > 1 and states is None:
            inputs, *rest = inputs
            if self._num_constants:
                rest, constants = rest[: -self._num_constants], rest[-self._num_constants :]
            states = rest or None
        if constants is not None:
            constants = as_list(constants)
            self._num_constants = len(constants)
        masks = [one for one in nest.flatten(mask) if one is not None]
        return Sequence(
            inputs, None if states is None else as_list(states), constants, masks[0] if masks else None
        )

    def _check_times(self, given: Sequence) -> None:
        times = nest.flatten(given.inputs)[0].shape[0 if self.time_major else 1]
        if self.unroll and times is None:
            raise ValueError(
                f"{self.name}: unroll=True needs a known number of steps; pass keras.Input(shape=(steps, ...))"
                f"{at_user_location()}"
            )

    def _first_states(self, given: Sequence) -> list | None:
        """Returns the states to begin with in the compute dtype; None: zeros, which an op makes by itself."""
        x = nest.flatten(given.inputs)[0]
        batch = x.shape[1 if self.time_major else 0]
        if self._kept is not None and batch not in (None, self._kept.batch_size):
            raise ValueError(
                f"{self.name}: the layer is stateful for batches of {self._kept.batch_size}, received one of {batch}"
                f"{at_user_location()}"
            )
        states = given.states if given.states is not None or self._kept is None else self._kept.variables
        if states is None:
            return None if self._as_op(given) else self._initial_of(given)
        dtype = default_dtype(self)
        states = nest.map_structure(lambda s: _as_dtype(as_tensor(s), dtype), states)
        self._check_states(states, batch)
        return states

    def _initial_of(self, given: Sequence) -> list:
        x = nest.flatten(given.inputs)[0]
        batch = batch_of(x, 1 if self.time_major else 0)
        return initial_states(self.cell, batch, default_dtype(self), x)

    def _check_states(self, states: Any, batch: Any) -> None:
        """Raises ValueError for states of other shapes than the cell's."""
        sizes: list = []
        map_sizes(sizes.append, self.state_size)
        found = nest.flatten(states)
        shapes = [tuple(s.shape) for s in found]
        wanted = [(batch, *size_shape(size)) for size in sizes]
        if len(found) != len(sizes) or not all(map(_fits, shapes, wanted)):
            raise ValueError(
                f"{self.name}: expected {len(sizes)} initial states of shapes {wanted}, received {shapes}"
                f"{at_user_location()}"
            )

    def _as_op(self, given: Sequence) -> bool:
        """True where the cell runs the whole sequence as one op."""
        runs = getattr(self.cell, "runs_sequences", None)
        return (
            runs is not None
            and self.cell._is_own
            and given.constants is None
            and getattr(self.cell, "compute_dtype", None) == self.compute_dtype
            and runs()
        )

    def _run(self, given: Sequence, training: Any) -> tuple:
        """Returns the outputs of all steps, the last one and the states."""
        if self._as_op(given):
            return self._run_op(given, training)
        last, outputs, states = rnn(
            self._step(given, training),
            given.inputs,
            given.states,
            go_backwards=self.go_backwards,
            mask=given.mask,
            unroll=self.unroll,
            time_major=self.time_major,
            zero_output_for_mask=self.zero_output_for_mask,
            return_all_outputs=self.return_sequences,
        )
        getattr(self.cell, "forget_masks", lambda: None)()
        return outputs, last, as_list(states)

    def _step(self, given: Sequence, training: Any) -> Any:
        spec, further = call_spec(type(self.cell).call), {}
        if spec.accepts_training:
            further["training"] = training
        if given.constants is not None:
            further["constants"] = given.constants
        call = self.cell if callable(self.cell) else self.cell.call
        self._draw_masks(given, training)

        def step(inputs: Any, states: Any) -> tuple:
            output, new = call(inputs, as_list(states), **further)
            return output, as_list(new)

        return step

    def _draw_masks(self, given: Sequence, training: Any) -> None:
        """Lets our cells draw the masks of this sequence outside of the loop."""
        getattr(self.cell, "forget_masks", lambda: None)()
        if not training:
            return
        x = nest.flatten(given.inputs)[0]
        batch = batch_of(x, 1 if self.time_major else 0)
        size = tuple(x.shape)[2:]
        for cell in self.cell.cells if isinstance(self.cell, StackedRNNCells) else [self.cell]:
            if hasattr(cell, "forget_masks") and not isinstance(cell, StackedRNNCells):
                dtype = default_dtype(cell)
                cell.get_dropout_mask(create.zeros([batch, *size], dtype))
                cell.get_recurrent_dropout_mask(
                    create.zeros([batch, *size_shape(output_size_of(cell))], dtype)
                )
            size = size_shape(output_size_of(cell))

    def _run_op(self, given: Sequence, training: Any) -> tuple:
        x = given.inputs if self.time_major else swapped(given.inputs)  # (time, batch, ...)
        mask = None if given.mask is None else prepared_mask(given.mask, self.time_major)
        if self.go_backwards:
            x = shapes.reverse(x, axis=(0,))
            mask = None if mask is None else shapes.reverse(mask, axis=(0,))
        shown = self._shown(mask, given.states)
        sequence = self.return_sequences
        outputs, states = self.cell.over_time(x, given.states, mask, training, sequence)
        last = nest.flatten(states[-1])[0] if isinstance(self.cell, StackedRNNCells) else states[0]
        if shown is not None:
            last = _where(shown[-1], last)
        if sequence:
            outputs = outputs if shown is None else _where(shown, outputs)
            outputs = outputs if self.time_major else swapped(outputs)
        return outputs, last, states

    def _shown(self, mask: Any, states: Any) -> Any:
        """Returns where outputs are states: elsewhere, before the first step that is seen, they are zero."""
        if mask is None or self.zero_output_for_mask:
            return mask
        return None if states is None else reduction.cumsum(cast(mask, dtype="int32"), axis=0) > 0

    # ---- what it says of itself

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        masks = [one for one in nest.flatten(previous_mask) if one is not None]
        mask = masks[0] if masks and self.return_sequences else None
        return [mask, *[None] * len(self.state_size)] if self.return_state else mask

    def compute_output_shape(self, sequences_shape: Any, initial_state_shape: Any = None) -> Any:
        shape = _first_shape(sequences_shape)
        time, batch = (0, 1) if self.time_major else (1, 0)
        lead = [shape[i] for i in sorted((time, batch))] if self.return_sequences else [shape[batch]]
        output = TensorShape([*lead, *size_shape(output_size_of(self.cell))])
        if not self.return_state:
            return output
        states = map_sizes(lambda size: TensorShape([shape[batch], *size_shape(size)]), self.state_size)
        return (output, *states)

    def get_config(self) -> dict:
        config = recurrent_config(super().get_config())
        if "cell" in config:
            config["cell"] = serialize_keras_object(self.cell)
        return config

    @classmethod
    def from_config(cls, config: dict, custom_objects: dict | None = None) -> Any:
        config = dict(config)
        if isinstance(config.get("cell"), dict):
            config["cell"] = deserialize_keras_object(config["cell"], custom_objects)
        constants = config.pop("num_constants", None)
        layer = super().from_config(config)
        layer._num_constants = constants
        return layer


class UnitsRNN(RNN):
    """A recurrent layer that makes its cell from its own arguments."""

    _cell_class: ClassVar[Any]

    def _begin(self) -> None:
        named = {
            row.name: getattr(self, row.name)
            for row in self._cell_class._arguments
            if hasattr(self, row.name)
        }
        self.cell = self._cell_class(
            **named,
            name=to_snake_case(self._cell_class.__name__),
            dtype=self.dtype_policy,
            trainable=self.trainable,
        )
        super()._begin()
        self.input_spec: Any = InputSpec(ndim=self._rank)

    _rank = 3  # of the inputs

    def build(self, sequences_shape: Any, initial_state_shape: Any = None) -> None:
        super().build(sequences_shape, initial_state_shape)
        if is_shape(sequences_shape):
            self.input_spec = self._fixed_spec(sequences_shape)

    def _fixed_spec(self, shape: Any) -> InputSpec:
        """Returns what the inputs of further calls must be like."""
        return InputSpec(ndim=self._rank, axes={-1: shape[-1]})


def _fits(shape: tuple, wanted: tuple) -> bool:
    return len(shape) == len(wanted) and all(
        None in pair or pair[0] == pair[1] for pair in zip(shape, wanted, strict=True)
    )


def _without_states(shapes: Any) -> Any:
    """Returns the shape of the inputs where those of states stand behind it in a list, as Keras 2 takes them."""
    return shapes[0] if isinstance(shapes, list) and not is_shape(shapes) else shapes


def _first_shape(shape: Any) -> Any:
    """Returns the shape of the first tensor of a structure."""
    while not is_shape(shape):
        if not shape or not isinstance(shape, dict | list | tuple):
            raise ValueError(
                f"a recurrent layer needs the shape of its inputs, received {shape!r:.80}{at_user_location()}"
            )
        shape = next(iter(shape.values())) if isinstance(shape, dict) else shape[0]
    return shape


def _as_dtype(x: Any, dtype: Any) -> Any:
    return x._astype(dtype) if x.dtype.is_floating and x.dtype != dtype else x


def _where(shown: Any, x: Any) -> Any:
    """Returns `x` where the mask of its first axes holds, zeros elsewhere."""
    for _ in range(len(x.shape) - len(shown.shape)):
        shown = shapes.expand_dims(shown, axis=-1)
    return indexing.where(shown, x, create.zeros_like(x))
