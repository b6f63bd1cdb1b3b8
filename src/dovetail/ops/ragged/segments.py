"""Groups of ragged rows: sums by segment, partitions, counts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dovetail.base.errors import at_user_location
from dovetail.ops import segment, sorting
from dovetail.ops.arithmetic import cast, minimum
from dovetail.ops.attrs import integer
from dovetail.ops.create import ones_like
from dovetail.ops.dispatch import dispatches
from dovetail.ops.indexing import boolean_mask, where
from dovetail.ops.logic import equal, less
from dovetail.ops.ragged.broadcast import same_rows
from dovetail.ops.ragged.reductions import segmented
from dovetail.ops.ragged.rows import is_ragged, take_rows
from dovetail.ops.ragged.tensor import RaggedTensor
from dovetail.ops.shapes import as_tensor, reshape

_SEGMENTS = (
    segment.unsorted_segment_sum,
    segment.unsorted_segment_prod,
    segment.unsorted_segment_max,
    segment.unsorted_segment_min,
    segment.unsorted_segment_mean,
    segment.unsorted_segment_sqrt_n,
)


def _enter(reduce: Callable) -> None:
    """Enters what a reduction by segment does with ragged data: element j of a result's row is that of all j's."""

    @dispatches(reduce, RaggedTensor)
    def row(data: Any, segment_ids: Any, num_segments: Any, name: Any = None) -> Any:
        data = data if is_ragged(data) else as_tensor(data)
        ids = segment_ids if is_ragged(segment_ids) else as_tensor(segment_ids)
        while is_ragged(ids):
            if not (is_ragged(data) and _same_splits(data, ids)):
                raise ValueError(
                    "segment_ids must have the rows that the data have, or be a vector with an id for each row"
                    f"{at_user_location()}"
                )
            data, ids = data.values, ids.values
        return segmented(reduce, data, ids, num_segments)


def _same_splits(a: Any, b: Any) -> bool:
    return same_rows(
        RaggedTensor._of(a.row_splits, a.row_splits), RaggedTensor._of(b.row_splits, b.row_splits)
    )


for _reduce in _SEGMENTS:
    _enter(_reduce)


@dispatches(sorting.dynamic_partition, RaggedTensor)
def _dynamic_partition(data: Any, partitions: Any, num_partitions: Any, name: Any = None) -> list:
    data = data if is_ragged(data) else as_tensor(data)
    partitions = partitions if is_ragged(partitions) else as_tensor(partitions)
    while is_ragged(partitions):
        if not (is_ragged(data) and _same_splits(data, partitions)):
            raise ValueError(
                f"tf.dynamic_partition: partitions must have the rows that the data have{at_user_location()}"
            )
        data, partitions = data.values, partitions.values
    if not is_ragged(data):
        return sorting.dynamic_partition(data, partitions, num_partitions)
    count = integer(num_partitions) or 0
    return [take_rows(data, where(equal(partitions, part))[:, 0]) for part in range(count)]


@dispatches(segment.bincount, RaggedTensor)
def _bincount(
    arr: Any,
    weights: Any = None,
    minlength: Any = None,
    maxlength: Any = None,
    dtype: Any = "int32",
    name: Any = None,
    axis: int | None = None,
    binary_output: bool = False,
) -> Any:
    if len(arr.flat_values.shape) > 1 or (axis == -1 and arr.ragged_rank > 1):
        raise ValueError(
            f"tf.math.bincount: expected rows of numbers, received shape {arr.shape}{at_user_location()}"
        )
    flat = weights.flat_values if is_ragged(weights) else weights
    if axis != -1:
        return segment.bincount(
            arr.flat_values, flat, minlength, maxlength, dtype, axis=axis, binary_output=binary_output
        )
    return _counted_rows(arr, flat, (integer(minlength), integer(maxlength)), dtype, binary_output)


def _counted_rows(arr: Any, weights: Any, limits: tuple, dtype: Any, binary: bool) -> Any:
    """Returns how often each number occurs in each row: (rows, numbers)."""
    low, high = limits
    numbers, rows = arr.values, arr.value_rowids()
    size = max(segment.num_segments_of(numbers, "tf.math.bincount"), low or 0)
    size = size if high is None else min(size, high)
    amounts = ones_like(numbers, dtype=dtype) if weights is None else as_tensor(weights)
    fits = less(numbers, size)
    ids = boolean_mask(cast(rows, dtype="int64") * size + cast(numbers, dtype="int64"), fits)
    counts = segment.unsorted_segment_sum(
        boolean_mask(amounts, fits), ids, num_segments=arr._known_rows() * size
    )
    return reshape(minimum(counts, 1) if binary else counts, shape=(arr._known_rows(), size))
