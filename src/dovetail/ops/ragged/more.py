"""More ops on ragged tensors: look-ups, products, sums and order along rows, groups."""

from __future__ import annotations

from typing import Any

from dovetail.base.errors import at_user_location
from dovetail.ops import create, keras_array, linalg, nn, normalization, reduction, sorting
from dovetail.ops import embedding as dense_embedding
from dovetail.ops import gather as dense_gather
from dovetail.ops.arithmetic import cast
from dovetail.ops.array import split as dense_split
from dovetail.ops.attrs import static
from dovetail.ops.create import range_of
from dovetail.ops.dispatch import dispatches, dispatches_first
from dovetail.ops.mapping import map_fn, over_steps
from dovetail.ops.ragged.arrays import coordinates, joined
from dovetail.ops.ragged.partition import as_splits
from dovetail.ops.ragged.reductions import axes_of
from dovetail.ops.ragged.rows import is_ragged, take_rows
from dovetail.ops.ragged.tensor import RaggedTensor, splits_of_rowids
from dovetail.ops.shapes import as_tensor
from dovetail.ops.views import export


@dispatches(create.one_hot, RaggedTensor)
def _one_hot(
    indices: Any,
    depth: Any,
    on_value: Any = None,
    off_value: Any = None,
    axis: int | None = None,
    dtype: Any = None,
    name: Any = None,
) -> Any:
    if axis not in (None, -1, len(indices.shape)):
        raise ValueError(
            f"tf.one_hot: only the last axis of ragged indices can be new, not {axis}{at_user_location()}"
        )
    flat = create.one_hot(indices.flat_values, depth, on_value, off_value, dtype=dtype)
    return indices.with_flat_values(flat)


@dispatches(dense_embedding.embedding_lookup, RaggedTensor)
def _embedding_lookup(params: Any, ids: Any, max_norm: Any = None, name: Any = None) -> Any:
    return ids.with_flat_values(dense_embedding.embedding_lookup(params, ids.flat_values, max_norm))


@dispatches(linalg.matmul, RaggedTensor)
def _matmul(a: Any, b: Any, transpose_a: bool = False, transpose_b: bool = False) -> Any:
    """Multiplies matrix by matrix, each row of the first axis with its own."""
    turned = transpose_a or transpose_b
    if not turned and not is_ragged(b) and len(b.shape) == 2 and len(a.shape) - a.ragged_rank == 2:
        return a.with_flat_values(linalg.matmul(a.flat_values, b))
    count = (a if is_ragged(a) else b)._known_rows()
    rows = [
        linalg.matmul(_matrix(a[i]), _matrix(b[i]), transpose_a=transpose_a, transpose_b=transpose_b)
        for i in range(count)
    ]
    return joined([RaggedTensor.from_row_lengths(row, [row.shape[0]]) for row in rows], 0)


def _matrix(value: Any) -> Any:
    return value.to_tensor() if is_ragged(value) else value


@dispatches(reduction.cumsum, RaggedTensor)
def _cumsum(x: Any, axis: Any = 0, exclusive: bool = False, reverse: bool = False, name: Any = None) -> Any:
    place = int(static(axis)) % len(x.shape)
    if place > x.ragged_rank:
        inner = place - x.ragged_rank
        return x.with_flat_values(
            reduction.cumsum(x.flat_values, axis=inner, exclusive=exclusive, reverse=reverse)
        )
    summed = reduction.cumsum(x.to_tensor(), axis=place, exclusive=exclusive, reverse=reverse)
    whole = x.with_flat_values(range_of(x.flat_values.shape[0]))
    return x.with_flat_values(dense_gather.gather_nd(summed, coordinates(whole)))


