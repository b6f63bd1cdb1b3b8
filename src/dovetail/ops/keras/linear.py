"""Linear algebra of `keras.ops` that no other namespace has."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.ops import logic, matrix, norms, reduction, rules
from dovetail.ops.arithmetic import cast, pow_
from dovetail.ops.attrs import axis as static_axis
from dovetail.ops.create import eye
from dovetail.ops.families import op
from dovetail.ops.keras_math import _float
from dovetail.ops.linalg import matmul
from dovetail.ops.math import abs_
from dovetail.ops.shapes import moveaxis, reshape, shape
from dovetail.ops.solve import matrix_triangular_solve
from dovetail.ops.views import export

_INT32 = np.dtype(np.int32)


def _lu_shape(x: tuple) -> list:
    small = None if None in x[-2:] else min(x[-2:])
    return [x, (*x[:-2], small)]


@op("", shape=_lu_shape, dtype=lambda kind: [kind, _INT32])
def lu_factors(xp: Any, x: Any) -> Any:
    """Returns both triangular factors in one matrix, and the rows' exchanges."""
    factors, exchanges = xp.lu_factor(x)
    return factors, exchanges.astype(_INT32)


@export("ops.linalg.lu_factor")
def lu_factor(x: Any) -> tuple:
    """Returns `(lu, pivots)`: the factors of `p @ l @ u` in one matrix, and which row each row was exchanged with.

    Args:
        x: matrices of shape (..., n, m).
    """
    x = _float(x)
    if len(x.shape) < 2:
        raise ValueError(
            f"keras.ops.lu_factor: expected matrices, received shape {x.shape}{at_user_location()}"
        )
    return tuple(lu_factors(x))


@export("ops.linalg.cholesky_inverse")
def cholesky_inverse(x: Any, upper: bool = False) -> Any:
    """Returns the inverse of the matrix whose Cholesky factor is `x`, a lower triangle unless `upper`."""
    x = _float(x)
    if len(x.shape) < 2:
        raise ValueError(
            f"keras.ops.cholesky_inverse: expected matrices, received shape {x.shape}{at_user_location()}"
        )
    size = x.shape[-1] if x.shape[-1] is not None else shape(x)[-1]
    inverse = matrix_triangular_solve(x, eye(size, dtype=x.dtype), lower=not upper)
    return matmul(inverse, matrix.adjoint(inverse)) if upper else matmul(matrix.adjoint(inverse), inverse)


# ---- norms -----------------------------------------------------------------------------------------------------------


@export("ops.linalg.norm")
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """Returns the norm of vectors or matrices, with `ord` as in NumPy.

    Args:
        x: tensor.
        ord: None: the Euclidean norm; for vectors any number, `np.inf` and `-np.inf`, 0 counts what is not 0; for
            matrices "fro", "nuc", 1, 2, `np.inf` and their negatives.
        axis: None: all of a vector or matrix, of any tensor when `ord` is None; an axis: vectors along it; two axes:
            matrices.
        keepdims: keep the reduced axes with size 1.

    Raises:
        ValueError: there is no such norm.
    """
    x, axis = _float(x), static_axis(axis)
    if ord is None:
        return norms.norm(x, "euclidean", axis, keepdims)
    rank = len(x.shape)
    if axis is None:
        if rank not in (1, 2):
            raise ValueError(f"keras.ops.norm: ord={ord!r} needs an axis for rank {rank}{at_user_location()}")
        axis = 0 if rank == 1 else (0, 1)
    if isinstance(axis, tuple) and len(axis) == 1:
        axis = axis[0]
    known = _MATRIX_NORMS if isinstance(axis, tuple) else None
    if isinstance(ord, str if known is None else object) and (known is None or ord not in known):
        kind, names = ("vector", "a number") if known is None else ("matrix", sorted(map(str, known)))
        raise ValueError(f"keras.ops.norm: no {kind} norm {ord!r}, expected {names}{at_user_location()}")
    if known is None:
        return _vector_norm(x, ord, axis, keepdims)
    return known[ord](x, rules.normalized_axes(axis, rank), keepdims)


def _vector_norm(x: Any, ord: float, axis: int, keepdims: bool) -> Any:
    if ord == 2:
        return norms.norm(x, "euclidean", axis, keepdims)
    size = abs_(x)
    if ord == 0:
        return reduction.reduce_sum(cast(logic.as_bool(x), dtype=size.dtype), axis=axis, keepdims=keepdims)
    if ord == math.inf:
        return reduction.reduce_max(size, axis=axis, keepdims=keepdims)
    if ord == -math.inf:
        return reduction.reduce_min(size, axis=axis, keepdims=keepdims)
    if ord == 1:
        return reduction.reduce_sum(size, axis=axis, keepdims=keepdims)
    return pow_(reduction.reduce_sum(pow_(size, ord), axis=axis, keepdims=keepdims), 1.0 / ord)


def _of_sums(extreme: Any, place: int) -> Any:
    """Returns the norm that is an extreme of the sums of the absolute values along one of the two axes."""

    def norm_of(x: Any, axes: tuple, keepdims: bool) -> Any:
        sums = reduction.reduce_sum(abs_(x), axis=axes[place], keepdims=True)
        found = extreme(sums, axis=axes[1 - place], keepdims=True)
        return found if keepdims else reduction.reduce_sum(found, axis=axes)

    return norm_of


def _of_singular_values(function: Any) -> Any:
    """Returns the norm that is a function of the singular values."""

    def norm_of(x: Any, axes: tuple, keepdims: bool) -> Any:
        found = function(matrix.singular_values(moveaxis(x, axes, (-2, -1))), axis=-1)
        if not keepdims:
            return found
        sizes = rules.reduced(tuple(x.shape), axes, True)
        return reshape(found, shape=tuple(-1 if size is None else size for size in sizes))

    return norm_of


_MATRIX_NORMS: dict = {
    "fro": lambda x, axes, keepdims: norms.norm(x, "fro", axes, keepdims),
    "nuc": _of_singular_values(reduction.reduce_sum),
    1: _of_sums(reduction.reduce_max, 0),
    -1: _of_sums(reduction.reduce_min, 0),
    2: lambda x, axes, keepdims: norms.spectral_norm(x, axis=axes, keepdims=keepdims),
    -2: _of_singular_values(reduction.reduce_min),
    math.inf: _of_sums(reduction.reduce_max, 1),
    -math.inf: _of_sums(reduction.reduce_min, 1),
}
