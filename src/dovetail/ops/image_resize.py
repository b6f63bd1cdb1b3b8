"""`tf.image.resize` and what rests on it: each axis is resized by a table of taps and weights."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from dovetail.base.errors import InvalidArgumentError, at_user_location, suggest
from dovetail.base.settings import settings
from dovetail.ops.attrs import Shape
from dovetail.ops.families import op
from dovetail.ops.precision import FLOAT32
from dovetail.ops.shapes import as_tensor
from dovetail.ops.views import export, publish
from dovetail.ops.windows import is_channels_first
from dovetail.tensor.shape import TensorShape

_FEW_TAPS = 8


def on_host(*_: Any, **__: Any) -> int:
    """Engine hint of image ops: eager images come in any size, and XLA would compile for each."""
    return -(1 << 40)


class ResizeMethod:
    """Names of the methods of `tf.image.resize`."""

    BILINEAR = "bilinear"
    NEAREST_NEIGHBOR = "nearest"
    BICUBIC = "bicubic"
    AREA = "area"
    LANCZOS3 = "lanczos3"
    LANCZOS5 = "lanczos5"
    GAUSSIAN = "gaussian"
    MITCHELLCUBIC = "mitchellcubic"


publish("image.ResizeMethod", ResizeMethod)


# ---- weights ------------------------------------------------------------------------------------------------------


def _cubic(b: float, c: float) -> Callable:
    """The family of D. Mitchell, A. Netravali, 1988: "Reconstruction filters in computer graphics"."""

    def kernel(xp: Any, x: Any) -> Any:
        x = xp.abs(x)
        near = ((12 - 9 * b - 6 * c) * x**3 + (-18 + 12 * b + 6 * c) * x**2 + (6 - 2 * b)) / 6
        far = ((-b - 6 * c) * x**3 + (6 * b + 30 * c) * x**2 + (-12 * b - 48 * c) * x + (8 * b + 24 * c)) / 6
        return xp.where(x < 1, near, xp.where(x < 2, far, x.dtype.type(0)))

    return kernel


def _lanczos(radius: int) -> Callable:
    return lambda xp, x: xp.where(xp.abs(x) < radius, xp.sinc(x) * xp.sinc(x / radius), x.dtype.type(0))


def _gaussian(xp: Any, x: Any) -> Any:
    return xp.where(xp.abs(x) < 1.5, xp.exp(-(x**2) / (2 * 0.5**2)), x.dtype.type(0))


KERNELS: dict[str, Callable] = {
    "bilinear": lambda xp, x: xp.maximum(1 - xp.abs(x), x.dtype.type(0)),
    "bicubic": _cubic(0.0, 0.5),
    "mitchellcubic": _cubic(1 / 3, 1 / 3),
    "lanczos3": _lanczos(3),
    "lanczos5": _lanczos(5),
    "gaussian": _gaussian,
}

_BLURRING = ("gaussian", "mitchellcubic")  # these change an image even where its size stays


# Where new pixels lie among old ones, by the name of the grid: at `(number + shift) * step`, from the edge of the first
# old pixel for "centers" and from its center else; the second number is what "nearest" adds before it rounds down.
GRIDS: dict[str, tuple[float, float]] = {
    "centers": (0.5, 0.0),  # pixels are areas: as TensorFlow 2 samples
    "edges": (0.0, 0.0),  # the first pixels fall together: as TensorFlow 1 does
    "corners": (0.0, 0.5),  # so do the last ones: its align_corners
}


def grid_of(align_corners: bool, half_pixel_centers: bool = False) -> str:
    """Returns the grid that TensorFlow's two flags stand for.

    Raises:
        InvalidArgumentError: both are set.
    """
    if align_corners and half_pixel_centers:
        raise InvalidArgumentError(
            f"align_corners and half_pixel_centers exclude each other{at_user_location()}"
        )
    return "corners" if align_corners else "centers" if half_pixel_centers else "edges"


_CLAMPED_CUBIC = _cubic(0.0, 0.75)  # the weights of TensorFlow 1
_REACH = 2  # pixels beyond the border, which a cubic kernel meets there


def _step(old: int, new: int, grid: str) -> float:
    """Returns the distance of new pixels, in old ones."""
    return (old - 1) / (new - 1) if grid == "corners" and new > 1 else old / new


@functools.lru_cache(maxsize=256)
def weights_between(old: int, new: int, method: str, antialias: bool, grid: str = "centers") -> np.ndarray:
    """Returns the matrix of shape (new, old) that resizes one axis; pixels are areas, so centers lie at + 0.5."""
    scale = _step(old, new, grid)
    if method == "area":
        edges = np.arange(new)[:, None] * scale
        pixels = np.arange(old)[None, :]
        ends = np.where(pixels == old - 1, np.inf, pixels + 1)
        overlap = np.minimum(edges + scale, ends) - np.maximum(edges, pixels)
        return (np.maximum(overlap, 0.0) / scale).astype(np.float32)
    if grid != "centers":
        return _clamped_weights(old, new, method, scale)
    width = max(scale, 1.0) if antialias else 1.0
    center = (np.arange(new, dtype=np.float32)[:, None] + np.float32(0.5)) * _inverse(old, new)
    if method == "bicubic" and not antialias:
        center = _in_steps(center)
    distance = (np.arange(old, dtype=np.float32)[None, :] + np.float32(0.5) - center) * (
        np.float32(1) / (_inverse(old, new) if width > 1 else np.float32(1))
    )
    values = KERNELS[method](np, distance.astype(np.float64))
    total = values.sum(axis=1, keepdims=True)
    return np.where(total != 0, values / np.where(total != 0, total, 1), 0).astype(np.float32)


def _clamped_weights(old: int, new: int, method: str, scale: float) -> np.ndarray:
    """Returns the matrix for a grid that is not one of centers: beyond the border lie copies of its pixels."""
    center = (np.arange(new, dtype=np.float32) * np.float32(scale)).astype(np.float64)[:, None] + 0.5
    if method == "bicubic":
        center = _in_steps(center)
    kernel = _CLAMPED_CUBIC if method == "bicubic" else KERNELS[method]
    values = kernel(np, np.abs(np.arange(-_REACH, old + _REACH)[None, :] + 0.5 - center))
    inner = values[:, _REACH:-_REACH].copy()
    inner[:, 0] += values[:, :_REACH].sum(axis=1)
    inner[:, -1] += values[:, -_REACH:].sum(axis=1)
    return inner.astype(np.float32)


def _inverse(old: int, new: int) -> Any:
    """Returns old / new, rounded to float32 as TensorFlow rounds it: at a kernel's edge the last bit decides."""
    return np.float32(1) / np.float32(new / old)


