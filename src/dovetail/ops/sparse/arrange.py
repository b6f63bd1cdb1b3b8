"""Other shapes and other selections of the same entries: reorder, reshape, transpose, slice, concat, split and more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dovetail.base.errors import InvalidArgumentError, at_user_location
from dovetail.ops import rules
from dovetail.ops.arithmetic import floordiv, floormod, maximum, minimum
from dovetail.ops.attrs import needed
from dovetail.ops.gather import gather_
from dovetail.ops.indexing import boolean_mask_, where_
from dovetail.ops.logic import logical_and
from dovetail.ops.reduction import reduce_all, reduce_max, reduce_prod
from dovetail.ops.shapes import as_tensor, expand_dims
from dovetail.ops.shapes import reshape as reshape_dense
from dovetail.ops.sparse.patterns import (
    columns,
    constant,
    join,
    linear,
    order,
    strides_of,
    with_empty_rows,
    zero_column,
)
from dovetail.ops.sparse.tensor import SparseTensor, as_int64, rank_of, sparse_input
from dovetail.ops.views import export
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.shape import TensorShape
from dovetail.tensor.tensor import has_value

_made = SparseTensor._made


@export("sparse.reorder")
def reorder(sp_input: Any, name: str | None = None) -> SparseTensor:
    """Returns the entries in the order of rows."""
    st = sparse_input(sp_input, "tf.sparse.reorder")
    places = order(st.indices)
    return _made(gather_(st.indices, places), gather_(st.values, places), st.dense_shape, st._shape)


@export("sparse.reshape")
def reshape(sp_input: Any, shape: Any, name: str | None = None) -> SparseTensor:
    """Returns the entries in a tensor of another shape with as many elements; one size may be -1."""
    st = sparse_input(sp_input, "tf.sparse.reshape")
    sizes = _full_shape(st.dense_shape, as_int64(shape), st)
    places = expand_dims(linear(st.indices, st.dense_shape), axis=1)
    indices = floormod(floordiv(places, maximum(strides_of(sizes), 1)), maximum(sizes, 1))
    return _made(indices, st.values, sizes)


def _full_shape(old: Any, new: Any, st: SparseTensor) -> Any:
    """Returns the new shape with its -1 filled in."""
    total = reduce_prod(old)
    known = reduce_prod(where_(new, new * 0 + 1, new >= 0))
    sizes = where_(new, new * 0 + floordiv(total, maximum(known, 1)), new >= 0)
    if has_value(old) and has_value(new):
        given = np.asarray(new)
        if (given < -1).any() or (given == -1).sum() > 1 or int(reduce_prod(sizes)) != int(total):
            raise InvalidArgumentError(
                f"tf.sparse.reshape: a sparse tensor of shape {st.shape} has {int(total)} elements, which do not fit "
                f"the shape {given.tolist()}{at_user_location()}"
            )
    return sizes


@export("sparse.transpose")
def transpose(sp_input: Any, perm: Any = None, name: str | None = None) -> SparseTensor:
    """Returns the tensor with its axes in the order `perm`; reversed when None."""
    st = sparse_input(sp_input, "tf.sparse.transpose")
    rank = rank_of(st)
    axes = list(range(rank))[::-1] if perm is None else np.asarray(perm).tolist()
    if sorted(axes) != list(range(rank)):
        raise ValueError(
            f"tf.sparse.transpose: perm {axes} is no order of the {rank} axes{at_user_location()}"
        )
    known = TensorShape([st.shape[axis] for axis in axes])
    return reorder(_made(columns(st.indices, axes), st.values, columns(st.dense_shape, axes), known))


@export("sparse.expand_dims")
def expand_dims_sparse(sp_input: Any, axis: Any = None, name: str | None = None) -> SparseTensor:
    """Returns the tensor with an axis of size 1 at `axis` (the last one by default)."""
    st = sparse_input(sp_input, "tf.sparse.expand_dims")
    place = _axis_in(-1 if axis is None else axis, rank_of(st) + 1, "tf.sparse.expand_dims")
    indices = join([st.indices[:, :place], zero_column(st.indices), st.indices[:, place:]], 1)
    sizes = join([st.dense_shape[:place], constant(1), st.dense_shape[place:]])
    return _made(indices, st.values, sizes)


def _axis_in(axis: Any, rank: int, label: str) -> int:
    axis = needed(axis)
    if not -rank <= axis < rank:
        raise ValueError(f"{label}: axis {axis} is out of range [{-rank}, {rank}){at_user_location()}")
    return rules.normalized_axis(axis, rank)


@export("sparse.retain")
def retain(sp_input: Any, to_retain: Any) -> SparseTensor:
    """Returns the entries where the vector `to_retain` is True."""
    st = sparse_input(sp_input, "tf.sparse.retain")
    chosen = convert_to_tensor(to_retain)
    if not chosen.shape.is_compatible_with(st.values.shape):
        raise ValueError(
            f"tf.sparse.retain: expected one bool for each of the values {st.values.shape}, received shape "
            f"{chosen.shape}{at_user_location()}"
        )
    indices, values = boolean_mask_(st.indices, chosen), boolean_mask_(st.values, chosen)
    return _made(indices, values, st.dense_shape, st._shape)


@export("sparse.slice")
def slice_sparse(sp_input: Any, start: Any, size: Any, name: str | None = None) -> SparseTensor:
    """Returns the part that begins at `start` and has at most the sizes `size`.

    Args:
        sp_input: sparse tensor.
        start, size: int64 vectors, a number an axis.
    """
    st = sparse_input(sp_input, "tf.sparse.slice")
    first = as_int64(start)
    sizes = maximum(minimum(as_int64(size), st.dense_shape - first), 0)
    inside = logical_and(st.indices >= first, st.indices < first + sizes)
    kept = retain(st, reduce_all(inside, axis=1))
    return _made(kept.indices - first, kept.values, sizes)


@export("sparse.concat")
def concat_sparse(
    axis: Any, sp_inputs: Any, expand_nonconcat_dims: bool = False, name: str | None = None
) -> SparseTensor:
    """Joins sparse tensors along an axis.

    Args:
        axis: the axis.
        sp_inputs: list of sparse tensors of one rank.
        expand_nonconcat_dims: the other sizes may differ; the result has the largest.
    """
    label = "tf.sparse.concat"
    inputs = [sparse_input(st, label) for st in sp_inputs]
    if len(inputs) == 1:
        return inputs[0]
    rank = rank_of(inputs[0])
    axis = _axis_in(axis, rank, label)
    if not expand_nonconcat_dims:
        _check_others(inputs, axis, label)
    is_axis = np.arange(rank) == axis
    step: Any = as_int64(is_axis.astype(np.int64))
    indices, sizes = [inputs[0].indices], inputs[0].dense_shape
    for st in inputs[1:]:
        indices.append(st.indices + step * sizes)
        sizes = where_(sizes + st.dense_shape, maximum(sizes, st.dense_shape), as_tensor(is_axis))
    return reorder(_made(join(indices), join([st.values for st in inputs]), sizes))


def _check_others(inputs: Sequence[SparseTensor], axis: int, label: str) -> None:
    first = inputs[0].shape
    for st in inputs[1:]:
        others = [TensorShape([s for i, s in enumerate(shape) if i != axis]) for shape in (first, st.shape)]
        if first.rank != st.shape.rank or not others[0].is_compatible_with(others[1]):
            raise InvalidArgumentError(
                f"{label}: cannot join shapes {first} and {st.shape} along axis {axis}; the other sizes must agree, or "
                f"pass expand_nonconcat_dims=True{at_user_location()}"
            )


@export("sparse.split")
def split(sp_input: Any = None, num_split: Any = None, axis: Any = None, name: str | None = None) -> list:
    """Cuts a sparse tensor into `num_split` parts along `axis`; where it does not go even, the first are one longer."""
    label = "tf.sparse.split"
    st = sparse_input(sp_input, label)
    if num_split is None or axis is None:
        raise ValueError(f"{label}: pass num_split and axis{at_user_location()}")
    axis, count = _axis_in(axis, rank_of(st), label), needed(num_split)
    if st.shape[axis] is None:
        raise ValueError(f"{label}: the size of axis {axis} is not known{at_user_location()}")
    each, longer = divmod(int(st.shape[axis]), count)
    parts, begin = [], 0
    for i in range(count):
        length = each + (i < longer)
        here: Any = np.arange(rank_of(st)) == axis
        start, size = as_int64(here * begin), where_(constant(length), st.dense_shape, as_tensor(here))
        parts.append(slice_sparse(st, start, size))
        begin += length
    return parts


@export("sparse.reset_shape")
def reset_shape(sp_input: Any, new_shape: Any = None) -> SparseTensor:
    """Returns the entries in a tensor of a larger shape, or of the smallest shape that holds them (None)."""
    st = sparse_input(sp_input, "tf.sparse.reset_shape")
    if new_shape is None:
        least = as_int64(np.full((1, rank_of(st)), -1))
        return _made(st.indices, st.values, reduce_max(join([st.indices, least]), axis=0) + 1)
    sizes = as_int64(new_shape)
    if not sizes.shape.is_compatible_with(st.dense_shape.shape):
        raise ValueError(
            f"tf.sparse.reset_shape: expected {st.shape.rank} sizes, received shape {sizes.shape}{at_user_location()}"
        )
    if (
        has_value(sizes)
        and has_value(st.dense_shape)
        and (np.asarray(sizes) < np.asarray(st.dense_shape)).any()
    ):
        raise InvalidArgumentError(
            f"tf.sparse.reset_shape: new_shape {np.asarray(sizes).tolist()} is smaller than {st.shape}"
            f"{at_user_location()}"
        )
    return _made(st.indices, st.values, sizes)


@export("sparse.fill_empty_rows")
def fill_empty_rows(sp_input: Any, default_value: Any, name: str | None = None) -> tuple:
    """Returns the tensor with an entry `default_value` at the beginning of each row that has none, and which these are.

    Returns:
        The sparse tensor, and a boolean vector with an element a row.
    """
    st = sparse_input(sp_input, "tf.sparse.fill_empty_rows")
    default = convert_to_tensor(default_value, dtype=st.dtype)
    missing, places, empty = with_empty_rows(st.indices, st.dense_shape)
    first = as_int64((np.arange(rank_of(st)) == 0).astype(np.int64))
    indices = gather_(join([st.indices, expand_dims(missing, axis=1) * first]), places)
    filler = gather_(reshape_dense(default, shape=(1,)), missing * 0)
    values = gather_(join([st.values, filler]), places)
    return _made(indices, values, st.dense_shape, st._shape), empty
