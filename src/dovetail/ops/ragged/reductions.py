"""Reductions of ragged tensors, and sums by segment of their rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.engine import dtypes
from dovetail.ops import arithmetic, losses, reduction, segment
from dovetail.ops import math as math_ops
from dovetail.ops.arithmetic import cast
from dovetail.ops.attrs import static
from dovetail.ops.create import ones_like
from dovetail.ops.dispatch import dispatches
from dovetail.ops.families import op
from dovetail.ops.ragged.partition import (
    lengths_of,
    longest,
    number,
    value_columns,
    value_rowids,
)
from dovetail.ops.ragged.rows import is_ragged
from dovetail.ops.ragged.tensor import RaggedTensor, index_source, num_rows
from dovetail.ops.shapes import expand_dims, reshape

# ---- one ragged axis of dense values ----------------------------------------------------------------------------

_OF_BOOLEANS = {"all": "min", "any": "max"}  # of 0 and 1; none give the right answer in uint8


def _combined(xp: Any, reduce: Callable, values: Any, lengths: Callable, how: str) -> Any:
    """Returns `reduce(how, values)` for the ways that the engines know, and for means and booleans by these."""
    if how in _OF_BOOLEANS:
        return reduce(_OF_BOOLEANS[how], values.astype(np.uint8)).astype(bool)
    if how != "mean":
        return reduce(how, values)
    half = dtypes.is_half(values.dtype)
    total = reduce("sum", values.astype(np.float32) if half else values)
    counts = xp.reshape(lengths(), (-1,) + (1,) * (values.ndim - 1)).astype(total.dtype)
    return xp.divide(total, counts).astype(values.dtype)


def _rows_shape(values: tuple, splits: tuple, how: str) -> tuple:
    return (None if splits[0] is None else splits[0] - 1, *values[1:])


@op("", same_dtype=0, shape=_rows_shape)
def reduce_rows(xp: Any, values: Any, splits: Any, *, how: str) -> Any:
    """Combines the values of each row.

    Args:
        values: (values, ...).
        splits: row splits.
        how: "sum", "mean", "prod", "max", "min", "all" or "any".

    Returns:
        (rows, ...); for rows without values what the reduction gives for none: 0, NaN, 1, the smallest number ...
    """
    return _combined(
        xp,
        lambda way, data: xp.reduce_rows(way, data, splits),
        values,
        lambda: splits[1:] - splits[:-1],
        how,
    )


@op("", same_dtype=0, shape=lambda values, splits, how, num: (None if num < 0 else num, *values[1:]))
def reduce_columns(xp: Any, values: Any, splits: Any, *, how: str, num: int) -> Any:
    """Combines the values that have the same place in their rows.

    Args:
        values: (values, ...).
        splits: row splits.
        how: as in `reduce_rows`.
        num: the length of the longest row.

    Returns:
        (num, ...).
    """
    places: Any = np.arange(num)

    def counts() -> Any:
        return (places[:, None] < (splits[1:] - splits[:-1])[None, :]).sum(1)

    return _combined(xp, lambda way, data: xp.reduce_columns(way, data, splits, num), values, counts, how)


_SEGMENT_OPS: dict[str, Any] = {
    "sum": segment.unsorted_segment_sum,
    "prod": segment.unsorted_segment_prod,
    "max": segment.unsorted_segment_max,
    "min": segment.unsorted_segment_min,
}


def _gradient(g: Any, y: Any, values: Any, ids: Any, num: Any, how: str) -> Any:
    """Returns the gradient of the values that were combined by `ids`."""
    if how == "mean":
        g, how = arithmetic.divide(g, segment.segment_count(g, ids, num_segments=num)), "sum"
    return _SEGMENT_OPS[how].gradients[0](g, y, values, ids, num)


def _gradient_of_rows(g: Any, y: Any, values: Any, splits: Any, how: str) -> Any:
    if how == "mean":
        counts = reshape(lengths_of(splits), shape=(-1,) + (1,) * (len(values.shape) - 1))
        g, how = arithmetic.divide(g, cast(counts, dtype=g.dtype)), "sum"
    return _gradient(g, y, values, value_rowids(splits, values), _num_rows(splits), how)


def _gradient_of_columns(g: Any, y: Any, values: Any, splits: Any, how: str, num: Any) -> Any:
    return _gradient(g, y, values, value_columns(splits, values), num, how)


reduce_rows.gradient(_gradient_of_rows, None)
reduce_columns.gradient(_gradient_of_columns, None)


def _num_rows(splits: Any) -> Any:
    size = splits.shape[0]
    return size - 1 if size is not None else num_rows(splits) - 1


# ---- rows by segment --------------------------------------------------------------------------------------------


@op(
    "",
    engine="host",
    same_dtype=0,
    differentiable=False,
    shape=lambda splits, ids, num: [(None if num < 0 else num + 1,), (None,)],
)
def segment_layout(xp: Any, splits: Any, ids: Any, *, num: int) -> Any:
    """Returns the row splits of rows added up by segment, and the place of each value among theirs."""
    if ids.size and (ids.min() < 0 or ids.max() >= num):
        raise ValueError(
            f"the segment ids of ragged rows must be in [0, {num}), received {ids.tolist()!r:.60}"
        )
    lengths = np.diff(splits)
    widths: Any = np.zeros(num, np.int64)
    np.maximum.at(widths, ids, lengths)
    out = np.concatenate([[0], np.cumsum(widths)])
    rows: Any = np.repeat(np.arange(lengths.size), lengths)
    places = out[ids[rows]] + np.arange(splits[-1]) - splits[rows]
    return [out.astype(splits.dtype), places.astype(splits.dtype)]


def segmented(reduce: Callable, data: Any, ids: Any, num: Any) -> Any:
    """Reduces the rows of dense or ragged data that have one segment id."""
    count = number(num)
    if not is_ragged(data):
        return reduce(data, ids, num_segments=count)
    splits, places = segment_layout(data.row_splits, ids, num=count)
    return RaggedTensor._of(segmented(reduce, data.values, places, splits[-1]), splits)


def _bool_segments(reduce: Callable) -> Callable:
    def reduced(data: Any, ids: Any, num_segments: int) -> Any:
        return cast(reduce(cast(data, dtype="int32"), ids, num_segments=num_segments), dtype="bool")

    return reduced


_SEGMENTS: dict[Any, Any] = {
    reduction.reduce_sum: segment.unsorted_segment_sum,
    reduction.reduce_prod: segment.unsorted_segment_prod,
    reduction.reduce_max: segment.unsorted_segment_max,
    reduction.reduce_min: segment.unsorted_segment_min,
    reduction.reduce_all: _bool_segments(segment.unsorted_segment_prod),
    reduction.reduce_any: _bool_segments(
        lambda data, ids, num_segments: segment.unsorted_segment_sum(data, ids, num_segments=num_segments) > 0
    ),
}


_HOW = {
    reduction.reduce_sum: "sum",
    reduction.reduce_prod: "prod",
    reduction.reduce_max: "max",
    reduction.reduce_min: "min",
    reduction.reduce_all: "all",
    reduction.reduce_any: "any",
    reduction.reduce_mean: "mean",
}


# ---- reductions -------------------------------------------------------------------------------------------------


def reduce_axis(dense: Any, reduce: Callable, rt: Any, axis: int, keepdims: bool) -> Any:
    """Reduces one axis.

    Args:
        dense: what reduces axes of a dense tensor.
        reduce: `f(data, ids, num_segments=)`, what reduces the rows of one segment id.
        rt: dense or ragged tensor.
        axis: the axis, not negative.
        keepdims: keep it with size 1.
    """
    if not is_ragged(rt):
        return dense(rt, axis=axis, keepdims=keepdims)
    if axis > 1:
        return rt.with_values(reduce_axis(dense, reduce, rt.values, axis - 1, keepdims))
    how = None if is_ragged(rt.values) else _HOW.get(dense)
    out = (_reduced_rows if axis == 1 else _reduced_columns)(reduce, how, rt)
    return expand_dims(out, axis=axis) if keepdims else out


def _reduced_rows(reduce: Callable, how: str | None, rt: Any) -> Any:
    if how is not None:
        return reduce_rows(rt.values, rt.row_splits, how=how)
    return segmented(reduce, rt.values, rt.value_rowids(), _num_rows(rt.row_splits))


def _reduced_columns(reduce: Callable, how: str | None, rt: Any) -> Any:
    num = number(longest(rt.row_splits))
    if how is not None:
        return reduce_columns(rt.values, rt.row_splits, how=how, num=num)
    return segmented(reduce, rt.values, value_columns(rt.row_splits, index_source(rt.values)), num)


def axes_of(axis: Any, rank: int, what: str) -> list:
    axis = static(axis)
    axes = [axis] if isinstance(axis, int | np.integer) else list(axis)
    for each in axes:
        if not -rank <= each < rank:
            raise ValueError(f"tf.{what}: axis {each} is out of range for rank {rank}{at_user_location()}")
    return sorted({each % rank for each in axes}, reverse=True)


def _reduced(dense: Any, rt: Any, axis: Any, keepdims: bool) -> Any:
    """Reduces axes of a ragged tensor, the last first.

    Args:
        dense: what reduces the axes of a dense tensor.
        rt: ragged tensor.
        axis: an axis, several, or None for all.
        keepdims: keep the reduced axes with size 1.
    """
    if axis is None:
        out = dense(rt.flat_values)
        for _ in range(len(rt.shape) if keepdims else 0):
            out = expand_dims(out, axis=0)
        return out
    for each in axes_of(axis, len(rt.shape), dense.name):
        rt = reduce_axis(dense, _SEGMENTS[dense], rt, each, keepdims)
    return rt


def _enter(dense: Any) -> None:
    @dispatches(dense, RaggedTensor)
    def row(input_tensor: Any, axis: Any = None, keepdims: Any = False, name: Any = None) -> Any:
        return _reduced(dense, input_tensor, axis, bool(keepdims))


for _dense in _SEGMENTS:
    _enter(_dense)


@dispatches(reduction.reduce_mean, RaggedTensor)
def _mean(input_tensor: Any, axis: Any = None, keepdims: Any = False, name: Any = None) -> Any:
    place = _in_one_pass(input_tensor, axis)
    if place is not None:
        return reduce_axis(reduction.reduce_mean, reduction.reduce_mean, input_tensor, place, bool(keepdims))
    total = reduction.reduce_sum(input_tensor, axis=axis, keepdims=keepdims)
    count = reduction.reduce_sum(ones_like(input_tensor), axis=axis, keepdims=keepdims)
    return arithmetic.divide(total, count)


def _in_one_pass(rt: Any, axis: Any) -> int | None:
    """Returns the axis, where means of floats are taken over just one, of dense values; else None."""
    if not isinstance(axis, int) or not rt.dtype.is_floating:
        return None
    (place,) = axes_of(axis, len(rt.shape), "reduce_mean")
    return place if rt.ragged_rank == 1 or place >= rt.ragged_rank else None


@dispatches(reduction.reduce_variance, RaggedTensor)
def _variance(input_tensor: Any, axis: Any = None, keepdims: Any = False, name: Any = None) -> Any:
    rank = len(input_tensor.shape)
    axes = range(rank) if axis is None else axes_of(axis, rank, "math.reduce_variance")
    spreads = all(inner in axes for inner in range(min(axes), input_tensor.ragged_rank + 1))
    if (
        not spreads or not input_tensor.dtype.is_floating
    ):  # a column's mean does not spread over rows that lack it
        square = reduction.reduce_mean(input_tensor * input_tensor, axis=axis, keepdims=keepdims)
        mean = reduction.reduce_mean(input_tensor, axis=axis, keepdims=keepdims)
        return square - mean * mean
    offset = input_tensor - reduction.reduce_mean(input_tensor, axis=axis, keepdims=True)
    return reduction.reduce_mean(offset * offset, axis=axis, keepdims=keepdims)


@dispatches(reduction.reduce_std, RaggedTensor)
def _std(input_tensor: Any, axis: Any = None, keepdims: Any = False, name: Any = None) -> Any:
    return math_ops.sqrt(reduction.reduce_variance(input_tensor, axis=axis, keepdims=keepdims))


@dispatches(losses.softmax, RaggedTensor)
def _softmax(logits: Any, axis: Any = -1, name: Any = None) -> Any:
    axes = axes_of(axis, len(logits.shape), "nn.softmax")
    if axes[0] > logits.ragged_rank:
        return logits.with_flat_values(losses.softmax(logits.flat_values, axis=axes[0] - logits.ragged_rank))
    shifted = logits - reduction.reduce_max(logits, axis=axes, keepdims=True)
    exponentials = math_ops.exp(shifted)
    return exponentials / reduction.reduce_sum(exponentials, axis=axes, keepdims=True)