def _in_steps(center: np.ndarray) -> np.ndarray:
    """Rounds positions between pixels to 1/1024: TensorFlow looks cubic weights up in a table of that size."""
    whole = np.floor(center - 0.5)
    return whole + np.round((center - 0.5 - whole) * 1024) / 1024 + 0.5


@functools.lru_cache(maxsize=256)
def _taps(
    old: int, new: int, method: str, antialias: bool, grid: str = "centers"
) -> tuple[np.ndarray, np.ndarray] | None:
    """Returns the matrix as (indices, weights), both (new, taps), when few columns of each row differ from 0."""
    matrix = weights_between(old, new, method, antialias, grid)
    present = matrix != 0
    count = max(int(present.sum(axis=1).max()), 1)
    if count > _FEW_TAPS:
        return None
    first = np.minimum(np.argmax(present, axis=1), old - count)[:, None] + np.arange(count)
    if np.abs(np.take_along_axis(matrix, first, axis=1).sum(axis=1) - matrix.sum(axis=1)).max() > 1e-6:
        return None  # a weight of 0 lies between others: the taps are not neighbours
    return first, np.take_along_axis(matrix, first, axis=1)


def tap_tables(old: tuple, new: tuple, method: str, antialias: bool, grid: str) -> tuple:
    """Returns the tables of taps of both axes, as `_taps` does; None for one that has none, as "nearest" has not."""
    if method == "nearest":
        return None, None
    return tuple(_taps(*sizes, method, antialias, grid) for sizes in zip(old, new, strict=True))


