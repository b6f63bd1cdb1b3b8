"""Joining and splitting."""

from __future__ import annotations

from typing import Any

from dovetail.ops import rules
from dovetail.ops.families import op
from dovetail.tensor.convert import use_stack


def _stacked(*shapes: tuple, axis: int) -> tuple:
    merged = shapes[0]
    for other in shapes[1:]:
        if len(other) != len(merged):
            raise ValueError(f"cannot stack shapes of different ranks: {merged} and {other}")
        merged = tuple(a if a is not None else b for a, b in zip(merged, other, strict=True))
        if any(a is not None and b is not None and a != b for a, b in zip(merged, other, strict=True)):
            raise ValueError(f"cannot stack shapes {merged} and {other}: all must be the same")
    axis = rules.normalized_axis(axis, len(merged) + 1)
    return (*merged[:axis], len(shapes), *merged[axis:])


@op("stack ops.stack(x) K.stack(x)", shape=_stacked)
def stack(xp: Any, *values: Any, axis: int = 0) -> Any:
    """Joins tensors of one shape along a new axis.

    Args:
        values: list of tensors of the same shape and dtype.
        axis: where the new axis goes.
    """
    return xp.stack(values, axis=axis)


use_stack(lambda tensors: stack(*tensors))
