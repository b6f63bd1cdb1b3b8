"""Variables that may be undefined, and values that are known only when the program runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from dovetail.base.settings import state
from dovetail.engine import is_tracer
from dovetail.ops.table import NAMESPACES
from dovetail.tensor.symbolic import SymbolicTensor
from dovetail.tensor.tensor import Tensor, TensorLike
from dovetail.tensor.variable import StatelessScope, Variable

NUMBERS = (bool, int, float, complex, np.ndarray, np.generic)
TEXTS = (str, bytes)


class Undefined:
    """Stands for a variable that has no value."""

    __slots__ = ("symbol_name",)

    def __init__(self, symbol_name: str) -> None:
        self.symbol_name = symbol_name

    def read(self) -> NoReturn:
        raise UnboundLocalError(f"cannot access local variable {self.symbol_name!r}: it has no value yet")

    def __repr__(self) -> str:
        return f"<undefined {self.symbol_name}>"


class UndefinedReturnValue:
    """Stands for what a function returns before it has come to a `return`."""


def ld(value: Any) -> Any:
    """Reads a variable."""
    return value.read() if type(value) is Undefined else value


def ldu(read: Callable, name: str) -> Any:
    """Reads an attribute or an item that need not be there."""
    try:
        return read()
    except (KeyError, AttributeError, NameError, IndexError):
        return Undefined(name)


def is_later(value: Any) -> bool:
    """True for tensors whose values are known only when the program runs."""
    if isinstance(value, Tensor):
        return is_tracer(value._value)
    if isinstance(value, SymbolicTensor):
        return True
    if isinstance(value, Variable):
        return is_later(value._plain())
    return is_tracer(value)


def in_trace() -> bool:
    """True while a program is being traced."""
    return state.scope is not None and not isinstance(state.scope, StatelessScope)


def is_defined(value: Any) -> bool:
    return not isinstance(value, Undefined | UndefinedReturnValue)


def is_convertible(leaf: Any) -> bool:
    """True for what can be the value of a variable at run time."""
    return isinstance(leaf, (TensorLike, *NUMBERS, *TEXTS)) or is_tracer(leaf)


def same(a: Any, b: Any) -> bool:
    """True when two Python values are equal, without asking tensors."""
    if a is b:
        return True
    if type(a) is not type(b) or isinstance(a, TensorLike | np.ndarray):
        return False
    try:
        return bool(a == b)
    except Exception:  # noqa: BLE001  a class of the user's
        return False


def zeros_of(leaf: Any) -> Any:
    """Returns zeros of a tensor's kind, or the value itself if it is no tensor."""
    if isinstance(leaf, SymbolicTensor) and not leaf.shape.is_fully_defined():
        return NAMESPACES["tf"]["zeros_like"](leaf)
    if isinstance(leaf, TensorLike):
        return Tensor(np.zeros(tuple(leaf.shape), leaf.dtype.numpy_dtype))
    return leaf
