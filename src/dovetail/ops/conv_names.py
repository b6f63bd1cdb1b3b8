"""The names under which users convolve: TensorFlow's, Keras' and its backend's, all on the ops of `ops/conv.py`."""

from __future__ import annotations

from typing import Any

from dovetail.base.settings import settings
from dovetail.ops.conv import conv_transpose, convolution
from dovetail.ops.depthwise import depthwise_conv
from dovetail.ops.shapes import as_tensor
from dovetail.ops.views import export
from dovetail.ops.windows import is_channels_first


@export("nn.separable_conv2d")
def separable_conv2d(
    input: Any,
    depthwise_filter: Any,
    pointwise_filter: Any,
    strides: Any,
    padding: Any,
    data_format: str | None = None,
    dilations: Any = None,
    name: str | None = None,
) -> Any:
    """Convolves each channel by itself, then mixes the channels with a convolution of size 1."""
    sizes = tuple(as_tensor(pointwise_filter).shape)
    if len(sizes) != 4 or sizes[:2] != (1, 1):
        raise ValueError(f"the pointwise filter must have shape (1, 1, channels, outputs), received {sizes}")
    each = depthwise_conv(
        input,
        depthwise_filter,
        strides=strides,
        padding=padding,
        data_format=data_format,
        dilations=dilations,
    )
    return convolution(each, pointwise_filter, data_format=data_format)


# ---- the public functions of one rank ------------------------------------------------------------------------------


def _expect(rank: int, filters: Any, data_format: str | None) -> None:
    is_channels_first(data_format, rank)
    if getattr(filters, "ndim", rank + 2) != rank + 2:
        raise ValueError(f"conv{rank}d: expected a kernel of rank {rank + 2}, received shape {filters.shape}")


@export("nn.conv1d")
def conv1d(
    input: Any,
    filters: Any,
    stride: Any,
    padding: Any,
    data_format: str | None = "NWC",
    dilations: Any = None,
    name: str | None = None,
) -> Any:
    """Convolves over one axis: input (..., width, channels), kernel (width, channels, outputs); see `convolution`."""
    _expect(1, filters, data_format)
    return convolution(
        input, filters, strides=stride, padding=padding, data_format=data_format, dilations=dilations
    )


@export("nn.conv2d")
def conv2d(
    input: Any,
    filters: Any,
    strides: Any,
    padding: Any,
    data_format: str | None = "NHWC",
    dilations: Any = None,
    name: str | None = None,
) -> Any:
    """Convolves over two axes: input (..., height, width, channels), kernel (height, width, channels, outputs).

    See `convolution` for the arguments.
    """
    _expect(2, filters, data_format)
    return convolution(
        input, filters, strides=strides, padding=padding, data_format=data_format, dilations=dilations
    )


@export("nn.conv3d")
def conv3d(
    input: Any,
    filters: Any,
    strides: Any,
    padding: Any,
    data_format: str | None = "NDHWC",
    dilations: Any = None,
    name: str | None = None,
) -> Any:
    """Convolves over three axes; see `convolution` for the arguments."""
    _expect(3, filters, data_format)
    return convolution(
        input, filters, strides=strides, padding=padding, data_format=data_format, dilations=dilations
    )


@export("nn.conv1d_transpose nn.conv2d_transpose nn.conv3d_transpose")
def conv_transpose_of_rank(
    input: Any,
    filters: Any,
    output_shape: Any,
    strides: Any,
    padding: Any = "SAME",
    data_format: str | None = None,
    dilations: Any = None,
    name: str | None = None,
) -> Any:
    """Returns the transposed convolution of a given `output_shape`; see `conv_transpose`."""
    return conv_transpose(
        input,
        filters,
        output_shape=output_shape,
        strides=strides,
        padding=padding,
        data_format=data_format,
        dilations=dilations,
    )


@export("nn.atrous_conv2d")
def atrous_conv2d(value: Any, filters: Any, rate: int, padding: str, name: str | None = None) -> Any:
    """Convolves over two axes with a kernel whose elements are `rate` apart."""
    return convolution(value, filters, padding=padding, dilations=rate)


# ---- Keras' -----------------------------------------------------------------------------------------------------


def _keras(padding: Any, data_format: str | None) -> dict:
    return {
        "padding": padding.upper() if isinstance(padding, str) else padding,
        "data_format": settings.image_data_format if data_format is None else data_format,
    }


