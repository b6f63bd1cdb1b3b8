"""Depthwise and separable convolution: each channel has kernels of its own."""

from __future__ import annotations

from typing import Any, ClassVar

from dovetail.keras.layers.convolution.conv import BIAS, BaseConv, arguments
from dovetail.keras.layers.machinery.declared import Weight
from dovetail.keras.layers.machinery.weights import ANY
from dovetail.ops.conv import convolution
from dovetail.ops.depthwise import depthwise_conv

__all__ = [
    "DepthwiseConv1D",
    "DepthwiseConv2D",
    "SeparableConv1D",
    "SeparableConv2D",
    "SeparableConvolution1D",
    "SeparableConvolution2D",
]

_DEPTHWISE = Weight("depthwise", "glorot_uniform")


class DepthwiseConv(BaseConv):
    """Convolution of each channel with `depth_multiplier` kernels."""

    _arguments = arguments(
        "kernel_size strides padding depth_multiplier data_format dilation_rate activation use_bias",
        _DEPTHWISE,
        BIAS,
    )
    _facts_in_configs: ClassVar[dict] = {"groups": 1}
    _names_in_checkpoints: ClassVar[dict] = {"kernel": "depthwise_kernel"}
    depth_multiplier: int

    def build(self, input_shape: Any) -> None:
        channels = self.check_channels(input_shape)
        shape = (*self.kernel_size, channels, self.depth_multiplier)
        self.kernel = self._add("depthwise", shape, name="kernel")
        self.add_bias(channels * self.depth_multiplier)

    def call(self, inputs: Any) -> Any:
        return self.finish(depthwise_conv(inputs, self.kernel, **self.window_arguments()))


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

    _arguments = arguments(
        "filters kernel_size strides padding data_format dilation_rate depth_multiplier activation use_bias",
        _DEPTHWISE,
        Weight("pointwise", "glorot_uniform"),
        BIAS,
    )
    # Keras 2 lists the arguments of a kernel that there is not.
    _facts_in_configs: ClassVar[dict] = {
        "groups": 1,
        "kernel_initializer": ANY,
        "kernel_regularizer": None,
        "kernel_constraint": None,
    }
    filters: int
    depth_multiplier: int

    def build(self, input_shape: Any) -> None:
        channels = self.check_channels(input_shape)
        deep = (*self.kernel_size, channels, self.depth_multiplier)
        mixing = (*(1,) * self.rank, channels * self.depth_multiplier, self.filters)
        self.depthwise_kernel = self._add("depthwise", deep, name="depthwise_kernel")
        self.pointwise_kernel = self._add("pointwise", mixing, name="pointwise_kernel")
        self.add_bias(self.filters)

    def call(self, inputs: Any) -> Any:
        each = depthwise_conv(inputs, self.depthwise_kernel, **self.window_arguments())
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


SeparableConvolution1D = SeparableConv1D
SeparableConvolution2D = SeparableConv2D
