"""Sums, means, extremes: ops that reduce over axes."""

from __future__ import annotations

from typing import Any

from dovetail.ops.attrs import Axis
from dovetail.ops.families import reduction, spread_to


@reduction(
    "reduce_sum math.reduce_sum ops.sum(x) K.sum(x)",
    lambda g, y, x, axis: spread_to(g, shape=tuple(x.shape)),
)
def reduce_sum(xp: Any, input_tensor: Any, *, axis: Axis = None, keepdims: bool = False) -> Any:
    """Sums over `axis` (all axes when None), in the dtype of the input.

    Args:
        input_tensor: tensor of any numeric dtype.
        axis: an axis, a list of axes, or None.
        keepdims: keep the reduced axes with size 1.
    """
    return xp.sum(input_tensor, axis=axis, keepdims=keepdims)
