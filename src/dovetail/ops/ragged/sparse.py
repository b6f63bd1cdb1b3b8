"""Between ragged and sparse tensors."""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail.base.errors import InvalidArgumentError, at_user_location
from dovetail.ops.ragged.arrays import coordinates
from dovetail.ops.ragged.partition import as_splits, known
from dovetail.ops.ragged.rows import to_ragged_rank
from dovetail.ops.ragged.tensor import RaggedTensor
from dovetail.ops.sparse.tensor import SparseTensor


def to_sparse(self: Any, name: str | None = None) -> Any:
    """Returns a sparse tensor with an entry for each value."""
    whole = to_ragged_rank(self, len(self.shape) - 1)
    return SparseTensor(coordinates(whole), whole.flat_values, self.bounding_shape(out_type="int64"))


def from_sparse(cls: Any, st_input: Any, name: str | None = None, row_splits_dtype: Any = "int64") -> Any:
    """Makes a ragged tensor of a sparse matrix whose entries fill the rows from the left.

    Raises:
        ValueError: the sparse tensor is no matrix.
        InvalidArgumentError: an entry of a row is missing, with others behind it.
    """
    if not isinstance(st_input, SparseTensor):
        raise TypeError(
            f"from_sparse: expected a tf.SparseTensor, received {type(st_input).__name__}{at_user_location()}"
        )
    if st_input.shape.rank != 2:
        raise ValueError(f"rank(st_input) must be 2, received {st_input.shape}{at_user_location()}")
    index = known(st_input.indices)
    if index is not None and not _fills_rows(index):
        raise InvalidArgumentError(
            f"from_sparse: the sparse tensor is not right-ragged: its entries do not fill the rows from the left"
            f"{at_user_location()}"
        )
    ids = as_splits(st_input.indices[:, 0], row_splits_dtype)
    return cls.from_value_rowids(st_input.values, ids, nrows=st_input.dense_shape[0], validate=False)


def _fills_rows(index: np.ndarray) -> bool:
    if not len(index):
        return True
    rows, columns = index.T
    first = np.concatenate([[True], rows[1:] != rows[:-1]])
    follows = np.concatenate([[False], columns[1:] == columns[:-1] + 1])
    return bool((np.diff(rows) >= 0).all() and np.where(first, columns == 0, follows).all())


RaggedTensor.to_sparse = to_sparse  # type: ignore[attr-defined]
RaggedTensor.from_sparse = classmethod(from_sparse)  # type: ignore[attr-defined]
