"""Matrices: determinants, inverses, decompositions, and the solving of linear systems.

All work on batches: the axes before the last two are independent matrices.
"""

from __future__ import annotations

from collections import namedtuple
from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.ops.arithmetic import conj
from dovetail.ops.diagonals import diagonal_of
from dovetail.ops.families import op, reshape_to, unary, unbroadcast
from dovetail.ops.linalg import matmul
from dovetail.ops.math import log, real, real_dtype
from dovetail.ops.prepared import floats
from dovetail.ops.reduction import reduce_sum
from dovetail.ops.rules import broadcast
from dovetail.ops.views import export

LogMatrixDeterminant = namedtuple("LogMatrixDeterminant", ["sign", "log_abs_determinant"])
Qr = namedtuple("Qr", ["q", "r"])
_INT32 = np.dtype(np.int32)


def _matrices(x: Any, square: bool = True) -> Any:
    """Checks rank and dtype, and returns `x`."""
    if x.dtype.kind not in "fc":
        raise TypeError(
            f"expected floating-point or complex numbers, received {x.dtype}; use tf.cast(x, tf.float32)"
        )
    if x.ndim < 2 or (square and x.shape[-1] != x.shape[-2]):
        raise ValueError(f"expected {'square matrices' if square else 'matrices'}, received shape {x.shape}")
    return x


def _adjoint(xp: Any, x: Any) -> Any:
    x = xp.swapaxes(x, -1, -2)
    return xp.conj(x) if x.dtype.kind == "c" else x


def _transposed(x: tuple, **_: Any) -> tuple:
    return (*x[:-2], x[-1], x[-2])


@op("linalg.adjoint", shape=_transposed)
def adjoint(xp: Any, matrix: Any) -> Any:
    """Returns the conjugate transpose of the matrices."""
    return _adjoint(xp, matrix)


adjoint.gradient(lambda g, y, x: adjoint(g))


@export("linalg.matrix_transpose")
def matrix_transpose(a: Any, name: str | None = "matrix_transpose", conjugate: bool = False) -> Any:
    """Swaps the last two axes; with `conjugate`, conjugates as well."""
    return adjoint(a) if conjugate else swapped(a)


@op("", shape=_transposed)
def swapped(xp: Any, x: Any) -> Any:
    """Swaps the last two axes."""
    return xp.swapaxes(x, -1, -2)


swapped.gradient(lambda g, y, x: swapped(g))


@op("linalg.cross", shape=broadcast)
def cross(xp: Any, a: Any, b: Any) -> Any:
    """Returns the cross products of the vectors along the last axis, of size 3."""
    if a.shape[-1] != 3 or b.shape[-1] != 3:
        raise ValueError(f"expected vectors of 3 numbers, received shapes {a.shape} and {b.shape}")
    return xp.cross(a, b)


cross.gradient(
    lambda g, y, a, b: unbroadcast(cross(b, g), a),
    lambda g, y, a, b: unbroadcast(cross(g, a), b),
)


# ---- determinants and inverses -----------------------------------------------------------------------------------


@op("linalg.det ops.linalg.det(x)", keras=floats, shape=lambda x: x[:-2])
def matrix_determinant(xp: Any, input: Any) -> Any:
    """Returns the determinants."""
    return xp.linalg.det(_matrices(input))


def _determinant_gradient(g: Any, y: Any, x: Any) -> Any:
    factor = reshape_to(g * conj(y), shape=(*tuple(y.shape), 1, 1))
    return factor * adjoint(matrix_inverse(x))


matrix_determinant.gradient(_determinant_gradient)


@op("", shape=lambda x: [x[:-2]] * 2, dtype=lambda kind: [kind, real_dtype(kind)])
def sign_and_log_determinant(xp: Any, input: Any) -> Any:
    """Returns the sign of the determinant and the logarithm of its absolute value."""
    sign, value = xp.linalg.slogdet(_matrices(input))
    return sign, value


@export("linalg.slogdet")
def slogdet(input: Any, name: str | None = None) -> LogMatrixDeterminant:
    """Returns `(sign, log_abs_determinant)`: determinants of large matrices overflow, their logarithms do not."""
    return LogMatrixDeterminant(*sign_and_log_determinant(input))


@export("linalg.logdet")
def logdet(matrix: Any, name: str | None = None) -> Any:
    """Returns the logarithm of the determinant of Hermitian positive-definite matrices."""
    return reduce_sum(log(real(diagonal_of(cholesky(matrix)))), axis=-1) * 2


