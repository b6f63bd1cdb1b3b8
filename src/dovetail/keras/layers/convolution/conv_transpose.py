"""Transposed convolution layers: windows that grow their input."""

from __future__ import annotations

from typing import Any

from dovetail.keras.layers.convolution.conv import Conv
from dovetail.keras.layers.machinery.arguments import sizes
from dovetail.ops.conv import conv_transpose


class ConvTranspose(Conv):
    """Transposed convolution with a kernel of shape (*kernel_size, filters, channels)."""

    written_names = ("output_padding", *(name for name in Conv.written_names if name != "groups"))

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        output_padding: Any = None,
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
        super().__init__(
            filters,
            kernel_size,
            strides,
            padding,
            data_format,
            dilation_rate,
            1,
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
        self.output_padding = (
            None
            if output_padding is None
            else sizes(output_padding, self.rank, f"{type(self).__name__}: output_padding", 0)
        )

    def build(self, input_shape: Any) -> None:
        channels = self.check_channels(input_shape)
        self.kernel = self.add_kernel((*self.kernel_size, self.filters, channels))
        self.add_bias(self.filters)

    def call(self, inputs: Any) -> Any:
        outputs = conv_transpose(
            inputs,
            self.kernel,
            strides=self.strides,
            padding=self.padding.upper(),
            data_format=self.data_format,
            dilations=self.dilation_rate,
            output_padding=self.output_padding,
        )
        return self.finish(outputs)


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
