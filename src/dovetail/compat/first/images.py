"""`tf.compat.v1.image`: resizing as TensorFlow 1 samples, from the corners of pixels and not from their centers."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any

import dovetail as tf
from dovetail.base.errors import at_user_location

_TABLE = 1024  # how finely TensorFlow tells the places between pixels apart, for bicubic weights


class ResizeMethod:
    """The numbers of the ways to resize."""

    BILINEAR, NEAREST_NEIGHBOR, BICUBIC, AREA = range(4)


def _places(old: Any, new: Any, align_corners: bool) -> Any:
    """Returns where each new pixel lies among the old ones: floats of shape (new,)."""
    steps = tf.cast(tf.range(new), "float32")
    before, after = tf.cast(old, "float32"), tf.cast(new, "float32")
    if align_corners:
        return steps * tf.where(after > 1, (before - 1) / tf.maximum(after - 1, 1), 0.0)
    return steps * (before / after)


def _along(x: Any, axis: int, weights: Any) -> Any:
    """Multiplies by a weight for each place along an axis of images (batch, height, width, channels)."""
    return x * tf.reshape(weights, [-1] + [1] * (3 - axis))


def _bilinear(x: Any, axis: int, new: Any, align_corners: bool) -> Any:
    old = tf.shape(x)[axis]
    places = _places(old, new, align_corners)
    low = tf.minimum(tf.cast(tf.floor(places), "int32"), old - 1)
    share = places - tf.cast(low, "float32")
    below, above = tf.gather(x, low, axis=axis), tf.gather(x, tf.minimum(low + 1, old - 1), axis=axis)
    return below + _along(above - below, axis, share)


def _nearest(x: Any, axis: int, new: Any, align_corners: bool) -> Any:
    old = tf.shape(x)[axis]
    places = _places(old, new, align_corners)
    found = tf.floor(places + 0.5) if align_corners else tf.floor(places)
    return tf.gather(x, tf.minimum(tf.cast(found, "int32"), old - 1), axis=axis)


def _bicubic(x: Any, axis: int, new: Any, align_corners: bool) -> Any:
    old = tf.shape(x)[axis]
    places = _places(old, new, align_corners)
    low = tf.floor(places)
    t = tf.round((places - low) * _TABLE) / _TABLE
    near = [((1.25 * d - 2.25) * d) * d + 1 for d in (t, 1 - t)]
    far = [((-0.75 * d + 3.75) * d - 6.0) * d + 3.0 for d in (t + 1, 2 - t)]
    total: Any = 0.0
    for offset, weights in zip((-1, 0, 1, 2), (far[0], near[0], near[1], far[1]), strict=True):
        there = tf.clip_by_value(tf.cast(low, "int32") + offset, 0, old - 1)
        total = total + _along(tf.gather(x, there, axis=axis), axis, weights)
    return total


def _area(x: Any, axis: int, new: Any, align_corners: bool) -> Any:
    old = tf.shape(x)[axis]
    before, after = tf.cast(old, "float32"), tf.cast(new, "float32")
    width = before / after
    if align_corners:
        width = tf.where(after > 1, (before - 1) / tf.maximum(after - 1, 1), width)
    begin = tf.cast(tf.range(new), "float32") * width
    pixel = tf.cast(tf.range(old), "float32")
    ends = tf.where(tf.range(old) == old - 1, tf.fill([old], float("inf")), pixel + 1)
    low, high = tf.maximum(begin[:, None], pixel[None]), tf.minimum((begin + width)[:, None], ends[None])
    shares = tf.maximum(high - low, 0.0) / width  # (new, old)
    moved = tf.tensordot(shares, x, [[1], [axis]])
    return tf.transpose(moved, [1, 0, 2, 3] if axis == 1 else [1, 2, 0, 3])


_WAYS: tuple[tuple[str, Callable], ...] = (
    ("bilinear", _bilinear),
    ("nearest", _nearest),
    ("bicubic", _bicubic),
    ("area", _area),
)


def _way(method: Any) -> int:
    if isinstance(method, enum.Enum):
        method = method.value
    names = [name for name, _ in _WAYS]
    if method in names:
        return names.index(method)
    if method in range(len(_WAYS)):
        return int(method)
    raise ValueError(
        f"resize_images: method {method!r} is none of 0, 1, 2, 3, {', '.join(names)}{at_user_location()}"
    )


def resize_images(
    images: Any,
    size: Any,
    method: Any = ResizeMethod.BILINEAR,
    align_corners: bool = False,
    preserve_aspect_ratio: bool = False,
    name: str | None = None,
) -> Any:
    """Resizes images to `size`.

    Args:
        images: (height, width, channels) or (batch, height, width, channels).
        size: new height and width.
        method: a `ResizeMethod`: bilinear, nearest, bicubic, area.
        align_corners: the corners of old and new images fall together.
        preserve_aspect_ratio: the largest size of the same proportions that fits into `size`.

    Returns:
        float32; of the images' own dtype for "nearest", and where the size stays.
    """
    x = tf.convert_to_tensor(images)
    way, rank = _way(method), x.shape.rank
    if rank not in (3, 4):
        raise ValueError(
            f"resize_images: 'images' must have 3 or 4 dimensions, has {rank}{at_user_location()}"
        )
    if preserve_aspect_ratio:
        return tf.image.resize(x, size, _WAYS[way][0], preserve_aspect_ratio=True)
    x = x[None] if rank == 3 else x
    sizes = list(size) if isinstance(size, list | tuple | tf.TensorShape) else tf.convert_to_tensor(size)
    wanted = [sizes[0], sizes[1]]
    if isinstance(sizes, list) and list(x.shape)[1:3] == sizes:
        return images if rank == 4 else x[0]
    x = x if way == ResizeMethod.NEAREST_NEIGHBOR else tf.cast(x, "float32")
    for axis, new in zip((1, 2), wanted, strict=True):
        x = _WAYS[way][1](x, axis, new, align_corners)
    return x[0] if rank == 3 else x


def _by(method: int) -> Callable:
    def resize(
        images: Any,
        size: Any,
        align_corners: bool = False,
        name: str | None = None,
        half_pixel_centers: bool = False,
    ) -> Any:
        if half_pixel_centers:
            return tf.image.resize(images, size, _WAYS[method][0])
        found = resize_images(images, size, method, align_corners)
        return found if method == ResizeMethod.NEAREST_NEIGHBOR else tf.cast(found, "float32")

    resize.__doc__ = f"Resizes images: see `resize_images` with the method {_WAYS[method][0]!r}."
    return resize


def extract_image_patches(
    images: Any,
    ksizes: Any = None,
    strides: Any = None,
    rates: Any = None,
    padding: Any = None,
    name: str | None = None,
    sizes: Any = None,
) -> Any:
    """`tf.image.extract_patches`, whose `sizes` are also called `ksizes`."""
    return tf.image.extract_patches(images, ksizes if sizes is None else sizes, strides, rates, padding)


NAMES: dict[str, Any] = {
    "ResizeMethod": ResizeMethod,
    "resize": resize_images,
    "resize_images": resize_images,
    "resize_bilinear": _by(ResizeMethod.BILINEAR),
    "resize_nearest_neighbor": _by(ResizeMethod.NEAREST_NEIGHBOR),
    "resize_bicubic": _by(ResizeMethod.BICUBIC),
    "resize_area": _by(ResizeMethod.AREA),
    "extract_image_patches": extract_image_patches,
}
