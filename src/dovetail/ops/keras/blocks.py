"""Windows of images as columns and back, and pooling to a size."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.base.settings import settings
from dovetail.ops import rules
from dovetail.ops.attrs import Shape, sizes
from dovetail.ops.families import op
from dovetail.ops.keras_math import _tensor
from dovetail.ops.precision import in_float32
from dovetail.ops.views import export
from dovetail.ops.windows import is_channels_first

# ---- columns ---------------------------------------------------------------------------------------------------------


def _counts(spatial: tuple, kernel: tuple, dilation: tuple, padding: tuple, stride: tuple) -> tuple:
    """Returns the number of windows along both axes."""
    each = zip(spatial, kernel, dilation, padding, stride, strict=True)
    return tuple(None if n is None else rules.window(n + 2 * p, k, s, "VALID", d) for n, k, d, p, s in each)


def _taps(kernel: tuple, dilation: tuple, stride: tuple, counts: tuple) -> list[tuple]:
    """Returns what each element of the window sees of the padded images, as indices."""
    found = []
    for tap in itertools.product(*map(range, kernel)):
        each = zip(tap, dilation, stride, counts, strict=True)
        found.append((..., *(slice(t * d, t * d + (n - 1) * s + 1, s) for t, d, s, n in each)))
    return found


def _columns_shape(x: tuple, kernel: tuple, dilation: tuple, padding: tuple, stride: tuple) -> tuple:
    counts = _counts(x[2:], kernel, dilation, padding, stride)
    depth = None if x[1] is None else x[1] * rules.product(kernel)
    return x[0], depth, None if None in counts else rules.product(counts)


@op("", shape=_columns_shape)
def columns(xp: Any, x: Any, *, kernel: Shape, dilation: Shape, padding: Shape, stride: Shape) -> Any:
    """Returns the windows of channels-first images as columns: (batch, channels * window, windows)."""
    counts = _counts(x.shape[2:], kernel, dilation, padding, stride)
    padded = xp.pad(x, ((0, 0), (0, 0), *((p, p) for p in padding))) if any(padding) else x
    parts = [padded[tap] for tap in _taps(kernel, dilation, stride, counts)]
    return xp.reshape(xp.stack(parts, axis=2), (x.shape[0], x.shape[1] * len(parts), rules.product(counts)))


def _images_shape(x: tuple, size: tuple, kernel: tuple, **_: Any) -> tuple:
    return x[0], None if x[1] is None else x[1] // rules.product(kernel), *size


@op("", shape=_images_shape)
def images_of_columns(
    xp: Any, x: Any, *, size: Shape, kernel: Shape, dilation: Shape, padding: Shape, stride: Shape
) -> Any:
    """Adds columns up where their windows were: the transpose of `columns`."""
    counts = _counts(size, kernel, dilation, padding, stride)
    depth, window = x.shape[1], rules.product(kernel)
    if depth % window or x.shape[2] != rules.product(counts):
        raise ValueError(
            f"expected columns of shape (batch, channels * {window}, {rules.product(counts)}), received {x.shape}"
        )
    parts = xp.reshape(x, (x.shape[0], depth // window, window, *counts))
    padded = tuple(n + 2 * p for n, p in zip(size, padding, strict=True))
    total = xp.zeros((x.shape[0], depth // window, *padded), x.dtype)
    for number, tap in enumerate(_taps(kernel, dilation, stride, counts)):
        total = xp.index_add(total, tap, parts[:, :, number])
    inside = (slice(p, p + n) for n, p in zip(size, padding, strict=True))
    return total[(..., *inside)]


columns.gradient(lambda g, y, x, **attributes: images_of_columns(g, size=tuple(x.shape)[2:], **attributes))
images_of_columns.gradient(lambda g, y, x, size, **attributes: columns(g, **attributes))


def _both(value: Any, name: str) -> tuple:
    found = sizes(value) or ()
    if len(found) not in (1, 2):
        raise ValueError(f"{name} must be one integer or two, received {value!r}{at_user_location()}")
    return found * 2 if len(found) == 1 else found


def _geometry(kernel_size: Any, dilation: Any, padding: Any, stride: Any) -> dict:
    return {
        "kernel": _both(kernel_size, "kernel_size"),
        "dilation": _both(dilation, "dilation"),
        "padding": _both(padding, "padding"),
        "stride": _both(stride, "stride"),
    }


@export("ops.nn.unfold")
def unfold(x: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Any:
    """Returns the windows of images as columns (im2col).

    Args:
        x: images of shape (batch, channels, height, width).
        kernel_size: height and width of the window.
        dilation: distance between the elements of a window.
        padding: zeros added at each side of both axes.
        stride: distance between windows.

    Returns:
        Tensor of shape (batch, channels * window, windows).
    """
    return columns(_tensor(x), **_geometry(kernel_size, dilation, padding, stride))


@export("ops.nn.fold")
def fold(
    x: Any, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
) -> Any:
    """Adds columns up to images (col2im), the transpose of `unfold`.

    Args:
        x: columns of shape (batch, channels * window, windows).
        output_size: height and width of the images.
        kernel_size, dilation, padding, stride: as for `unfold`.
    """
    geometry = _geometry(kernel_size, dilation, padding, stride)
    return images_of_columns(_tensor(x), size=_both(output_size, "output_size"), **geometry)


# ---- pooling to a size -----------------------------------------------------------------------------------------------


def parts_of(size: int, parts: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns where each of so many parts of an axis begins and ends; they may overlap."""
    number = np.arange(parts)
    return number * size // parts, -(-(number + 1) * size // parts)


