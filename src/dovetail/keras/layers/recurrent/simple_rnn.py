"""`keras.layers.SimpleRNN` and its cell."""

from __future__ import annotations

from typing import Any

from dovetail.keras.layers.recurrent import arguments as rows
from dovetail.keras.layers.recurrent.cell import UnitsCell
from dovetail.keras.layers.recurrent.rnn import UnitsRNN
from dovetail.keras.layers.recurrent.states import as_list
from dovetail.ops import linalg
from dovetail.ops.recurrent.simple_rnn import simple_rnn

__all__ = ["SimpleRNN", "SimpleRNNCell"]

_FIRST = (rows.UNITS, rows.ACTIVATION, rows.USE_BIAS)


class SimpleRNNCell(UnitsCell):
    """One step of a simple recurrent network: `h = activation(inputs @ kernel + h @ recurrent_kernel + bias)`.

    Args:
        units: size of the state, which is the output.
        activation: name or function; None: linear.
        use_bias: add a bias.
        kernel_initializer, recurrent_initializer, bias_initializer: initial values of the weights.
        kernel_regularizer, recurrent_regularizer, bias_regularizer: penalties on the weights.
        kernel_constraint, recurrent_constraint, bias_constraint: applied to the weights after each update.
        dropout: share of the inputs that is dropped in training, the same ones at every step.
        recurrent_dropout: the same for the state.
        seed: an int gives the cell a generator of its own.

    Call: `cell(inputs, [h])` returns `(h, [h])`; inputs (batch, input size), h (batch, units).
    """

    _arguments = (*_FIRST, *rows.kernels(activity=False), *rows.DROPOUT, rows.SEED)
    _activation_roles = ("activation",)

    def call(self, inputs: Any, states: Any, training: Any = False) -> Any:
        (h,) = as_list(states)
        inputs, h = self._thinned(inputs, h, training)
        h = self.activation(self._projected(inputs) + linalg.matmul(h, self.recurrent_kernel))
        return h, [h] if isinstance(states, list | tuple) else h

    def _sequence(self, z: Any, states: list | None, dropped: Any, mask: Any, more: dict) -> tuple:
        (h,) = states or [None]
        return simple_rnn(z, self.recurrent_kernel, h, dropped, mask, **more)


class SimpleRNN(UnitsRNN):
    """A simple recurrent network over time.

    Args:
        units, activation, use_bias: see `SimpleRNNCell`, as for the arguments of weights and dropout.
        activity_regularizer: penalty on the outputs.
        return_sequences, return_state, go_backwards, stateful, unroll, zero_output_for_mask, time_major: see `RNN`.
        seed: an int gives the layer a generator of its own.

    Shapes: (batch, time, input size) -> (batch, units), or (batch, time, units) with `return_sequences`.
    """

    _arguments = (
        *(*_FIRST, *rows.kernels(activity=True), *rows.DROPOUT),
        *(*rows.SEQUENCES, rows.UNROLL, rows.SEED, *rows.BY_KEYWORD),
    )
    _cell_class = SimpleRNNCell
