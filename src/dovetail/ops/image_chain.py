"""An image that is resized and then changed pixel by pixel, in one pass over memory.

What input pipelines do to images goes through memory once an op, and each image through a cache that is smaller than
two of them.  `resize_chain` does the same ops, with the same values, row by row.
"""

from __future__ import annotations

from typing import Any

from dovetail.ops import arithmetic
from dovetail.ops.attrs import Shape
from dovetail.ops.core import Op
from dovetail.ops.image_color import adjust_brightness
from dovetail.ops.image_random import flip_some
from dovetail.ops.image_resize import resize_, tap_tables
from dovetail.ops.precision import FLOAT32

# The ops that may follow, and how many numbers each takes beside the image.
_OPS = (
    arithmetic.add,
    arithmetic.subtract,
    arithmetic.multiply,
    arithmetic.divide,
    adjust_brightness,
    flip_some,
)
STEPS: dict[str, tuple[Op, int]] = {
    **{op.name: (op, 1) for op in _OPS},
    arithmetic.clip_by_value.name: (arithmetic.clip_by_value, 2),
}


def _body(
    xp: Any, image: Any, *numbers: Any, size: Shape, method: str, antialias: bool, grid: str, steps: Any
) -> Any:
    """Resizes an image and applies `steps`, names of STEPS.

    Args:
        image: of shape (height, width, channels).
        numbers: scalars of float32, those of each step in their order.
        size, method, antialias, grid: as `resize_` takes them.
        steps: the names.
    """

    def in_turn(x: Any, *numbers: Any, **_: Any) -> Any:
        x, left = resize_.body(xp, x, size=size, method=method, antialias=antialias, grid=grid), list(numbers)
        for name in steps:
            op, count = STEPS[name]
            x = op.body(xp, x, *left[:count], **({"axis": -2} if op is flip_some else {}))
            left = left[count:]
        return x

    taps = tap_tables(image.shape[-3:-1], size, method, antialias, grid)
    return xp.by_kernel("resize chain", in_turn, (image, *numbers), {"taps": taps, "steps": steps})


resize_chain = Op(
    "resize_chain",
    _body,
    engine="host",
    differentiable=False,
    same_dtype=0,
    shape=lambda image, *_, size, **__: (*size, image[-1]),
    dtype=lambda *_, **__: FLOAT32,
)
