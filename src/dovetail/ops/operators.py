"""Python's operators on tensors, variables and symbolic tensors: installed here, once, for all of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dovetail.ops import arithmetic, linalg, logic, shapes
from dovetail.ops import math as math_ops
from dovetail.ops.families import fast_binary, fast_unary
from dovetail.ops.keras_math import ops_round as rounded
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.symbolic import SymbolicTensor
from dovetail.tensor.tensor import Tensor, TensorLike


def _swapped(function: Callable) -> Callable:
    """The reflected method.  Numbers become tensors here, so that the call can take the short way."""

    def reflected(self: Any, other: Any) -> Any:
        kind = type(other)
        if (kind is float or kind is int) and type(self) is Tensor:
            dtype = self._value.dtype
            if dtype.kind == "f" or (kind is int and dtype.kind == "i"):
                other = Tensor(np.array(other, dtype))
        return function(other, self)

    return reflected


def install(kind: type, method: str, function: Callable, reflected: str | None = None) -> None:
    """Gives `kind` a method, and the reflected one."""
    setattr(kind, method, function)
    if reflected is not None:
        setattr(kind, reflected, _swapped(function))


def _is_bool(x: Any) -> bool:
    return x.dtype.is_bool if isinstance(x, TensorLike) else isinstance(x, bool)


def _logical_or_bitwise(logical: Callable, bitwise: Callable) -> Callable:
    """`&`, `|` and `^`: logic on booleans, bits on integers."""

    def operator(x: Any, y: Any) -> Any:
        return logical(x, y) if _is_bool(x) or _is_bool(y) else bitwise(x, y)

    return operator


def _equality(compare: Callable, otherwise: bool) -> Callable:
    """`==` and `!=`: element by element; None and tensors whose shape does not fit are unequal."""

    def operator(self: Any, other: Any) -> Any:
        if other is None:
            return otherwise
        try:
            return compare(self, other)
        except ValueError as error:
            if isinstance(error, TypeError) or not _shapes_differ(self, other):
                raise
            return convert_to_tensor(otherwise)

    return operator


def _shapes_differ(x: Any, y: Any) -> bool:
    try:
        return tuple(x.shape) != tuple(convert_to_tensor(y).shape)
    except (TypeError, ValueError):
        return False  # no tensor at all: the first error says so


_ARITHMETIC = {
    "add": arithmetic.add,
    "sub": arithmetic.subtract,
    "mul": arithmetic.multiply,
    "truediv": arithmetic.divide,
    "floordiv": arithmetic.floordiv,
    "mod": arithmetic.floormod,
    "pow": arithmetic.pow_,
}
_COMPARISONS = {
    "lt": logic.less,
    "le": logic.less_equal,
    "gt": logic.greater,
    "ge": logic.greater_equal,
}
_BITS = {
    "and": (logic.logical_and, logic.bitwise_and),
    "or": (logic.logical_or, logic.bitwise_or),
    "xor": (logic.logical_xor, logic.bitwise_xor),
}

for _name, _op in _ARITHMETIC.items():
    install(TensorLike, f"__{_name}__", fast_binary(_op, False), f"__r{_name}__")
for _name, _op in _COMPARISONS.items():
    install(TensorLike, f"__{_name}__", fast_binary(_op, False))
for _name, _pair in _BITS.items():
    install(TensorLike, f"__{_name}__", _logical_or_bitwise(*_pair), f"__r{_name}__")

install(TensorLike, "__eq__", _equality(fast_binary(logic.equal, False), False))
install(TensorLike, "__ne__", _equality(fast_binary(logic.not_equal, False), True))
install(TensorLike, "__neg__", fast_unary(arithmetic.negative, False))
install(TensorLike, "__pos__", lambda self: self)
install(TensorLike, "__abs__", fast_unary(math_ops.abs_, False))
install(TensorLike, "__invert__", lambda self: (logic.logical_not if _is_bool(self) else logic.invert)(self))
install(TensorLike, "__matmul__", linalg.matmul_operator, "__rmatmul__")
install(TensorLike, "_astype", arithmetic.astype)

# What Keras' symbolic tensors have beside operators.
install(SymbolicTensor, "reshape", lambda self, newshape: shapes.reshape(self, shape=newshape))
install(SymbolicTensor, "squeeze", lambda self, axis=None: shapes.squeeze(self, axis=axis))
install(SymbolicTensor, "__round__", lambda self, ndigits=None: rounded(self, ndigits or 0))

# The code of the methods that stand for operators with two sides: how graphs tell `x + y` from `tf.add(x, y)`.
OPERATOR_CODES = frozenset(
    getattr(TensorLike, method).__code__ for method in ("__add__", "__and__", "__matmul__")
)