@op("", shape=lambda x, **_: x)
def matrix_inverse(xp: Any, input: Any, *, adjoint: bool = False) -> Any:
    """Returns the inverses, of the conjugate transposes with `adjoint`."""
    x = _matrices(input)
    return xp.linalg.inv(_adjoint(xp, x) if adjoint else x)


def _inverse_gradient(g: Any, y: Any, x: Any, adjoint: bool) -> Any:
    if adjoint:
        return -matmul(matmul(y, _flip(g)), y)
    return -matmul(matmul(_flip(y), g), _flip(y))


def _flip(x: Any) -> Any:
    return adjoint(x)


matrix_inverse.gradient(_inverse_gradient)


@export("linalg.inv")
def inv(input: Any, adjoint: bool = False, name: str | None = None) -> Any:
    """Returns the inverses of the matrices, of their conjugate transposes with `adjoint`.

    Raises:
        InvalidArgumentError: a matrix has no inverse (on the host engine).
    """
    return matrix_inverse(input, adjoint=adjoint)


@export("ops.linalg.inv")
def ops_inv(x: Any) -> Any:
    """Returns the inverses of the matrices."""
    return matrix_inverse(*floats((x,)))


@op("linalg.pinv(a,rcond)", shape=_transposed)
def pinv(xp: Any, a: Any, *, rcond: float | None = None) -> Any:
    """Returns the Moore-Penrose inverses.

    Args:
        a: matrices of shape (..., n, m).
        rcond: singular values below `rcond` times the largest count as 0; None: `10 * max(n, m) * eps`.
    """
    _matrices(a, square=False)
    limit = 10 * max(a.shape[-2:]) * float(np.finfo(a.dtype).eps) if rcond is None else rcond
    return xp.linalg.pinv(a, rcond=limit)


@export("ops.linalg.pinv")
def ops_pinv(x: Any, rcond: Any = None) -> Any:
    """Returns the Moore-Penrose inverses."""
    return pinv(*floats((x,)), rcond=rcond)


@unary("linalg.expm(input)")
def matrix_exponential(xp: Any, x: Any) -> Any:
    """Returns the matrix exponentials."""
    return xp.expm(_matrices(x))


@op(
    "linalg.matrix_rank ops.linalg.matrix_rank(x)",
    keras=floats,
    shape=lambda x, tol: x[:-2],
    dtype=lambda *_, **__: _INT32,
    differentiable=False,
)
def matrix_rank(xp: Any, a: Any, *, tol: float | None = None) -> Any:
    """Returns the number of singular values above `tol` (None: the largest times `max(n, m) * eps`)."""
    values = xp.linalg.svd(_matrices(a, square=False), compute_uv=False)
    if tol is None:
        eps = float(np.finfo(a.dtype).eps)
        limit = xp.max(values, axis=-1, keepdims=True) * values.dtype.type(eps * max(a.shape[-2:]))
    else:
        limit = values.dtype.type(tol)
    return xp.sum((values > limit).astype(_INT32), axis=-1)


# ---- decompositions ----------------------------------------------------------------------------------------------


@op("linalg.cholesky", shape=lambda x: x)
def cholesky(xp: Any, input: Any) -> Any:
    """Returns the lower triangular `l` with `l @ adjoint(l) = input`, for Hermitian positive-definite matrices.

    Raises:
        InvalidArgumentError: a matrix is not positive-definite (on the host engine; NaN on XLA).
    """
    return xp.linalg.cholesky(_matrices(input))


@export("ops.linalg.cholesky")
def ops_cholesky(x: Any, upper: bool = False) -> Any:
    """Returns the lower triangular Cholesky factor, the upper one with `upper`."""
    lower = cholesky(*floats((x,)))
    return adjoint(lower) if upper else lower


def _qr_shape(x: tuple, full_matrices: bool) -> list:
    rows, columns = x[-2], x[-1]
    small = None if rows is None or columns is None else min(rows, columns)
    return [(*x[:-1], rows if full_matrices else small), (*x[:-2], rows if full_matrices else small, columns)]


@op("", shape=_qr_shape)
def qr_(xp: Any, input: Any, *, full_matrices: bool = False) -> Any:
    """Returns `(q, r)` with `input = q @ r`, the columns of `q` orthonormal, `r` upper triangular."""
    return tuple(
        xp.linalg.qr(_matrices(input, square=False), mode="complete" if full_matrices else "reduced")
    )


@export("linalg.qr")
def qr(input: Any, full_matrices: bool = False, name: str | None = None) -> Qr:
    """Returns `(q, r)` with `input = q @ r`, the columns of `q` orthonormal, `r` upper triangular.

    Args:
        input: (..., m, n).
        full_matrices: `q` is (m, m) instead of (m, min(m, n)).
    """
    return Qr(*qr_(input, full_matrices=full_matrices))


