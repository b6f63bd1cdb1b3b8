"""Images in `keras.ops.image`: colors, patches, edges, cropping and padding, in both layouts."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.base.settings import settings
from dovetail.ops import image_color, rules
from dovetail.ops.arithmetic import cast
from dovetail.ops.array import stack
from dovetail.ops.attrs import Nested, Shape, integer, sizes
from dovetail.ops.depthwise import depthwise_conv
from dovetail.ops.families import op
from dovetail.ops.keras_math import _both_floating, _float, _tensor
from dovetail.ops.padding import pad
from dovetail.ops.shapes import moveaxis, shape
from dovetail.ops.views import export
from dovetail.ops.windows import WindowPlan, is_channels_first, output_sizes
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.symbolic import SymbolicTensor


def _channels_first(data_format: str | None) -> bool:
    return is_channels_first(settings.image_data_format if data_format is None else data_format)


def _in_last(function: Callable, images: Any, data_format: str | None) -> Any:
    """Applies a function of channels-last images to images of either layout."""
    if not _channels_first(data_format):
        return function(images)
    return moveaxis(function(moveaxis(images, -3, -1)), -1, -3)


def _images(x: Any, function: str) -> Any:
    x = _tensor(x)
    if len(x.shape) not in (3, 4):
        raise ValueError(
            f"keras.ops.image.{function}: expected images of rank 3 or 4, received shape {x.shape}{at_user_location()}"
        )
    return x


# ---- colors and similarity -------------------------------------------------------------------------------------------


@export("ops.image.rgb_to_grayscale")
def rgb_to_grayscale(images: Any, data_format: str | None = None) -> Any:
    """Returns the brightness of each pixel, with one channel: 0.2989 red + 0.587 green + 0.114 blue.

    Args:
        images: images of rank 3 or 4 with three channels.
        data_format: "channels_last" or "channels_first"; None: `keras.config.image_data_format()`.
    """
    images = _images(images, "rgb_to_grayscale")
    return _in_last(image_color.rgb_to_grayscale, images, data_format)


@export("ops.image.rgb_to_hsv")
def rgb_to_hsv(images: Any, data_format: str | None = None) -> Any:
    """Returns hue, saturation and value of float images in [0, 1]; see `rgb_to_grayscale`."""
    return _in_last(image_color.rgb_to_hsv, _images(images, "rgb_to_hsv"), data_format)


@export("ops.image.hsv_to_rgb")
def hsv_to_rgb(images: Any, data_format: str | None = None) -> Any:
    """Returns the colors of hue, saturation and value; see `rgb_to_grayscale`."""
    return _in_last(image_color.hsv_to_rgb, _images(images, "hsv_to_rgb"), data_format)


@export("ops.image.ssim")
def ssim(
    image1: Any,
    image2: Any,
    max_val: float = 1.0,
    filter_size: int = 11,
    filter_sigma: float = 1.5,
    k1: float = 0.01,
    k2: float = 0.03,
    data_format: str | None = None,
) -> Any:
    """Returns the mean structural similarity of pairs of images; see `tf.image.ssim`."""
    image1 = _images(image1, "ssim")
    both = _both_floating(image1, _images(image2, "ssim"))
    if _channels_first(data_format):
        both = tuple(moveaxis(one, -3, -1) for one in both)
    found = image_color.ssim(
        *both, max_val=max_val, filter_size=filter_size, filter_sigma=filter_sigma, k1=k1, k2=k2
    )
    return cast(found, dtype=image1.dtype)


_DOWN = np.array([[-1, -2, -1], [0, 0, 0], [1, 2, 1]])
_SOBEL = np.stack([_DOWN, _DOWN.T], axis=-1)[:, :, None]  # (height, width, channels, multiplier)


@export("ops.image.sobel_edges")
def sobel_edges(images: Any, data_format: str | None = None) -> Any:
    """Returns the Sobel gradients (dy, dx) of a batch of images along a new last axis, with zeros around the images."""
    images = _tensor(images)
    x = _float(images)
    if len(x.shape) != 4:
        raise ValueError(
            f"keras.ops.image.sobel_edges: expected images of rank 4, received shape {x.shape}{at_user_location()}"
        )
    first = _channels_first(data_format)
    x = moveaxis(x, -3, -1) if first else x
    kernel = convert_to_tensor(_SOBEL.repeat(x.shape[-1], axis=2).astype(x.dtype.numpy_dtype))
    found = depthwise_conv(x, kernel, strides=1, padding="SAME")  # (batch, height, width, channels * 2)
    edges = stack(found[..., ::2], found[..., 1::2], axis=-1)
    return cast(moveaxis(edges, -2, 1) if first else edges, dtype=images.dtype)


# ---- patches ---------------------------------------------------------------------------------------------------------


def _patches_shape(x: tuple, window: tuple, strides: tuple, dilations: tuple, padding: str) -> tuple:
    depth = None if x[-1] is None else x[-1] * rules.product(window)
    return (x[0], *output_sizes(x, window, strides, padding, dilations, False), depth)


@op("", shape=_patches_shape)
def windows_of(
    xp: Any, x: Any, *, window: Shape, strides: Shape, dilations: Shape, padding: Nested = "VALID"
) -> Any:
    """Returns windows of channels-last images or volumes, each flattened into the channels."""
    plan = WindowPlan(x, window, strides, padding, dilations, False)
    padded = plan.padded(xp, x, 0)
    taps = itertools.product(*map(range, window))
    return xp.concatenate([plan.slice_of(padded, tap) for tap in taps], axis=-1)


def _each(value: Any, rank: int, name: str) -> tuple:
    found = sizes(value) or ()
    if len(found) not in (1, rank) or min(found) < 1:
        raise ValueError(
            f"{name} must be a positive integer, or {rank}, received {value!r}{at_user_location()}"
        )
    return found * rank if len(found) == 1 else found


def _patches(
    x: Any, rank: int, size: Any, strides: Any, dilation_rate: Any, padding: str, data_format: str | None
) -> Any:
    x = _tensor(x)
    if len(x.shape) not in (rank + 1, rank + 2):
        raise ValueError(
            f"expected an input of rank {rank + 1} or {rank + 2}, received shape {x.shape}{at_user_location()}"
        )
    window = _each(size, rank, "size")
    moves = window if strides is None else _each(strides, rank, "strides")
    dilations = _each(dilation_rate, rank, "dilation_rate")
    if max(moves) > 1 and max(dilations) > 1:
        raise ValueError(
            f"strides {moves} and dilation_rate {dilations} cannot both be larger than 1{at_user_location()}"
        )
    first = _channels_first(data_format)
    batched = len(x.shape) == rank + 2
    x = x if batched else x[None]
    x = moveaxis(x, 1, -1) if first else x
    out = windows_of(x, window=window, strides=moves, dilations=dilations, padding=padding.upper())
    out = moveaxis(out, -1, 1) if first else out
    return out if batched else out[0]


@export("ops.image.extract_patches")
def extract_patches(
    images: Any,
    size: Any,
    strides: Any = None,
    dilation_rate: Any = 1,
    padding: str = "valid",
    data_format: str | None = None,
) -> Any:
    """Returns windows of images, each flattened into the channels.

    Args:
        images: images of rank 3 or 4.
        size: height and width of the windows.
        strides: distance between windows; None: `size`.
        dilation_rate: distance between the pixels of a window.
        padding: "valid" or "same".
        data_format: "channels_last" or "channels_first"; None: `keras.config.image_data_format()`.
    """
    return _patches(images, 2, size, strides, dilation_rate, padding, data_format)


@export("ops.image.extract_patches_3d")
def extract_patches_3d(
    volumes: Any,
    size: Any,
    strides: Any = None,
    dilation_rate: Any = 1,
    padding: str = "valid",
    data_format: str | None = None,
) -> Any:
    """Returns windows of volumes of rank 4 or 5, each flattened into the channels; see `extract_patches`."""
    return _patches(volumes, 3, size, strides, dilation_rate, padding, data_format)


# ---- cropping and padding --------------------------------------------------------------------------------------------


def _sides(function: str, given: list, size: Any, grows: bool, names: tuple[str, str, str]) -> tuple:
    """Returns what is added (or cut off) before and after along one axis.

    Args:
        function: for errors.
        given: before, after and the new size; one of them is None.
        size: an integer, or a scalar tensor where it is not known.
        grows: whether something is added.
        names: of what is given.
    """
    before, after, target = (None if value is None else integer(value) for value in given)
    if [before, after, target].count(None) != 1:
        raise ValueError(
            f"keras.ops.image.{function}: pass exactly two of {', '.join(names)}, received {before}, {after}, {target}"
            f"{at_user_location()}"
        )
    total: Any = 0 if target is None else target - size if grows else size - target
    first = total - after if before is None else before
    second = total - first if after is None else after
    known = [part for part in (first, second) if isinstance(part, int)]
    too_much = isinstance(size, int) and len(known) == 2 and not grows and first + second >= size
    if min(known, default=0) < 0 or too_much:
        raise ValueError(
            f"keras.ops.image.{function}: {names[0]}, {names[1]} = {first}, {second} must not be negative, and leave "
            f"something of images of size {size}{at_user_location()}"
        )
    return first, second


def _both_sides(function: str, images: Any, given: tuple[list, list], grows: bool, first: bool) -> tuple:
    """Returns the axis of rows, what is added or cut off along both axes, and their sizes."""
    axis = len(images.shape) - (2 if first else 3)
    word = "padding" if grows else "cropping"
    rows = (f"top_{word}", f"bottom_{word}", "target_height")
    columns = (f"left_{word}", f"right_{word}", "target_width")
    sizes_now = [
        images.shape[i] if images.shape[i] is not None else shape(images)[i] for i in (axis, axis + 1)
    ]
    sides = [
        _sides(function, values, size, grows, names)
        for names, values, size in zip((rows, columns), given, sizes_now, strict=True)
    ]
    return axis, sides, sizes_now


@export("ops.image.pad_images")
def pad_images(
    images: Any,
    top_padding: int | None = None,
    left_padding: int | None = None,
    bottom_padding: int | None = None,
    right_padding: int | None = None,
    target_height: int | None = None,
    target_width: int | None = None,
    data_format: str | None = None,
) -> Any:
    """Adds zeros around images; of top, bottom and target height pass two, and likewise for the width."""
    images = _images(images, "pad_images")
    given = [top_padding, bottom_padding, target_height], [left_padding, right_padding, target_width]
    axis, sides, _ = _both_sides("pad_images", images, given, True, _channels_first(data_format))
    paddings = [(0, 0)] * len(images.shape)
    paddings[axis : axis + 2] = sides
    return _of_size(pad(images, paddings=paddings), axis, (target_height, target_width))


@export("ops.image.crop_images")
def crop_images(
    images: Any,
    top_cropping: int | None = None,
    left_cropping: int | None = None,
    bottom_cropping: int | None = None,
    right_cropping: int | None = None,
    target_height: int | None = None,
    target_width: int | None = None,
    data_format: str | None = None,
) -> Any:
    """Cuts borders off images; of top, bottom and target height pass two, and likewise for the width."""
    images = _images(images, "crop_images")
    given = [top_cropping, bottom_cropping, target_height], [left_cropping, right_cropping, target_width]
    axis, sides, sizes_now = _both_sides("crop_images", images, given, False, _channels_first(data_format))
    inside = [
        slice(before, size - after if values[2] is None else before + values[2])
        for (before, after), size, values in zip(sides, sizes_now, given, strict=True)
    ]
    cropped = images[(slice(None),) * axis + tuple(inside)]
    return _of_size(cropped, axis, (target_height, target_width))


def _of_size(images: Any, axis: int, targets: tuple) -> Any:
    """Tells a symbolic result the sizes that were asked for."""
    if isinstance(images, SymbolicTensor):
        images.set_shape((*[None] * axis, *targets, *[None] * (len(images.shape) - axis - 2)))
    return images
