"""Sums by segment, counts, and the largest entries."""

from __future__ import annotations

import functools
import math
from collections import namedtuple
from typing import Any

import numpy as np

from dovetail.base.errors import InvalidArgumentError, at_user_location
from dovetail.ops import rules
from dovetail.ops.arithmetic import cast, divide, divide_no_nan, masked, maximum, truncatediv
from dovetail.ops.attrs import DTypeLike, integer, static
from dovetail.ops.core import Op
from dovetail.ops.families import op
from dovetail.ops.gather import along_axis_adjoint
from dovetail.ops.linalg import flattened
from dovetail.ops.math import sqrt
from dovetail.ops.shapes import as_tensor
from dovetail.ops.views import export
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.symbolic import SymbolicTensor
from dovetail.tensor.tensor import TensorLike

_BOOL, _INT32, _FLOAT32 = np.dtype(bool), np.dtype(np.int32), np.dtype(np.float32)
TopKV2 = namedtuple("TopKV2", ["values", "indices"])


# ---- segments ----------------------------------------------------------------------------------------------------


def _segment_shape(data: tuple, ids: tuple, num_segments: int) -> tuple:
    return (None if num_segments < 0 else num_segments, *data[len(ids) :])


_segment_op = functools.partial(op, same_dtype=0, shape=_segment_shape)


@_segment_op("math.unsorted_segment_sum")
def unsorted_segment_sum(xp: Any, data: Any, segment_ids: Any, *, num_segments: int) -> Any:
    """Sums the rows of `data` that have the same segment id.

    Args:
        data: tensor.
        segment_ids: integers, of a shape that `data`'s begins with; rows with a negative id are left out.
        num_segments: rows of the result.
    """
    return xp.segment_reduce("sum", data, segment_ids, num_segments)


@_segment_op("math.unsorted_segment_prod")
def unsorted_segment_prod(xp: Any, data: Any, segment_ids: Any, *, num_segments: int) -> Any:
    """Multiplies the rows of `data` that have the same segment id; no rows give 1."""
    return xp.segment_reduce("prod", data, segment_ids, num_segments)


@_segment_op("math.unsorted_segment_max")
def unsorted_segment_max(xp: Any, data: Any, segment_ids: Any, *, num_segments: int) -> Any:
    """Returns the maximum of the rows that have the same segment id; no rows give the dtype's smallest number."""
    return xp.segment_reduce("max", data, segment_ids, num_segments)


@_segment_op("math.unsorted_segment_min")
def unsorted_segment_min(xp: Any, data: Any, segment_ids: Any, *, num_segments: int) -> Any:
    """Returns the minimum of the rows that have the same segment id; no rows give the dtype's largest number."""
    return xp.segment_reduce("min", data, segment_ids, num_segments)


def _count_shape(data: tuple, ids: tuple, num_segments: int) -> tuple:
    return (num_segments,) + (1,) * (len(data) - len(ids))


@op(
    "",
    same_dtype=0,
    differentiable=False,
    shape=_count_shape,
)
def segment_count(xp: Any, data: Any, segment_ids: Any, *, num_segments: int) -> Any:
    """Returns how many rows each segment has, in the dtype of `data` and shaped to broadcast with the segments."""
    counts = xp.segment_reduce("sum", xp.ones(segment_ids.shape, data.dtype), segment_ids, num_segments)
    return xp.reshape(counts, _count_shape(data.shape, segment_ids.shape, num_segments))


def _rows_of_segments(xp: Any, values: Any, segment_ids: Any) -> Any:
    """Returns for each row the value of its segment; 0 for rows with a negative id."""
    known = xp.reshape(segment_ids >= 0, segment_ids.shape + (1,) * (values.ndim - 1))
    rows = xp.take(values, xp.maximum(segment_ids, 0), 0)
    return xp.where(known, rows, xp.zeros((), values.dtype))


rows_of_segments = Op(
    "rows_of_segments", _rows_of_segments, same_dtype=1, shape=lambda values, ids: (*ids, *values[1:])
)
rows_of_segments.gradient(
    lambda g, y, values, ids: unsorted_segment_sum(g, ids, num_segments=int(values.shape[0])), None
)
unsorted_segment_sum.gradient(lambda g, y, data, ids, num_segments: rows_of_segments(g, ids), None)


