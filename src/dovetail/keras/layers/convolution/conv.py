"""Convolution layers of one, two and three spatial axes."""

from __future__ import annotations

from typing import Any

from dovetail.base.errors import at_user_location
from dovetail.keras import activations, constraints, initializers, regularizers
from dovetail.keras.layers.machinery.arguments import layout, one_of, sizes, written
from dovetail.keras.layers.machinery.input_spec import InputSpec
from dovetail.keras.layers.machinery.layer import Layer
from dovetail.ops import arithmetic
from dovetail.ops.conv import convolution
from dovetail.ops.shapes import reshape

_WRITTEN = (
    *("kernel_size", "strides", "padding", "data_format", "dilation_rate", "activation", "use_bias"),
    *("kernel_initializer", "bias_initializer", "kernel_regularizer", "bias_regularizer"),
    *("kernel_constraint", "bias_constraint"),
)


class BaseConv(Layer):
    """What all convolutions share: window arguments, a kernel, a bias and an activation."""

    rank = 2
    paddings: tuple[str, ...] = ("valid", "same")
    written_names: tuple[str, ...] = _WRITTEN

    def __init__(
        self,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        kind = type(self).__name__
        self.kernel_size = sizes(kernel_size, self.rank, f"{kind}: kernel_size")
        self.strides = sizes(strides, self.rank, f"{kind}: strides")
        self.dilation_rate = sizes(dilation_rate, self.rank, f"{kind}: dilation_rate")
        self.padding = one_of(padding, f"{kind}: padding", self.paddings)
        self.data_format = layout(data_format, kind)
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise ValueError(
                f"{kind}: strides {self.strides} and dilation_rate {self.dilation_rate} cannot both exceed 1"
                f"{at_user_location()}"
            )
        self.activation = activations.get(activation)
        self.use_bias = use_bias
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
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

    def add_kernel(self, shape: tuple, name: str = "kernel") -> Any:
        return self.add_weight(
            name=name,
            shape=shape,
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )

    def add_bias(self, num_outputs: int) -> None:
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias",
                shape=(num_outputs,),
                initializer=self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )

    def finish(self, outputs: Any) -> Any:
        """Adds the bias and applies the activation."""
        if self.bias is not None:
            bias = self.bias
            if self.data_format == "channels_first":
                bias = reshape(bias, shape=(-1, *(1,) * self.rank))
            outputs = arithmetic.add(outputs, bias)
        return self.activation(outputs)

    def get_config(self) -> dict:
        return super().get_config() | written(self, *self.written_names)


class Conv(BaseConv):
    """Convolution with a kernel of shape (*kernel_size, channels / groups, filters)."""

    written_names: tuple[str, ...] = ("filters", "groups", *_WRITTEN)

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
        groups: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            kernel_size,
            strides,
            padding,
            data_format,
            dilation_rate,
            activation,
            use_bias,
            kernel_initializer,
            bias_initializer,
            kernel_regularizer,
            bias_regularizer,
            activity_regularizer,
            kernel_constraint,
            bias_constraint,
            **kwargs,
        )
        (self.filters,) = sizes(filters, 1, f"{type(self).__name__}: filters")
        (self.groups,) = sizes(groups, 1, f"{type(self).__name__}: groups")
        if self.filters % self.groups:
            raise ValueError(
                f"{type(self).__name__}: filters ({filters}) must be a multiple of groups ({groups})"
                f"{at_user_location()}"
            )

    def build(self, input_shape: Any) -> None:
        channels = self.check_channels(input_shape)
        if channels % self.groups:
            raise ValueError(
                f"{self.name}: the {channels} input channels must be a multiple of groups ({self.groups})"
                f"{at_user_location()}"
            )
        self.kernel = self.add_kernel((*self.kernel_size, channels // self.groups, self.filters))
        self.add_bias(self.filters)

    def call(self, inputs: Any) -> Any:
        outputs = convolution(
            inputs,
            self.kernel,
            strides=self.strides,
            padding=self.padding.upper(),
            data_format=self.data_format,
            dilations=self.dilation_rate,
        )
        return self.finish(outputs)


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
