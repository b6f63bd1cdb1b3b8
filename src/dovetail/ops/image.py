"""`tf.image`: conversion, flips, crops, borders and patches."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.engine import dtypes
from dovetail.ops.attrs import DTypeLike, Nested, Shape, whole
from dovetail.ops.families import op
from dovetail.ops.image_resize import on_host
from dovetail.ops.precision import FLOAT32
from dovetail.ops.slicing import slice_
from dovetail.ops.views import export
from dovetail.ops.windows import WindowPlan, output_sizes, spatial


def _same(shape: tuple, *_: Any, **__: Any) -> tuple:
    return shape


def _image(shape: tuple) -> tuple:
    """Returns the shape of an image or a batch of images.

    Raises:
        ValueError: another rank than 3 or 4.
    """
    if len(shape) not in (3, 4):
        raise ValueError(f"an image must have rank 3 or 4 (height, width, channels), received shape {shape}")
    return shape


# ---- dtypes -------------------------------------------------------------------------------------------------------


def converted(xp: Any, image: Any, dtype: Any, saturate: bool = False) -> Any:
    """Converts between dtypes with their ranges: floats lie in [0, 1], integers in [0, largest]."""
    if image.dtype == dtype:
        return image
    if dtypes.is_floating(image.dtype):
        if dtypes.is_floating(dtype):
            return image.astype(dtype)
        largest = np.iinfo(dtype).max
        scaled = image * image.dtype.type(largest + 0.5)
        if saturate:
            scaled = xp.clip(scaled, image.dtype.type(np.iinfo(dtype).min), image.dtype.type(largest))
        return scaled.astype(dtype)
    if dtypes.is_floating(dtype):
        return image.astype(dtype) * dtype.type(1.0 / np.iinfo(image.dtype).max)
    return _integers(xp, image, dtype, saturate)


def _integers(xp: Any, image: Any, dtype: Any, saturate: bool) -> Any:
    old, new = int(np.iinfo(image.dtype).max), int(np.iinfo(dtype).max)
    if old > new:
        scaled = image // image.dtype.type((old + 1) // (new + 1))
        if saturate:
            scaled = xp.clip(scaled, np.iinfo(dtype).min if scaled.dtype.kind == "i" else 0, new)
        return scaled.astype(dtype)
    if saturate:
        image = xp.maximum(image, image.dtype.type(0)) if dtype.kind == "u" else image
    return image.astype(dtype) * dtype.type((new + 1) // (old + 1))


@op(
    "image.convert_image_dtype",
    shape=_same,
    dtype=lambda kind, dtype, **_: dtype,
    size=on_host,
)
def convert_image_dtype(xp: Any, image: Any, *, dtype: DTypeLike, saturate: bool = False) -> Any:
    """Converts an image to another dtype and scales its values: floats lie in [0, 1], integers in [0, largest].

    Args:
        image: tensor of any numeric dtype.
        dtype: the new dtype.
        saturate: clip values that do not fit, instead of letting them wrap around.
    """
    return converted(xp, image, dtype, saturate)


# ---- flips --------------------------------------------------------------------------------------------------------


@op("", shape=_same, size=on_host)
def flip(xp: Any, image: Any, *, axis: int) -> Any:
    """Reverses an axis."""
    return xp.flip(image, axis=axis)


flip.gradient(lambda g, y, x, axis: flip(g, axis=axis))


@export("image.flip_left_right")
def flip_left_right(image: Any) -> Any:
    """Mirrors an image (or a batch of images): left becomes right."""
    return flip(image, axis=-2)


@export("image.flip_up_down")
def flip_up_down(image: Any) -> Any:
    """Mirrors an image (or a batch of images): up becomes down."""
    return flip(image, axis=-3)


def _swapped(shape: tuple, k: int = 1) -> tuple:
    _image(shape)
    return (*shape[:-3], shape[-2], shape[-3], shape[-1]) if k % 2 else shape


@op("image.rot90", shape=_swapped, size=on_host)
def rot90(xp: Any, image: Any, *, k: int = 1) -> Any:
    """Turns an image by `k` quarter turns, counter-clockwise."""
    _image(image.shape)
    return xp.rot90(image, k % 4, axes=(image.ndim - 3, image.ndim - 2))


@op("image.transpose", shape=_swapped, size=on_host)
def transpose_image(xp: Any, image: Any) -> Any:
    """Swaps height and width."""
    _image(image.shape)
    return xp.swapaxes(image, -3, -2)


# ---- crops and borders --------------------------------------------------------------------------------------------


@op("", shape=lambda shape, window: (*shape[:-3], *window[2:], shape[-1]), size=on_host)
def crop_window(xp: Any, image: Any, *, window: Shape) -> Any:
    """Returns the part of an image in `window`: (top, left, height, width)."""
    top, left, height, width = window
    if min(window) < 0 or top + height > image.shape[-3] or left + width > image.shape[-2]:
        raise ValueError(
            f"the window (top, left, height, width) = {window} does not lie inside of {image.shape}"
        )
    return image[..., top : top + height, left : left + width, :]


def _crop_gradient(g: Any, y: Any, x: Any, window: tuple) -> Any:
    top, left, height, width = window
    rows, columns = tuple(x.shape)[-3:-1]
    return pad_window(g, pads=(top, rows - top - height, left, columns - left - width))


def _bordered(shape: tuple, pads: tuple) -> tuple:
    height, width = shape[-3], shape[-2]
    return (
        *shape[:-3],
        None if height is None else height + pads[0] + pads[1],
        None if width is None else width + pads[2] + pads[3],
        shape[-1],
    )


@op("", shape=_bordered, size=on_host)
def pad_window(xp: Any, image: Any, *, pads: Shape) -> Any:
    """Adds borders of zeros: (above, below, left, right)."""
    above, below, left, right = pads
    if min(pads) < 0:
        raise ValueError(f"an image of shape {image.shape} does not fit: the borders would be {pads}")
    return xp.pad(image, (*((0, 0),) * (image.ndim - 3), (above, below), (left, right), (0, 0)))


crop_window.gradient(_crop_gradient)
pad_window.gradient(lambda g, y, x, pads: crop_window(g, window=(pads[0], pads[2], *tuple(x.shape)[-3:-1])))


@export("image.crop_to_bounding_box")
def crop_to_bounding_box(
    image: Any, offset_height: Any, offset_width: Any, target_height: int, target_width: int
) -> Any:
    """Returns the part of an image (or of each image) that begins at the offset and has the target size."""
    offsets = (offset_height, offset_width)
    if any(_is_traced(offset) for offset in offsets):
        rank = len(image.shape)
        lead = [0] * (rank - 3)
        size = [*tuple(image.shape)[: rank - 3], target_height, target_width, image.shape[-1]]
        return slice_(image, [*lead, *offsets, 0], size)
    return crop_window(image, window=(*offsets, target_height, target_width))


def _is_traced(value: Any) -> bool:
    return (
        hasattr(value, "_value")
        and not isinstance(value._value, np.ndarray)
        and not hasattr(value._value, "addressable_shards")
    )


@export("image.pad_to_bounding_box")
def pad_to_bounding_box(
    image: Any, offset_height: int, offset_width: int, target_height: int, target_width: int
) -> Any:
    """Puts an image (or each image) at the offset of a field of zeros of the target size."""
    height, width = _known_sizes("image.pad_to_bounding_box", image)
    top, left = whole(offset_height), whole(offset_width)
    below, right = whole(target_height) - top - height, whole(target_width) - left - width
    return pad_window(image, pads=(top, below, left, right))


def _known_sizes(function: str, image: Any) -> tuple:
    height, width = tuple(image.shape)[-3:-1]
    if height is None or width is None:
        raise ValueError(
            f"tf.{function}: the image's size is not known yet (shape {image.shape}){at_user_location()}"
        )
    return height, width


@export("image.central_crop")
def central_crop(image: Any, central_fraction: float) -> Any:
    """Returns the middle of an image, `central_fraction` of its height and width."""
    fraction = float(central_fraction)
    if not 0 < fraction <= 1:
        raise ValueError(f"tf.image.central_crop: central_fraction must be in (0, 1], received {fraction}")
    if fraction == 1:
        return image
    height, width = _known_sizes("image.central_crop", image)
    top, left = int((height - height * fraction) / 2), int((width - width * fraction) / 2)
    return crop_window(image, window=(top, left, height - 2 * top, width - 2 * left))


@export("image.resize_with_crop_or_pad")
def resize_with_crop_or_pad(image: Any, target_height: int, target_width: int) -> Any:
    """Crops or pads around the middle to the target size."""
    sizes = whole(target_height), whole(target_width)
    if min(sizes) <= 0:
        raise ValueError(
            f"tf.image.resize_with_crop_or_pad: the target sizes must be positive, received {sizes}"
        )
    return crop_or_pad(image, size=sizes)


@op("", shape=lambda shape, size: (*shape[:-3], *size, shape[-1]), size=on_host)
def crop_or_pad(xp: Any, image: Any, *, size: Shape) -> Any:
    """Crops or pads around the middle to `size`."""
    _image(image.shape)
    pads = [(0, 0)] * image.ndim
    for axis, target in zip((image.ndim - 3, image.ndim - 2), size, strict=True):
        missing = target - image.shape[axis]
        if missing > 0:
            pads[axis] = (missing // 2, missing - missing // 2)
        else:
            start = -missing // 2
            image = image[(slice(None),) * axis + (slice(start, start + target),)]
    return xp.pad(image, pads)


# ---- patches ------------------------------------------------------------------------------------------------------


def _patches_shape(shape: tuple, sizes: Any, strides: Any, rates: Any, padding: Any) -> tuple:
    window, moves, steps = (spatial(v, 2, "sizes") for v in (sizes, strides, rates))
    height, width = output_sizes(shape, window, moves, padding, steps, False)
    depth = None if shape[-1] is None else shape[-1] * window[0] * window[1]
    return shape[0], height, width, depth


@op("image.extract_patches", shape=_patches_shape, size=on_host)
def extract_patches(
    xp: Any,
    images: Any,
    *,
    sizes: Shape,
    strides: Shape,
    rates: Shape = (1, 1, 1, 1),
    padding: Nested = "VALID",
) -> Any:
    """Returns windows of images, each flattened into the channels: (batch, rows, columns, height * width * channels).

    Args:
        images: tensor of shape (batch, height, width, channels).
        sizes: of the windows: [1, height, width, 1].
        strides: distance between windows: [1, rows, columns, 1].
        rates: distance between the pixels of a window: [1, rows, columns, 1].
        padding: "VALID" or "SAME".
    """
    plan = WindowPlan(images, sizes, strides, padding, rates, False)
    padded = plan.padded(xp, images, 0)
    return xp.concatenate([plan.slice_of(padded, tap) for tap in plan.taps()], axis=-1)


def _boxes_shape(image: tuple, boxes: tuple, indices: tuple, crop_size: tuple, **_: Any) -> tuple:
    if len(crop_size) != 2 or min(crop_size) < -1 or 0 in crop_size:  # -1: not known
        raise ValueError(f"crop_size must be two positive integers, received {crop_size}")
    return boxes[0], *crop_size, image[-1]


@op(
    "image.crop_and_resize",
    same_dtype=0,
    shape=_boxes_shape,
    dtype=lambda *_, **__: FLOAT32,
    size=on_host,
)
def crop_and_resize(
    xp: Any,
    image: Any,
    boxes: Any,
    box_indices: Any,
    *,
    crop_size: Shape,
    method: str = "bilinear",
    extrapolation_value: float = 0.0,
) -> Any:
    """Cuts boxes out of a batch of images and resizes each to `crop_size`.

    Args:
        image: tensor of shape (batch, height, width, channels).
        boxes: float tensor of shape (boxes, 4): y1, x1, y2, x2, where 0 and 1 are the first and the last pixel.
        box_indices: integers of shape (boxes,): the image of each box.
        crop_size: height and width of the result.
        method: "bilinear" or "nearest".
        extrapolation_value: for points outside of the image.
    """
    if method not in ("bilinear", "nearest"):
        raise ValueError(f"method must be 'bilinear' or 'nearest', received {method!r}")
    _boxes_shape(image.shape, boxes.shape, box_indices.shape, crop_size)
    height, width = image.shape[1:3]
    images = image.astype(FLOAT32)
    ys = _positions(xp, boxes[:, 0], boxes[:, 2], crop_size[0], height)  # (boxes, rows)
    xs = _positions(xp, boxes[:, 1], boxes[:, 3], crop_size[1], width)
    which = box_indices[:, None, None]
    inside = ((ys >= 0) & (ys <= height - 1))[:, :, None] & ((xs >= 0) & (xs <= width - 1))[:, None, :]
    if method == "nearest":
        rows, columns = _clipped(xp, xp.round(ys), height), _clipped(xp, xp.round(xs), width)
        picked = images[which, rows[:, :, None], columns[:, None, :]]
    else:
        picked = _bilinear(xp, images, which, ys, xs)
    return xp.where(inside[..., None], picked, np.float32(extrapolation_value))


def _positions(xp: Any, start: Any, stop: Any, count: int, size: int) -> Any:
    start, stop = start.astype(FLOAT32), stop.astype(FLOAT32)
    if count == 1:
        return (np.float32(0.5) * (start + stop) * np.float32(size - 1))[:, None]
    step = (stop - start) * np.float32(size - 1) / np.float32(count - 1)
    return start[:, None] * np.float32(size - 1) + np.arange(count, dtype=np.float32) * step[:, None]


def _clipped(xp: Any, position: Any, size: int) -> Any:
    return xp.clip(position, np.float32(0), np.float32(size - 1)).astype(np.int32)


def _bilinear(xp: Any, images: Any, which: Any, ys: Any, xs: Any) -> Any:
    height, width = images.shape[1:3]
    top, left = xp.floor(ys), xp.floor(xs)
    dy, dx = (ys - top)[:, :, None, None], (xs - left)[:, None, :, None]
    total: Any = None
    for down, right in itertools.product((0, 1), (0, 1)):
        rows = _clipped(xp, top + np.float32(down), height)[:, :, None]
        columns = _clipped(xp, left + np.float32(right), width)[:, None, :]
        weight = (dy if down else 1 - dy) * (dx if right else 1 - dx)
        part = images[which, rows, columns] * weight
        total = part if total is None else total + part
    return total
