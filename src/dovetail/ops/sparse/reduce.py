"""Sums and maxima of sparse tensors, softmax, sums by segment of gathered rows, and counts."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.ops import rules, segment
from dovetail.ops.arithmetic import cast, masked, maximum
from dovetail.ops.attrs import Axis, Shape, integer
from dovetail.ops.attrs import axis as canonical_axes
from dovetail.ops.create import ones_like
from dovetail.ops.families import op
from dovetail.ops.gather import gather
from dovetail.ops.indexing import boolean_mask_, where_
from dovetail.ops.math import exp
from dovetail.ops.reduction import reduce_max as dense_max
from dovetail.ops.reduction import reduce_prod
from dovetail.ops.segment import rows_of_segments, unsorted_segment_max, unsorted_segment_sum
from dovetail.ops.shapes import as_tensor, expand_dims, reshape
from dovetail.ops.sparse.matmul import rows_at
from dovetail.ops.sparse.patterns import columns, constant, count_of, distinct, join, linear, zero_column
from dovetail.ops.sparse.tensor import SparseTensor, as_int64, rank_of, sparse_input
from dovetail.ops.views import export
from dovetail.tensor.tensor import has_value


def _split_axes(st: SparseTensor, axis: Any) -> tuple[list[int], list[int]]:
    """Returns the axes that stay, and those that go."""
    return _axes_of(rank_of(st), axis if type(axis) is int else canonical_axes(axis))


@functools.lru_cache(maxsize=256)
def _axes_of(rank: int, axis: int | tuple | None) -> tuple[list[int], list[int]]:
    given = range(rank) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    gone = sorted({rules.normalized_axis(each, rank) for each in given})
    return [each for each in range(rank) if each not in gone], gone


def _groups(st: SparseTensor, kept: list[int]) -> tuple[Any, Any, Any]:
    """Returns the group of each entry, the number of groups, and the sizes along the axes that stay."""
    sizes = columns(st.dense_shape, kept)
    return linear(columns(st.indices, kept), sizes), reduce_prod(sizes), sizes


def _sum_of(values: Any, ids: Any, count: Any) -> Any:
    return unsorted_segment_sum(values, ids, num_segments=count)


def _max_of(values: Any, ids: Any, count: Any) -> Any:
    out = unsorted_segment_max(values, ids, num_segments=count)
    return masked(out, segment.segment_count(values, ids, num_segments=count) > 0)


def _entries_shape(values: tuple, indices: tuple, sizes: tuple, kept: tuple, how: str) -> tuple:
    return tuple(sizes[axis] for axis in kept)


@op("", same_dtype=0, shape=_entries_shape)
def reduced_entries(xp: Any, values: Any, indices: Any, *, sizes: Shape, kept: Axis, how: str) -> Any:
    """Combines the entries that agree along the axes that stay; places without an entry are 0.

    Args:
        values, indices: the entries, (n,) and (n, rank).
        sizes: the dense shape.
        kept: the axes that stay, in order.
        how: "sum" or "max".
    """
    ids = xp.zeros((indices.shape[0],), indices.dtype) if not kept else indices[:, kept[0]]
    for axis in kept[1:]:
        ids = ids * sizes[axis] + indices[:, axis]
    shape = tuple(sizes[axis] for axis in kept)
    out = xp.segment_reduce(how, values, ids, rules.product(shape), empty=0)
    return xp.reshape(out, shape)


def _entries_gradient(g: Any, y: Any, values: Any, indices: Any, sizes: tuple, kept: tuple, how: str) -> Any:
    lengths = constant(*(sizes[axis] for axis in kept))
    ids = linear(columns(indices, list(kept)), lengths)
    flat = [reshape(part, shape=(-1,)) for part in (g, y)]
    rule = (unsorted_segment_sum if how == "sum" else unsorted_segment_max).gradients[0]
    return rule(*flat, values, ids, rules.product(sizes[axis] for axis in kept))


reduced_entries.gradient(_entries_gradient, None)


def _reduced(combine: Callable, st: SparseTensor, axis: Any, keepdims: bool, sparse: bool) -> Any:
    kept, gone = _split_axes(st, axis)
    if sparse:
        return _reduced_sparse(combine, st, kept, gone, keepdims)
    if has_value(st.dense_shape):
        shape = tuple(st.shape)
        out = reduced_entries(st.values, st.indices, sizes=shape, kept=tuple(kept), how=_HOW[combine])
        if not keepdims:
            return out
        return reshape(out, shape=tuple(size if axis in kept else 1 for axis, size in enumerate(shape)))
    ids, count, sizes = _groups(st, kept)
    out = combine(st.values, ids, count)
    if keepdims:
        stays = as_tensor(np.isin(np.arange(rank_of(st)), kept))
        sizes = where_(st.dense_shape, st.dense_shape * 0 + 1, stays)
    return reshape(out, shape=sizes)


_HOW = {_sum_of: "sum", _max_of: "max"}


def _reduced_sparse(
    combine: Callable, st: SparseTensor, kept: list[int], gone: list[int], keepdims: bool
) -> SparseTensor:
    rows, ids = distinct(columns(st.indices, kept))
    values = combine(st.values, ids, count_of(rows))
    sizes = columns(st.dense_shape, kept)
    if keepdims and gone:
        back = [kept.index(i) if i in kept else len(kept) for i in range(rank_of(st))]
        empty = zero_column(rows) if kept else expand_dims(values, axis=1) * 0
        rows = columns(join([rows, cast(empty, dtype="int64")], 1), back)
        sizes = columns(join([sizes, constant(1)]), back)
    return SparseTensor._made(rows, values, sizes)


def _reduction(name: str, combine: Callable, does: str) -> Callable:
    """Returns `tf.sparse.reduce_sum` or its like."""

    def reduction(
        sp_input: Any,
        axis: Any = None,
        keepdims: Any = None,
        output_is_sparse: bool = False,
        name: str | None = None,
    ) -> Any:
        st = sparse_input(sp_input, label)
        return _reduced(combine, st, axis, bool(keepdims), output_is_sparse)

    label = f"tf.sparse.{name}"
    reduction.__name__ = reduction.__qualname__ = name
    reduction.__doc__ = f"""{does}

    Args:
        sp_input: sparse tensor.
        axis: the axes that go; all when None.
        keepdims: keep them with size 1.
        output_is_sparse: return a sparse tensor.  Its pattern depends on values: a `tf.function` runs op by op.
    """
    return export(f"sparse.{name}")(reduction)


reduce_sum = _reduction("reduce_sum", _sum_of, "Sums over axes.")
reduce_max = _reduction(
    "reduce_max", _max_of, "Returns the largest entries over axes; where there are no entries, 0."
)


@export("sparse.softmax")
def softmax(sp_input: Any, name: str | None = None) -> SparseTensor:
    """Applies softmax to the entries of each innermost row; missing entries stay missing."""
    st = sparse_input(sp_input, "tf.sparse.softmax")
    if rank_of(st) < 2:
        raise ValueError(
            f"tf.sparse.softmax: expected rank 2 or more, received shape {st.shape}{at_user_location()}"
        )
    ids, count, _ = _groups(st, list(range(rank_of(st) - 1)))
    largest = rows_of_segments(unsorted_segment_max(st.values, ids, num_segments=count), ids)
    powers = exp(st.values - largest)
    return st.with_values(powers / rows_of_segments(_sum_of(powers, ids, count), ids))


# ---- sums by segment ---------------------------------------------------------------------------------------------


def _gathered_segment(name: str, plain: Callable, unsorted: Callable) -> Callable:
    def segments(
        data: Any,
        indices: Any,
        segment_ids: Any,
        num_segments: Any = None,
        name: str | None = None,
        sparse_gradient: bool = False,
    ) -> Any:
        rows = (gather if sparse_gradient else rows_at)(as_tensor(data), as_tensor(indices))
        if num_segments is None:
            return plain(rows, segment_ids)
        return unsorted(rows, segment_ids, num_segments=num_segments)

    segments.__name__ = segments.__qualname__ = name
    segments.__doc__ = (
        f"Gathers rows of `data` and combines them as `tf.math.unsorted_{name}`; `num_segments` adds rows.\n\n"
        "With `sparse_gradient` the gradient of `data` is `tf.IndexedSlices` of the rows that were gathered."
    )
    return export(f"sparse.{name}")(segments)


segment_sum = _gathered_segment("segment_sum", segment.segment_sum, segment.unsorted_segment_sum)
segment_mean = _gathered_segment("segment_mean", segment.segment_mean, segment.unsorted_segment_mean)
segment_sqrt_n = _gathered_segment(
    "segment_sqrt_n",
    lambda rows, ids: segment.unsorted_segment_sqrt_n(
        rows, ids, segment.num_segments_of(ids, "tf.sparse.segment_sqrt_n")
    ),
    segment.unsorted_segment_sqrt_n,
)


# ---- counts ------------------------------------------------------------------------------------------------------


@export("sparse.bincount")
def bincount(
    values: Any,
    weights: Any = None,
    axis: Any = 0,
    minlength: Any = None,
    maxlength: Any = None,
    binary_output: bool = False,
    name: str | None = None,
) -> SparseTensor:
    """Counts how often each number occurs, as a sparse tensor.

    Args:
        values: integers, dense or sparse, of rank 1 or 2.
        weights: what each occurrence counts.
        axis: 0 or None: count over all; -1: for each row.
        minlength: the smallest size of the result's last axis.
        maxlength: its size; larger numbers are left out.
        binary_output: 1 where a number occurs, instead of how often.

    Returns:
        A sparse tensor of the dtype of the weights, without them of the values.
    """
    if axis not in (None, 0, -1):
        raise ValueError(
            f"tf.sparse.bincount: expected axis 0, -1 or None, received {axis}{at_user_location()}"
        )
    if weights is not None and binary_output:
        raise ValueError(
            f"tf.sparse.bincount: weights and binary_output exclude each other{at_user_location()}"
        )
    values = values if isinstance(values, SparseTensor) else as_tensor(values)
    numbers, places, lead = _occurrences(values, axis == -1)
    amounts = ones_like(numbers, dtype=values.dtype) if weights is None else _flat_weights(weights)
    low, high = integer(minlength), integer(maxlength)
    if high is not None:
        fits = numbers < high
        numbers, places, amounts = (boolean_mask_(part, fits) for part in (numbers, places, amounts))
    size = constant(high) if high is not None else _least_size(numbers, low)
    rows, ids = distinct(places)
    counts = _sum_of(amounts, ids, count_of(rows))
    return SparseTensor._made(rows, ones_like(counts) if binary_output else counts, join([*lead, size]))


def _occurrences(values: Any, by_row: bool) -> tuple[Any, Any, list]:
    """Returns the numbers (n,), where each is counted (n, 1 or 2), and the sizes in front of the result's last one."""
    if isinstance(values, SparseTensor):
        numbers, own, sizes = cast(values.values, dtype="int64"), values.indices[:, :1], values.dense_shape
        rank = rank_of(values)
    else:
        dense = cast(values, dtype="int64")
        rank, sizes = len(dense.shape), as_int64(dense.shape.as_list())
        numbers = reshape(dense, shape=(-1,))
        own = as_int64(np.indices(tuple(dense.shape))[0].reshape(-1, 1)) if rank else None
    column = expand_dims(numbers, axis=1)
    if not by_row or rank < 2:
        return numbers, column, []
    return numbers, join([own, column], 1), [sizes[:1]]


def _flat_weights(weights: Any) -> Any:
    return weights.values if isinstance(weights, SparseTensor) else reshape(as_tensor(weights), shape=(-1,))


def _least_size(numbers: Any, low: int | None) -> Any:
    largest = dense_max(join([numbers, constant(-1)]), axis=0) + 1
    return reshape(maximum(largest, low or 0), shape=(1,))
