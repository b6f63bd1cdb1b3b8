"""Choosing rows and parts of rows: what indexing, gathering and joining are made of."""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail.ops import gather as dense_gather
from dovetail.ops.arithmetic import maximum, minimum
from dovetail.ops.array import concat
from dovetail.ops.create import range_of
from dovetail.ops.indexing import where_
from dovetail.ops.ragged import partition
from dovetail.ops.ragged.partition import ranges
from dovetail.ops.ragged.tensor import RaggedTensor, join_rows, num_rows
from dovetail.ops.shapes import as_tensor, expand_dims, reshape
from dovetail.ops.shapes import shape as shape_of
from dovetail.tensor.tensor import TensorLike


def one(value: Any, like: Any) -> Any:
    """Returns an integer as a scalar tensor of the dtype of `like`."""
    return as_tensor(np.asarray(value, like.dtype.numpy_dtype))


def is_ragged(value: Any) -> bool:
    return isinstance(value, RaggedTensor)


def take_rows(values: Any, index: Any) -> Any:
    """Returns the rows that a vector of integers names."""
    if not is_ragged(values):
        return dense_gather.gather(values, index, axis=0)
    starts = dense_gather.gather(values.row_splits, index)
    limits = dense_gather.gather(values.row_splits, index + 1)
    return of_ranges(values.values, starts, limits, uniform=values._uniform)


def of_ranges(values: Any, starts: Any, limits: Any, step: int = 1, uniform: Any = None) -> Any:
    """Returns the ragged tensor whose row i is `values[starts[i]:limits[i]:step]`."""
    splits, index = ranges(starts, limits, one(step, starts))
    splits = partition.as_splits(splits, starts.dtype)
    return RaggedTensor._of(take_rows(values, index), splits, uniform)


def slice_rows(rt: Any, key: slice) -> Any:
    """Returns `rt[key]`, rows."""
    index = range_of(num_rows(rt), dtype=rt.row_splits.dtype)[key]
    return take_rows(rt, index)


def slice_columns(rt: Any, key: slice) -> Any:
    """Returns the same part of every row, as `[row[key] for row in rt]`."""
    step = 1 if key.step is None else int(as_tensor(key.step))
    lengths = rt.row_lengths()
    low, high = (one(0, lengths), lengths) if step > 0 else (one(-1, lengths), lengths - 1)
    first, last = (low, high) if step > 0 else (high, low)
    starts = rt.row_starts()
    begin = starts + _clipped(key.start, first, lengths, low, high)
    end = starts + _clipped(key.stop, last, lengths, low, high)
    return of_ranges(rt.values, begin, end, step)


def _clipped(bound: Any, default: Any, lengths: Any, low: Any, high: Any) -> Any:
    if bound is None:
        return default
    offset = as_tensor(bound)
    offset = one(bound, lengths) if not isinstance(bound, TensorLike) else offset._astype(lengths.dtype)
    wrapped = where_(offset + lengths, offset + lengths * 0, offset < 0)
    return minimum(maximum(wrapped, low), high)


def concat_rows(values: list) -> Any:
    """Joins along axis 0; dense and ragged tensors mix."""
    rank = max(v.ragged_rank if is_ragged(v) else 0 for v in values)
    return join_rows([to_ragged_rank(v, rank) for v in values])


def concat_columns(values: list) -> Any:
    """Joins row i of all the tensors, for every i."""
    values = [v if is_ragged(v) else to_ragged_rank(v, 1) for v in values]
    whole = concat_rows(values)
    count = num_rows(values[0])
    places = [range_of(count, dtype=whole.row_splits.dtype) + i * count for i in range(len(values))]
    order = reshape(concat([expand_dims(p, axis=1) for p in places], axis=1), shape=(-1,))
    mixed = take_rows(whole, order)
    splits = mixed.row_splits[:: len(values)]
    return RaggedTensor._of(mixed.values, splits)


def to_ragged_rank(value: Any, rank: int) -> Any:
    """Returns a tensor with its outer dimensions as uniform rows, so that it has `rank` partitions."""
    if is_ragged(value):
        missing = rank - value.ragged_rank
        return value if missing <= 0 else value.with_flat_values(to_ragged_rank(value.flat_values, missing))
    value = as_tensor(value)
    if rank <= 0:
        return value
    size = shape_of(value, "int64")
    flat = reshape(value, shape=merged_sizes(value, size))
    inner = to_ragged_rank(flat, rank - 1)
    length = value.shape[1]
    if length is None:
        splits = range_of(size[0] + 1, dtype="int64") * size[1]
        return RaggedTensor._of(inner, splits)
    return RaggedTensor._of(inner, range_of(size[0] + 1, dtype="int64") * length, length)


def merged_sizes(value: Any, size: Any) -> Any:
    """Returns the shape of a tensor with its first two axes merged."""
    sizes = list(value.shape)
    if None not in sizes:
        return (sizes[0] * sizes[1], *sizes[2:])
    if None not in sizes[2:] and (sizes[0] != 0):
        return (-1, *sizes[2:])
    return concat([reshape(size[0] * size[1], shape=(1,)), size[2:]], axis=0)


def merge_two(rt: Any) -> Any:
    """Merges axes 1 and 2."""
    inner = rt.values
    if is_ragged(inner):
        return RaggedTensor._of(inner.values, dense_gather.gather(inner.row_splits, rt.row_splits))
    size = shape_of(inner, rt.row_splits.dtype)
    length = None if rt._uniform is None or inner.shape[1] is None else rt._uniform * inner.shape[1]
    return RaggedTensor._of(reshape(inner, shape=merged_sizes(inner, size)), rt.row_splits * size[1], length)
