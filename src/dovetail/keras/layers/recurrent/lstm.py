"""`keras.layers.LSTM` and its cell."""

from __future__ import annotations

from typing import Any

from dovetail.keras import initializers
from dovetail.keras.layers.recurrent import arguments as rows
from dovetail.keras.layers.recurrent.cell import UnitsCell
from dovetail.keras.layers.recurrent.rnn import UnitsRNN
from dovetail.ops import array, linalg
from dovetail.ops.recurrent.lstm import lstm

__all__ = ["LSTM", "LSTMCell"]

_FIRST = (rows.UNITS, rows.ACTIVATION, rows.RECURRENT_ACTIVATION, rows.USE_BIAS)


def add_forget_bias(cell: Any, size: int) -> Any:
    """Creates the bias of four gates of a size, in which that of the forget gate begins with ones."""
    ones = initializers.get("ones")

    def initial(shape: Any, dtype: Any = None, **_: Any) -> Any:
        first, rest = ((count,) for count in (size, 2 * size))
        own = cell.bias_initializer
        return array.concat(
            [own(first, dtype=dtype), ones(first, dtype=dtype), own(rest, dtype=dtype)], axis=0
        )

    return cell.add_weight(
        name="bias",
        shape=(4 * size,),
        initializer=initial if cell.unit_forget_bias else cell.bias_initializer,
        regularizer=cell.bias_regularizer,
        constraint=cell.bias_constraint,
    )


class LSTMCell(UnitsCell):
    """One step of an LSTM; its gates stand in the order input, forget, candidate, output.

    Args:
        units: size of each state; the first state is the output.
        activation: of the candidate and of the output; None: linear.
        recurrent_activation: of the gates.
        use_bias: add a bias.
        kernel_initializer, recurrent_initializer, bias_initializer: initial values of the weights.
        unit_forget_bias: the forget gate's bias begins with ones.
        kernel_regularizer, recurrent_regularizer, bias_regularizer: penalties on the weights.
        kernel_constraint, recurrent_constraint, bias_constraint: applied to the weights after each update.
        dropout: share of the inputs that is dropped in training, the same ones at every step.
        recurrent_dropout: the same for the first state.
        seed: an int gives the cell a generator of its own.
        implementation: 1 and 2 give the same numbers.

    Call: `cell(inputs, [h, c])` returns `(h, [h, c])`; inputs (batch, input size), states (batch, units).

    Differs from Keras: one mask of dropout serves all gates; Keras draws one a gate with `implementation=1`.

    Source: S. Hochreiter, J. Schmidhuber, 1997, "Long short-term memory"; of the dropout: Y. Gal, Z. Ghahramani, 2016,
    "A theoretically grounded application of dropout in recurrent neural networks".
    """

    _arguments = (
        *(*_FIRST, *rows.kernels(activity=False, forget=True)),
        *(*rows.DROPOUT, rows.SEED, rows.IMPLEMENTATION),
    )
    gates, _num_states = 4, 2
    recurrent_activation: Any

    @property
    def state_size(self) -> list[int]:
        return [self.units, self.units]

    def _add_bias(self) -> Any:
        return add_forget_bias(self, self.units)

    def call(self, inputs: Any, states: Any, training: Any = False) -> Any:
        h, c = states
        inputs, h = self._thinned(inputs, h, training)
        z = self._projected(inputs) + linalg.matmul(h, self.recurrent_kernel)
        i, f, g, o = array.split(z, 4, axis=-1)
        gate = self.recurrent_activation
        c = gate(f) * c + gate(i) * self.activation(g)
        h = gate(o) * self.activation(c)
        return h, [h, c]

    def _sequence(self, z: Any, states: list | None, dropped: Any, mask: Any, more: dict) -> tuple:
        h, c = states or [None, None]
        return lstm(z, self.recurrent_kernel, h, c, dropped, mask, **more)


class LSTM(UnitsRNN):
    """Long short-term memory over time.

    Args:
        units, activation, recurrent_activation, use_bias, unit_forget_bias: see `LSTMCell`, as for the arguments of
            weights and dropout.
        activity_regularizer: penalty on the outputs.
        seed: an int gives the layer a generator of its own.
        return_sequences, return_state, go_backwards, stateful, unroll, zero_output_for_mask, time_major: see `RNN`.
        use_cudnn: "auto", True or False: XLA chooses the kernels, and the numbers are the same.
        implementation: 1 and 2 give the same numbers.

    Shapes: (batch, time, input size) -> (batch, units), or (batch, time, units) with `return_sequences`.
    """

    _arguments = (
        *(*_FIRST, *rows.kernels(activity=True, forget=True), *rows.DROPOUT, rows.SEED),
        *(*rows.SEQUENCES, rows.UNROLL, rows.USE_CUDNN, rows.IMPLEMENTATION, *rows.BY_KEYWORD),
    )
    _cell_class = LSTMCell
