"""Sorting, searching, and telling distinct values apart."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from dovetail.base.errors import DataDependentShapeError, at_user_location
from dovetail.engine import dtypes
from dovetail.ops import rules
from dovetail.ops.array import concat
from dovetail.ops.attrs import DTypeLike, Shape
from dovetail.ops.families import op
from dovetail.ops.gather import gather_, take_along_axis_
from dovetail.ops.prepared import promoted
from dovetail.ops.shapes import as_tensor, reshape
from dovetail.ops.views import export
from dovetail.tensor import dtype as dt
from dovetail.tensor.tensor import has_value

_INT32 = np.dtype(np.int32)

# ---- order ----------------------------------------------------------------------------------------------------------


def _order(xp: Any, x: Any, axis: int, descending: bool) -> Any:
    """Returns the indices that sort `x`; equal elements keep their order in both directions."""
    if not descending:
        return xp.argsort(x, axis=axis, stable=True)
    flipped = xp.flip(xp.argsort(xp.flip(x, axis), axis=axis, stable=True), axis)
    return x.shape[axis] - 1 - flipped


def _by_rows(x: Any, *, axis: int, **_: Any) -> str | None:
    return "rows" if axis % max(x.ndim, 1) else None


@op("", shape=lambda shape, axis, descending: shape)
def sort_(xp: Any, values: Any, *, axis: int = -1, descending: bool = False) -> Any:
    """Sorts along `axis`."""
    rules.refuse_strings(values)
    out = xp.sort(values, axis=axis)
    return xp.flip(out, axis) if descending else out


@op(
    "",
    shape=lambda shape, axis, descending: shape,
    dtype=lambda *_, **__: _INT32,
    differentiable=False,
    pieces=_by_rows,
)
def argsort_(xp: Any, values: Any, *, axis: int = -1, descending: bool = False) -> Any:
    """Returns the int32 indices that sort `values` along `axis`."""
    rules.refuse_strings(values)
    return xp.cast(_order(xp, values, axis, descending), _INT32)


def _sort_gradient(g: Any, y: Any, x: Any, axis: int, descending: bool) -> Any:
    """Puts each gradient where its element came from: the inverse permutation sorts the sorting indices."""
    back = argsort_(argsort_(x, axis=axis, descending=descending), axis=axis)
    return take_along_axis_(g, back, axis=axis)


sort_.gradient(_sort_gradient)


def _descending(function: str, direction: str) -> bool:
    if direction not in ("ASCENDING", "DESCENDING"):
        raise ValueError(
            f"{function}: direction must be 'ASCENDING' or 'DESCENDING', received {direction!r}{at_user_location()}"
        )
    return direction == "DESCENDING"


@export("sort")
def sort(values: Any, axis: int = -1, direction: str = "ASCENDING", name: str | None = None) -> Any:
    """Sorts along `axis`, in "ASCENDING" or "DESCENDING" direction."""
    return sort_(values, axis=axis, descending=_descending("tf.sort", direction))


@export("argsort")
def argsort(
    values: Any, axis: int = -1, direction: str = "ASCENDING", stable: bool = False, name: str | None = None
) -> Any:
    """Returns the int32 indices that sort `values` along `axis`.  The order of equal elements is always kept."""
    return argsort_(values, axis=axis, descending=_descending("tf.argsort", direction))


@export("ops.numpy.sort")
def sort_numpy(x: Any, axis: int | None = -1) -> Any:
    """Sorts along `axis` (flattened when None)."""
    return sort_(reshape(x, shape=(-1,)), axis=0) if axis is None else sort_(x, axis=axis)


@export("ops.numpy.argsort")
def argsort_numpy(x: Any, axis: int | None = -1) -> Any:
    """Returns the int32 indices that sort `x` along `axis` (flattened when None)."""
    return argsort_(reshape(x, shape=(-1,)), axis=0) if axis is None else argsort_(x, axis=axis)


# ---- searching ------------------------------------------------------------------------------------------------------


@op(
    "",
    shape=lambda rows, values, side, out_type: values,
    dtype=lambda *_, side, out_type: out_type,
    differentiable=False,
)
def searchsorted_(xp: Any, rows: Any, values: Any, *, side: str = "left", out_type: DTypeLike = None) -> Any:
    """Returns where each value goes into its sorted row."""
    if rows.shape[:-1] != values.shape[:-1]:
        raise ValueError(f"the leading sizes of {rows.shape} and {values.shape} must agree")
    count = math.prod(rows.shape[:-1])
    found = xp.search_rows(
        xp.reshape(rows, (count, rows.shape[-1])), xp.reshape(values, (count, values.shape[-1])), side
    )
    return xp.cast(xp.reshape(found, values.shape), out_type)


def _search(function: str, rows: Any, values: Any, side: str, out_type: Any) -> Any:
    if side not in ("left", "right"):
        raise ValueError(f"{function}: side must be 'left' or 'right', received {side!r}{at_user_location()}")
    values = as_tensor(values)
    scalar = not len(values.shape)
    values = reshape(values, shape=(1,)) if scalar else values
    found = searchsorted_(rows, values, side=side, out_type=dt.numpy_dtype(out_type))
    return reshape(found, shape=()) if scalar else found


@export("searchsorted")
def searchsorted(
    sorted_sequence: Any, values: Any, side: str = "left", out_type: Any = "int32", name: str | None = None
) -> Any:
    """Returns the indices at which `values` would be inserted into sorted rows.

    Args:
        sorted_sequence: tensor of shape (..., n), sorted along the last axis.
        values: tensor of shape (..., m), with the same leading sizes.
        side: "left" (before equal elements) or "right" (after them).
        out_type: int32 or int64.
    """
    return _search("tf.searchsorted", sorted_sequence, values, side, out_type)


@export("ops.numpy.searchsorted")
def searchsorted_numpy(sorted_sequence: Any, values: Any, side: str = "left") -> Any:
    """Returns the int32 indices at which `values` would be inserted into a sorted vector."""
    sorted_sequence, values = promoted((sorted_sequence, values))
    found = _search("keras.ops.searchsorted", sorted_sequence, reshape(values, shape=(-1,)), side, "int32")
    return reshape(found, shape=tuple(values.shape))


@op("math.invert_permutation", shape=lambda shape: shape, differentiable=False)
def invert_permutation(xp: Any, x: Any) -> Any:
    """Returns the permutation that undoes the permutation `x`: y[x[i]] = i."""
    if x.ndim != 1 or x.dtype.kind != "i":
        raise ValueError(f"expected a vector of integers, received {x.dtype} of shape {x.shape}")
    if isinstance(x, np.ndarray) and not np.array_equal(np.sort(x), np.arange(len(x))):
        raise ValueError(f"expected each of 0 ... {len(x) - 1} once, received {x[:10].tolist()}")
    return xp.index_set(xp.zeros(x.shape, x.dtype), x, xp.arange(x.shape[0], dtype=x.dtype))


# ---- distinct values ------------------------------------------------------------------------------------------------


class Unique(NamedTuple):
    """What `tf.unique` returns: the distinct values, and which of them each element is."""

    y: Any
    idx: Any


class UniqueWithCounts(NamedTuple):
    """What `tf.unique_with_counts` returns."""

    y: Any
    idx: Any
    count: Any


@op(
    "",
    engine="host",
    differentiable=False,
    shape=lambda shape, out_idx: [(None,), shape, (None,)],
    dtype=lambda kind, out_idx: [kind, out_idx, out_idx],
)
def unique_(xp: Any, x: Any, *, out_idx: DTypeLike) -> Any:
    """Returns the distinct values in order of appearance, each element's index among them, and their counts."""
    if x.ndim != 1:
        raise ValueError(f"expected a vector, received shape {x.shape}")
    if dtypes.is_host_only(x.dtype):
        return _unique_strings(x.tolist(), out_idx)
    values, first, inverse, counts = np.unique(x, return_index=True, return_inverse=True, return_counts=True)
    order = np.argsort(first, kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return values[order], rank[inverse.reshape(-1)].astype(out_idx), counts[order].astype(out_idx)


def _unique_strings(items: list, kind: np.dtype) -> tuple:
    numbers: dict[bytes, int] = {}
    places = np.fromiter([numbers.setdefault(item, len(numbers)) for item in items], kind, len(items))
    values = np.fromiter(numbers, object, len(numbers))
    return values, places, np.bincount(places, minlength=len(numbers)).astype(kind)


@export("unique")
def unique(x: Any, out_idx: Any = "int32", name: str | None = None) -> Unique:
    """Returns the distinct values of a vector in order of appearance, and each element's index among them.

    The number of values depends on the data, so a function that asks for it on traced values runs op by op.
    """
    return Unique(*unique_(x, out_idx=dt.numpy_dtype(out_idx))[:2])


@export("unique_with_counts")
def unique_with_counts(x: Any, out_idx: Any = "int32", name: str | None = None) -> UniqueWithCounts:
    """Returns what `tf.unique` does, and how often each value appears."""
    return UniqueWithCounts(*unique_(x, out_idx=dt.numpy_dtype(out_idx)))


# ---- partitions -----------------------------------------------------------------------------------------------------


def _partition_shapes(data: tuple, partitions: tuple, num: int) -> list:
    return [(None, *data[len(partitions) :])] * num


@op("", engine="host", same_dtype=0, shape=_partition_shapes)
def dynamic_partition_(xp: Any, data: Any, partitions: Any, *, num: int) -> Any:
    """Splits the slices of `data` by the number that each one has."""
    if partitions.size and (partitions.min() < 0 or partitions.max() >= num):
        raise ValueError(f"partitions must be in [0, {num})")
    return [data[partitions == part] for part in range(num)]


@op(
    "",
    engine="host",
    same_dtype=0,
    shape=lambda partitions, *parts, rest: (*partitions, *rest),
    dtype=lambda partitions, *parts, rest: parts[0],
)
def dynamic_partition_adjoint(xp: Any, partitions: Any, *parts: Any, rest: Shape) -> Any:
    """Puts the slices back where `dynamic_partition` took them."""
    out = np.zeros((*partitions.shape, *rest), parts[0].dtype)
    for number, part in enumerate(parts):
        out[partitions == number] = part
    return out


def _partition_gradient(g: Any, y: Any, data: Any, partitions: Any, num: int) -> Any:
    return dynamic_partition_adjoint(partitions, *g, rest=tuple(data.shape)[len(partitions.shape) :])


def _partition_adjoint_gradient(g: Any, y: Any, partitions: Any, *parts: Any, rest: tuple) -> list:
    return [None, *dynamic_partition_(g, partitions, num=len(parts))]


dynamic_partition_.gradient(_partition_gradient, None)
dynamic_partition_adjoint.gradient(_partition_adjoint_gradient)


@export("dynamic_partition")
def dynamic_partition(data: Any, partitions: Any, num_partitions: int, name: str | None = None) -> list:
    """Splits `data` into `num_partitions` tensors by the number that each slice has.

    Args:
        data: tensor.
        partitions: integers in [0, num_partitions), shaped like the first axes of `data`.
        num_partitions: how many tensors to make.
    """
    return list(dynamic_partition_(data, partitions, num=num_partitions))


@op("", engine="host", same_dtype=1, shape=lambda data, indices: (None, *data[1:]))
def dynamic_stitch_(xp: Any, data: Any, indices: Any) -> Any:
    """Puts row i of `data` at `indices[i]`; of rows with one index the last stays."""
    out = np.zeros((int(indices.max()) + 1 if indices.size else 0, *data.shape[1:]), data.dtype)
    out[indices] = data
    return out


dynamic_stitch_.gradient(lambda g, y, data, indices: gather_(g, indices), None)


@export("dynamic_stitch")
def dynamic_stitch(indices: Any, data: Any, name: str | None = None) -> Any:
    """Joins tensors by putting the slices of `data[m]` at the positions `indices[m]`.

    Args:
        indices: list of integer tensors.
        data: list of tensors of shape `indices[m].shape + rest`.
    """
    rows, places = [], []
    for where, values in zip(indices, data, strict=True):
        where, values = as_tensor(where), as_tensor(values)
        places.append(reshape(where, shape=(-1,)))
        rows.append(reshape(values, shape=(-1, *tuple(values.shape)[len(where.shape) :])))
    return dynamic_stitch_(concat(rows, 0), concat(places, 0))


# ---- sequence masks -------------------------------------------------------------------------------------------------


def _mask_shape(lengths: tuple, maxlen: int | None, dtype: Any) -> tuple:
    return (*lengths, None if maxlen in (None, -1) else maxlen)


@op("", shape=_mask_shape, dtype=lambda kind, maxlen, dtype: dtype, differentiable=False)
def sequence_mask_(xp: Any, lengths: Any, *, maxlen: int | None = None, dtype: DTypeLike) -> Any:
    """Returns `position < length` for positions up to `maxlen`."""
    if maxlen is None:
        raise DataDependentShapeError(
            "sequence_mask", "sequence_mask: without maxlen the width depends on the values; pass maxlen"
        )
    if maxlen < 0:
        raise ValueError(f"maxlen must not be negative, received {maxlen}")
    return xp.cast(xp.arange(maxlen, dtype=lengths.dtype) < lengths[..., None], dtype)


@export("sequence_mask")
def sequence_mask(lengths: Any, maxlen: Any = None, dtype: Any = "bool", name: str | None = None) -> Any:
    """Returns masks that are true in the first `length` positions.

    Args:
        lengths: integer tensor of any shape.
        maxlen: width of the masks: the largest length by default (which compiled code cannot know).
        dtype: of the result, booleans by default.

    Example:
        >>> tf.sequence_mask([1, 2], 3).numpy().tolist()
        [[True, False, False], [True, True, False]]
    """
    lengths = as_tensor(lengths)
    if maxlen is None and has_value(lengths):
        values = np.asarray(lengths._value)
        maxlen = int(values.max()) if values.size else 0
    return sequence_mask_(lengths, maxlen=maxlen, dtype=dt.numpy_dtype(dtype))
