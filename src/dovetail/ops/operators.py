"""Python's operators on tensors, variables and symbolic tensors: installed here, once, for all of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dovetail.ops import arithmetic, linalg
from dovetail.ops.families import fast_binary
from dovetail.tensor.tensor import TensorLike


def _swapped(function: Callable) -> Callable:
    def reflected(self: Any, other: Any) -> Any:
        return function(other, self)

    return reflected


def install(kind: type, method: str, function: Callable, reflected: str | None = None) -> None:
    """Gives `kind` a method, and the reflected one."""
    setattr(kind, method, function)
    if reflected is not None:
        setattr(kind, reflected, _swapped(function))


install(TensorLike, "__add__", fast_binary(arithmetic.add, False), "__radd__")
install(TensorLike, "__sub__", fast_binary(arithmetic.subtract, False), "__rsub__")
install(TensorLike, "__mul__", fast_binary(arithmetic.multiply, False), "__rmul__")
install(TensorLike, "__neg__", lambda self: arithmetic.negative(self))
install(TensorLike, "__gt__", fast_binary(arithmetic.greater, False))
install(TensorLike, "__matmul__", lambda self, other: linalg.matmul(self, other), "__rmatmul__")
install(TensorLike, "_astype", arithmetic.astype)