def _extreme_gradient(g: Any, y: Any, data: Any, ids: Any, num_segments: int) -> Any:
    """Splits the gradient evenly among the rows that are equal to the extreme of their segment."""
    chosen = data == rows_of_segments(y, ids)
    count = unsorted_segment_sum(cast(chosen, dtype=data.dtype), ids, num_segments=num_segments)
    return masked(rows_of_segments(divide_no_nan(g, count), ids), chosen)


def _prod_gradient(g: Any, y: Any, data: Any, ids: Any, num_segments: int) -> Any:
    """The product of the other rows: that of all divided by the row; for an only 0, that of the others."""
    zero = data == 0
    ones = cast(zero, dtype=data.dtype)
    zeros = unsorted_segment_sum(ones, ids, num_segments=num_segments)
    nonzero = data + ones
    rest = rows_of_segments(unsorted_segment_prod(nonzero, ids, num_segments=num_segments), ids)
    others = rows_of_segments(masked(g, zeros == 0), ids) * rest / nonzero
    alone = masked(rows_of_segments(masked(g, zeros == 1), ids) * rest, zero)
    return others + alone


unsorted_segment_max.gradient(_extreme_gradient, None)
unsorted_segment_min.gradient(_extreme_gradient, None)
unsorted_segment_prod.gradient(_prod_gradient, None)


@export("math.unsorted_segment_mean")
def unsorted_segment_mean(data: Any, segment_ids: Any, num_segments: Any, name: str | None = None) -> Any:
    """Averages the rows of `data` that have the same segment id; no rows give 0."""
    total = unsorted_segment_sum(data, segment_ids, num_segments=num_segments)
    return divide(total, maximum(segment_count(data, segment_ids, num_segments=num_segments), 1))


@export("math.unsorted_segment_sqrt_n")
def unsorted_segment_sqrt_n(data: Any, segment_ids: Any, num_segments: Any, name: str | None = None) -> Any:
    """Sums the rows that have the same segment id, and divides by the root of their number."""
    total = unsorted_segment_sum(data, segment_ids, num_segments=num_segments)
    return divide(total, sqrt(maximum(segment_count(data, segment_ids, num_segments=num_segments), 1)))


def num_segments_of(ids: Any, label: str) -> int:
    """Returns the largest id plus 1; known only where the ids have values."""
    if isinstance(ids, SymbolicTensor):
        raise ValueError(
            f"{label}: the size of the result depends on the values of segment_ids, which a symbolic tensor has not. "
            f"Use tf.math.unsorted_segment_sum and its like with num_segments{at_user_location()}"
        )
    tensor: Any = ids if isinstance(ids, TensorLike) else convert_to_tensor(ids)
    values = np.asarray(static(tensor), tensor.dtype.numpy_dtype)
    if values.ndim != 1 or values.dtype.kind not in "iu":
        raise ValueError(
            f"{label}: the ids must be a vector of integers, received {values.dtype} of shape {values.shape}"
        )
    return int(values.max()) + 1 if values.size else 0


# ---- ids in ascending order


@_segment_op("")
def ascending_segment_max(xp: Any, data: Any, segment_ids: Any, *, num_segments: int) -> Any:
    """Returns the maximum of the rows that have the same segment id, -inf where all are; no rows give 0."""
    return xp.segment_reduce("max", data, segment_ids, num_segments, 0)


@_segment_op("")
def ascending_segment_min(xp: Any, data: Any, segment_ids: Any, *, num_segments: int) -> Any:
    """Returns the minimum of the rows that have the same segment id, inf where all are; no rows give 0."""
    return xp.segment_reduce("min", data, segment_ids, num_segments, 0)


ascending_segment_max.gradient(_extreme_gradient, None)
ascending_segment_min.gradient(_extreme_gradient, None)


def _ascending_mean(data: Any, segment_ids: Any, num_segments: int) -> Any:
    """Averages rows in their dtype: of integers, the fraction is cut off."""
    data = as_tensor(data)
    if not data.dtype.is_integer:
        return unsorted_segment_mean(data, segment_ids, num_segments)
    total = unsorted_segment_sum(data, segment_ids, num_segments=num_segments)
    count = segment_count(cast(data, dtype="int64"), segment_ids, num_segments=num_segments)
    return cast(truncatediv(cast(total, dtype="int64"), maximum(count, 1)), dtype=data.dtype)


