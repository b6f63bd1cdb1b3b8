"""Products of sparse and dense matrices."""

from __future__ import annotations

from typing import Any

from dovetail.base.errors import InvalidArgumentError, at_user_location
from dovetail.ops import linalg
from dovetail.ops.arithmetic import cast, conj
from dovetail.ops.core import Op
from dovetail.ops.dispatch import dispatches
from dovetail.ops.families import op
from dovetail.ops.gather import gather
from dovetail.ops.linalg import einsum
from dovetail.ops.reduction import reduce_sum
from dovetail.ops.segment import rows_of_segments, unsorted_segment_sum
from dovetail.ops.shapes import expand_dims, transpose
from dovetail.ops.sparse.tensor import SparseTensor, SparseTensorValue, rank_of, sparse_input
from dovetail.ops.views import export
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.tensor import has_value


@export("sparse.sparse_dense_matmul")
def sparse_dense_matmul(
    sp_a: Any, b: Any, adjoint_a: bool = False, adjoint_b: bool = False, name: str | None = None
) -> Any:
    """Multiplies a sparse and a dense matrix, in either order.

    Args:
        sp_a: sparse matrix (m, k), or a dense one when `b` is sparse.
        b: dense matrix (k, n), or a sparse one.
        adjoint_a, adjoint_b: use the conjugate transpose of the one or the other.

    Returns:
        The dense matrix (m, n).  The cost is that of n numbers an entry.
    """
    if isinstance(b, SparseTensor | SparseTensorValue):
        turned = _product(b, sp_a, not adjoint_b, not adjoint_a)
        return transpose(turned, perm=(1, 0), conjugate=True)
    return _product(sp_a, b, adjoint_a, adjoint_b)


def _rows_at(xp: Any, matrix: Any, ids: Any) -> Any:
    return xp.asarray(matrix)[xp.checked_indices(ids, matrix.shape[0])]


def _rows_gradient(g: Any, y: Any, matrix: Any, ids: Any) -> Any:
    return unsorted_segment_sum(g, ids, num_segments=int(matrix.shape[0]))


# Not `gather`, whose gradients are `IndexedSlices`: a product's are dense, as in TensorFlow.
rows_at = Op("sparse_rows", _rows_at, same_dtype=1, shape=lambda matrix, ids: (*ids, *matrix[1:]))
rows_at.gradient(_rows_gradient, None)


@dispatches(linalg.matmul, SparseTensor)
def _matmul(a: Any, b: Any, transpose_a: bool = False, transpose_b: bool = False) -> Any:
    """What layers mean by a product of sparse inputs with their kernel: of real matrices; integers count as floats."""
    if a is not b and getattr(a, "dtype", b.dtype).is_integer and b.dtype.is_floating:
        a = cast(a, dtype=b.dtype)
    return sparse_dense_matmul(a, b, transpose_a, transpose_b)


def _product_shape(values: tuple, dense: tuple, indices: tuple, rows: int, row: int) -> tuple:
    return (None if rows < 0 else rows, dense[1])


@op("", same_dtype=2, shape=_product_shape)
def product_of_entries(xp: Any, values: Any, dense: Any, indices: Any, *, rows: int, row: int) -> Any:
    """Returns the product of a sparse matrix and a dense one.

    Args:
        values, indices: the entries, (n,) and (n, 2).
        dense: (k, units).
        rows: of the result.
        row: which column of `indices` names them: 0, or 1 for the transposed matrix.
    """
    taken = _rows_at(xp, dense, indices[:, 1 - row]) * xp.expand_dims(values, 1)  # (entries, units)
    return xp.segment_reduce("sum", taken, indices[:, row], rows)


product_of_entries.gradient(
    lambda g, y, values, dense, indices, rows, row: reduce_sum(
        rows_of_segments(g, indices[:, row]) * rows_at(dense, indices[:, 1 - row]), axis=1
    ),
    lambda g, y, values, dense, indices, rows, row: unsorted_segment_sum(
        rows_of_segments(g, indices[:, row]) * expand_dims(values, axis=1),
        indices[:, 1 - row],
        num_segments=int(dense.shape[0]),
    ),
    None,
)


