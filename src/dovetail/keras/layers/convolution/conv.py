"""Convolution layers of one, two and three spatial axes."""

from __future__ import annotations

from typing import Any

from dovetail.base.errors import at_user_location
from dovetail.keras.layers.machinery.adaptable import LORA, Adaptable
from dovetail.keras.layers.machinery.arguments import axis_order, count, one_of, sizes, window
from dovetail.keras.layers.machinery.declared import Argument, Declared, Weight, weights
from dovetail.keras.layers.machinery.input_spec import InputSpec
from dovetail.ops import arithmetic
from dovetail.ops.conv import convolution
from dovetail.ops.normalization import bias_add
from dovetail.ops.shapes import reshape

__all__ = ["Conv1D", "Conv2D", "Conv3D", "Convolution1D", "Convolution2D", "Convolution3D"]

KERNEL, BIAS = Weight("kernel", "glorot_uniform"), Weight("bias", "zeros")


def _padding(layer: Any, name: str, value: Any) -> str:
    return one_of(value, f"{type(layer).__name__}: {name}", layer.paddings)


def _extra(layer: Any, name: str, value: Any) -> Any:
    return None if value is None else sizes(value, layer.rank, f"{type(layer).__name__}: {name}", 0)


_ROWS = {
    row.name: row
    for row in (
        Argument("filters", read=count, hint="int"),
        Argument("kernel_size", read=window),
        Argument("strides", 1, window),
        Argument("padding", "valid", _padding, "str"),
        Argument("output_padding", None, _extra),
        Argument("data_format", None, axis_order, "str | None"),
        Argument("dilation_rate", 1, window),
        Argument("groups", 1, count, "int"),
        Argument("depth_multiplier", 1, count, "int"),
        Argument("activation", None),
        Argument("use_bias", True, hint="bool"),
    )
}


def arguments(names: str, *roles: Weight) -> tuple[Argument, ...]:
    """Returns the arguments of a convolution: some of the rows above in an order of its own, then those of weights."""
    return (*(_ROWS[name] for name in names.split()), *weights(*roles, activity=True))


class BaseConv(Declared):
    """What all convolutions share: window arguments, a kernel, a bias and an activation."""

    rank = 2
    paddings: tuple[str, ...] = ("valid", "same")
    kernel_size: tuple[int, ...]
    strides: tuple[int, ...]
    padding: str
    data_format: str
    dilation_rate: tuple[int, ...]
    activation: Any
    use_bias: bool

    def _begin(self) -> None:
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise ValueError(
                f"{type(self).__name__}: strides {self.strides} and dilation_rate {self.dilation_rate} cannot both "
                f"exceed 1{at_user_location()}"
            )
        self.bias: Any = None
        self.input_spec = InputSpec(min_ndim=self.rank + 2)

    @property
    def channel_axis(self) -> int:
        """Counted from the end, since further batch axes may come first."""
        return -1 if self.data_format == "channels_last" else -self.rank - 1

    def check_channels(self, input_shape: Any) -> int:
        """Returns the number of input channels, and lets `input_spec` demand it from now on."""
        if len(input_shape) < self.rank + 2:
            raise ValueError(
                f"{self.name}: expected a rank of at least {self.rank + 2}, received inputs of shape "
                f"{tuple(input_shape)}{at_user_location()}"
            )
        channels = input_shape[self.channel_axis]
        if channels is None:
            raise ValueError(
                f"{self.name}: the number of channels (axis {self.channel_axis}) must be known, received inputs of "
                f"shape {tuple(input_shape)}{at_user_location()}"
            )
        self.input_spec = InputSpec(min_ndim=self.rank + 2, axes={self.channel_axis: channels})
        return int(channels)

    def add_bias(self, num_outputs: int) -> None:
        if self.use_bias:
            self.bias = self._add("bias", (num_outputs,))

    def finish(self, outputs: Any) -> Any:
        """Adds the bias and applies the activation."""
        if self.bias is not None:
            if self.data_format == "channels_last":
                outputs = bias_add(outputs, self.bias, data_format="N...C")
            else:  # the channels' axis counts from the end: there may be more batch axes than one
                outputs = arithmetic.add(outputs, reshape(self.bias, shape=(-1, *(1,) * self.rank)))
        return self.activation(outputs)

    def window_arguments(self) -> dict[str, Any]:
        """Returns what the ops are told of the window."""
        return {
            "strides": self.strides,
            "padding": self.padding.upper(),
            "data_format": self.data_format,
            "dilations": self.dilation_rate,
        }


class Conv(BaseConv, Adaptable):
    """Convolution with a kernel of shape (*kernel_size, channels / groups, filters)."""

    _arguments = (
        *arguments(
            "filters kernel_size strides padding data_format dilation_rate groups activation use_bias",
            KERNEL,
            BIAS,
        ),
        *LORA,
    )
    filters: int
    groups: int = 1

    def _begin(self) -> None:
        super()._begin()
        if self.filters % self.groups:
            raise ValueError(
                f"{type(self).__name__}: filters ({self.filters}) must be a multiple of groups ({self.groups})"
                f"{at_user_location()}"
            )

    def build(self, input_shape: Any) -> None:
        channels = self.check_channels(input_shape)
        if channels % self.groups:
            raise ValueError(
                f"{self.name}: the {channels} input channels must be a multiple of groups ({self.groups})"
                f"{at_user_location()}"
            )
        self.kernel = self._add("kernel", (*self.kernel_size, channels // self.groups, self.filters))
        self.add_bias(self.filters)

    def call(self, inputs: Any) -> Any:
        return self.finish(convolution(inputs, self.kernel, **self.window_arguments()))


class Conv1D(Conv):
    """Convolves over one axis.

    Args:
        filters: number of output channels.
        kernel_size: length of the window.
        strides: distance between windows.
        padding: "valid", "same", or "causal": an output sees no later input.
        data_format: "channels_last" (batch, steps, channels) or "channels_first"; Keras' setting when None.
        dilation_rate: distance between the elements of the window.
        groups: groups of channels that are convolved separately.
        activation, use_bias, kernel_initializer, ...: as in `Dense`.

    Shapes: (batch, steps, channels) -> (batch, new steps, filters).  Weights: kernel (kernel_size, channels / groups,
    filters), bias (filters,).
    """

    rank = 1
    paddings = ("valid", "same", "causal")


class Conv2D(Conv):
    """Convolves over two axes.

    Args: as for `Conv1D`; sizes are one int or two.

    Shapes: (batch, height, width, channels) -> (batch, new height, new width, filters).

    Example:
        >>> keras.layers.Conv2D(8, 3, activation="relu")(tf.ones((1, 28, 28, 1))).shape
        TensorShape([1, 26, 26, 8])
    """

    rank = 2


class Conv3D(Conv):
    """Convolves over three axes.

    Args: as for `Conv1D`; sizes are one int or three.
    """

    rank = 3


Convolution1D = Conv1D
Convolution2D = Conv2D
Convolution3D = Conv3D
