"""Joining, repeating, reordering and choosing: what the array ops do with ragged tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dovetail.base.errors import InvalidArgumentError, at_user_location
from dovetail.ops import array, create, indexing, shapes
from dovetail.ops import gather as dense_gather
from dovetail.ops.arithmetic import cast
from dovetail.ops.attrs import static
from dovetail.ops.create import range_of
from dovetail.ops.dispatch import dispatches
from dovetail.ops.ragged import math as ragged_math
from dovetail.ops.ragged import partition
from dovetail.ops.ragged.broadcast import same_rows
from dovetail.ops.ragged.indexing import expand_first
from dovetail.ops.ragged.partition import as_splits, known
from dovetail.ops.ragged.rows import (
    concat_columns,
    concat_rows,
    is_ragged,
    of_ranges,
    take_rows,
    to_ragged_rank,
)
from dovetail.ops.ragged.tensor import RaggedTensor, num_rows, splits_of_rowids
from dovetail.ops.reduction import reduce_sum
from dovetail.ops.shapes import as_tensor
from dovetail.ops.views import export


def _tensor(value: Any) -> Any:
    return value if is_ragged(value) else as_tensor(value)


def _axis(axis: Any, rank: int, what: str) -> int:
    number = int(static(axis))
    if not -rank <= number < rank:
        raise ValueError(f"tf.{what}: axis {number} is out of range for rank {rank}{at_user_location()}")
    return number % rank


# ---- joining ----------------------------------------------------------------------------------------------------


@dispatches([array.concat_], RaggedTensor)
def concat(values: Any, axis: Any = 0, name: Any = None) -> Any:
    values = [_tensor(v) for v in values]
    return joined(values, _axis(axis, len(values[0].shape), "concat"))


def joined(values: list, axis: int) -> Any:
    """Joins along an axis."""
    if not any(map(is_ragged, values)):
        return array.concat(values, axis)
    if axis == 0:
        return concat_rows(values)
    if axis == 1:
        return concat_columns(values)
    values = [v if is_ragged(v) else to_ragged_rank(v, 1) for v in values]
    return values[0].with_values(joined([v.values for v in values], axis - 1))


@dispatches([array.stack, array.stack_values], RaggedTensor)
def stack(values: Any, axis: Any = 0, name: Any = None) -> Any:
    values = [_tensor(v) for v in values]
    place = _axis(axis, len(values[0].shape) + 1, "stack")
    return joined([expand(v, place) for v in values], place)


def expand(value: Any, axis: int) -> Any:
    """Returns a tensor with a new axis."""
    if not is_ragged(value):
        return shapes.expand_dims(value, axis=axis)
    if axis == 0:
        return expand_first(value)
    if axis == 1:
        return RaggedTensor._of(value, range_of(num_rows(value) + 1, dtype=value.row_splits.dtype), 1)
    return value.with_values(expand(value.values, axis - 1))


@dispatches(shapes.expand_dims, RaggedTensor)
def _expand_dims(input: Any, axis: Any = None, name: Any = None) -> Any:
    return expand(input, _axis(axis, len(input.shape) + 1, "expand_dims"))


@dispatches(shapes.squeeze, RaggedTensor)
def _squeeze(input: Any, axis: Any = None, name: Any = None) -> Any:
    if axis is None:
        raise ValueError(
            f"tf.squeeze: a ragged tensor is squeezed along the axes that you name{at_user_location()}"
        )
    axes = [axis] if isinstance(axis, int) else list(axis)
    for each in sorted((_axis(a, len(input.shape), "squeeze") for a in axes), reverse=True):
        input = _squeezed(input, each)
    return input


def _squeezed(value: Any, axis: int) -> Any:
    if not is_ragged(value):
        return shapes.squeeze(value, axis=axis)
    if axis > 1:
        return value.with_values(_squeezed(value.values, axis - 1))
    lengths = known(partition.lengths_of(value.row_splits))
    fits = value.shape[0] in (1, None) if axis == 0 else lengths is None or (lengths == 1).all()
    if not fits:
        raise InvalidArgumentError(
            f"tf.squeeze: axis {axis} of {value.shape} is not of size 1{at_user_location()}"
        )
    return value.values


@dispatches(shapes.tile, RaggedTensor)
def _tile(input: Any, multiples: Any = None, name: Any = None) -> Any:
    counts = static(multiples)
    if len(counts) != len(input.shape):
        raise ValueError(
            f"tf.tile: expected {len(input.shape)} multiples, received {counts}{at_user_location()}"
        )
    for axis, count in enumerate(counts):
        if count != 1:
            input = joined([input] * count, axis) if count else _emptied(input, axis)
    return input


def _emptied(rt: Any, axis: int) -> Any:
    return rt[(slice(None),) * axis + (slice(0, 0),)]


@dispatches(shapes.reverse, RaggedTensor)
def _reverse(tensor: Any, axis: Any = None, name: Any = None) -> Any:
    axes = static(axis)
    for each in [axes] if isinstance(axes, int) else axes:
        tensor = _reversed(tensor, _axis(each, len(tensor.shape), "reverse"))
    return tensor


def _reversed(value: Any, axis: int) -> Any:
    if not is_ragged(value):
        return shapes.reverse(value, axis=[axis])
    if axis == 0:
        count = num_rows(value)
        return take_rows(value, count - 1 - range_of(count, dtype=value.row_splits.dtype))
    if axis == 1:
        return of_ranges(value.values, value.row_limits() - 1, value.row_starts() - 1, -1, value._uniform)
    return value.with_values(_reversed(value.values, axis - 1))


# ---- facts ------------------------------------------------------------------------------------------------------


@dispatches([shapes.size, shapes.element_count], RaggedTensor)
def _size(input: Any, out_type: Any = None, name: Any = None) -> Any:
    return shapes.size(input.flat_values, out_type or "int32")


@dispatches(shapes.rank, RaggedTensor)
def _rank(input: Any, name: Any = None) -> Any:
    return as_tensor(len(input.shape))


def _like(function: Any) -> None:
    @dispatches(function, RaggedTensor)
    def row(input: Any, dtype: Any = None, name: Any = None) -> Any:
        return input.with_flat_values(function(input.flat_values, dtype=dtype))


_like(create.zeros_like)
_like(create.ones_like)


# ---- choosing ---------------------------------------------------------------------------------------------------


@dispatches([dense_gather.gather, dense_gather.gather_], RaggedTensor)
def _gather(
    params: Any,
    indices: Any,
    validate_indices: Any = None,
    axis: Any = None,
    batch_dims: int = 0,
    name: Any = None,
) -> Any:
    params, indices = _tensor(params), _tensor(indices)
    batch = batch_dims + len(indices.shape) if batch_dims < 0 else batch_dims
    place = batch if axis is None else _axis(axis, len(params.shape), "gather")
    found = _gathered(params, indices, place, batch)
    if batch == 1 and not is_ragged(indices) and is_ragged(found) and not is_ragged(found.values):
        sizes = [shapes.shape(indices), shapes.shape(found.values)[len(indices.shape) - 1 :]]
        return shapes.reshape(found.values, shape=array.concat(sizes, 0))
    return found


def _gathered(params: Any, indices: Any, axis: int, batch: int) -> Any:
    if batch == 0 and axis == 0:
        return _by_index(params, indices)
    params, indices = to_ragged_rank(params, 1), to_ragged_rank(indices, 1) if batch else indices
    if batch:
        indices = indices.with_row_splits_dtype(params.row_splits.dtype)
    if batch == 0:
        if not is_ragged(indices) and len(indices.shape) == 1 and axis > 1:
            return params.with_values(_gathered(params.values, indices, axis - 1, 0))
        raise ValueError(
            f"tf.gather: axis {axis} of a ragged tensor needs batch_dims={axis}{at_user_location()}"
        )
    if batch > 1 or axis > batch:
        inner = _gathered(params.values, indices.values, axis - 1, batch - 1)
        return indices.with_values(inner)
    return indices.with_values(_in_rows(params, indices))


def _in_rows(params: Any, indices: Any) -> Any:
    """Returns for each value of ragged indices what it names in its row of `params`."""
    starts = dense_gather.gather(params.row_starts(), indices.value_rowids())
    flat = indices.values
    if is_ragged(flat):
        flat = flat + expand(cast(starts, dtype=flat.dtype), 1)
        return _by_index(params.values, flat)
    extra = len(flat.shape) - 1
    starts = starts[(slice(None), *[None] * extra)]
    return _by_index(params.values, flat + cast(starts, dtype=flat.dtype))


def _by_index(params: Any, indices: Any) -> Any:
    """Returns the rows that indices of any rank name."""
    if is_ragged(indices):
        return indices.with_values(_by_index(params, indices.values))
    if not is_ragged(params):
        return dense_gather.gather(params, indices)
    if len(indices.shape) == 1:
        _check_rows(params, indices)
        return take_rows(params, indices)
    if len(indices.shape) == 0:
        return params[indices]
    return _by_index(params, to_ragged_rank(indices, len(indices.shape) - 1))


def _check_rows(params: Any, indices: Any) -> None:
    """Raises InvalidArgumentError for an index that names no row, as far as is known; else its row split is missing."""
    array, splits = known(indices), params.row_splits.shape[0]
    if array is None or splits is None:
        return
    wrong = np.flatnonzero((array < 0) | (array >= splits - 1))
    if wrong.size:
        place = int(wrong[0])
        raise InvalidArgumentError(
            f"tf.gather: indices[{place}] = {array[place]} is not in [0, {splits - 1}), the rows of the ragged tensor"
            f"{at_user_location()}"
        )


@dispatches(dense_gather.gather_nd, RaggedTensor)
def _gather_nd(
    params: Any, indices: Any, batch_dims: int = 0, name: Any = None, bad_indices_policy: str = ""
) -> Any:
    if batch_dims or bad_indices_policy:
        raise ValueError(
            "tf.gather_nd: batch_dims and bad_indices_policy are not supported for ragged tensors"
            f"{at_user_location()}"
        )
    if is_ragged(indices):
        return indices.with_values(_gather_nd(params, indices.values))
    index = as_tensor(indices)
    if not is_ragged(params):
        return dense_gather.gather_nd(params, index)
    if len(index.shape) != 2:
        raise ValueError(
            f"tf.gather_nd: expected indices of rank 2, received {index.shape}{at_user_location()}"
        )
    places = index[:, 0]
    for column in range(1, index.shape[1]):
        if not is_ragged(params):
            rest = [
                as_tensor(p)[:, None] for p in (places, *(index[:, c] for c in range(column, index.shape[1])))
            ]
            return dense_gather.gather_nd(params, array.concat(rest, 1))
        places = cast(dense_gather.gather(params.row_starts(), places), dtype=index.dtype) + index[:, column]
        params = params.values
    return take_rows(params, places)


@export("ragged.boolean_mask")
def boolean_mask(data: Any, mask: Any, name: str | None = None) -> Any:
    """Returns the entries of `data` where `mask` is True, the rows kept as they were.

    Args:
        data: dense or ragged tensor.
        mask: booleans, of a shape that `data`'s begins with; a mask of rank 1 chooses rows.
    """
    data, mask = _tensor(data), _tensor(mask)
    if not mask.dtype.is_bool:
        raise TypeError(
            f"tf.ragged.boolean_mask: the mask must be boolean, not {mask.dtype.name}{at_user_location()}"
        )
    if not is_ragged(mask) and len(mask.shape) == 0:
        raise ValueError(f"tf.ragged.boolean_mask: the mask cannot be a scalar{at_user_location()}")
    return _masked(data, mask)


def _masked(data: Any, mask: Any) -> Any:
    if not is_ragged(mask) and len(mask.shape) == 1:
        if not is_ragged(data):
            return indexing.boolean_mask(data, mask)
        return take_rows(data, indexing.where(mask)[:, 0])
    depth = len(mask.shape) - 1
    data, mask = to_ragged_rank(data, depth), to_ragged_rank(mask, depth)
    inner = _masked(data.values, mask.values)
    if is_ragged(mask.values):
        return RaggedTensor._of(inner, data.row_splits, data._uniform)
    kept = RaggedTensor._of(cast(mask.values, dtype=data.row_splits.dtype), mask.row_splits)
    return RaggedTensor._of(inner, partition.from_lengths(reduce_sum(kept, axis=1)))


@dispatches(indexing.where, RaggedTensor)
def _where(condition: Any, x: Any = None, y: Any = None, name: Any = None) -> Any:
    if x is not None:
        return ragged_math.where(condition, x, y)
    whole = to_ragged_rank(condition, len(condition.shape) - 1)
    return indexing.boolean_mask(coordinates(whole), whole.flat_values)


def coordinates(rt: Any) -> Any:
    """Returns for each flat value its place: (values, rank)."""
    columns: list = []
    inner = rt
    while is_ragged(inner):
        ids = inner.value_rowids()
        columns = [dense_gather.gather(c, ids) for c in columns] if columns else [ids]
        places = range_of(shapes.shape(ids)[0], dtype=ids.dtype)
        columns.append(places - dense_gather.gather(inner.row_splits, ids))
        inner = inner.values
    return cast(array.stack_values(columns, axis=1), dtype="int64")


# ---- tf.ragged.* ------------------------------------------------------------------------------------------------


@export("ragged.range")
def range_(
    starts: Any,
    limits: Any = None,
    deltas: Any = 1,
    dtype: Any = None,
    name: str | None = None,
    row_splits_dtype: Any = "int64",
) -> Any:
    """Returns the rows `range(starts[i], limits[i], deltas[i])`.

    Args:
        starts: scalar or vector; the limits when `limits` is None.
        limits, deltas: scalars or vectors.
        dtype: of the values.
        row_splits_dtype: int32 or int64.
    """
    if limits is None:
        starts, limits = 0, starts
    parts = [as_tensor(p) for p in (starts, limits, deltas)]
    wanted = dtype or max((p.dtype for p in parts), key=lambda d: (d.is_floating, d.size))
    parts = [cast(p, dtype=wanted) for p in parts]
    if all(len(p.shape) == 0 for p in parts):
        parts[0] = shapes.expand_dims(parts[0], axis=0)
    splits, values = partition.ranges(*parts)
    return RaggedTensor._of(values, as_splits(splits, row_splits_dtype))


@export("ragged.stack")
def ragged_stack(values: Any, axis: Any = 0, name: str | None = None) -> Any:
    """Stacks tensors whose rows may differ in length; the result is ragged."""
    values = [_tensor(v) for v in values]
    place = _axis(axis, len(values[0].shape) + 1, "ragged.stack")
    if len(values[0].shape) == 0:
        return array.stack_values(values)
    if place == 0 and not any(map(is_ragged, values)):
        return _row_of_each(values)
    return joined([to_ragged_rank(expand(v, place), 1) for v in values], place)


def _row_of_each(values: list) -> Any:
    if len(values[0].shape) > 1:
        values = [to_ragged_rank(v, len(v.shape) - 1) for v in values]
        return joined([expand_first(v) for v in values], 0)
    lengths = array.stack_values([shapes.shape(v, "int64")[0] for v in values])
    return RaggedTensor.from_row_lengths(array.concat(values, 0), lengths)


@export("ragged.map_flat_values")
def map_flat_values(op: Callable, *args: Any, **kwargs: Any) -> Any:
    """Calls `op` with the flat values of the ragged arguments, and gives the result their rows."""
    ragged = [a for a in (*args, *kwargs.values()) if is_ragged(a)]
    if not ragged:
        return op(*args, **kwargs)
    flat = [a.flat_values if is_ragged(a) else a for a in args]
    named = {k: a.flat_values if is_ragged(a) else a for k, a in kwargs.items()}
    for other in ragged[1:]:
        if not same_rows(ragged[0], other):
            raise ValueError(
                f"tf.ragged.map_flat_values: the arguments have different rows{at_user_location()}"
            )
    return ragged[0].with_flat_values(op(*flat, **named))


@export("ragged.row_splits_to_segment_ids")
def row_splits_to_segment_ids(splits: Any, name: str | None = None, out_type: Any = None) -> Any:
    """Returns for each value the row that it belongs to."""
    splits = as_splits(splits)
    ids = partition.value_rowids(splits, range_of(splits[-1]))
    return cast(ids, dtype=out_type) if out_type is not None else ids


@export("ragged.segment_ids_to_row_splits")
def segment_ids_to_row_splits(
    segment_ids: Any, num_segments: Any = None, out_type: Any = None, name: str | None = None
) -> Any:
    """Returns the row splits of ascending segment ids."""
    splits = splits_of_rowids(as_splits(segment_ids), num_segments)
    return cast(splits, dtype=out_type) if out_type is not None else splits