@export("ops.linalg.qr")
def ops_qr(x: Any, mode: str = "reduced") -> Any:
    """Returns `(q, r)`; `mode` is "reduced" or "complete"."""
    if mode not in ("reduced", "complete"):
        raise ValueError(
            f"keras.ops.qr: mode must be 'reduced' or 'complete', received {mode!r}{at_user_location()}"
        )
    return tuple(qr_(*floats((x,)), full_matrices=mode == "complete"))


def _svd_shape(x: tuple, full_matrices: bool) -> list:
    rows, columns = x[-2], x[-1]
    small = None if rows is None or columns is None else min(rows, columns)
    wide = (rows, columns) if full_matrices else (small, small)
    return [(*x[:-2], small), (*x[:-1], wide[0]), (*x[:-2], columns, wide[1])]


@op("", shape=_svd_shape, dtype=lambda kind, **_: [real_dtype(kind), kind, kind])
def singular_decomposition(xp: Any, x: Any, *, full_matrices: bool = False) -> Any:
    """Returns singular values, left and right singular vectors (as columns)."""
    u, s, vh = xp.linalg.svd(_matrices(x, square=False), full_matrices=full_matrices)
    return s, u, _adjoint(xp, vh)


@op("", shape=lambda x: _svd_shape(x, False)[0], dtype=real_dtype)
def singular_values(xp: Any, x: Any) -> Any:
    """Returns the singular values in descending order."""
    return xp.linalg.svd(_matrices(x, square=False), compute_uv=False)


@export("linalg.svd")
def svd(tensor: Any, full_matrices: bool = False, compute_uv: bool = True, name: str | None = None) -> Any:
    """Returns `(s, u, v)` with `tensor = u @ diag(s) @ adjoint(v)`, or only the singular values `s`."""
    return (
        singular_decomposition(tensor, full_matrices=full_matrices) if compute_uv else singular_values(tensor)
    )


@export("ops.linalg.svd")
def ops_svd(x: Any, full_matrices: bool = True, compute_uv: bool = True) -> Any:
    """Returns `(u, s, vh)` with `x = u @ diag(s) @ vh`, or only the singular values."""
    (x,) = floats((x,))
    if not compute_uv:
        return singular_values(x)
    s, u, v = singular_decomposition(x, full_matrices=full_matrices)
    return u, s, adjoint(v)


@op("", shape=lambda x: [x[:-1], x], dtype=lambda kind: [real_dtype(kind), kind])
def hermitian_eigenpairs(xp: Any, x: Any) -> Any:
    """Returns eigenvalues in ascending order and eigenvectors (as columns) of Hermitian matrices."""
    return tuple(xp.linalg.eigh(_matrices(x)))


@export("linalg.eigh")
def eigh(tensor: Any, name: str | None = None) -> tuple:
    """Returns `(e, v)`: eigenvalues in ascending order and eigenvectors (as columns) of Hermitian matrices."""
    return hermitian_eigenpairs(tensor)


@op("linalg.eigvalsh(tensor)", shape=lambda x: x[:-1], dtype=real_dtype)
def eigvalsh(xp: Any, x: Any) -> Any:
    """Returns the eigenvalues of Hermitian matrices in ascending order."""
    return xp.linalg.eigvalsh(_matrices(x))


def _complex_of(kind: np.dtype) -> np.dtype:
    return np.dtype(np.complex64) if kind in (np.float32, np.complex64) else np.dtype(np.complex128)


def _eigenpairs_shape(x: tuple) -> list:
    size = x[-1] if x[-2] is None else x[-2]  # of a square
    return [(*x[:-2], size), (*x[:-2], size, size)]


@op("", shape=_eigenpairs_shape, dtype=lambda kind: [_complex_of(kind)] * 2)
def eigenpairs(xp: Any, x: Any) -> Any:
    """Returns eigenvalues and eigenvectors (as columns), complex."""
    values, vectors = xp.linalg.eig(_matrices(x))
    return values.astype(_complex_of(x.dtype)), vectors.astype(_complex_of(x.dtype))


@export("linalg.eig eig")
def eig(tensor: Any, name: str | None = None) -> tuple:
    """Returns `(e, v)`: complex eigenvalues in no particular order, and eigenvectors (as columns)."""
    return eigenpairs(tensor)


@export("linalg.eigvals eigvals")
def eigvals(tensor: Any, name: str | None = None) -> Any:
    """Returns the complex eigenvalues in no particular order."""
    return eigenpairs(tensor)[0]
