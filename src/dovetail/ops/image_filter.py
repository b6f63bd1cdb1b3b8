"""Weighted sums of neighbouring pixels: Gaussian blur, and resampling with any scale and shift."""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.base.settings import settings
from dovetail.engine import dtypes
from dovetail.ops.attrs import Shape
from dovetail.ops.families import op
from dovetail.ops.image_resize import KERNELS, on_host
from dovetail.ops.precision import FLOAT32
from dovetail.ops.views import export
from dovetail.ops.windows import is_channels_first
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.tensor import TensorLike


def _wide(dtype: Any) -> Any:
    return dtype if dtypes.is_floating(dtype) and dtype.itemsize >= 4 else FLOAT32


# ---- Gaussian blur ------------------------------------------------------------------------------------------------


@op("", same_dtype=0, shape=lambda shape, *_, **__: shape, size=on_host)
def blur_images(xp: Any, images: Any, sigma: Any, *, size: Shape, channels_first: bool = False) -> Any:
    """Blurs images with a Gaussian kernel; outside of an image is 0.

    Args:
        images: tensor of shape (batch, height, width, channels).
        sigma: tensor of shape (2,) or (batch, 2): standard deviations of the kernel, in x and in y.
        size: width and height of the kernel.
        channels_first: the images' shape is (batch, channels, height, width).
    """
    first = 2 if channels_first else 1
    x = images.astype(_wide(images.dtype))
    for axis, count, place in ((first, size[1], 1), (first + 1, size[0], 0)):
        x = _blurred(xp, x, _line(xp, sigma[..., place].astype(x.dtype), count), axis)
    return x.astype(images.dtype)


def _line(xp: Any, sigma: Any, size: int) -> Any:
    """Returns a kernel of one dimension: (size,) or (batch, size); its sum is 1."""
    distance = np.arange(size, dtype=sigma.dtype) - sigma.dtype.type((size - 1) / 2)
    ratio = distance / sigma[..., None]
    line = xp.exp(sigma.dtype.type(-0.5) * ratio * ratio)
    return line / xp.sum(line, axis=-1, keepdims=True)