def _resized_axis(xp: Any, x: Any, axis: int, new: int, method: str, antialias: bool, grid: str) -> Any:
    old = x.shape[axis]
    if old == new and method not in _BLURRING:
        return x
    taps = _taps(old, new, method, antialias, grid)
    if taps is None:
        moved = xp.moveaxis(_floating(x), axis, 0)
        flat = xp.matmul(weights_between(old, new, method, antialias, grid), xp.reshape(moved, (old, -1)))
        return xp.moveaxis(xp.reshape(flat, (new, *moved.shape[1:])), 0, axis)
    indices, weights = taps
    if new > old:  # else what is left out is not converted
        x = _floating(x)
    total: Any = None
    for column in range(indices.shape[1]):
        part = _floating(
            xp.take(x, indices[:, column], axis=axis)
        )  # its own, so that it may be changed in place
        part *= _along(weights[:, column], x, axis)
        if total is None:
            total = part
        else:
            total += part
    return total


def _along(weight: np.ndarray, x: Any, axis: int) -> np.ndarray:
    """Returns weights that broadcast along an axis: once a channel where only those follow, for long inner loops."""
    behind = x.shape[axis + 1 :]
    shaped = weight.reshape(-1, *(1,) * len(behind))
    return (
        np.ascontiguousarray(np.broadcast_to(shaped, (len(weight), *behind))) if len(behind) == 1 else shaped
    )


def _floating(x: Any) -> Any:
    return x if x.dtype == FLOAT32 else x.astype(FLOAT32)


# ---- the op -------------------------------------------------------------------------------------------------------


def _target(height: Any, width: Any, size: tuple, preserve_aspect_ratio: bool) -> tuple:
    if len(size) != 2 or any(n < 1 and n != -1 for n in size):
        raise ValueError(f"size must hold two positive numbers, height and width, received {size}")
    if not preserve_aspect_ratio:
        return tuple(None if n == -1 else n for n in size)  # -1: of a tensor without a value yet
    if height is None or width is None or -1 in size:
        return None, None
    factor = min(size[0] / height, size[1] / width)
    return max(round(factor * height), 1), max(round(factor * width), 1)


def resized_shape(shape: tuple, size: tuple, preserve_aspect_ratio: bool, **_: Any) -> tuple:
    """Returns the shape of images of a shape after resizing."""
    if len(shape) not in (3, 4):
        raise ValueError(f"images must have rank 3 or 4, received shape {shape}")
    height, width = _target(shape[-3], shape[-2], size, preserve_aspect_ratio)
    return (*shape[:-3], height, width, shape[-1])


@op(
    "",
    shape=resized_shape,
    dtype=lambda kind, method, **_: kind if method == "nearest" else FLOAT32,
    size=on_host,
)
def resize_(
    xp: Any,
    images: Any,
    *,
    size: Shape,
    method: str = "bilinear",
    preserve_aspect_ratio: bool = False,
    antialias: bool = False,
    grid: str = "centers",
) -> Any:
    """Resizes images; see `resize`, and `GRIDS` for how pixels lie."""
    height, width = resized_shape(images.shape, size, preserve_aspect_ratio)[-3:-1]
    if height is None or width is None:
        raise ValueError(f"size must hold two positive numbers, height and width, received {size}")
    if method == "nearest":
        rows, columns = (
            nearest_places(old, new, grid)
            for old, new in zip(images.shape[-3:-1], (height, width), strict=True)
        )
        return xp.take(xp.take(images, rows, axis=images.ndim - 3), columns, axis=images.ndim - 2)
    taps = tap_tables(images.shape[-3:-1], (height, width), method, antialias, grid)
    by_axes = functools.partial(
        _resized, xp, size=(height, width), method=method, antialias=antialias, grid=grid
    )
    return xp.by_kernel("resize", by_axes, (images,), {"taps": taps})


def _resized(xp: Any, x: Any, size: tuple, method: str, antialias: bool, grid: str, taps: tuple) -> Any:
    for axis, new in zip((x.ndim - 3, x.ndim - 2), size, strict=True):
        x = _resized_axis(xp, x, axis, new, method, antialias, grid)
    return _floating(x)


