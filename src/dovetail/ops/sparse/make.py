"""Sparse tensors out of dense ones and back: from_dense, to_dense, eye, to_indicator, mask."""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail.base.errors import InvalidArgumentError, at_user_location
from dovetail.ops.arithmetic import cast
from dovetail.ops.create import fill_, ones
from dovetail.ops.gather import gather_nd_, tensor_scatter
from dovetail.ops.indexed_slices import IndexedSlices
from dovetail.ops.indexing import boolean_mask_
from dovetail.ops.shapes import as_tensor, expand_dims, shape
from dovetail.ops.sparse.patterns import constant, join, stored, unlisted
from dovetail.ops.sparse.tensor import SparseTensor, sparse_input
from dovetail.ops.views import export
from dovetail.tensor import dtype as dt
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.tensor import Tensor, has_value


@export("sparse.from_dense")
def from_dense(tensor: Any, name: str | None = None) -> SparseTensor:
    """Returns the entries of a tensor that are not zero (not empty, for strings).

    How many there are depends on the values, so a `tf.function` that asks runs op by op.

    Example:
        >>> tf.sparse.from_dense([0, 4, 0, 5]).indices.numpy().tolist()
        [[1], [3]]
    """
    dense = as_tensor(tensor)
    indices = stored(dense)
    known = dense.shape if dense.shape.rank is not None else None
    return SparseTensor._made(indices, gather_nd_(dense, indices), shape(dense, "int64"), known)


@export("sparse.to_dense")
def to_dense(
    sp_input: Any, default_value: Any = None, validate_indices: bool = True, name: str | None = None
) -> Any:
    """Returns the dense tensor.

    Args:
        sp_input: sparse tensor.
        default_value: scalar for the places without an entry; 0, False or the empty string when None.
        validate_indices: check that the indices are in the order of rows, without repeats.  Compiled code has no values
            to check.

    Raises:
        InvalidArgumentError: an index is out of range, out of order or repeated.
    """
    st = sparse_input(sp_input, "tf.sparse.to_dense")
    if validate_indices:
        check_order(st, "tf.sparse.to_dense")
    empty = "" if st.dtype == dt.string else False if st.dtype.is_bool else 0
    default = convert_to_tensor(empty if default_value is None else default_value, dtype=st.dtype)
    return tensor_scatter(fill_(default, dims=st.dense_shape), st.values, st.indices, kind="update")


def check_order(st: SparseTensor, label: str) -> None:
    """Raises InvalidArgumentError for indices that are out of range, out of order or repeated."""
    if not (has_value(st.indices) and has_value(st.dense_shape)):
        return
    indices, sizes = np.asarray(st.indices._value), np.asarray(st.dense_shape._value)
    outside = ((indices < 0) | (indices >= sizes)).any(axis=1)
    if outside.any():
        row = int(outside.argmax())
        raise _bad_index(label, row, indices, f"out of bounds: need 0 <= index < {sizes.tolist()}", "")
    places = indices @ np.append(np.cumprod(sizes[:0:-1])[::-1], 1)[: len(sizes)]
    steps = np.diff(places)
    if (steps <= 0).any():
        row = int((steps <= 0).argmax())
        what = "is repeated" if steps[row] == 0 else "is out of order"
        fix = " Use tf.sparse.reorder, or pass validate_indices=False" if steps[row] else ""
        raise _bad_index(label, row + 1, indices, what, fix)


def _bad_index(label: str, row: int, indices: Any, what: str, fix: str) -> Exception:
    return InvalidArgumentError(
        f"{label}: indices[{row}] = {indices[row].tolist()} {what}.{fix}{at_user_location()}"
    )


@export("sparse.eye")
def eye(
    num_rows: Any, num_columns: Any = None, dtype: Any = "float32", name: str | None = None
) -> SparseTensor:
    """Returns a sparse matrix with ones on the diagonal."""
    rows = int(num_rows)
    width = rows if num_columns is None else int(num_columns)
    diagonal: Any = np.arange(min(rows, width), dtype=np.int64)
    return SparseTensor(np.stack([diagonal, diagonal], 1), ones([len(diagonal)], dtype), [rows, width])


@export("sparse.to_indicator")
def to_indicator(sp_input: Any, vocab_size: Any, name: str | None = None) -> Any:
    """Returns a boolean tensor that is True at the ids which each row holds.

    Args:
        sp_input: sparse tensor of integers in [0, vocab_size).
        vocab_size: size of the result's last axis.
    """
    st = sparse_input(sp_input, "tf.sparse.to_indicator")
    ids = expand_dims(cast(st.values, dtype="int64"), axis=1)
    indices = join([st.indices[:, :-1], ids], 1)
    sizes = join([st.dense_shape[:-1], constant(int(vocab_size))])
    yes = cast(ids[:, 0] == ids[:, 0], dtype="bool")
    return tensor_scatter(fill_(Tensor(np.array(False)), dims=sizes), yes, indices, kind="update")


@export("sparse.mask")
def mask(a: Any, mask_indices: Any, name: str | None = None) -> IndexedSlices:
    """Returns the rows of a `tf.IndexedSlices` whose indices are not in `mask_indices`."""
    indices = as_tensor(a.indices)
    kept = unlisted(indices, convert_to_tensor(mask_indices, dtype=indices.dtype))
    return IndexedSlices(boolean_mask_(a.values, kept), boolean_mask_(indices, kept), a.dense_shape)
