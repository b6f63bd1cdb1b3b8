"""Convolutional LSTM layers: an LSTM whose products are convolutions."""

from __future__ import annotations

from typing import Any

from dovetail.base.errors import at_user_location
from dovetail.base.own import declare
from dovetail.keras import activations
from dovetail.keras.idiom import conv_lstm_gate
from dovetail.keras.layers.convolution import conv
from dovetail.keras.layers.machinery.declared import Argument
from dovetail.keras.layers.machinery.input_spec import InputSpec
from dovetail.keras.layers.recurrent import arguments as rows
from dovetail.keras.layers.recurrent.cell import FusedCell
from dovetail.keras.layers.recurrent.lstm import add_forget_bias
from dovetail.keras.layers.recurrent.rnn import UnitsRNN
from dovetail.keras.layers.recurrent.states import requested, zero_states
from dovetail.ops import arithmetic, array, shapes
from dovetail.ops.conv import convolution
from dovetail.ops.recurrent.lstm import lstm
from dovetail.ops.windows import output_sizes
from dovetail.tensor.shape import TensorShape

__all__ = ["ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D"]


class _ByIdiom(str):
    """The default of an argument on which Keras 2 and 3 differ; it is given as Keras 3 has it."""

    __slots__ = ()


def _gate(layer: Any, name: str, value: Any) -> Any:
    return activations.get(conv_lstm_gate() if type(value) is _ByIdiom else value)


_FIRST = (
    *conv.arguments("filters kernel_size strides padding data_format dilation_rate")[:6],
    *(rows.ACTIVATION, Argument("recurrent_activation", _ByIdiom("sigmoid"), _gate), rows.USE_BIAS),
)


@declare
class ConvLSTMCell(FusedCell):
    """One step of a convolutional LSTM; its gates stand in the order input, forget, candidate, output.

    Weights: kernel (*window, channels, 4 * filters), recurrent_kernel (*window, filters, 4 * filters), bias
    (4 * filters,).  The input is padded as asked for; the state keeps its sizes.
    """

    _arguments = (
        Argument("rank", hint="int"),
        *(*_FIRST, *rows.kernels(activity=False, forget=True), *rows.DROPOUT, rows.SEED),
    )
    paddings = ("valid", "same")
    _num_states = 2
    rank: int
    filters: int
    kernel_size: tuple[int, ...]
    strides: tuple[int, ...]
    padding: str
    data_format: str
    dilation_rate: tuple[int, ...]
    recurrent_activation: Any

    def _begin(self) -> None:
        super()._begin()
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise ValueError(
                f"{self.name}: strides {self.strides} and dilation_rate {self.dilation_rate} cannot both exceed 1"
                f"{at_user_location()}"
            )
        self._sizes: tuple = (None,) * self.rank

    @property
    def is_channels_first(self) -> bool:
        return self.data_format == "channels_first"

    def _state_shape(self, sizes: tuple) -> TensorShape:
        return TensorShape([self.filters, *sizes] if self.is_channels_first else [*sizes, self.filters])

    @property
    def state_size(self) -> list:
        return [self._state_shape(self._sizes)] * 2

    @property
    def output_size(self) -> Any:
        return self._state_shape(self._sizes)

    def spatial_sizes(self, step_shape: tuple) -> tuple:
        """Returns the spatial sizes of the states for one step's inputs of a shape, None where they are unknown."""
        return tuple(
            output_sizes(
                step_shape,
                self.kernel_size,
                self.strides,
                self.padding.upper(),
                self.dilation_rate,
                self.is_channels_first,
            )
        )

    def get_initial_state(self, batch_size: Any = None, inputs: Any = None, dtype: Any = None) -> list:
        """Returns zeros for a batch of inputs of the sizes that the cell was built for."""
        return zero_states(self.state_size, *requested(batch_size, inputs, dtype, self))

    def build(self, inputs_shape: Any, states_shape: Any = None) -> None:
        shape = tuple(inputs_shape)
        channels = shape[1 if self.is_channels_first else -1]
        self._sizes = self.spatial_sizes(shape)
        columns = 4 * self.filters
        self.kernel = self._add("kernel", (*self.kernel_size, channels, columns))
        self.recurrent_kernel = self._add(
            "recurrent", (*self.kernel_size, self.filters, columns), "recurrent_kernel"
        )
        if self.use_bias:
            self.bias = add_forget_bias(self, self.filters)

    def compute_output_shape(self, inputs_shape: Any, states_shape: Any = None) -> Any:
        shape = TensorShape([inputs_shape[0], *self._state_shape(self.spatial_sizes(tuple(inputs_shape)))])
        return shape, [shape, shape]

    def _projected(self, x: Any) -> Any:
        """Returns the convolved inputs of one step, or of all, channels last, with their bias."""
        z = convolution(
            x,
            self.kernel,
            strides=self.strides,
            padding=self.padding.upper(),
            data_format=self.data_format,
            dilations=self.dilation_rate,
        )
        z = self._last(z)
        return z if self.bias is None else arithmetic.add(z, self.bias)

    def _last(self, x: Any) -> Any:
        """Moves the channels to the end."""
        if not self.is_channels_first:
            return x
        lead = len(x.shape) - self.rank - 1
        return shapes.transpose(x, perm=(*range(lead), *range(lead + 1, len(x.shape)), lead))

    def _first(self, x: Any) -> Any:
        """Moves the channels back before the spatial axes."""
        if not self.is_channels_first:
            return x
        lead = len(x.shape) - self.rank - 1
        return shapes.transpose(x, perm=(*range(lead), len(x.shape) - 1, *range(lead, len(x.shape) - 1)))

    def call(self, inputs: Any, states: Any, training: Any = False) -> Any:
        h, c = states
        inputs, h = self._thinned(inputs, h, training)
        c = self._last(c)
        z = self._projected(inputs) + convolution(self._last(h), self.recurrent_kernel, padding="SAME")
        i, f, g, o = array.split(z, 4, axis=-1)
        gate = self.recurrent_activation
        c = gate(f) * c + gate(i) * self.activation(g)
        h = self._first(gate(o) * self.activation(c))
        return h, [h, self._first(c)]

    def _sequence(self, z: Any, states: list | None, dropped: Any, mask: Any, more: dict) -> list:
        h, c = (None, None) if states is None else map(self._last, states)
        outputs, h, c, *_ = lstm(z, self.recurrent_kernel, h, c, dropped, mask, **more)
        return [self._first(outputs), self._first(h), self._first(c)]

    def _recurrent_sizes(self, z: Any) -> tuple:
        return (*tuple(z.shape)[2:-1], self.filters)