def _blurred(xp: Any, x: Any, line: Any, axis: int) -> Any:
    """Sums the neighbours along an axis, weighted."""
    count, size = line.shape[-1], x.shape[axis]
    pads = [(0, 0)] * x.ndim
    pads[axis] = ((count - 1) // 2, count // 2)
    wide = xp.pad(x, pads)
    total: Any = None
    for shift in range(count):
        part = wide[(slice(None),) * axis + (slice(shift, shift + size),)]
        part = part * line[..., shift].reshape(-1, *(1,) * (x.ndim - 1))
        total = part if total is None else total + part
    return total


@op("", shape=lambda shape, **_: shape, size=on_host)
def smooth_images(xp: Any, images: Any, *, channels_first: bool = False) -> Any:
    """Smooths images a little: a pixel weighs 5 / 13, each of the eight around it 1 / 13; outside of an image is 0."""
    first = 2 if channels_first else 1
    x = images.astype(_wide(images.dtype))
    pads = [(0, 0)] * x.ndim
    pads[first] = pads[first + 1] = (1, 1)
    wide = xp.pad(x, pads)
    for axis in (first, first + 1):
        size = x.shape[axis]
        parts = [wide[(slice(None),) * axis + (slice(shift, shift + size),)] for shift in range(3)]
        wide = parts[0] + parts[1] + parts[2]
    return ((wide + x * x.dtype.type(4)) * x.dtype.type(1 / 13)).astype(images.dtype)


@export("ops.image.gaussian_blur")
def gaussian_blur(
    images: Any, kernel_size: Any = (3, 3), sigma: Any = (1.0, 1.0), data_format: str | None = None
) -> Any:
    """Blurs images with a Gaussian kernel; outside of an image is 0.

    Args:
        images: tensor of rank 3 or 4.
        kernel_size: width and height of the kernel.
        sigma: its standard deviations in x and in y.
        data_format: "channels_last" or "channels_first"; Keras' setting when None.
    """
    images = images if isinstance(images, TensorLike) else convert_to_tensor(images)
    if len(images.shape) not in (3, 4):
        raise ValueError(
            f"keras.ops.image.gaussian_blur: images must have rank 3 or 4, received shape {images.shape}"
            f"{at_user_location()}"
        )
    batched = len(images.shape) == 4
    sigma = sigma if isinstance(sigma, TensorLike) else convert_to_tensor(np.asarray(sigma, np.float32))
    out = blur_images(
        images if batched else images[None],
        sigma,
        size=kernel_size,
        channels_first=is_channels_first(settings.image_data_format if data_format is None else data_format),
    )
    return out if batched else out[0]


# ---- resampling ---------------------------------------------------------------------------------------------------

_METHODS = {
    **dict.fromkeys(("linear", "bilinear", "trilinear"), "bilinear"),
    **dict.fromkeys(("cubic", "bicubic", "tricubic"), "bicubic"),
    **{name: name for name in ("lanczos3", "lanczos5")},
}


def _resampled_shape(x: tuple, *_: Any, shape: tuple, **__: Any) -> tuple:
    if len(shape) != len(x):
        raise ValueError(f"the output shape {shape} must have as many sizes as the images' shape {x}")
    return tuple(None if size == -1 else size for size in shape)


@op("", same_dtype=0, shape=_resampled_shape, size=on_host)
def resample(
    xp: Any,
    images: Any,
    scale: Any,
    translation: Any,
    *,
    shape: Shape,
    axes: Shape,
    method: str,
    antialias: bool,
) -> Any:
    """Scales and shifts along axes; see `scale_and_translate`."""
    _resampled_shape(images.shape, shape=shape)
    out = images
    for place, axis in enumerate(axes):
        axis %= images.ndim
        weights = _matrix(
            xp, scale[place], translation[place], (images.shape[axis], shape[axis]), method, antialias
        ).astype(images.dtype)  # (old, new)
        moved = xp.moveaxis(out, axis, -1)
        out = xp.moveaxis(xp.matmul(moved, weights), -1, axis)
    return out


def _matrix(xp: Any, scale: Any, shift: Any, sizes: tuple, method: str, antialias: bool) -> Any:
    """Returns the matrix of shape (old, new) that resamples one axis; pixels are areas with centers at + 0.5."""
    old, new = sizes
    kind = np.float32
    inverse = kind(1) / scale.astype(FLOAT32)
    width = xp.maximum(inverse, kind(1)) if antialias else kind(1)
    center = (np.arange(new, dtype=kind) + kind(0.5)) * inverse - shift.astype(FLOAT32) * inverse - kind(0.5)
    distance = xp.abs(center - np.arange(old, dtype=kind)[:, None]) / width
    values = KERNELS[method](xp, distance)
    total = xp.sum(values, axis=0, keepdims=True)
    some = xp.abs(total) > kind(1000 * np.finfo(kind).eps)
    weights = xp.where(some, values / xp.where(some, total, kind(1)), kind(0))
    inside = (center >= kind(-0.5)) & (center <= kind(old - 0.5))
    return xp.where(inside, weights, kind(0))


@export("ops.image.scale_and_translate")
def scale_and_translate(
    images: Any,
    output_shape: Any,
    scale: Any,
    translation: Any,
    spatial_dims: Any,
    method: str,
    antialias: bool = True,
) -> Any:
    """Resamples arrays along some axes: what was at `x` is then at `x * scale + translation`.

    Args:
        images: float tensor.
        output_shape: shape of the result.
        scale, translation: one number for each of the axes.
        spatial_dims: the axes.
        method: "linear", "cubic" (and their names with bi- and tri-), "lanczos3", "lanczos5".
        antialias: widen the filter when an image shrinks.
    """
    if method not in _METHODS:
        raise ValueError(
            f"keras.ops.image.scale_and_translate: method must be one of {', '.join(_METHODS)}, received {method!r}"
            f"{at_user_location()}"
        )
    given = (
        one if isinstance(one, TensorLike) else np.asarray(one, np.float32) for one in (scale, translation)
    )
    scales, shifts = (convert_to_tensor(one) for one in given)
    axes = tuple(int(axis) for axis in np.asarray(spatial_dims).reshape(-1))
    return resample(
        convert_to_tensor(images),
        scales,
        shifts,
        shape=output_shape,
        axes=axes,
        method=_METHODS[method],
        antialias=antialias,
    )
