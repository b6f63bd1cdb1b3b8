"""`tf.compat.v1.image`: resizing as TensorFlow 1 samples, from the corners of pixels and not from their centers."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any

import dovetail as tf
from dovetail.base.errors import at_user_location
from dovetail.ops.image_resize import grid_of, resize_, resize_padded, resized_shape


class ResizeMethod:
    """The numbers of the ways to resize."""

    BILINEAR, NEAREST_NEIGHBOR, BICUBIC, AREA = range(4)


_NAMES = ("bilinear", "nearest", "bicubic", "area")  # in the order of the numbers


def _named(method: Any) -> str:
    if isinstance(method, enum.Enum):
        method = method.value
    if method in _NAMES:
        return str(method)
    if method in range(len(_NAMES)):
        return _NAMES[method]
    raise ValueError(
        f"resize_images: method {method!r} is none of 0, 1, 2, 3, {', '.join(_NAMES)}{at_user_location()}"
    )


def _sizes(size: Any) -> Any:
    """Returns a new height and width, as numbers where they are known, as a tensor else."""
    tensor = tf.convert_to_tensor(size)
    known = tf.get_static_value(tensor)
    fits = tensor.shape.is_compatible_with([2]) and tensor.dtype.is_integer
    if not fits or (known is not None and min(known) < 1):
        raise ValueError(
            f"'size' must be two positive integers, height and width, received {size!r:.80}{at_user_location()}"
        )
    return tensor if known is None else tuple(map(int, known))


def _batch_or_image(images: Any) -> Any:
    x = tf.convert_to_tensor(images)
    if x.shape.rank not in (3, 4):
        raise ValueError(
            f"resize_images: 'images' must have 3 or 4 dimensions, has {x.shape.rank}{at_user_location()}"
        )
    return x


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
    x, way, sizes = _batch_or_image(images), _named(method), _sizes(size)
    before = tuple(x.shape)
    known = isinstance(sizes, tuple) and None not in before[-3:-1]
    if known and resized_shape(before, sizes, preserve_aspect_ratio) == before:
        return x
    return resize_(
        x, size=sizes, method=way, preserve_aspect_ratio=preserve_aspect_ratio, grid=grid_of(align_corners)
    )


def _batch_resized(images: Any, size: Any, method: str, grid: str) -> Any:
    x = _batch_or_image(images)
    if x.shape.rank != 4:
        raise ValueError(f"resize_{method}: 'images' must have 4 dimensions, has 3{at_user_location()}")
    return resize_(x, size=_sizes(size), method=method, grid=grid)


def _by(method: str) -> Callable:
    def resize(
        images: Any,
        size: Any,
        align_corners: bool = False,
        name: str | None = None,
        half_pixel_centers: bool = False,
    ) -> Any:
        return _batch_resized(images, size, method, grid_of(align_corners, half_pixel_centers))

    resize.__doc__ = f"""Resizes a batch of images: see `resize_images` with the method {method!r}.

    half_pixel_centers: pixels are areas, as in `tf.image.resize`.  Raises InvalidArgumentError beside align_corners.
    """
    return resize


def resize_area(images: Any, size: Any, align_corners: bool = False, name: str | None = None) -> Any:
    """Resizes a batch of images: see `resize_images` with the method "area"."""
    return _batch_resized(images, size, "area", grid_of(align_corners))


def resize_image_with_pad(
    image: Any,
    target_height: int,
    target_width: int,
    method: Any = ResizeMethod.BILINEAR,
    align_corners: bool = False,
) -> Any:
    """Resizes without changing the proportions, and pads with zeros to the target size; see `resize_images`."""
    return resize_padded(
        _batch_or_image(image),
        size=_sizes([target_height, target_width]),
        method=_named(method),
        grid=grid_of(align_corners),
    )


def crop_and_resize(
    image: Any,
    boxes: Any,
    box_ind: Any = None,
    crop_size: Any = None,
    method: str = "bilinear",
    extrapolation_value: float = 0.0,
    name: str | None = None,
    box_indices: Any = None,
) -> Any:
    """`tf.image.crop_and_resize`, whose `box_indices` are also called `box_ind`."""
    indices = box_ind if box_indices is None else box_indices
    return tf.image.crop_and_resize(image, boxes, indices, crop_size, method, extrapolation_value)


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
    "resize_bilinear": _by("bilinear"),
    "resize_nearest_neighbor": _by("nearest"),
    "resize_bicubic": _by("bicubic"),
    "resize_area": resize_area,
    "resize_image_with_pad": resize_image_with_pad,
    "crop_and_resize": crop_and_resize,
    "extract_image_patches": extract_image_patches,
}