def nearest_places(old: int, new: int, grid: str = "centers") -> np.ndarray:
    """Returns which old pixel each new one is, along one axis."""
    before, after = map(np.float32, GRIDS[grid])
    step = np.float32(_step(old, new, grid))
    position = np.floor((np.arange(new, dtype=np.float32) + before) * step + after)
    return np.minimum(position, old - 1).astype(np.int32)


@export("image.resize")
def resize(
    images: Any,
    size: Any,
    method: str = "bilinear",
    preserve_aspect_ratio: bool = False,
    antialias: bool = False,
    name: str | None = None,
) -> Any:
    """Resizes images to `size`.

    Args:
        images: tensor of shape (height, width, channels) or (batch, height, width, channels).
        size: new height and width.
        method: "bilinear", "nearest", "bicubic", "area", "lanczos3", "lanczos5", "gaussian", "mitchellcubic".
        preserve_aspect_ratio: the largest size of the same proportions that fits into `size`.
        antialias: widen the filter when an image shrinks; without effect on "nearest" and "area".

    Returns:
        float32 images, of the images' own dtype for "nearest".
    """
    method = _method(method)
    sizes = tuple(images.shape)[-3:-1] if hasattr(images, "shape") else None
    if sizes is not None and not preserve_aspect_ratio and _equal(sizes, size):
        return images if method == "nearest" else as_tensor(images)._astype(FLOAT32)
    return resize_(
        images, size=size, method=method, preserve_aspect_ratio=preserve_aspect_ratio, antialias=antialias
    )


def _method(name: Any) -> str:
    """Returns a method's name in lower case."""
    known = ("nearest", "area", *KERNELS)
    if not isinstance(name, str) or name.lower() not in known:
        near = suggest(str(name), known)
        raise ValueError(f"method must be one of {', '.join(known)}, received {name!r:.60}.{near}")
    return name.lower()


def _equal(sizes: tuple, size: Any) -> bool:
    known = isinstance(size, list | tuple | TensorShape) and all(isinstance(n, int) for n in size)
    return known and sizes == tuple(size)


@export("image.resize_with_pad")
def resize_with_pad(
    image: Any, target_height: int, target_width: int, method: str = "bilinear", antialias: bool = False
) -> Any:
    """Resizes without changing the proportions, and pads with zeros to the target size."""
    return resize_padded(
        image, size=(target_height, target_width), method=_method(method), antialias=antialias, fill=0.0
    )


@op(
    "",
    shape=lambda shape, size, **_: (*shape[:-3], *size, shape[-1]),
    dtype=lambda kind, method, **_: kind if method == "nearest" else FLOAT32,
    size=on_host,
)
def resize_padded(
    xp: Any,
    image: Any,
    *,
    size: Shape,
    method: str = "bilinear",
    antialias: bool = False,
    fill: float = 0.0,
    grid: str = "centers",
) -> Any:
    """Resizes without changing the proportions, and pads with `fill` to `size`."""
    height, width = image.shape[-3:-1]
    ratio = max(np.float32(height / size[0]), np.float32(width / size[1]))
    inner = (math.floor(np.float32(height) / ratio), math.floor(np.float32(width) / ratio))
    small = resize_.body(xp, image, size=inner, method=method, antialias=antialias, grid=grid)
    pads = [(0, 0)] * image.ndim
    sides = zip((image.ndim - 3, image.ndim - 2), (height, width), inner, size, strict=True)
    for axis, old, new, target in sides:
        before = max(math.floor((target - old / ratio) / 2), 0)
        pads[axis] = (before, target - new - before)
    return xp.pad(small, pads, constant_values=small.dtype.type(fill))