def _require_ascending(ids: Any, label: str) -> None:
    """Raises InvalidArgumentError for ids that TensorFlow refuses."""
    values = np.asarray(static(ids if isinstance(ids, TensorLike) else convert_to_tensor(ids)))
    if values.size and (values.min() < 0 or (values[1:] < values[:-1]).any()):
        raise InvalidArgumentError(
            f"{label}: segment ids are not increasing, or negative: {values.tolist()!r:.80}. For ids in another order "
            f"there is {label.replace('.segment', '.unsorted_segment')}{at_user_location()}"
        )


def _sorted_segment(name: str, unsorted: Any) -> Any:
    def segment(data: Any, segment_ids: Any, name: str | None = None) -> Any:
        size = num_segments_of(segment_ids, label)
        _require_ascending(segment_ids, label)
        return unsorted(data, segment_ids, num_segments=size)

    label = f"tf.math.{name}"
    segment.__name__ = segment.__qualname__ = name
    segment.__doc__ = f"""Works as `tf.math.unsorted_{name}`, for ids in ascending order.

    Raises:
        InvalidArgumentError: they are in another order, or negative.
    """
    return export(f"math.{name}")(segment)


segment_sum = _sorted_segment("segment_sum", unsorted_segment_sum)
segment_prod = _sorted_segment("segment_prod", unsorted_segment_prod)
segment_max = _sorted_segment("segment_max", ascending_segment_max)
segment_min = _sorted_segment("segment_min", ascending_segment_min)
segment_mean = _sorted_segment("segment_mean", _ascending_mean)


def _keras_segment(name: str, unsorted: Any) -> Any:
    def segment(data: Any, segment_ids: Any, num_segments: Any = None, sorted: bool = False) -> Any:
        size = num_segments_of(segment_ids, f"keras.ops.{name}") if num_segments is None else num_segments
        data = as_tensor(data)
        if data.dtype.is_bool:
            return cast(unsorted(cast(data, dtype="uint8"), segment_ids, num_segments=size), dtype="bool")
        return unsorted(data, segment_ids, num_segments=size)

    segment.__name__ = segment.__qualname__ = name
    segment.__doc__ = (
        f"Works as `tf.math.unsorted_{name}`; `sorted` promises ascending ids and changes nothing."
    )
    return export(f"ops.{name}")(segment)


for _name, _function in {
    "segment_sum": unsorted_segment_sum,
    "segment_prod": unsorted_segment_prod,
    "segment_max": unsorted_segment_max,
    "segment_min": unsorted_segment_min,
}.items():
    _keras_segment(_name, _function)


# ---- counts ------------------------------------------------------------------------------------------------------


def _bincount_shape(values: tuple, weights: tuple | None = None, *, size: int, **_: Any) -> tuple:
    return (*values[:-1], size)


@op(
    "",
    same_dtype=0,
    differentiable=False,
    shape=_bincount_shape,
    dtype=lambda values, weights=None, *, dtype, **_: dtype if weights is None else weights,
)
def count_values(
    xp: Any, values: Any, weights: Any = None, *, size: int, dtype: DTypeLike = _INT32, binary: bool = False
) -> Any:
    """Counts along the last axis how often each of 0 ... size - 1 occurs, or sums the weights of the occurrences."""
    lead = values.shape[:-1]
    rows = math.prod(lead)
    flat = xp.reshape(values, (rows, math.prod(values.shape[-1:]))).astype(np.int64)
    inside = (flat >= 0) & (flat < size)
    offsets: Any = xp.arange(rows, dtype=np.int64)[:, None] * size
    ids = xp.where(inside, flat + offsets, np.int64(-1))
    amounts = xp.ones(flat.shape, dtype) if weights is None else xp.reshape(weights, flat.shape)
    counts = xp.segment_reduce("sum", amounts, ids, rows * size)
    counts = (counts > 0).astype(counts.dtype) if binary else counts
    return xp.reshape(counts, (*lead, size))


