"""Ops on the patterns of sparse tensors: orders, unions, groups.  Sizes that depend on values: host only."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from dovetail.engine import dtypes
from dovetail.ops.array import concat
from dovetail.ops.core import Op
from dovetail.ops.gather import gather_
from dovetail.ops.reduction import cumprod, reduce_sum
from dovetail.ops.shapes import shape
from dovetail.tensor.tensor import Tensor

_INT64, _BOOL = np.dtype(np.int64), np.dtype(bool)
_host = functools.partial(Op, engine="host", same_dtype=0, differentiable=False)


def _order(xp: Any, indices: Any) -> Any:
    places = xp.arange(indices.shape[0], dtype=_INT64)
    for axis in reversed(range(indices.shape[1])):
        column = xp.take(indices[:, axis], places, 0)
        places = xp.take(places, xp.argsort(column, axis=0, stable=True), 0)
    return places


def _stored(xp: Any, x: Any) -> Any:
    empty = b"" if dtypes.is_host_only(x.dtype) else 0
    return np.argwhere(x != empty).astype(_INT64).reshape(-1, x.ndim)


def _distinct(xp: Any, indices: Any) -> Any:
    if not indices.shape[1]:
        return indices[:1], np.zeros(len(indices), _INT64)
    rows, inverse = np.unique(indices, axis=0, return_inverse=True)
    return rows, inverse.reshape(-1).astype(_INT64)


def _union(xp: Any, a: Any, b: Any) -> Any:
    keys = _keys(a, b)
    if keys is None or not all((np.diff(each) > 0).all() for each in keys):
        rows, places = _distinct(xp, np.concatenate([a, b]))
        return rows, places[: len(a)], places[len(a) :]
    return _merged(a, b, *keys)


def _keys(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Returns one number for each row of two patterns, in the order of rows; None where 64 bits are too few."""
    if not (a.shape[1] and len(a) and len(b)) or min(a.min(), b.min()) < 0:
        return None
    sizes: Any = np.maximum(a.max(axis=0), b.max(axis=0)) + 1
    if math.prod(sizes.tolist()) >= 1 << 62:
        return None
    strides: Any = np.append(np.cumprod(sizes[:0:-1])[::-1], 1)
    return a @ strides, b @ strides


def _merged(a: np.ndarray, b: np.ndarray, of_a: np.ndarray, of_b: np.ndarray) -> tuple:
    """Merges two patterns whose keys ascend."""
    before: Any = np.searchsorted(of_a, of_b)
    shared = of_a[np.minimum(before, len(of_a) - 1)] == of_b
    alone = np.flatnonzero(~shared)
    places_a: Any = np.arange(len(a)) + np.searchsorted(of_b[alone], of_a)
    places_b: Any = np.empty(len(b), _INT64)
    places_b[shared] = places_a[before[shared]]
    places_b[alone] = np.arange(len(alone)) + before[alone]
    rows = np.empty((len(a) + len(alone), a.shape[1]), _INT64)
    rows[places_a], rows[places_b[alone]] = a, b[alone]
    return rows, places_a.astype(_INT64), places_b


def _with_empty_rows(xp: Any, indices: Any, dense_shape: Any) -> Any:
    rows, count = indices[:, 0], int(dense_shape[0])
    empty = np.bincount(rows, minlength=count)[:count] == 0
    missing: Any = np.flatnonzero(empty).astype(_INT64)
    order = np.argsort(np.concatenate([rows, missing]), kind="stable").astype(_INT64)
    return missing, order, empty


def _unlisted(xp: Any, values: Any, listed: Any) -> Any:
    return xp.all(values[:, None] != listed[None, :], axis=1)


order = Op(
    "sparse_order",
    _order,
    same_dtype=0,
    differentiable=False,
    shape=lambda indices: indices[:1],
    dtype=lambda _: _INT64,
)
order.__doc__ = "Returns the int64 permutation that brings indices (n, rank) into the order of rows."

stored = _host("sparse_stored", _stored, shape=lambda x: (None, len(x)), dtype=lambda _: _INT64)
stored.__doc__ = "Returns where a tensor is not zero, in the order of rows: int64 (n, rank)."

distinct = _host(
    "sparse_distinct",
    _distinct,
    shape=lambda indices: [(None, indices[1]), indices[:1]],
    dtype=lambda _: [_INT64] * 2,
)
distinct.__doc__ = (
    "Returns the distinct rows of indices (n, rank) in order, and for each row its place among them."
)

union = _host(
    "sparse_union",
    _union,
    shape=lambda a, b: [(None, a[1]), a[:1], b[:1]],
    dtype=lambda *_: [_INT64] * 3,
)
union.__doc__ = (
    "Returns the distinct rows of two patterns in order, and for each row of either its place among them."
)

with_empty_rows = _host(
    "sparse_with_empty_rows",
    _with_empty_rows,
    shape=lambda indices, dense_shape: [(None,), (None,), (None,)],
    dtype=lambda *_: [_INT64, _INT64, _BOOL],
)
with_empty_rows.__doc__ = (
    "Returns the rows without entries, the order that puts them in place, and a mask of them."
)

unlisted = Op(
    "sparse_unlisted",
    _unlisted,
    same_dtype=2,
    differentiable=False,
    shape=lambda values, listed: values,
    dtype=lambda *_: _BOOL,
)
unlisted.__doc__ = "Returns which values (n,) are not among the listed ones (m,)."


def strides_of(sizes: Any) -> Any:
    """Returns how far apart neighbours along each axis are in the order of rows; sizes int64 (rank,)."""
    return cumprod(sizes, exclusive=True, reverse=True)


def linear(indices: Any, sizes: Any) -> Any:
    """Returns the places (n,) of indices (n, rank) in the flattened tensor of these sizes."""
    return reduce_sum(indices * strides_of(sizes), axis=1)


def count_of(rows: Any) -> Any:
    """Returns the number of rows: a Python number where it is known."""
    known = rows.shape[0]
    return shape(rows, "int64")[0] if known is None else known


def columns(indices: Any, axes: list[int]) -> Any:
    """Returns some columns of indices (n, rank), or some elements of a shape (rank,)."""
    return gather_(indices, Tensor(np.array(axes, np.int32)), axis=len(indices.shape) - 1)


def zero_column(indices: Any) -> Any:
    """Returns a column of zeros beside indices (n, rank >= 1)."""
    return indices[:, :1] * 0


def constant(*numbers: int) -> Tensor:
    """Returns int64 numbers as a vector."""
    return Tensor(np.array(numbers, np.int64))


def join(parts: list, axis: int = 0) -> Any:
    return concat(parts, axis)