def _product(sparse: Any, dense: Any, adjoint_a: bool, adjoint_b: bool) -> Any:
    st = sparse_input(sparse, "tf.sparse.sparse_dense_matmul")
    dense = convert_to_tensor(dense, dtype_hint=st.dtype)
    if rank_of(st) != 2 or dense.shape.rank not in (None, 2):
        raise InvalidArgumentError(_misfit(st, dense))
    if adjoint_b:
        dense = transpose(dense, perm=(1, 0), conjugate=True)
    row, column = (1, 0) if adjoint_a else (0, 1)
    inner, have = st.shape[column], dense.shape[0]
    if None not in (inner, have) and inner != have:
        raise InvalidArgumentError(_misfit(st, dense))
    values = conj(st.values) if adjoint_a and st.dtype.is_complex else st.values
    count = st.shape[row] if has_value(st.dense_shape) else st.dense_shape[row]
    return product_of_entries(values, dense, st.indices, rows=count, row=row)


def _misfit(st: SparseTensor, dense: Any) -> str:
    return (
        f"tf.sparse.sparse_dense_matmul: matrices of shapes {st.shape} (sparse) and {dense.shape} do not fit"
        f"{at_user_location()}"
    )


@export("sparse.sampled_addmm")
def sampled_addmm(
    indices: Any,
    values: Any,
    dense_shape: Any,
    mat1: Any,
    mat2: Any,
    beta: Any = 1.0,
    alpha: Any = 1.0,
    output_type: Any = "float32",
) -> tuple:
    """Returns `alpha * (mat1 @ mat2) + beta * values` at the entries of a sparse matrix; no other entry is computed.

    Args:
        indices: row and column of each entry, (..., entries, 2).
        values: (..., entries).
        dense_shape: rows and columns, int32.
        mat1, mat2: matrices (..., rows, k) and (..., k, columns).
        beta, alpha: numbers.
        output_type: the dtype of `values`, `mat1` and `mat2`.

    Returns:
        The parts of the sparse result: `(indices, values, dense_shape)`.

    Raises:
        ValueError: the shapes do not fit together.
    """
    indices = convert_to_tensor(indices)
    values, mat1, mat2 = (convert_to_tensor(part, output_type) for part in (values, mat1, mat2))
    dense_shape = convert_to_tensor(dense_shape, "int32")
    _check_sampled(indices, values, dense_shape, mat1, mat2)
    batch = len(mat1.shape) - 2
    rows = gather(mat1, indices[..., 0], axis=batch, batch_dims=batch)  # (..., entries, k)
    columns = gather(mat2, indices[..., 1], axis=batch + 1, batch_dims=batch)  # (..., k, entries)
    products = einsum("...nk,...kn->...n", rows, columns)
    return indices, products * alpha + values * beta, dense_shape


def _check_sampled(indices: Any, values: Any, dense_shape: Any, mat1: Any, mat2: Any) -> None:
    ranks = [len(part.shape) for part in (values, indices, mat1, mat2)]
    if min(ranks[1:]) < 2 or {ranks[0] + 1, *ranks[1:]} != {ranks[1]}:
        raise ValueError(
            "tf.sparse.sampled_addmm: expected indices (..., entries, 2), values (..., entries) and matrices with the "
            f"same axes in front, received shapes {indices.shape}, {values.shape}, {mat1.shape} and {mat2.shape}"
            f"{at_user_location()}"
        )
    product = (mat1.shape[-2], mat2.shape[-1])
    if has_value(dense_shape) and None not in product and tuple(dense_shape.numpy()) != product:
        raise ValueError(
            f"tf.sparse.sampled_addmm: the product has shape {product}, dense_shape is {dense_shape.numpy().tolist()}"
            f"{at_user_location()}"
        )
