"""Backend functions for layers that are no ops of the table: normalization, resizing, convolutions, losses."""

from __future__ import annotations

import itertools
from typing import Any

from dovetail.base.errors import at_user_location
from dovetail.base.settings import settings
from dovetail.base.told import told_function
from dovetail.keras.idiom import entropy_offset
from dovetail.keras.logits import recovered
from dovetail.ops import arithmetic, array, losses, math, nn, reduction, shapes
from dovetail.ops.batch_normalization import batch_normalization as normalized
from dovetail.ops.conv_names import keras_conv, keras_depthwise_conv
from dovetail.ops.image_resize import resize
from dovetail.ops.linalg import matmul
from dovetail.ops.norms import moments
from dovetail.ops.padding import repeat_elements
from dovetail.ops.shapes import as_tensor

_LAYOUTS = ("channels_last", "channels_first")


def _channels_first(function: str, data_format: str | None) -> bool:
    data_format = settings.image_data_format if data_format is None else data_format
    if data_format not in _LAYOUTS:
        raise ValueError(
            f"{function}: expected a data_format of {_LAYOUTS}, received {data_format!r}{at_user_location()}"
        )
    return data_format == "channels_first"


# ---- normalization --------------------------------------------------------------------------------------------------


@told_function("keras.backend.batch_normalization")
def batch_normalization(
    x: Any, mean: Any, var: Any, beta: Any, gamma: Any, axis: int = -1, epsilon: float = 1e-3
) -> Any:
    """Returns `(x - mean) * gamma / sqrt(var + epsilon) + beta`.

    Args:
        x: floating tensor.
        mean, var, beta, gamma: vectors along `axis`, or tensors that broadcast with `x`; beta and gamma may be None.
        axis: the axis that they belong to.
    """
    x = as_tensor(x)
    rank = len(x.shape)
    place = axis % rank
    if place != rank - 1:
        sizes = [1] * rank
        sizes[place] = -1
        spread = [_along(sizes, p) for p in (mean, var, beta, gamma)]
        return normalized(x, *spread, variance_epsilon=epsilon)
    return normalized(x, mean, var, beta, gamma, variance_epsilon=epsilon)


def _along(sizes: list, parameter: Any) -> Any:
    is_vector = parameter is not None and len(parameter.shape) == 1
    return shapes.reshape(parameter, shape=sizes) if is_vector else parameter


@told_function("keras.backend.normalize_batch_in_training")
def normalize_batch_in_training(
    x: Any, gamma: Any, beta: Any, reduction_axes: Any, epsilon: float = 1e-3
) -> tuple[Any, Any, Any]:
    """Normalizes `x` with its own mean and variance over `reduction_axes`; returns `(normalized, mean, variance)`."""
    x = as_tensor(x)
    rank = len(x.shape)
    axes = sorted(axis % rank for axis in reduction_axes)
    mean, variance = moments(x, axes=axes)
    sizes = [1 if axis in axes else x.shape[axis] for axis in range(rank)]
    sizes = [-1 if size is None else size for size in sizes]
    spread = [p if p is None else shapes.reshape(p, shape=sizes) for p in (mean, variance, beta, gamma)]
    return normalized(x, *spread, variance_epsilon=epsilon), mean, variance


# ---- images ---------------------------------------------------------------------------------------------------------


@told_function("keras.backend.resize_images")
def resize_images(
    x: Any, height_factor: int, width_factor: int, data_format: str, interpolation: str = "nearest"
) -> Any:
    """Makes images larger by whole factors.

    Args:
        x: tensor of rank 4.
        interpolation: "nearest", "bilinear", "bicubic", "area", "lanczos3", "lanczos5", "gaussian" or "mitchellcubic".
    """
    x = as_tensor(x)
    if not _channels_first("K.resize_images", data_format):
        return _resized(x, height_factor, width_factor, interpolation)
    x = shapes.transpose(x, perm=(0, 2, 3, 1))
    return shapes.transpose(_resized(x, height_factor, width_factor, interpolation), perm=(0, 3, 1, 2))


def _resized(x: Any, height_factor: int, width_factor: int, interpolation: str) -> Any:
    height, width = tuple(x.shape)[1:3]
    if height is None or width is None:
        dynamic = shapes.shape(x)
        height, width = dynamic[1], dynamic[2]
    return resize(x, (height * height_factor, width * width_factor), interpolation)


@told_function("keras.backend.resize_volumes")
def resize_volumes(x: Any, depth_factor: int, height_factor: int, width_factor: int, data_format: str) -> Any:
    """Repeats the elements of volumes along their three axes.

    Args:
        x: tensor of rank 5.
    """
    first = 2 if _channels_first("K.resize_volumes", data_format) else 1
    for axis, factor in enumerate((depth_factor, height_factor, width_factor), start=first):
        x = repeat_elements(x, factor, axis)
    return x


# ---- convolutions ---------------------------------------------------------------------------------------------------


@told_function("keras.backend.separable_conv2d")
def separable_conv2d(
    x: Any,
    depthwise_kernel: Any,
    pointwise_kernel: Any,
    strides: Any = (1, 1),
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Any = (1, 1),
) -> Any:
    """Convolves each channel by itself, then mixes the channels with a convolution of size 1."""
    each = keras_depthwise_conv(x, depthwise_kernel, strides, padding, data_format, dilation_rate)
    return keras_conv(each, pointwise_kernel, 1, "valid", data_format, 1)