class _ConvLSTM(UnitsRNN):
    """What convolutional LSTM layers share."""

    _arguments = (
        *(*_FIRST, *rows.kernels(activity=True, forget=True), *rows.DROPOUT, rows.SEED),
        *(*rows.SEQUENCES, rows.UNROLL, *rows.BY_KEYWORD),
    )
    _cell_class = ConvLSTMCell
    rank = 2
    paddings = ("valid", "same")
    data_format: str

    def _begin(self) -> None:
        self._rank = self.rank + 3
        super()._begin()

    def _fixed_spec(self, shape: Any) -> InputSpec:
        axis = 2 if self.data_format == "channels_first" else -1
        return InputSpec(ndim=self._rank, axes={axis: shape[axis]})

    def compute_output_shape(self, sequences_shape: Any, initial_state_shape: Any = None) -> Any:
        shape = tuple(sequences_shape)
        state, _ = self.cell.compute_output_shape((shape[0], *shape[2:]))
        output = TensorShape([*shape[:2], *tuple(state)[1:]]) if self.return_sequences else state
        return (output, state, state) if self.return_state else output


class ConvLSTM1D(_ConvLSTM):
    """A convolutional LSTM over sequences with one spatial axis; see `ConvLSTM2D`."""

    rank = 1


class ConvLSTM2D(_ConvLSTM):
    """A convolutional LSTM over sequences with two spatial axes.

    Args:
        filters: number of channels of the states, the first of which is the output.
        kernel_size: size of the window, an int or one for each spatial axis.
        strides: distance between windows over the input.
        padding: "valid" or "same", of the input; the state is always padded to keep its sizes.
        data_format: "channels_last" or "channels_first"; Keras' setting when None.
        dilation_rate: distance between the elements of the window over the input.
        activation: of the candidate and of the output.
        recurrent_activation: of the gates; Keras 2's default is "hard_sigmoid" (`TF_USE_LEGACY_KERAS=1`).
        use_bias, unit_forget_bias, dropout, recurrent_dropout and the arguments of weights: see `LSTMCell`.
        seed: an int gives the layer a generator of its own.
        return_sequences, return_state, go_backwards, stateful, unroll, zero_output_for_mask, time_major: see `RNN`.

    Shapes: (batch, time, *spatial, channels) -> (batch, *new spatial, filters), with the time axis too with
    `return_sequences`.

    Source: X. Shi et al., 2015, "Convolutional LSTM network: a machine learning approach for precipitation nowcasting".
    """

    rank = 2


class ConvLSTM3D(_ConvLSTM):
    """A convolutional LSTM over sequences with three spatial axes; see `ConvLSTM2D`."""

    rank = 3
