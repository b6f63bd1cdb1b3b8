"""Linear systems."""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.ops.families import op, unbroadcast
from dovetail.ops.linalg import _with_axis, _without_axis, matmul
from dovetail.ops.matrix import _adjoint, _matrices, pinv
from dovetail.ops.matrix import adjoint as adjoint_of
from dovetail.ops.prepared import floats
from dovetail.ops.rules import broadcast
from dovetail.ops.views import export


def _solution_shape(matrix: tuple, rhs: tuple, **_: Any) -> tuple:
    if len(rhs) < 2:
        raise ValueError(f"expected right-hand sides of shape (..., n, k), received {rhs}")
    return (*broadcast(matrix[:-2], rhs[:-2]), matrix[-1], rhs[-1])


@op("", shape=_solution_shape)
def matrix_solve(xp: Any, matrix: Any, rhs: Any, *, adjoint: bool = False) -> Any:
    """Returns `x` with `matrix @ x = rhs`, or with `adjoint(matrix) @ x = rhs`."""
    _solution_shape(matrix.shape, rhs.shape)
    matrix = _matrices(matrix)
    return xp.linalg.solve(_adjoint(xp, matrix) if adjoint else matrix, rhs)


def _solve_gradient_rhs(g: Any, y: Any, matrix: Any, rhs: Any, adjoint: bool) -> Any:
    return unbroadcast(matrix_solve(matrix, g, adjoint=not adjoint), rhs)


def _solve_gradient_matrix(g: Any, y: Any, matrix: Any, rhs: Any, adjoint: bool) -> Any:
    back = matrix_solve(matrix, g, adjoint=not adjoint)
    product = matmul(y, adjoint_of(back)) if adjoint else matmul(back, adjoint_of(y))
    return unbroadcast(-product, matrix)


matrix_solve.gradient(_solve_gradient_matrix, _solve_gradient_rhs)


@export("linalg.solve")
def solve(matrix: Any, rhs: Any, adjoint: bool = False, name: str | None = None) -> Any:
    """Solves `matrix @ x = rhs`.

    Args:
        matrix: invertible matrices of shape (..., n, n).
        rhs: right-hand sides of shape (..., n, k).
        adjoint: solve with the conjugate transpose of `matrix`.
    """
    return matrix_solve(matrix, rhs, adjoint=adjoint)


@export("ops.linalg.solve")
def ops_solve(a: Any, b: Any) -> Any:
    """Solves `a @ x = b`; `b` may be a vector."""
    a, b = floats((a, b))
    if len(b.shape) != 1:
        return matrix_solve(a, b)
    return _without_axis(matrix_solve(a, _with_axis(b, axis=1)), axis=1)


@op("", shape=_solution_shape)
def matrix_triangular_solve(
    xp: Any, matrix: Any, rhs: Any, *, lower: bool = True, adjoint: bool = False
) -> Any:
    """Returns `x` with `matrix @ x = rhs`, reading one triangle of the matrix."""
    _solution_shape(matrix.shape, rhs.shape)
    matrix = _matrices(matrix)
    if adjoint:
        return xp.triangular_solve(_adjoint(xp, matrix), rhs, not lower)
    return xp.triangular_solve(matrix, rhs, lower)


@export("linalg.triangular_solve")
def triangular_solve(
    matrix: Any, rhs: Any, lower: bool = True, adjoint: bool = False, name: str | None = None
) -> Any:
    """Solves `matrix @ x = rhs` for triangular matrices; the other triangle is not read.

    Args:
        matrix: matrices of shape (..., n, n).
        rhs: right-hand sides of shape (..., n, k).
        lower: which triangle of `matrix` counts.
        adjoint: solve with the conjugate transpose.
    """
    return matrix_triangular_solve(matrix, rhs, lower=lower, adjoint=adjoint)


@export("ops.linalg.solve_triangular")
def ops_solve_triangular(a: Any, b: Any, lower: bool = False) -> Any:
    """Solves `a @ x = b` for triangular matrices; `b` may be a vector."""
    a, b = floats((a, b))
    if len(b.shape) != 1:
        return matrix_triangular_solve(a, b, lower=lower)
    return _without_axis(matrix_triangular_solve(a, _with_axis(b, axis=1), lower=lower), axis=1)


@export("linalg.cholesky_solve")
def cholesky_solve(chol: Any, rhs: Any, name: str | None = None) -> Any:
    """Solves `a @ x = rhs`, given the Cholesky factor of `a`."""
    half = matrix_triangular_solve(chol, rhs, lower=True)
    return matrix_triangular_solve(chol, half, lower=True, adjoint=True)


@op("", shape=_solution_shape)
def normal_equations(xp: Any, matrix: Any, rhs: Any, *, l2_regularizer: float = 0.0) -> Any:
    """Returns the least squares solution through the normal equations."""
    _matrices(matrix, square=False)
    flipped = _adjoint(xp, matrix)
    rows, columns = matrix.shape[-2:]
    tall = rows >= columns
    gram = xp.matmul(flipped, matrix) if tall else xp.matmul(matrix, flipped)
    gram = gram + np.eye(min(rows, columns), dtype=matrix.dtype) * matrix.dtype.type(l2_regularizer)
    if tall:
        return xp.linalg.solve(gram, xp.matmul(flipped, rhs))
    return xp.matmul(flipped, xp.linalg.solve(gram, rhs))


@export("linalg.lstsq")
def lstsq(
    matrix: Any, rhs: Any, l2_regularizer: float = 0.0, fast: bool = True, name: str | None = None
) -> Any:
    """Minimizes `|matrix @ x - rhs|^2 + l2_regularizer * |x|^2`.

    Args:
        matrix: matrices of shape (..., m, n).
        rhs: right-hand sides of shape (..., m, k).
        l2_regularizer: weight of the second term, 0 or larger.
        fast: solve the normal equations; otherwise take the Moore-Penrose inverse, which also serves matrices
            without full rank.
    """
    if fast:
        return normal_equations(matrix, rhs, l2_regularizer=l2_regularizer)
    if l2_regularizer:
        raise ValueError(f"tf.linalg.lstsq: fast=False takes no l2_regularizer{at_user_location()}")
    return matmul(pinv(matrix), rhs)


@export("ops.linalg.lstsq")
def ops_lstsq(a: Any, b: Any, rcond: Any = None) -> Any:
    """Returns the least squares solution of `a @ x = b`; `b` may be a vector."""
    a, b = floats((a, b))
    inverse = pinv(a, rcond=rcond)
    if len(b.shape) != 1:
        return matmul(inverse, b)
    return _without_axis(matmul(inverse, _with_axis(b, axis=1)), axis=1)
