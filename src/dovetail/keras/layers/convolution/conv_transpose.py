"""Transposed convolution layers: windows that grow their input."""

from __future__ import annotations

from typing import Any, ClassVar

from dovetail.keras.layers.convolution.conv import BIAS, KERNEL, BaseConv, arguments
from dovetail.ops.conv import conv_transpose

__all__ = [
    "Conv1DTranspose",
    "Conv2DTranspose",
    "Conv3DTranspose",
    "Convolution1DTranspose",
    "Convolution2DTranspose",
    "Convolution3DTranspose",
]


class ConvTranspose(BaseConv):
    """Transposed convolution with a kernel of shape (*kernel_size, filters, channels)."""

    _arguments = arguments(
        "filters kernel_size strides padding output_padding data_format dilation_rate activation use_bias",
        KERNEL,
        BIAS,
    )
    _facts_in_configs: ClassVar[dict] = {"groups": 1}
    output_padding: Any
    filters: int

    def build(self, input_shape: Any) -> None:
        channels = self.check_channels(input_shape)
        self.kernel = self._add("kernel", (*self.kernel_size, self.filters, channels))
        self.add_bias(self.filters)

    def call(self, inputs: Any) -> Any:
        more = {"output_padding": self.output_padding}
        return self.finish(conv_transpose(inputs, self.kernel, **self.window_arguments(), **more))


class Conv1DTranspose(ConvTranspose):
    """Transposed convolution over one axis; see `Conv2DTranspose`."""

    rank = 1


class Conv2DTranspose(ConvTranspose):
    """Transposed convolution (also called deconvolution) over two axes.

    Args:
        filters: number of output channels.
        kernel_size: height and width of the window.
        strides: factor by which height and width grow.
        padding: "valid" or "same", of the convolution that this is the transpose of.
        output_padding: rows and columns added to one side of the output; at most the stride less 1.
        data_format, dilation_rate, activation, ...: as in `Conv2D`.

    Weights: kernel (*kernel_size, filters, channels), bias (filters,).
    """

    rank = 2


class Conv3DTranspose(ConvTranspose):
    """Transposed convolution over three axes; see `Conv2DTranspose`."""

    rank = 3


Convolution1DTranspose = Conv1DTranspose
Convolution2DTranspose = Conv2DTranspose
Convolution3DTranspose = Conv3DTranspose