def _pooled_shape(x: tuple, output: tuple, channels_first: bool) -> tuple:
    return (*x[:2], *output) if channels_first else (x[0], *output, x[-1])


@op("", shape=_pooled_shape)
@in_float32
def adaptive_mean(xp: Any, x: Any, *, output: Shape, channels_first: bool) -> Any:
    """Returns the means of `output` equal parts of each spatial axis."""
    for axis, parts in enumerate(output, 2 if channels_first else 1):
        start, stop = parts_of(x.shape[axis], parts)
        place = np.arange(x.shape[axis])
        inside = (place >= start[:, None]) & (place < stop[:, None])
        weights = (inside / inside.sum(1, keepdims=True)).astype(x.dtype)  # (parts, size)
        x = xp.moveaxis(xp.matmul(xp.moveaxis(x, axis, -1), weights.T), -1, axis)
    return x


@op("", shape=_pooled_shape)
def adaptive_maximum(xp: Any, x: Any, *, output: Shape, channels_first: bool) -> Any:
    """Returns the maxima of `output` equal parts of each spatial axis."""
    for axis, parts in enumerate(output, 2 if channels_first else 1):
        start, stop = parts_of(x.shape[axis], parts)
        longest = int((stop - start).max())
        places = np.minimum(start[:, None] + np.arange(longest), stop[:, None] - 1)  # (parts, longest)
        index = (slice(None),) * axis
        x = xp.max(x[(*index, places)], axis=axis + 1)
    return x


def _adaptive(function: Any, inputs: Any, output_size: Any, data_format: str | None) -> Any:
    inputs = _tensor(inputs)
    rank = len(inputs.shape) - 2
    output = sizes(output_size) or ()
    output = output * rank if len(output) == 1 else output
    if rank not in (1, 2, 3) or len(output) != rank or min(output) < 1:
        raise ValueError(
            f"expected an input of rank 3 to 5 and a positive size for each spatial axis, received shape "
            f"{inputs.shape} and output_size {output_size!r}{at_user_location()}"
        )
    first = is_channels_first(settings.image_data_format if data_format is None else data_format)
    return function(inputs, output=output, channels_first=first)


@export("ops.nn.adaptive_average_pool")
def adaptive_average_pool(inputs: Any, output_size: Any, data_format: str | None = None) -> Any:
    """Divides each spatial axis into parts of (nearly) equal size and returns the mean of each part.

    Args:
        inputs: tensor of shape (batch, *spatial, channels), or channels-first.
        output_size: number of parts: an integer, or one for each spatial axis.
        data_format: "channels_last" or "channels_first"; None: `keras.config.image_data_format()`.
    """
    return _adaptive(adaptive_mean, inputs, output_size, data_format)


@export("ops.nn.adaptive_max_pool")
def adaptive_max_pool(inputs: Any, output_size: Any, data_format: str | None = None) -> Any:
    """Divides each spatial axis into parts of (nearly) equal size and returns the maximum of each part.

    See `adaptive_average_pool` for the arguments.
    """
    return _adaptive(adaptive_maximum, inputs, output_size, data_format)