@told_function("keras.backend.local_conv1d")
def local_conv1d(
    inputs: Any, kernel: Any, kernel_size: Any, strides: Any, data_format: str | None = None
) -> Any:
    """Convolves with weights of their own for each position.

    Args:
        inputs: (batch, steps, channels), or (batch, channels, steps) for "channels_first".
        kernel: (positions, kernel_size * channels, outputs).
    """
    return _local_conv(
        "K.local_conv1d", inputs, kernel, kernel_size, strides, (kernel.shape[0],), data_format
    )


@told_function("keras.backend.local_conv2d")
def local_conv2d(
    inputs: Any,
    kernel: Any,
    kernel_size: Any,
    strides: Any,
    output_shape: Any,
    data_format: str | None = None,
) -> Any:
    """Convolves with weights of their own for each position.

    Args:
        inputs: (batch, height, width, channels), or (batch, channels, height, width) for "channels_first".
        kernel: (rows * columns, kernel height * kernel width * channels, outputs).
        output_shape: rows and columns of the output.
    """
    return _local_conv(
        "K.local_conv2d", inputs, kernel, kernel_size, strides, tuple(output_shape), data_format
    )


def _local_conv(
    function: str,
    inputs: Any,
    kernel: Any,
    kernel_size: Any,
    strides: Any,
    output_shape: tuple,
    data_format: str | None,
) -> Any:
    inputs, kernel = as_tensor(inputs), as_tensor(kernel)
    first = _channels_first(function, data_format)
    patch = tuple(kernel.shape)[1]
    windows = []
    for position in itertools.product(*map(range, output_shape)):
        spans = tuple(
            slice(i * step, i * step + size)
            for i, step, size in zip(position, strides, kernel_size, strict=True)
        )
        window = inputs[(slice(None), slice(None), *spans) if first else (slice(None), *spans)]
        windows.append(shapes.reshape(window, shape=(-1, patch)))
    outputs = matmul(array.stack(*windows), kernel)  # (positions, batch, outputs)
    rank = len(output_shape)
    outputs = shapes.reshape(outputs, shape=(*output_shape, -1, tuple(kernel.shape)[2]))
    axes = (rank, rank + 1, *range(rank)) if first else (rank, *range(rank), rank + 1)
    return shapes.transpose(outputs, perm=axes)


# ---- losses ---------------------------------------------------------------------------------------------------------


@told_function("keras.backend.binary_crossentropy")
def binary_crossentropy(target: Any, output: Any, from_logits: bool = False) -> Any:
    """Returns `-target * log(output) - (1 - target) * log(1 - output)`, element by element.

    Args:
        target: probabilities in [0, 1], shaped like the output.
        output: probabilities, or logits with `from_logits`.
    """
    output, from_logits = recovered(output, "sigmoid", from_logits)
    return losses.binary_crossentropy(target, output, from_logits=from_logits, offset=entropy_offset())


@told_function("keras.backend.categorical_crossentropy")
def categorical_crossentropy(target: Any, output: Any, from_logits: bool = False, axis: int = -1) -> Any:
    """Returns `-sum(target * log(output))` along the class axis.

    Args:
        target: one-hot or soft labels, shaped like the output.
        output: probabilities, or logits with `from_logits`.
    """
    output, from_logits = recovered(output, axis, from_logits)
    return losses.categorical_crossentropy(target, output, from_logits=from_logits, axis=axis)


@told_function("keras.backend.sparse_categorical_crossentropy")
def sparse_categorical_crossentropy(
    target: Any, output: Any, from_logits: bool = False, axis: int = -1, ignore_class: int | None = None
) -> Any:
    """Returns `-log(output[target])` along the class axis.

    Args:
        target: class indices, of the shape of the output without the class axis.
        output: probabilities, or logits with `from_logits`.
        ignore_class: a class whose elements cost nothing.
    """
    output, from_logits = recovered(output, axis, from_logits)
    return losses.sparse_categorical_crossentropy(
        target, output, from_logits=from_logits, axis=axis, ignore_class=ignore_class
    )


@told_function("keras.backend.binary_focal_crossentropy")
def binary_focal_crossentropy(
    target: Any,
    output: Any,
    apply_class_balancing: bool = False,
    alpha: float = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
) -> Any:
    """Returns, element by element, the binary cross-entropy times `(1 - p)**gamma`, p the probability of what is true.

    Source: T. Lin et al., 2017, "Focal loss for dense object detection".
    """
    target, output = as_tensor(target), as_tensor(output)
    chance = nn.sigmoid(output) if from_logits else output
    right = target * chance + (1 - target) * (1 - chance)
    values = arithmetic.pow_(1.0 - right, gamma) * binary_crossentropy(target, output, from_logits)
    return (target * alpha + (1 - target) * (1 - alpha)) * values if apply_class_balancing else values


@told_function("keras.backend.categorical_focal_crossentropy")
def categorical_focal_crossentropy(
    target: Any, output: Any, alpha: Any = 0.25, gamma: float = 2.0, from_logits: bool = False, axis: int = -1
) -> Any:
    """Returns `-sum(alpha * (1 - p)**gamma * target * log(p))` along the class axis, p the outputs as probabilities."""
    target, output = as_tensor(target), as_tensor(output)
    chance = losses.softmax(output, axis=axis) if from_logits else output
    chance = chance / reduction.reduce_sum(chance, axis=axis, keepdims=True)
    chance = arithmetic.clip_by_value(chance, settings.epsilon, 1.0 - settings.epsilon)
    weight = arithmetic.pow_(1.0 - chance, gamma) * alpha
    return reduction.reduce_sum(weight * (-target * math.log(chance)), axis=axis)
