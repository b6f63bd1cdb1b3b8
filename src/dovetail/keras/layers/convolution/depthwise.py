"""Depthwise and separable convolution: each channel has kernels of its own."""

from __future__ import annotations

from typing import Any

from dovetail.keras import constraints, initializers, regularizers
from dovetail.keras.layers.convolution.conv import BaseConv
from dovetail.keras.layers.machinery.arguments import sizes
from dovetail.ops.conv import convolution
from dovetail.ops.depthwise import depthwise_conv


class DepthwiseConv(BaseConv):
    """Convolution of each channel with `depth_multiplier` kernels."""

    written_names = (
        *(
            "kernel_size",
            "strides",
            "padding",
            "depth_multiplier",
            "data_format",
            "dilation_rate",
            "activation",
        ),
        *(
            "use_bias",
            "depthwise_initializer",
            "bias_initializer",
            "depthwise_regularizer",
            "bias_regularizer",
        ),
        *("depthwise_constraint", "bias_constraint"),
    )

    def __init__(
        self,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        depth_multiplier: int = 1,
        data_format: str | None = None,
        dilation_rate: Any = 1,
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        depthwise_constraint: Any = None,
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
            depthwise_initializer,
            bias_initializer,
            depthwise_regularizer,
            bias_regularizer,
            activity_regularizer,
            depthwise_constraint,
            bias_constraint,
            **kwargs,
        )
        (self.depth_multiplier,) = sizes(depth_multiplier, 1, f"{type(self).__name__}: depth_multiplier")
        self.depthwise_initializer = self.kernel_initializer
        self.depthwise_regularizer = self.kernel_regularizer
        self.depthwise_constraint = self.kernel_constraint

    def build(self, input_shape: Any) -> None:
        channels = self.check_channels(input_shape)
        self.kernel = self.add_kernel((*self.kernel_size, channels, self.depth_multiplier))
        self.add_bias(channels * self.depth_multiplier)

    def call(self, inputs: Any) -> Any:
        outputs = depthwise_conv(
            inputs,
            self.kernel,
            strides=self.strides,
            padding=self.padding.upper(),
            data_format=self.data_format,
            dilations=self.dilation_rate,
        )
        return self.finish(outputs)


class DepthwiseConv1D(DepthwiseConv):
    """Convolves each channel of (batch, steps, channels) by itself; see `DepthwiseConv2D`."""

    rank = 1
    paddings = ("valid", "same", "causal")


class DepthwiseConv2D(DepthwiseConv):
    """Convolves each channel of (batch, height, width, channels) by itself.

    Args:
        kernel_size, strides, padding, data_format, dilation_rate, activation, use_bias, ...: as in `Conv2D`.
        depth_multiplier: kernels a channel.

    Weights: kernel (*kernel_size, channels, depth_multiplier), bias (channels * depth_multiplier,).
    """

    rank = 2


class SeparableConv(BaseConv):
    """Depthwise convolution, then a convolution of size 1 that mixes the channels."""

    written_names = (
        *("filters", "kernel_size", "strides", "padding", "data_format", "dilation_rate", "depth_multiplier"),
        *("activation", "use_bias", "depthwise_initializer", "pointwise_initializer", "bias_initializer"),
        *("depthwise_regularizer", "pointwise_regularizer", "bias_regularizer", "depthwise_constraint"),
        *("pointwise_constraint", "bias_constraint"),
    )

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
        depth_multiplier: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        pointwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        pointwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        depthwise_constraint: Any = None,
        pointwise_constraint: Any = None,
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
            bias_initializer=bias_initializer,
            bias_regularizer=bias_regularizer,
            activity_regularizer=activity_regularizer,
            bias_constraint=bias_constraint,
            **kwargs,
        )
        (self.filters,) = sizes(filters, 1, f"{type(self).__name__}: filters")
        (self.depth_multiplier,) = sizes(depth_multiplier, 1, f"{type(self).__name__}: depth_multiplier")
        self.depthwise_initializer = initializers.get(depthwise_initializer)
        self.pointwise_initializer = initializers.get(pointwise_initializer)
        self.depthwise_regularizer = regularizers.get(depthwise_regularizer)
        self.pointwise_regularizer = regularizers.get(pointwise_regularizer)
        self.depthwise_constraint = constraints.get(depthwise_constraint)
        self.pointwise_constraint = constraints.get(pointwise_constraint)

    def build(self, input_shape: Any) -> None:
        channels = self.check_channels(input_shape)
        self.depthwise_kernel = self.add_weight(
            name="depthwise_kernel",
            shape=(*self.kernel_size, channels, self.depth_multiplier),
            initializer=self.depthwise_initializer,
            regularizer=self.depthwise_regularizer,
            constraint=self.depthwise_constraint,
        )
        self.pointwise_kernel = self.add_weight(
            name="pointwise_kernel",
            shape=(*(1,) * self.rank, channels * self.depth_multiplier, self.filters),
            initializer=self.pointwise_initializer,
            regularizer=self.pointwise_regularizer,
            constraint=self.pointwise_constraint,
        )
        self.add_bias(self.filters)

    def call(self, inputs: Any) -> Any:
        each = depthwise_conv(
            inputs,
            self.depthwise_kernel,
            strides=self.strides,
            padding=self.padding.upper(),
            data_format=self.data_format,
            dilations=self.dilation_rate,
        )
        return self.finish(convolution(each, self.pointwise_kernel, data_format=self.data_format))


class SeparableConv1D(SeparableConv):
    """Convolves each channel of (batch, steps, channels) by itself, then mixes them; see `SeparableConv2D`."""

    rank = 1
    paddings = ("valid", "same", "causal")


class SeparableConv2D(SeparableConv):
    """Convolves each channel by itself, then mixes the channels with a convolution of size 1.

    Args:
        filters: number of output channels.
        depth_multiplier: kernels a channel in the first step.
        kernel_size, strides, padding, data_format, dilation_rate, activation, ...: as in `Conv2D`.

    Weights: depthwise_kernel (*kernel_size, channels, depth_multiplier), pointwise_kernel (1, 1, channels *
    depth_multiplier, filters), bias (filters,).
    """

    rank = 2