@export("math.bincount")
def bincount(
    arr: Any,
    weights: Any = None,
    minlength: Any = None,
    maxlength: Any = None,
    dtype: Any = _INT32,
    name: str | None = None,
    axis: int | None = None,
    binary_output: bool = False,
) -> Any:
    """Counts how often each number occurs.

    Args:
        arr: integers, 0 or larger; other numbers are cut off to integers.
        weights: what each occurrence counts; their dtype is the result's.
        minlength: the smallest length of the result.
        maxlength: its largest; larger numbers are left out.
        dtype: of the result, without weights.
        axis: None or 0: count over all; -1: for each row.
        binary_output: 1 where a number occurs, instead of how often.

    Without `minlength == maxlength` the length depends on the values, so compiled functions run op by op.
    """
    if axis not in (None, 0, -1):
        raise ValueError(
            f"tf.math.bincount: expected axis 0, -1 or None, received {axis}{at_user_location()}"
        )
    values: Any = arr if isinstance(arr, TensorLike) else convert_to_tensor(arr)
    values = values if values.dtype.is_integer else cast(values, dtype="int32")
    low, high = integer(minlength), integer(maxlength)
    all_values = values if len(values.shape) == 1 else flattened(values)
    size = low if low is not None and low == high else num_segments_of(all_values, "tf.math.bincount")
    size = size if low is None else max(size, low)
    size = size if high is None else min(size, high)
    if axis != -1 and len(values.shape) != 1:
        values = flattened(values)
        weights = None if weights is None else flattened(weights)
    return count_values(values, weights, size=size, dtype=dtype, binary=binary_output)


@op(
    "",
    same_dtype=0,
    differentiable=False,
    shape=lambda *_, num_classes, **__: (num_classes, num_classes),
    dtype=lambda *_, dtype, **__: dtype,
)
def count_pairs(
    xp: Any,
    labels: Any,
    predictions: Any,
    weights: Any = None,
    *,
    num_classes: int,
    dtype: DTypeLike = _INT32,
) -> Any:
    """Counts the pairs (label, prediction): rows are labels, columns predictions."""
    if tuple(labels.shape) != tuple(predictions.shape):
        raise ValueError(
            f"labels and predictions must have one shape, received {tuple(labels.shape)} and {tuple(predictions.shape)}"
        )
    flat_labels, flat_predictions = (
        xp.checked_indices(xp.reshape(t, (-1,)).astype(np.int64), num_classes) for t in (labels, predictions)
    )
    amounts = (
        xp.ones(flat_labels.shape, dtype) if weights is None else xp.reshape(weights, (-1,)).astype(dtype)
    )
    counts = xp.segment_reduce("sum", amounts, flat_labels * num_classes + flat_predictions, num_classes**2)
    return xp.reshape(counts, (num_classes, num_classes))


@export("math.confusion_matrix")
def confusion_matrix(
    labels: Any,
    predictions: Any,
    num_classes: Any = None,
    weights: Any = None,
    dtype: Any = _INT32,
    name: str | None = None,
) -> Any:
    """Counts which label was predicted as which: `result[label, prediction]`.

    Args:
        labels: integers of rank 1.
        predictions: integers of the same shape.
        num_classes: rows and columns of the result; None: as many as occur.
        weights: what each pair counts.
        dtype: of the result.
    """
    if num_classes is None:
        label = "tf.math.confusion_matrix"
        num_classes = max(num_segments_of(labels, label), num_segments_of(predictions, label))
    return count_pairs(labels, predictions, weights, num_classes=num_classes, dtype=dtype)


def _bins_shape(values: tuple, value_range: tuple, nbins: int) -> tuple:
    if nbins < 1 or value_range not in ((2,), (None,)):
        raise ValueError(f"expected at least 1 bin and a range [low, high], received nbins={nbins}")
    return values


@op("", same_dtype=2, differentiable=False, shape=_bins_shape, dtype=lambda *_, **__: _INT32)
def bins(xp: Any, values: Any, value_range: Any, *, nbins: int) -> Any:
    """Returns which of `nbins` equal parts of the range each value falls in; values outside fall in the outer ones."""
    _bins_shape(values.shape, value_range.shape, nbins)
    low, high = value_range[0], value_range[1]
    position = xp.floor((values.astype(np.float64) - low) * nbins / (high - low))
    return xp.clip(position, 0, nbins - 1).astype(_INT32)