@export("ops.image.resize")
def keras_resize(
    images: Any,
    size: Any,
    interpolation: str = "bilinear",
    antialias: bool = False,
    crop_to_aspect_ratio: bool = False,
    pad_to_aspect_ratio: bool = False,
    fill_mode: str = "constant",
    fill_value: float = 0.0,
    data_format: str | None = None,
) -> Any:
    """Resizes images, keeping their dtype.

    Args:
        images: tensor of rank 3 or 4.
        size: new height and width.
        interpolation: "nearest", "bilinear", "bicubic", "lanczos3", "lanczos5".
        antialias: widen the filter when an image shrinks.
        crop_to_aspect_ratio: cut off what does not fit the new proportions first.
        pad_to_aspect_ratio: add borders of `fill_value` first.
    """
    if fill_mode != "constant":
        raise ValueError(f"keras.ops.image.resize: fill_mode must be 'constant', received {fill_mode!r}")
    if crop_to_aspect_ratio and pad_to_aspect_ratio:
        raise ValueError(
            "keras.ops.image.resize: crop_to_aspect_ratio and pad_to_aspect_ratio exclude each other"
        )
    keep = "crop" if crop_to_aspect_ratio else "pad" if pad_to_aspect_ratio else ""
    data_format = settings.image_data_format if data_format is None else data_format
    return resize_keras(
        images,
        size=size,
        method=interpolation,
        antialias=antialias,
        keep=keep,
        fill=fill_value,
        channels_first=is_channels_first(data_format),
    )


def _keras_shape(shape: tuple, size: tuple, channels_first: bool, **_: Any) -> tuple:
    return (*shape[:-2], *size) if channels_first else (*shape[:-3], *size, shape[-1])


@op("", shape=_keras_shape, size=on_host)
def resize_keras(
    xp: Any,
    images: Any,
    *,
    size: Shape,
    method: str,
    antialias: bool,
    keep: str,
    fill: float,
    channels_first: bool,
) -> Any:
    """Resizes images as `keras.ops.image.resize` does."""
    x = xp.moveaxis(images, -3, -1) if channels_first else images
    if keep:
        x = _proportioned(xp, x, size, keep, fill)
    x = resize_.body(xp, x, size=size, method=method, preserve_aspect_ratio=False, antialias=antialias)
    if images.dtype.kind in "iu" and method != "nearest":
        info = np.iinfo(images.dtype)
        x = xp.clip(xp.round(x), info.min, info.max)
    return (xp.moveaxis(x, -1, -3) if channels_first else x).astype(images.dtype)


def _proportioned(xp: Any, x: Any, size: tuple, keep: str, fill: float) -> Any:
    """Crops or pads to the proportions of `size`."""
    height, width = x.shape[-3:-1]
    by_width, by_height = int(float(width * size[0]) / size[1]), int(float(height * size[1]) / size[0])
    pick = min if keep == "crop" else max
    new = (pick(height, by_width), pick(width, by_height))
    pads = [(0, 0)] * x.ndim
    for axis, old, wanted in zip((x.ndim - 3, x.ndim - 2), (height, width), new, strict=True):
        start = int(abs(old - wanted) / 2)
        if keep == "crop":
            x = x[(slice(None),) * axis + (slice(start, start + wanted),)]
        else:
            pads[axis] = (start, start)
    return xp.pad(x, pads, constant_values=x.dtype.type(fill)) if keep == "pad" else x


@op(
    "",
    shape=lambda shape, factors, channels_first, **_: _scaled_shape(shape, factors, channels_first),
    size=on_host,
)
def scale_images(xp: Any, x: Any, *, factors: Shape, channels_first: bool, method: str) -> Any:
    """Multiplies height and width by whole factors."""
    x = xp.moveaxis(x, -3, -1) if channels_first else x
    size = (x.shape[-3] * factors[0], x.shape[-2] * factors[1])
    y = resize_.body(xp, x, size=size, method=method).astype(x.dtype)
    return xp.moveaxis(y, -1, -3) if channels_first else y


def _scaled_shape(shape: tuple, factors: tuple, channels_first: bool) -> tuple:
    first = len(shape) - 2 if channels_first else len(shape) - 3
    sizes = list(shape)
    for axis, factor in zip((first, first + 1), factors, strict=True):
        sizes[axis] = None if sizes[axis] is None else sizes[axis] * factor
    return tuple(sizes)


@export("K.resize_images")
def resize_images(
    x: Any,
    height_factor: int,
    width_factor: int,
    data_format: str | None = None,
    interpolation: str = "nearest",
) -> Any:
    """Multiplies height and width of images by whole factors, with any method of `tf.image.resize`."""
    first = is_channels_first(settings.image_data_format if data_format is None else data_format)
    return scale_images(
        x, factors=(height_factor, width_factor), channels_first=first, method=interpolation.lower()
    )
