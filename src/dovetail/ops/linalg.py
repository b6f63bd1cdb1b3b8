"""Matrix products and what goes with them."""

from __future__ import annotations

from typing import Any

from dovetail.ops import rules
from dovetail.ops.families import op, unbroadcast


def _flipped(shape: tuple, flip: bool) -> tuple:
    return (*shape[:-2], shape[-1], shape[-2]) if flip and len(shape) >= 2 else shape


@op(
    "matmul linalg.matmul",
    shape=lambda a, b, transpose_a, transpose_b, **_: rules.matmul(_flipped(a, transpose_a), _flipped(b, transpose_b)),
)
def matmul(xp: Any, a: Any, b: Any, *, transpose_a: bool = False, transpose_b: bool = False) -> Any:
    """Returns the matrix product `a @ b` over the last two axes; the axes before them broadcast.

    Args:
        a: tensor of shape (..., n, k), or (..., k, n) with `transpose_a`.
        b: tensor of shape (..., k, m), or (..., m, k) with `transpose_b`.
        transpose_a, transpose_b: swap the last two axes first.

    Raises:
        InvalidArgumentError: a rank below 2, or inner sizes that differ.
    """
    if a.ndim < 2 or b.ndim < 2:
        raise ValueError(f"expected matrices (rank 2 or more), received shapes {a.shape} and {b.shape}")
    a = xp.swapaxes(a, -1, -2) if transpose_a else a
    b = xp.swapaxes(b, -1, -2) if transpose_b else b
    return xp.matmul(a, b)


def _matmul_gradient_a(g: Any, y: Any, a: Any, b: Any, transpose_a: bool, transpose_b: bool) -> Any:
    if transpose_a:
        return unbroadcast(matmul(b, g, transpose_a=transpose_b, transpose_b=True), a)
    return unbroadcast(matmul(g, b, transpose_b=not transpose_b), a)


def _matmul_gradient_b(g: Any, y: Any, a: Any, b: Any, transpose_a: bool, transpose_b: bool) -> Any:
    if transpose_b:
        return unbroadcast(matmul(g, a, transpose_a=True, transpose_b=transpose_a), b)
    return unbroadcast(matmul(a, g, transpose_a=not transpose_a), b)


matmul.gradient(_matmul_gradient_a, _matmul_gradient_b)
