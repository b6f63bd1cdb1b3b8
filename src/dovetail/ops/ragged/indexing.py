"""Indexing: `rt[...]` follows Python's rules for nested lists."""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail.base.errors import InvalidArgumentError, at_user_location
from dovetail.ops.array import stack_values
from dovetail.ops.create import range_of
from dovetail.ops.ragged.partition import known
from dovetail.ops.ragged.rows import is_ragged, merge_two, one, ranges, slice_columns, slice_rows, take_rows
from dovetail.ops.ragged.tensor import RaggedTensor, num_rows
from dovetail.ops.shapes import as_tensor, expand_dims, reshape


def get_item(self: Any, key: Any) -> Any:
    """Returns `self[key]`: key holds integers, slices, `tf.newaxis`, and at most one ellipsis.

    Raises:
        InvalidArgumentError: an index is out of range.
        ValueError: an integer index into a ragged dimension.
    """
    keys = list(key) if isinstance(key, tuple | list) else [key]
    if any(is_ragged(k) for k in keys):
        raise TypeError(
            f"ragged tensors are no index; use tf.gather or tf.ragged.boolean_mask{at_user_location()}"
        )
    return _item(self, _written_out(self, keys))


def _written_out(rt: Any, keys: list) -> list:
    place = next((i for i, k in enumerate(keys) if k is Ellipsis), None)
    if place is None:
        return keys
    used = sum(k is not None and k is not Ellipsis for k in keys)
    return [*keys[:place], *[slice(None)] * (len(rt.shape) - used), *keys[place + 1 :]]


def _item(rt: Any, keys: list) -> Any:
    """Indexes the rows by the first key, what is in them by the others."""
    if not keys:
        return rt
    if not is_ragged(rt):
        return rt[tuple(keys)]
    first, rest = keys[0], keys[1:]
    if first is None:
        return expand_first(_item(rt, rest))
    if isinstance(first, slice):
        whole = first == slice(None)
        return _inside(rt if whole else slice_rows(rt, first), rest)
    return _item(row(rt, first), rest)


def _inside(rt: Any, keys: list) -> Any:
    """Indexes every row by the first of the keys."""
    if not keys:
        return rt
    first, rest = keys[0], keys[1:]
    if first is None:
        inner = _inside(rt, rest)
        return RaggedTensor._of(inner, range_of(num_rows(inner) + 1, dtype=rt.row_splits.dtype), 1)
    if isinstance(first, slice):
        sliced = rt if first == slice(None) else slice_columns(rt, first)
        if not rest:
            return sliced
        if is_ragged(sliced.values):
            return sliced.with_values(_inside(sliced.values, rest))
        return sliced.with_values(sliced.values[(slice(None), *rest)])
    if rt._uniform is None:
        raise ValueError(
            f"rt[:, i]: an integer cannot index a ragged dimension, where row i may have no such entry; use a slice "
            f"such as rt[:, i:i + 1]{at_user_location()}"
        )
    places = rt.row_starts() + _offset(first, rt._uniform, rt.row_splits)
    chosen = take_rows(rt.values, places)
    if is_ragged(chosen):
        return _inside(chosen, rest)
    return chosen[(slice(None), *rest)] if rest else chosen


def _offset(index: Any, length: int, like: Any) -> Any:
    value = int(index)
    if not -length <= value < length:
        raise InvalidArgumentError(
            f"index {value} is out of range for rows of {length} values{at_user_location()}"
        )
    return one(value % length, like)


def row(rt: Any, index: Any) -> Any:
    """Returns one row."""
    if isinstance(index, bool | str | float):
        raise TypeError(
            f"a ragged tensor is indexed by integers, slices, ... and tf.newaxis, received {index!r:.60}"
            f"{at_user_location()}"
        )
    tensor = as_tensor(index)._astype(rt.row_splits.dtype)
    place, rows = known(tensor), rt.row_splits.shape[0]
    if place is not None and (place.ndim or not rt.row_splits.dtype.is_integer):
        raise TypeError(f"a row is named by one integer, received {index!r:.60}{at_user_location()}")
    if place is not None and rows is not None:
        if not 1 - rows <= int(place) < rows - 1:
            raise InvalidArgumentError(
                f"row {int(place)} is out of range: the ragged tensor has {rows - 1} rows{at_user_location()}"
            )
        tensor = one(int(place) % (rows - 1), rt.row_splits)
    start, limit = rt.row_splits[tensor], rt.row_splits[tensor + 1]
    limits = (known(start), known(limit))
    if limits[0] is not None and limits[1] is not None and not is_ragged(rt.values):
        return rt.values[int(limits[0]) : int(limits[1])]
    index = ranges(reshape(start, shape=(1,)), reshape(limit, shape=(1,)), one(1, start))[1]
    return take_rows(rt.values, index)


def expand_first(value: Any) -> Any:
    """Returns a tensor with a new first axis."""
    if not is_ragged(value):
        return expand_dims(value, axis=0)
    count = num_rows(value)
    size = value.row_splits.shape[0]
    return RaggedTensor._of(value, stack_values([count * 0, count]), None if size is None else size - 1)


def iterate(self: Any) -> Any:
    """Yields the rows."""
    return (self[i] for i in range(self._known_rows()))


RaggedTensor.__getitem__ = get_item  # type: ignore[attr-defined,misc]
RaggedTensor.__iter__ = iterate  # type: ignore[attr-defined]


def merge_dims(self: Any, outer_axis: int, inner_axis: int) -> Any:
    """Returns the tensor with the axes from `outer_axis` to `inner_axis` made one."""
    rank = len(self.shape)
    outer, inner = (axis + rank if axis < 0 else axis for axis in (outer_axis, inner_axis))
    if not 0 <= outer <= inner < rank:
        raise ValueError(
            f"merge_dims: expected 0 <= outer_axis <= inner_axis < {rank}, received {outer_axis} and {inner_axis}"
            f"{at_user_location()}"
        )
    result = self
    for _ in range(inner - outer):
        result = _merged(result, outer)
    return result


def _merged(value: Any, axis: int) -> Any:
    """Merges `axis` and the one after it."""
    if not is_ragged(value):
        sizes = [-1 if s is None else s for s in value.shape]
        return reshape(value, shape=(*sizes[:axis], int(np.prod(sizes[axis : axis + 2])), *sizes[axis + 2 :]))
    if axis == 0:
        return value.values
    return merge_two(value) if axis == 1 else value.with_values(_merged(value.values, axis - 1))


RaggedTensor.merge_dims = merge_dims  # type: ignore[attr-defined]
