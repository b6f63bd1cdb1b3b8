"""The names under which users convolve: TensorFlow's, Keras' and its backend's, all on the ops of `ops/conv.py`."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from dovetail.base.errors import at_user_location, suggest
from dovetail.base.settings import settings
from dovetail.ops.conv import conv_transpose, convolution
from dovetail.ops.depthwise import depthwise_conv
from dovetail.ops.prepared import in_second
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


def _of_rank(rank: int, layout: str, shapes: str) -> Callable:
    """Returns the public convolution over two or three axes."""

    def conv(
        input: Any,
        filters: Any,
        strides: Any,
        padding: Any,
        data_format: str | None = layout,
        dilations: Any = None,
        name: str | None = None,
    ) -> Any:
        _expect(rank, filters, data_format)
        return convolution(
            input, filters, strides=strides, padding=padding, data_format=data_format, dilations=dilations
        )

    conv.__doc__ = f"""Convolves over {rank} axes: {shapes}.

    See `convolution` for the arguments.
    """
    return export(f"nn.conv{rank}d")(conv)


conv2d = _of_rank(
    2, "NHWC", "input (..., height, width, channels), kernel (height, width, channels, outputs)"
)
conv3d = _of_rank(3, "NDHWC", "input (..., depth, height, width, channels), kernel with three axes likewise")


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


@export("ops.nn.conv")
def keras_conv(
    inputs: Any,
    kernel: Any,
    strides: Any = 1,
    padding: Any = "valid",
    data_format: str | None = None,
    dilation_rate: Any = 1,
) -> Any:
    """Convolves over the spatial axes of `inputs`; groups follow from the kernel's shape."""
    inputs, kernel = in_second((inputs, kernel))
    return convolution(
        inputs, kernel, strides=strides, dilations=dilation_rate, **_keras(padding, data_format)
    )


@export("ops.nn.depthwise_conv")
def keras_depthwise_conv(
    inputs: Any,
    kernel: Any,
    strides: Any = 1,
    padding: Any = "valid",
    data_format: str | None = None,
    dilation_rate: Any = 1,
) -> Any:
    """Convolves each channel with its own kernels, of shape (*spatial, channels, multiplier)."""
    inputs, kernel = in_second((inputs, kernel))
    return depthwise_conv(
        inputs, kernel, strides=strides, dilations=dilation_rate, **_keras(padding, data_format)
    )


@export("ops.nn.separable_conv")
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


@export("ops.nn.conv_transpose")
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
    inputs, kernel = in_second((inputs, kernel))
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


def _backend(name: str, function: Callable, ones: Any, **renamed: str) -> None:
    """Publishes a function of `keras.ops` as the backend's of one rank.

    Args:
        name: in the backend.
        function: what is called.
        ones: the default of strides and dilation rate.
        renamed: names of the function's parameters, and what the backend calls them.
    """
    defaults = {"strides": ones, "dilation_rate": ones}
    parameters = [
        p.replace(name=renamed.get(p.name, p.name), default=defaults.get(p.name, p.default))
        for p in inspect.signature(function).parameters.values()
    ]
    signature = inspect.Signature(parameters, return_annotation="Any")

    @functools.wraps(function)
    def of_backend(*args: Any, **kwargs: Any) -> Any:
        for unknown in kwargs.keys() - signature.parameters.keys():
            near = suggest(unknown, signature.parameters)
            raise TypeError(f"keras.backend.{name}: unknown argument {unknown!r}.{near}{at_user_location()}")
        given = signature.bind(*args, **kwargs)
        given.apply_defaults()
        return function(*given.args)

    of_backend.__name__ = name
    of_backend.__signature__ = signature  # type: ignore[attr-defined]
    export(f"K.{name}")(of_backend)


for _rank in (1, 2, 3):
    _backend(f"conv{_rank}d", keras_conv, 1 if _rank == 1 else (1,) * _rank, inputs="x")
_backend("depthwise_conv2d", keras_depthwise_conv, (1, 1), inputs="x", kernel="depthwise_kernel")
_backend("separable_conv2d", keras_separable_conv, (1, 1), inputs="x")


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
