"""Element-wise ops and reductions of ragged tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.ops import arithmetic, logic, losses, operators, reduction, segment
from dovetail.ops import indexing as dense_indexing
from dovetail.ops import math as math_ops
from dovetail.ops.arithmetic import cast
from dovetail.ops.attrs import static
from dovetail.ops.create import ones_like
from dovetail.ops.dispatch import dispatches, elementwise
from dovetail.ops.families import op
from dovetail.ops.ragged.broadcast import aligned
from dovetail.ops.ragged.partition import longest, number, value_columns
from dovetail.ops.ragged.rows import is_ragged
from dovetail.ops.ragged.tensor import RaggedTensor, index_source, num_rows
from dovetail.ops.shapes import expand_dims

# ---- element by element -----------------------------------------------------------------------------------------


@elementwise(RaggedTensor)
def map_values(api: Callable, *args: Any) -> Any:
    """Applies an element-wise op to the flat values of operands broadcast to one row structure."""
    places = [i for i, arg in enumerate(args) if _is_operand(arg)]
    flat, rows = aligned([args[i] for i in places], api.__name__)
    values = list(args)
    for place, value in zip(places, flat, strict=True):
        values[place] = value if is_ragged(args[place]) or len(places) > 1 else args[place]
    return rows.with_flat_values(api(*values))


def _is_operand(arg: Any) -> bool:
    return arg is not None and not isinstance(arg, str | type)


@dispatches(arithmetic.add_n, RaggedTensor)
def _add_n(inputs: Any, name: Any = None) -> Any:
    flat, rows = aligned(list(inputs), "add_n")
    return rows.with_flat_values(arithmetic.add_n(*flat))


@dispatches(arithmetic.clip_by_value, RaggedTensor)
def _clip(t: Any, clip_value_min: Any, clip_value_max: Any, name: Any = None) -> Any:
    flat, rows = aligned([t, clip_value_min, clip_value_max], "clip_by_value")
    return rows.with_flat_values(arithmetic.clip_by_value(*flat))


def where(condition: Any, x: Any, y: Any) -> Any:
    """Chooses from `x` where the condition holds, from `y` elsewhere."""
    flat, rows = aligned([condition, x, y], "where")
    return rows.with_flat_values(dense_indexing.where(*flat))


def _operator(function: Callable) -> Callable:
    def method(self: Any, other: Any) -> Any:
        return function(self, other)

    return method


def _reflected(function: Callable) -> Callable:
    def method(self: Any, other: Any) -> Any:
        return function(other, self)

    return method


def _bits(pair: tuple) -> Callable:
    def function(x: Any, y: Any) -> Any:
        own = x if is_ragged(x) else y
        return pair[0 if own.dtype.is_bool else 1](x, y)

    return function


def _unary(function: Callable) -> Callable:
    def method(self: Any) -> Any:
        return function(self)

    return method


def _compared(function: Callable, otherwise: bool) -> Callable:
    def method(self: Any, other: Any) -> Any:
        return otherwise if other is None else function(self, other)

    return method


for _name, _op in operators._ARITHMETIC.items():
    setattr(RaggedTensor, f"__{_name}__", _operator(_op))
    setattr(RaggedTensor, f"__r{_name}__", _reflected(_op))
for _name, _op in operators._COMPARISONS.items():
    setattr(RaggedTensor, f"__{_name}__", _operator(_op))
for _name, _pair in operators._BITS.items():
    setattr(RaggedTensor, f"__{_name}__", _operator(_bits(_pair)))
    setattr(RaggedTensor, f"__r{_name}__", _reflected(_bits(_pair)))
for _name, _method in {
    "__eq__": _compared(logic.equal, False),
    "__ne__": _compared(logic.not_equal, True),
    "__neg__": _unary(arithmetic.negative),
    "__pos__": lambda self: self,
    "__abs__": _unary(math_ops.abs_),
    "__invert__": lambda self: (logic.logical_not if self.dtype.is_bool else logic.invert)(self),
}.items():
    setattr(RaggedTensor, _name, _method)


# ---- reductions -------------------------------------------------------------------------------------------------


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


def reduce_axis(dense: Any, reduce: Callable, rt: Any, axis: int, keepdims: bool) -> Any:
    """Reduces one axis."""
    if not is_ragged(rt):
        return dense(rt, axis=axis, keepdims=keepdims)
    if axis > 1:
        return rt.with_values(reduce_axis(dense, reduce, rt.values, axis - 1, keepdims))
    if axis == 1:
        out = segmented(reduce, rt.values, rt.value_rowids(), _rows_of(rt))
    else:
        columns = value_columns(rt.row_splits, index_source(rt.values))
        out = segmented(reduce, rt.values, columns, longest(rt.row_splits))
    return expand_at(out, axis) if keepdims else out


def _rows_of(rt: Any) -> Any:
    size = rt.row_splits.shape[0]
    return size - 1 if size is not None else num_rows(rt)


def expand_at(value: Any, axis: int) -> Any:
    return expand_dims(value, axis=axis)


def axes_of(axis: Any, rank: int, what: str) -> list:
    axis = static(axis)
    axes = [axis] if isinstance(axis, int | np.integer) else list(axis)
    for each in axes:
        if not -rank <= each < rank:
            raise ValueError(f"tf.{what}: axis {each} is out of range for rank {rank}{at_user_location()}")
    return sorted({each % rank for each in axes}, reverse=True)


def _reduced(dense: Any, reduce: Callable, rt: Any, axis: Any, keepdims: bool) -> Any:
    """Reduces axes of a ragged tensor, the last first.

    Args:
        dense: what reduces the axes of a dense tensor.
        reduce: `f(data, ids, num_segments=)`, what reduces the rows of one segment id.
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
        rt = reduce_axis(dense, reduce, rt, each, keepdims)
    return rt


def _enter(dense: Any, reduce: Callable) -> None:
    @dispatches(dense, RaggedTensor)
    def row(input_tensor: Any, axis: Any = None, keepdims: Any = False, name: Any = None) -> Any:
        return _reduced(dense, reduce, input_tensor, axis, bool(keepdims))


for _dense, _segment in _SEGMENTS.items():
    _enter(_dense, _segment)


@dispatches(reduction.reduce_mean, RaggedTensor)
def _mean(input_tensor: Any, axis: Any = None, keepdims: Any = False, name: Any = None) -> Any:
    total = reduction.reduce_sum(input_tensor, axis=axis, keepdims=keepdims)
    count = reduction.reduce_sum(ones_like(input_tensor), axis=axis, keepdims=keepdims)
    return arithmetic.divide(total, count)


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
