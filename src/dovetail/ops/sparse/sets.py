"""`tf.sets`: rows as sets; intersection, difference, union, size."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.ops.core import Op
from dovetail.ops.shapes import as_tensor
from dovetail.ops.sparse.make import check_order
from dovetail.ops.sparse.tensor import SparseTensor, SparseTensorValue
from dovetail.ops.views import export

_INT64, _INT32 = np.dtype(np.int64), np.dtype(np.int32)
_OPERATIONS: dict[str, Callable[[set, set], set]] = {
    "intersection": set.intersection,
    "difference": set.difference,
    "union": set.union,
}


def _operated(xp: Any, *parts: Any, forms: str, how: str) -> Any:
    """Returns the indices, values and dense shape of the sets; `forms` has a letter an operand: s(parse) or d(ense)."""
    left, sets = list(parts), []
    values_dtype = left[1 if forms[0] == "s" else 0].dtype
    for form in forms:
        sets.append(
            _sparse_sets(*[left.pop(0) for _ in range(3)]) if form == "s" else _dense_sets(left.pop(0))
        )
    (first, lead), (second, other_lead) = sets
    if lead != other_lead:
        raise ValueError(f"the shapes before the last axis must agree, received {lead} and {other_lead}")
    found = {
        row: sorted(_OPERATIONS[how](first.get(row, set()), second.get(row, set())))
        for row in sorted({*first, *second})
    }
    indices = [(*row, i) for row, values in found.items() for i in range(len(values))]
    flat = np.empty(len(indices), values_dtype)
    flat[:] = [value for values in found.values() for value in values]
    sizes = (*lead, max(map(len, found.values()), default=0))
    return np.array(indices, _INT64).reshape(-1, len(sizes)), flat, np.array(sizes, _INT64)


def _dense_sets(x: Any) -> tuple[dict, tuple]:
    return {row: set(x[row].tolist()) for row in np.ndindex(*x.shape[:-1])}, x.shape[:-1]


def _sparse_sets(indices: Any, values: Any, dense_shape: Any) -> tuple[dict, tuple]:
    found: dict[tuple, set] = {}
    for place, value in zip(indices.tolist(), values.tolist(), strict=True):
        found.setdefault(tuple(place[:-1]), set()).add(value)
    return found, tuple(dense_shape[:-1].tolist())


def _operated_shapes(*shapes: tuple, forms: str, how: str) -> list:
    rank = shapes[0][1] if forms[0] == "s" else len(shapes[0])
    return [(None, rank), (None,), (rank,)]


_sets = Op(
    "set_operation",
    _operated,
    engine="host",
    same_dtype=0,
    differentiable=False,
    shape=_operated_shapes,
    dtype=lambda *kinds, forms, how: [_INT64, kinds[1 if forms[0] == "s" else 0], _INT64],
)


def _sizes(xp: Any, indices: Any, values: Any, dense_shape: Any) -> Any:
    out = np.zeros(tuple(dense_shape[:-1].tolist()), _INT32)
    for row, members in _sparse_sets(indices, values, dense_shape)[0].items():
        out[row] = len(members)
    return out


_size = Op(
    "set_size",
    _sizes,
    engine="host",
    same_dtype=0,
    differentiable=False,
    shape=lambda indices, values, dense_shape: (None,) * (indices[1] - 1),
    dtype=lambda *_: _INT32,
)


def _combined(label: str, how: str, a: Any, b: Any, validate_indices: bool) -> SparseTensor:
    forms, parts = "", []
    for operand in (a, b):
        if isinstance(operand, SparseTensorValue):
            operand = SparseTensor.from_value(operand)
        if isinstance(operand, SparseTensor):
            if validate_indices:
                check_order(operand, label)
            forms += "s"
            parts += [operand.indices, operand.values, operand.dense_shape]
        else:
            forms += "d"
            parts.append(as_tensor(operand))
    if forms == "sd":
        raise TypeError(
            f"{label}: dense beside sparse goes first; swap them, or use tf.sparse.from_dense{at_user_location()}"
        )
    return SparseTensor._made(*_sets(*parts, forms=forms, how=how))


@export("sets.intersection")
def intersection(a: Any, b: Any, validate_indices: bool = True) -> SparseTensor:
    """Returns what both rows hold, sorted, for each row of `a` and `b`.

    Args:
        a, b: dense or sparse tensors whose last axis holds the elements of a set.
        validate_indices: check the order of sparse indices.
    """
    return _combined("tf.sets.intersection", "intersection", a, b, validate_indices)


@export("sets.difference")
def difference(a: Any, b: Any, aminusb: bool = True, validate_indices: bool = True) -> SparseTensor:
    """Returns what `a`'s rows hold and `b`'s do not, sorted; the other way round unless `aminusb`."""
    first, second = (a, b) if aminusb else (b, a)
    return _combined("tf.sets.difference", "difference", first, second, validate_indices)


@export("sets.union")
def union(a: Any, b: Any, validate_indices: bool = True) -> SparseTensor:
    """Returns what either row holds, sorted."""
    return _combined("tf.sets.union", "union", a, b, validate_indices)


@export("sets.size")
def size(a: Any, validate_indices: bool = True) -> Any:
    """Returns the number of distinct elements in each row of a sparse tensor: int32."""
    if not isinstance(a, SparseTensor):
        raise TypeError(
            f"tf.sets.size: expected a SparseTensor, received {type(a).__name__}{at_user_location()}"
        )
    if validate_indices:
        check_order(a, "tf.sets.size")
    return _size(a.indices, a.values, a.dense_shape)
