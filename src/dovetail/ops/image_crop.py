"""Windows of images that may be too small for them: such images are resized, with their proportions kept."""

from __future__ import annotations

from typing import Any

from dovetail.ops.attrs import Shape
from dovetail.ops.families import op
from dovetail.ops.image_resize import on_host, resize_keras


def _sized(shape: tuple, *_: Any, size: tuple, channels_first: bool, **__: Any) -> tuple:
    return (*shape[:-2], *size) if channels_first else (*shape[:-3], *size, shape[-1])


def axes_of(rank: int, channels_first: bool) -> tuple[int, int]:
    """Returns the axes of height and width."""
    return (rank - 2, rank - 1) if channels_first else (rank - 3, rank - 2)


def fits(shape: tuple, size: tuple, channels_first: bool) -> bool:
    """Whether images are at least as large as a window."""
    axes = axes_of(len(shape), channels_first)
    return all(shape[axis] >= wanted for axis, wanted in zip(axes, size, strict=True))


def _resized(xp: Any, images: Any, size: tuple, channels_first: bool, method: str = "bilinear") -> Any:
    return resize_keras.body(
        xp,
        images,
        size=size,
        method=method,
        antialias=False,
        keep="crop",
        fill=0.0,
        channels_first=channels_first,
    )


@op("", shape=_sized, size=on_host)
def center_window(
    xp: Any, images: Any, *, size: Shape, channels_first: bool = False, crop: bool = True
) -> Any:
    """Returns the middle of images; smaller images are resized, and what exceeds the proportions is cut off.

    Args:
        images: tensor of rank 3 or 4.
        size: height and width of the result.
        crop: False: large images are resized too.
    """
    if not crop or not fits(images.shape, size, channels_first):
        return _resized(xp, images, size, channels_first)
    index = [slice(None)] * images.ndim
    for axis, wanted in zip(axes_of(images.ndim, channels_first), size, strict=True):
        start = (images.shape[axis] - wanted) // 2
        index[axis] = slice(start, start + wanted)
    return images[tuple(index)]


@op("", same_dtype=0, shape=_sized, size=on_host)
def window_at(xp: Any, images: Any, top: Any, left: Any, *, size: Shape, channels_first: bool = False) -> Any:
    """Returns the window of images that begins at `top` and `left`; smaller images are resized.

    Args:
        images: tensor of rank 3 or 4.
        top, left: scalar integers.
        size: height and width of the window.
    """
    if not fits(images.shape, size, channels_first):
        return _resized(xp, images, size, channels_first)
    axes = axes_of(images.ndim, channels_first)
    begin = [xp.zeros_like(top)] * images.ndim
    begin[axes[0]], begin[axes[1]] = top, left.astype(top.dtype)
    sizes = list(images.shape)
    sizes[axes[0]], sizes[axes[1]] = size
    return xp.dynamic_slice(images, xp.stack(begin), tuple(sizes))
