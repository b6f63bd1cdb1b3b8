"""Sparse tensors as strings: `tf.io.serialize_sparse` and its kin."""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail.base.errors import InvalidArgumentError, at_user_location
from dovetail.engine import dtypes
from dovetail.ops.core import Op
from dovetail.ops.records.tensors import array_of, message_of
from dovetail.ops.shapes import as_tensor
from dovetail.ops.sparse.tensor import SparseTensor, sparse_input
from dovetail.ops.views import export
from dovetail.tensor import dtype as dt
from dovetail.tensor.shape import TensorShape

_INT64 = np.dtype(np.int64)
_PARTS = 3  # indices, values, dense shape


def _one(xp: Any, indices: Any, values: Any, dense_shape: Any) -> Any:
    return _strings([indices, values, dense_shape])


def _strings(arrays: list) -> Any:
    out: Any = np.empty(len(arrays), object)
    out[:] = [message_of(array, whole_strings=True) for array in arrays]
    return out


def _many(xp: Any, indices: Any, values: Any, dense_shape: Any) -> Any:
    rows, count = indices[:, 0], int(dense_shape[0])
    if (np.diff(rows) < 0).any():
        at = int((np.diff(rows) < 0).argmax()) + 1
        raise InvalidArgumentError(
            f"indices[{at}] = {indices[at].tolist()} is out of order: use tf.sparse.reorder first"
        )
    if len(rows) and not 0 <= rows[0] <= rows[-1] < count:
        raise InvalidArgumentError(f"indices are out of bounds of the shape {dense_shape.tolist()}")
    places: Any = np.searchsorted(rows, np.arange(count + 1))
    out: Any = np.empty((count, _PARTS), object)
    for i, (a, b) in enumerate(zip(places[:-1].tolist(), places[1:].tolist(), strict=True)):
        out[i] = _strings([indices[a:b, 1:], values[a:b], dense_shape[1:]])
    return out


_OPTIONS: dict[str, Any] = {"engine": "host", "same_dtype": 0, "differentiable": False}
_serialized = Op(
    "serialize_sparse", _one, shape=lambda *_: (_PARTS,), dtype=lambda *_: dtypes.STRING, **_OPTIONS
)
_serialized_rows = Op(
    "serialize_many_sparse",
    _many,
    shape=lambda *_: (None, _PARTS),
    dtype=lambda *_: dtypes.STRING,
    **_OPTIONS,
)


def _joined(xp: Any, strings: Any, *, kind: Any, rank: int | None) -> list:
    if strings.ndim != 2 or strings.shape[1] != _PARTS or not len(strings):
        raise InvalidArgumentError(
            f"serialized_sparse must be strings of shape (n, 3), n at least 1, received shape {strings.shape}"
        )
    rows = [[array_of(data, "serialized_sparse") for data in row] for row in strings.tolist()]
    for i, (indices, values, shape) in enumerate(rows):
        _check_row(i, indices, values, shape, kind, rows[0][2].shape if rank is None else (rank - 1,))
    indices = [np.insert(row[0], 0, i, axis=1) for i, row in enumerate(rows)]
    sizes: Any = np.max([row[2] for row in rows], axis=0)
    return [
        np.concatenate(indices),
        np.concatenate([row[1] for row in rows]),
        np.array([len(rows), *sizes.tolist()], np.int64),
    ]


def _check_row(row: int, indices: Any, values: Any, shape: Any, kind: Any, rank: tuple) -> None:
    """Raises InvalidArgumentError for parts that make no sparse tensor, or one that does not go with the others."""
    where = f"SparseTensor[{row}]"
    if values.dtype != kind:
        raise InvalidArgumentError(
            f"Requested SparseTensor of type {dt.as_dtype(kind).name} but {where}.values.dtype() == "
            f"{dt.as_dtype(values.dtype).name}"
        )
    if (
        indices.dtype != _INT64
        or shape.dtype != _INT64
        or (indices.ndim, values.ndim, shape.ndim) != (2, 1, 1)
    ):
        raise InvalidArgumentError(
            f"{where}: expected indices (n, rank), values (n,) and a shape (rank,), received {indices.shape}, "
            f"{values.shape}, {shape.shape}"
        )
    if indices.shape != (len(values), len(shape)) or shape.shape != rank:
        raise InvalidArgumentError(
            f"{where}: indices of shape {indices.shape}, {len(values)} values and a shape of {len(shape)} sizes do not "
            f"go together, or not with the rank {rank[0]} of the others"
        )


def _joined_shapes(strings: tuple, kind: Any, rank: int | None) -> list:
    return [(None, rank), (None,), (rank,)]


_deserialized = Op(
    "deserialize_many_sparse",
    _joined,
    shape=_joined_shapes,
    dtype=lambda _, kind, **__: [_INT64, kind, _INT64],
    several=True,
    **_OPTIONS,
)


def _check_strings(out_type: Any, what: str) -> None:
    if dt.as_dtype(out_type) != dt.string:
        raise ValueError(f"{what}: out_type must be tf.string, received {out_type!r}{at_user_location()}")


@export("io.serialize_sparse")
def serialize_sparse(sp_input: Any, out_type: Any = dt.string, name: str | None = None) -> Any:
    """Returns a sparse tensor as three strings: its indices, values and shape.

    Args:
        sp_input: sparse tensor.
        out_type: tf.string; TensorFlow's variants are not there.
    """
    _check_strings(out_type, "tf.io.serialize_sparse")
    st = sparse_input(sp_input, "tf.io.serialize_sparse")
    return _serialized(st.indices, st.values, st.dense_shape)


@export("io.serialize_many_sparse")
def serialize_many_sparse(sp_input: Any, out_type: Any = dt.string, name: str | None = None) -> Any:
    """Returns each row of a sparse tensor as three strings: (rows, 3).

    Args:
        sp_input: sparse tensor of rank 2 or more, its indices in order.
        out_type: tf.string; TensorFlow's variants are not there.
    """
    _check_strings(out_type, "tf.io.serialize_many_sparse")
    st = sparse_input(sp_input, "tf.io.serialize_many_sparse")
    return _serialized_rows(st.indices, st.values, st.dense_shape)


@export("io.deserialize_many_sparse")
def deserialize_many_sparse(
    serialized_sparse: Any, dtype: Any, rank: int | None = None, name: str | None = None
) -> SparseTensor:
    """Returns sparse tensors that are strings (n, 3) as one, with a new first axis of size n.

    Args:
        serialized_sparse: what `tf.io.serialize_sparse` and `serialize_many_sparse` give.
        dtype: of the values.
        rank: of the result. Each of its sizes is the largest among the strings'.

    Raises:
        InvalidArgumentError: the strings are none, or of another dtype or rank.
    """
    rank = None if rank is None else int(rank)
    indices, values, dense_shape = _deserialized(
        as_tensor(serialized_sparse), kind=dt.as_dtype(dtype).numpy_dtype, rank=rank
    )
    return SparseTensor._made(
        indices, values, dense_shape, TensorShape(None if rank is None else [None] * rank)
    )
