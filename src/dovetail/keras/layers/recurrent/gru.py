"""`keras.layers.GRU` and its cell."""

from __future__ import annotations

from typing import Any

from dovetail.keras.layers.recurrent import arguments as rows
from dovetail.keras.layers.recurrent.cell import UnitsCell
from dovetail.keras.layers.recurrent.rnn import UnitsRNN
from dovetail.keras.layers.recurrent.states import as_list
from dovetail.ops import array, linalg
from dovetail.ops.recurrent.gru import gru

__all__ = ["GRU", "GRUCell"]

_FIRST = (rows.UNITS, rows.ACTIVATION, rows.RECURRENT_ACTIVATION, rows.USE_BIAS)


class GRUCell(UnitsCell):
    """One step of a GRU; its gates stand in the order update, reset, candidate.

    Args:
        units: size of the state, which is the output.
        activation: of the candidate; None: linear.
        recurrent_activation: of the gates.
        use_bias: add a bias, or with `reset_after` two: (2, 3 * units), of the inputs and of the state.
        kernel_initializer, recurrent_initializer, bias_initializer: initial values of the weights.
        kernel_regularizer, recurrent_regularizer, bias_regularizer: penalties on the weights.
        kernel_constraint, recurrent_constraint, bias_constraint: applied to the weights after each update.
        dropout: share of the inputs that is dropped in training, the same ones at every step.
        recurrent_dropout: the same for the state, before its products.
        reset_after: the reset gate acts on the product of the state, as in cuDNN, instead of on the state.
        seed: an int gives the cell a generator of its own.
        implementation: 1 and 2 give the same numbers.

    Call: `cell(inputs, [h])` returns `(h, [h])`; inputs (batch, input size), h (batch, units).

    Differs from Keras: one mask of dropout serves all gates; Keras draws one a gate with `implementation=1`.

    Source: K. Cho et al., 2014, "Learning phrase representations using RNN encoder-decoder".
    """

    _arguments = (
        *(*_FIRST, *rows.kernels(activity=False), *rows.DROPOUT),
        *(rows.RESET_AFTER, rows.SEED, rows.IMPLEMENTATION),
    )
    gates = 3
    recurrent_activation: Any
    reset_after: bool

    def _add_bias(self) -> Any:
        columns = self.gates * self.units
        return self._add("bias", (2, columns) if self.reset_after else (columns,))

    def _input_bias(self) -> Any:
        return self.bias[0] if self.reset_after else self.bias

    def _recurrent_bias(self) -> Any:
        return self.bias[1] if self.reset_after and self.bias is not None else None

    def call(self, inputs: Any, states: Any, training: Any = False) -> Any:
        (h,) = as_list(states)
        inputs, given = self._thinned(inputs, h, training)
        of_update, of_reset, of_candidate = array.split(self._projected(inputs), 3, axis=-1)
        kernel, bias = self.recurrent_kernel, self._recurrent_bias()
        inner = linalg.matmul(given, kernel if self.reset_after else kernel[:, : 2 * self.units])
        inner = inner if bias is None else inner + bias
        parts = array.split(inner, 3 if self.reset_after else 2, axis=-1)
        update = self.recurrent_activation(of_update + parts[0])
        reset = self.recurrent_activation(of_reset + parts[1])
        if self.reset_after:
            further = reset * parts[2]
        else:
            further = linalg.matmul(reset * given, kernel[:, 2 * self.units :])
        h = update * h + (1 - update) * self.activation(of_candidate + further)
        return h, [h] if isinstance(states, list | tuple) else h

    def _sequence(self, z: Any, states: list | None, dropped: Any, mask: Any, more: dict) -> tuple:
        (h,) = states or [None]
        more["reset_after"] = self.reset_after
        return gru(z, self.recurrent_kernel, self._recurrent_bias(), h, dropped, mask, **more)


class GRU(UnitsRNN):
    """Gated recurrent units over time.

    Args:
        units, activation, recurrent_activation, use_bias, reset_after: see `GRUCell`, as for the arguments of weights
            and dropout.
        activity_regularizer, seed, return_sequences, ..., use_cudnn, implementation: see `LSTM`.

    Shapes: (batch, time, input size) -> (batch, units), or (batch, time, units) with `return_sequences`.
    """

    _arguments = (
        *(*_FIRST, *rows.kernels(activity=True), *rows.DROPOUT, rows.SEED),
        *(
            *rows.SEQUENCES,
            rows.UNROLL,
            rows.RESET_AFTER,
            rows.USE_CUDNN,
            rows.IMPLEMENTATION,
            *rows.BY_KEYWORD,
        ),
    )
    _cell_class = GRUCell
