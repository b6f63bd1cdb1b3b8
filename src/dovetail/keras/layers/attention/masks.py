"""What a query may attend to: the masks of a call of attention, merged into one."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from dovetail.ops import arithmetic, logic, math
from dovetail.ops.create import range_of
from dovetail.ops.shapes import expand_dims, shape
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.tensor import Tensor


def boolean(mask: Any) -> Any:
    """Returns a mask as booleans; numbers other than 0 are True."""
    mask = convert_to_tensor(mask)
    return mask if mask.dtype.is_bool else arithmetic.cast(mask, dtype="bool")


def merged(masks: list) -> Any:
    """Returns where all of some masks hold, None when there are none."""
    found = [mask for mask in masks if mask is not None]
    return functools.reduce(logic.logical_and, found) if found else None


def over_keys(mask: Any) -> Any:
    """Returns a mask of keys, (batch, keys), for all queries: (batch, 1, keys)."""
    return None if mask is None else expand_dims(boolean(mask), axis=-2)


def over_queries(mask: Any) -> Any:
    """Returns a mask of queries, (batch, queries), for all keys: (batch, queries, 1)."""
    return None if mask is None else expand_dims(boolean(mask), axis=-1)


def band(query: Any, value: Any, causal: bool, window: int | None) -> Any:
    """Returns which positions see which: (1, queries, keys); None when all see all.

    Args:
        query, value: tensors of shape (batch, length, ...).
        causal: none sees a later position.
        window: positions see those less than so many away; None: all.
    """
    if not causal and window is None:
        return None
    lengths = (query.shape[1], value.shape[1])
    if None not in lengths:
        return Tensor(_known_band(*lengths, causal, window))
    rows = expand_dims(range_of(shape(query)[1]), axis=1)
    columns = expand_dims(range_of(shape(value)[1]), axis=0)
    parts = [rows >= columns] if causal else []
    if window is not None:
        parts.append(math.abs_(rows - columns) < window)
    return expand_dims(merged(parts), axis=0)


@functools.lru_cache(maxsize=64)
def _known_band(num_queries: int, num_keys: int, causal: bool, window: int | None) -> np.ndarray:
    rows, columns = np.arange(num_queries)[:, None], np.arange(num_keys)[None]
    seen = rows >= columns if causal else np.ones((num_queries, num_keys), bool)
    return (seen if window is None else seen & (np.abs(rows - columns) < window))[None]


def for_heads(mask: Any, rank: int, num_axes: int) -> Any:
    """Returns a mask with axes of size 1 before those that attend, for scores of shape (..., heads, queries, keys).

    Args:
        mask: (batch, queries, keys), or more.
        rank: of the scores.
        num_axes: how many axes attend.
    """
    for _ in range(rank - len(mask.shape)):
        mask = expand_dims(mask, axis=-2 * num_axes - 1)
    return mask
