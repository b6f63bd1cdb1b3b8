"""Boxes of objects in images, in the formats of `keras.utils.bounding_boxes`, and the matrices that move images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dovetail.engine import dtypes
from dovetail.ops.attrs import Shape
from dovetail.ops.families import op
from dovetail.ops.image_resize import on_host
from dovetail.ops.precision import FLOAT32

# Formats: the four numbers as left, top, right, bottom, and back. Those that begin with rel_ are parts of an image.
_TO_CORNERS: dict[str, Callable] = {
    "xyxy": lambda a, b, c, d: (a, b, c, d),
    "yxyx": lambda a, b, c, d: (b, a, d, c),
    "xywh": lambda x, y, w, h: (x, y, x + w, y + h),
    "center_xywh": lambda x, y, w, h: (x - w / 2, y - h / 2, x + w / 2, y + h / 2),
    "center_yxhw": lambda y, x, h, w: (x - w / 2, y - h / 2, x + w / 2, y + h / 2),
}
_FROM_CORNERS: dict[str, Callable] = {
    "xyxy": lambda a, b, c, d: (a, b, c, d),
    "yxyx": lambda a, b, c, d: (b, a, d, c),
    "xywh": lambda a, b, c, d: (a, b, c - a, d - b),
    "center_xywh": lambda a, b, c, d: (a + (c - a) / 2, b + (d - b) / 2, c - a, d - b),
    "center_yxhw": lambda a, b, c, d: (b + (d - b) / 2, a + (c - a) / 2, d - b, c - a),
}
FORMATS = (*_TO_CORNERS, "rel_xyxy", "rel_yxyx", "rel_xywh", "rel_center_xywh")


def _same(shape: tuple, *_: Any, **__: Any) -> tuple:
    return shape


def _corners(boxes: Any) -> tuple:
    return tuple(boxes[..., i] for i in range(4))


@op("", same_dtype=0, shape=_same, size=on_host)
def convert_boxes(
    xp: Any, boxes: Any, height: Any = None, width: Any = None, *, source: str, target: str
) -> Any:
    """Converts boxes between formats.

    Args:
        boxes: float tensor of shape (..., 4).
        height, width: of the images; needed between parts of an image and pixels.
        source, target: of `FORMATS`.
    """
    numbers = _TO_CORNERS[source.removeprefix("rel_")](*_corners(boxes))
    steps = target.startswith("rel_") - source.startswith("rel_")
    if steps:
        w, h = width.astype(boxes.dtype), height.astype(boxes.dtype)
        sizes = (w, h, w, h)
        pairs = zip(numbers, sizes, strict=True)
        numbers = tuple(n / size if steps > 0 else n * size for n, size in pairs)
    return xp.stack(_FROM_CORNERS[target.removeprefix("rel_")](*numbers), axis=-1)


@op("", same_dtype=0, shape=_same, size=on_host)
def clip_boxes(xp: Any, boxes: Any, height: Any, width: Any) -> Any:
    """Clips boxes (left, top, right, bottom) to [0, width] and [0, height]."""
    zero = boxes.dtype.type(0)
    limits = (width, height, width, height)
    pairs = zip(_corners(boxes), limits, strict=True)
    return xp.stack(
        [xp.clip(one, zero, xp.broadcast_to(limit.astype(boxes.dtype), one.shape)) for one, limit in pairs],
        axis=-1,
    )


@op("", same_dtype=0, shape=_same, size=on_host)
def turn_boxes(xp: Any, boxes: Any, rows: Any) -> Any:
    """Returns the boxes around boxes (batch, n, 4) whose corners are moved by matrices (batch, 2, 3)."""
    left, top, right, bottom = _corners(boxes)
    x, y = xp.stack([left, right, right, left], axis=-1), xp.stack([top, top, bottom, bottom], axis=-1)
    a, b = (
        rows[:, i, 0, None, None] * x + rows[:, i, 1, None, None] * y + rows[:, i, 2, None, None]
        for i in (0, 1)
    )
    return xp.stack([xp.min(a, axis=-1), xp.min(b, axis=-1), xp.max(a, axis=-1), xp.max(b, axis=-1)], axis=-1)


# ---- the rows that `project_images` reads -------------------------------------------------------------------------


def _eight(shape: tuple, **_: Any) -> tuple:
    return shape[0], 8


def _wide(x: Any) -> Any:
    return x.astype(FLOAT32) if dtypes.is_half(x.dtype) or x.dtype.kind != "f" else x


@op("", shape=_eight)
def rotation_rows(xp: Any, angles: Any, *, size: Shape) -> Any:
    """Returns what turns images about their centers: (batch, 8).

    Args:
        angles: degrees, of shape (batch,); positive ones turn counter-clockwise.
        size: height and width.
    """
    turn = _wide(angles)
    kind = turn.dtype.type
    turn = turn * kind(np.pi / 180)
    x, y = kind(0.5 * (size[1] - 1)), kind(0.5 * (size[0] - 1))
    cos, sin, zero = xp.cos(turn), xp.sin(turn), xp.zeros_like(turn)
    rows = [cos, -sin, x - x * cos + y * sin, sin, cos, y - x * sin - y * cos, zero, zero]
    return xp.stack(rows, axis=-1)


@op("", shape=_eight)
def zoom_rows(xp: Any, zooms: Any, *, size: Shape) -> Any:
    """Returns what zooms images about their centers: (batch, 8).

    Args:
        zooms: of shape (batch, 2): the part of the width, and of the height, that is seen; 1 is all.
        size: height and width.
    """
    zooms = _wide(zooms)
    x, y = zooms[:, 0], zooms[:, 1]
    zero, kind = xp.zeros_like(x), zooms.dtype.type
    shift_x, shift_y = kind((size[1] - 1) / 2) * (1 - x), kind((size[0] - 1) / 2) * (1 - y)
    return xp.stack([x, zero, shift_x, zero, y, shift_y, zero, zero], axis=-1)