@export("ops.conv")
def keras_conv(
    inputs: Any,
    kernel: Any,
    strides: Any = 1,
    padding: Any = "valid",
    data_format: str | None = None,
    dilation_rate: Any = 1,
) -> Any:
    """Convolves over the spatial axes of `inputs`; groups follow from the kernel's shape."""
    return convolution(
        inputs, kernel, strides=strides, dilations=dilation_rate, **_keras(padding, data_format)
    )


@export("ops.depthwise_conv")
def keras_depthwise_conv(
    inputs: Any,
    kernel: Any,
    strides: Any = 1,
    padding: Any = "valid",
    data_format: str | None = None,
    dilation_rate: Any = 1,
) -> Any:
    """Convolves each channel with its own kernels, of shape (*spatial, channels, multiplier)."""
    return depthwise_conv(
        inputs, kernel, strides=strides, dilations=dilation_rate, **_keras(padding, data_format)
    )


@export("ops.separable_conv")
def keras_separable_conv(
    inputs: Any,
    depthwise_kernel: Any,
    pointwise_kernel: Any,
    strides: Any = 1,
    padding: Any = "valid",
    data_format: str | None = None,
    dilation_rate: Any = 1,
) -> Any:
    """Convolves each channel by itself, then mixes the channels with a convolution of size 1."""
    each = keras_depthwise_conv(inputs, depthwise_kernel, strides, padding, data_format, dilation_rate)
    return keras_conv(each, pointwise_kernel, data_format=data_format)


@export("ops.conv_transpose")
def keras_conv_transpose(
    inputs: Any,
    kernel: Any,
    strides: Any = 1,
    padding: Any = "valid",
    output_padding: Any = None,
    data_format: str | None = None,
    dilation_rate: Any = 1,
) -> Any:
    """Returns the transposed convolution; the kernel has shape (*spatial, outputs, channels)."""
    rank = len(kernel.shape) - 2
    extra = (output_padding,) * rank if isinstance(output_padding, int) else output_padding
    return conv_transpose(
        inputs,
        kernel,
        strides=strides,
        dilations=dilation_rate,
        output_padding=extra,
        **_keras(padding, data_format),
    )


@export("K.conv1d")
def backend_conv1d(
    x: Any,
    kernel: Any,
    strides: int = 1,
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: int = 1,
) -> Any:
    """Convolves over one axis; `padding` may be "causal"."""
    return keras_conv(x, kernel, strides, padding, data_format, dilation_rate)


@export("K.conv2d")
def backend_conv2d(
    x: Any,
    kernel: Any,
    strides: Any = (1, 1),
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Any = (1, 1),
) -> Any:
    """Convolves over two axes."""
    return keras_conv(x, kernel, strides, padding, data_format, dilation_rate)


@export("K.conv3d")
def backend_conv3d(
    x: Any,
    kernel: Any,
    strides: Any = (1, 1, 1),
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Any = (1, 1, 1),
) -> Any:
    """Convolves over three axes."""
    return keras_conv(x, kernel, strides, padding, data_format, dilation_rate)


@export("K.depthwise_conv2d")
def backend_depthwise_conv2d(
    x: Any,
    depthwise_kernel: Any,
    strides: Any = (1, 1),
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Any = (1, 1),
) -> Any:
    """Convolves each channel with its own kernels."""
    return keras_depthwise_conv(x, depthwise_kernel, strides, padding, data_format, dilation_rate)


@export("K.conv2d_transpose")
def backend_conv2d_transpose(
    x: Any,
    kernel: Any,
    output_shape: Any,
    strides: Any = (1, 1),
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Any = (1, 1),
) -> Any:
    """Returns the transposed convolution of a given `output_shape`."""
    return conv_transpose(
        x,
        kernel,
        output_shape=output_shape,
        strides=strides,
        dilations=dilation_rate,
        **_keras(padding, data_format),
    )


@export("K.separable_conv2d")
def backend_separable_conv2d(
    x: Any,
    depthwise_kernel: Any,
    pointwise_kernel: Any,
    strides: Any = (1, 1),
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Any = (1, 1),
) -> Any:
    """Convolves each channel by itself, then mixes the channels with a convolution of size 1."""
    return keras_separable_conv(
        x, depthwise_kernel, pointwise_kernel, strides, padding, data_format, dilation_rate
    )