@dispatches(sorting.sort, RaggedTensor)
def _sort(values: Any, axis: int = -1, direction: str = "ASCENDING", name: Any = None) -> Any:
    rank = len(values.shape)
    if axis not in (-1, rank - 1):
        raise ValueError(
            f"tf.sort: a ragged tensor is sorted along its last axis, not {axis}{at_user_location()}"
        )
    if rank - 1 > values.ragged_rank:
        return values.with_flat_values(sorting.sort(values.flat_values, -1, direction))
    if is_ragged(values.values):
        return values.with_values(_sort(values.values, -1, direction))
    return map_fn(lambda row: sorting.sort(row, -1, direction), values)


@dispatches(dense_split, RaggedTensor)
def _split(
    value: Any, num_or_size_splits: Any, axis: Any = 0, num: int | None = None, name: Any = None
) -> list:
    """Cuts the rows into groups; how many follows from the sizes, which must be known."""
    if int(static(axis)) % len(value.shape):
        raise ValueError(
            f"tf.split: a ragged tensor is split along its first axis, not {axis}{at_user_location()}"
        )
    sizes, rows = static(num_or_size_splits), value._known_rows()
    if isinstance(sizes, int):
        if sizes < 1 or rows % sizes:
            raise ValueError(f"tf.split: {rows} rows do not split into {sizes} parts{at_user_location()}")
        sizes = [rows // sizes] * sizes
    ends = [sum(sizes[: i + 1]) for i in range(len(sizes))]
    if ends and ends[-1] != rows:
        raise ValueError(f"tf.split: the sizes {sizes} do not add up to {rows} rows{at_user_location()}")
    return [value[end - size : end] for size, end in zip(sizes, ends, strict=True)]


@export("ragged.stack_dynamic_partitions")
def stack_dynamic_partitions(data: Any, partitions: Any, num_partitions: Any, name: str | None = None) -> Any:
    """Returns the rows of `data` grouped by partition: row i holds those of partition i, in their order.

    Args:
        data: dense or ragged tensor.
        partitions: a partition for each row of `data`.
        num_partitions: number of partitions.
    """
    if is_ragged(partitions):
        data = data.values if is_ragged(data) else as_tensor(data)
        return stack_dynamic_partitions(data, partitions.values, num_partitions)
    ids = as_splits(partitions)
    if len(ids.shape) != 1:
        raise ValueError(
            f"tf.ragged.stack_dynamic_partitions: expected partitions of rank 1, received {ids.shape}"
            f"{at_user_location()}"
        )
    order = sorting.argsort(ids, stable=True)
    rows = take_rows(data if is_ragged(data) else as_tensor(data), cast(order, dtype="int64"))
    kind = rows.row_splits.dtype if is_ragged(rows) else "int64"
    return RaggedTensor._of(rows, as_splits(splits_of_rowids(ids, num_partitions), kind))


@dispatches(nn.threshold, RaggedTensor)
def _threshold(x: Any, threshold: float, default_value: float) -> Any:
    return x.with_flat_values(nn.threshold(x.flat_values, threshold=threshold, default_value=default_value))


@dispatches_first(keras_array.digitize_, RaggedTensor)
def _digitize(x: Any, bins: Any) -> Any:
    return x.with_flat_values(keras_array.digitize_(x.flat_values, bins))


@dispatches_first(normalization.layer_norm, RaggedTensor)
def _layer_norm(x: Any, parameters: Any, axis: Any = -1, **attributes: Any) -> Any:
    """Normalizes over axes inside of the flat values."""
    places = axes_of(axis, len(x.shape), "layer_norm")
    if min(places) <= x.ragged_rank:
        raise ValueError(
            f"layer normalization: axis {axis} of a ragged tensor of shape {x.shape} is ragged; axes after "
            f"{x.ragged_rank} can be normalized{at_user_location()}"
        )
    inner = tuple(sorted(place - x.ragged_rank for place in places))
    return x.with_flat_values(normalization.layer_norm(x.flat_values, *parameters, axis=inner, **attributes))


@dispatches(over_steps, RaggedTensor)
def _over_steps(inputs: Any, function: Any) -> Any:
    return inputs.with_values(function(inputs.values))