@export("histogram_fixed_width_bins")
def histogram_fixed_width_bins(
    values: Any, value_range: Any, nbins: int = 100, dtype: Any = _INT32, name: str | None = None
) -> Any:
    """Returns which of `nbins` equal parts of `value_range` each value falls in."""
    return cast(bins(values, value_range, nbins=nbins), dtype=dtype)


@export("histogram_fixed_width")
def histogram_fixed_width(
    values: Any, value_range: Any, nbins: int = 100, dtype: Any = _INT32, name: str | None = None
) -> Any:
    """Counts how many values fall in each of `nbins` equal parts of a range.

    Args:
        values: tensor of numbers; those outside of the range count for the outer parts.
        value_range: `[low, high]`, of the dtype of `values`.
        nbins: how many parts.
        dtype: tf.int32 or tf.int64.
    """
    return count_values(flattened(bins(values, value_range, nbins=nbins)), size=nbins, dtype=dtype)


# ---- the largest entries -----------------------------------------------------------------------------------------


def _top_k_shape(x: tuple, k: int, **_: Any) -> list:
    if not x or (x[-1] is not None and not 0 <= k <= x[-1]):
        raise ValueError(f"k is {k}, and the last axis has only {x[-1] if x else 0} entries")
    return [(*x[:-1], k)] * 2


@op("", shape=_top_k_shape, dtype=lambda kind, index_type, **_: [kind, index_type])
def largest_entries(xp: Any, x: Any, *, k: int = 1, index_type: DTypeLike = _INT32) -> Any:
    """Returns the `k` largest entries of each row in descending order, and their positions."""
    rules.refuse_strings(x)
    if not 0 <= k <= x.shape[-1]:
        raise ValueError(f"k is {k}, and the last axis has only {x.shape[-1]} entries")
    values, indices = xp.top_k(x, k)
    return values, indices.astype(index_type)


largest_entries.gradient(
    lambda g, out, x, k, index_type: along_axis_adjoint(g[0], out[1], shape=tuple(x.shape), axis=-1)
)


@export("math.top_k nn.top_k")
def top_k(
    input: Any, k: Any = 1, sorted: bool = True, index_type: Any = _INT32, name: str | None = None
) -> TopKV2:
    """Returns the `k` largest entries along the last axis and their positions; of equal entries the first comes first.

    Args:
        input: tensor of rank 1 or more.
        k: how many.
        sorted: False allows any order; the result is in descending order all the same.
        index_type: tf.int32, tf.int64 or tf.int16.

    Returns:
        a named tuple `(values, indices)`, both of shape `(..., k)`.
    """
    return TopKV2(*largest_entries(input, k=k, index_type=index_type))


@export("ops.top_k")
def ops_top_k(x: Any, k: Any, sorted: bool = True) -> TopKV2:
    """Returns the `k` largest entries along the last axis and their positions, as a named tuple."""
    return top_k(x, k, sorted)


@op(
    "math.in_top_k nn.in_top_k ops.in_top_k",
    same_dtype=0,
    shape=lambda targets, predictions, k: targets,
    dtype=lambda *_, **__: _BOOL,
    differentiable=False,
)
def in_top_k(xp: Any, targets: Any, predictions: Any, *, k: int) -> Any:
    """Returns for each row whether the score of the target class is among the `k` largest.

    Args:
        targets: class numbers of shape (batch,).
        predictions: scores of shape (batch, classes); ties count for the target.
        k: how many.
    """
    classes = predictions.shape[-1]
    positions = xp.clip(targets, 0, classes - 1).astype(np.int64)
    scores = xp.take_along_axis(predictions, positions[:, None], axis=-1)
    larger = xp.sum((predictions > scores).astype(_INT32), axis=-1)
    valid = (targets >= 0) & (targets < classes) & xp.isfinite(scores[:, 0])
    return valid & (larger < k)


@export("K.in_top_k")
def k_in_top_k(predictions: Any, targets: Any, k: int) -> Any:
    """Returns for each row whether the score of the target class is among the `k` largest."""
    return in_top_k(targets, predictions, k=k)
