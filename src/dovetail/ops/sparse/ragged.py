"""Ragged tensors and sparse ones: conversions, and crosses of ragged features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dovetail.base.errors import InvalidArgumentError, at_user_location
from dovetail.ops.arithmetic import cast
from dovetail.ops.create import range_of
from dovetail.ops.dispatch import dispatches
from dovetail.ops.gather import gather_
from dovetail.ops.ragged.tensor import RaggedTensor
from dovetail.ops.shapes import expand_dims, reshape
from dovetail.ops.sparse.cross import cross, cross_hashed
from dovetail.ops.sparse.patterns import count_of, join
from dovetail.ops.sparse.reduce import bincount
from dovetail.ops.sparse.tensor import SparseTensor, as_int64, rank_of, sparse_input
from dovetail.ops.views import export
from dovetail.tensor.tensor import has_value


def from_sparse(
    cls: type, st_input: Any, name: str | None = None, row_splits_dtype: Any = "int64"
) -> RaggedTensor:
    """Returns a sparse matrix as a ragged tensor.

    Args:
        st_input: sparse matrix whose entries stand side by side at the beginnings of the rows.
        row_splits_dtype: int32 or int64.

    Raises:
        InvalidArgumentError: there are gaps before entries, or the indices are out of order.
    """
    st = sparse_input(st_input, "tf.RaggedTensor.from_sparse")
    if rank_of(st) != 2:
        raise ValueError(
            f"tf.RaggedTensor.from_sparse: expected rank 2, received shape {st.shape}{at_user_location()}"
        )
    if has_value(st.indices) and not _is_ragged_right(np.asarray(st.indices)):
        raise InvalidArgumentError(
            f"tf.RaggedTensor.from_sparse: the SparseTensor is not right-ragged; its entries must be in order and side "
            f"by side from column 0{at_user_location()}"
        )
    rows = cast(st.indices[:, 0], dtype=row_splits_dtype)
    nrows = cast(st.dense_shape[0], dtype=row_splits_dtype)
    return RaggedTensor.from_value_rowids(st.values, rows, nrows=nrows, validate=False)


def _is_ragged_right(indices: Any) -> bool:
    """True when the rows ascend, and in each the columns count from 0."""
    rows, columns = indices.T
    same: Any = np.append(False, rows[1:] == rows[:-1])
    wanted = np.where(same, np.append(0, columns[:-1]) + 1, 0) if len(rows) else columns
    return bool((np.diff(rows) >= 0).all() and (columns == wanted).all())


def to_sparse(self: RaggedTensor, name: str | None = None) -> SparseTensor:
    """Returns the elements with their coordinates as a sparse tensor; its shape is the bounding shape."""
    rows: Any = self
    places = expand_dims(_count_up(as_int64_of(self.nrows())), axis=1)
    while isinstance(rows, RaggedTensor):
        ids = rows.value_rowids()
        starts = cast(gather_(rows.row_starts(), ids), dtype="int64")
        column = _count_up(count_of(ids)) - starts
        places = join([gather_(places, ids), expand_dims(column, axis=1)], 1)
        rows = rows.values
    inner = tuple(rows.shape)[1:]
    if inner:
        grid: Any = np.stack([axis.reshape(-1) for axis in np.indices(inner)], 1)  # (elements of a row, axes)
        count = count_of(rows)
        outer = _count_up(count * len(grid)) // len(grid)
        within = _count_up(count * len(grid)) % len(grid)
        places = join([gather_(places, outer), gather_(as_int64(grid), within)], 1)
        rows = reshape(rows, shape=(-1,))
    return SparseTensor._made(places, rows, as_int64_of(self.bounding_shape()))


def as_int64_of(value: Any) -> Any:
    return cast(value, dtype="int64")


def _count_up(count: Any) -> Any:
    return range_of(count, dtype="int64")


RaggedTensor.from_sparse = classmethod(from_sparse)  # type: ignore[attr-defined]
RaggedTensor.to_sparse = to_sparse  # type: ignore[attr-defined]


def _as_sparse(inputs: Sequence[Any]) -> list:
    return [each.to_sparse() if isinstance(each, RaggedTensor) else each for each in inputs]  # type: ignore[attr-defined]


@export("ragged.cross")
def ragged_cross(inputs: Sequence[Any], name: str | None = None) -> RaggedTensor:
    """Returns every combination of the inputs' features in each row, joined as strings, as a ragged tensor.

    Args:
        inputs: ragged, sparse or dense matrices; see `tf.sparse.cross`.
    """
    return from_sparse(RaggedTensor, cross(_as_sparse(inputs)))


@export("ragged.cross_hashed")
def ragged_cross_hashed(
    inputs: Sequence[Any], num_buckets: int = 0, hash_key: int | None = None, name: str | None = None
) -> RaggedTensor:
    """Returns every combination of the inputs' features in each row as a hash; see `tf.sparse.cross_hashed`."""
    return from_sparse(RaggedTensor, cross_hashed(_as_sparse(inputs), num_buckets, hash_key))


@dispatches(bincount, RaggedTensor)
def _bincount(
    values: Any,
    weights: Any = None,
    axis: Any = 0,
    minlength: Any = None,
    maxlength: Any = None,
    binary_output: bool = False,
    name: str | None = None,
) -> SparseTensor:
    weights = to_sparse(weights) if isinstance(weights, RaggedTensor) else weights
    return bincount(to_sparse(values), weights, axis, minlength, maxlength, binary_output)
