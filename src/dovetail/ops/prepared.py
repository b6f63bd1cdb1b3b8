"""What `keras.ops` does to the arguments of an op before it runs: the dtypes in which Keras computes.

An op states one of these functions beside its names (`keras=floats`); only its names in `keras.ops` are concerned.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dovetail.base.settings import settings, state
from dovetail.ops.promotion import result_dtype
from dovetail.tensor import dtype as dt
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.tensor import Tensor, TensorLike
from dovetail.tensor.variable import Variable

_FLOAT = {float: True, int: False, bool: False}


def promoted(args: tuple) -> tuple:
    """Returns tensors of the dtype that all promote to; plain numbers follow the tensors beside them."""
    return args if _alike(args, "fiu") else _as(_common(args), args)


def floats(args: tuple) -> tuple:
    """Returns tensors of the floating dtype that all promote to: that of Keras' settings for integers."""
    if _alike(args, "f"):
        return args
    common = _common(args)
    return _as(common if common.is_floating or common.is_complex else dt.as_dtype(settings.floatx), args)


def numbers(args: tuple) -> tuple:
    """Returns tensors of the dtype that all promote to, int32 for booleans."""
    if _alike(args, "fiu"):
        return args
    common = _common(args)
    return _as(dt.int32 if common.is_bool else common, args)


def in_second(args: tuple) -> tuple:
    """Returns the first of two arguments in the dtype of the second: inputs in that of the kernel."""
    kernel = _tensor(args[1])
    return _cast(args[0], kernel.dtype), kernel


def floats_then_first(args: tuple) -> tuple:
    """Returns what promotes with the first argument when the others are floats already."""
    return promoted((args[0], *floats(args[1:])))


def last_floats(args: tuple) -> tuple:
    """As `floats`, the first argument left alone: labels."""
    return (args[0], *floats(args[1:]))


def _alike(args: tuple, kinds: str) -> bool:
    """Returns whether all arguments are tensors or variables of one dtype of these kinds already: the common case."""
    first, as_they_are = None, state.scope is None and state.autocast is None
    for arg in args:
        if arg is None:
            continue
        kind = type(arg)
        if kind is Tensor:
            dtype = arg._value.dtype
        elif kind is Variable and as_they_are:
            dtype = arg._array.dtype
        else:
            return False
        if first is None:
            if dtype.kind not in kinds:
                return False
            first = dtype
        elif dtype != first:
            return False
    return True


def _common(args: tuple) -> Any:
    plain = [type(arg) for arg in args if type(arg) in _FLOAT]
    kinds = [_tensor(arg).dtype for arg in args if arg is not None and type(arg) not in _FLOAT]
    if not kinds:
        kinds = [_tensor(arg).dtype for arg in args if arg is not None]
    common = result_dtype(kinds)
    if float in plain and not (common.is_floating or common.is_complex):
        return dt.as_dtype(settings.floatx)
    return dt.int32 if int in plain and common.is_bool else common


def _tensor(arg: Any) -> Any:
    return arg if isinstance(arg, TensorLike) else convert_to_tensor(arg)


def _as(dtype: Any, args: tuple) -> tuple:
    return tuple(None if arg is None else _cast(arg, dtype) for arg in args)


def _cast(arg: Any, dtype: Any) -> Any:
    tensor = _tensor(arg)
    return tensor if tensor.dtype == dtype else tensor._astype(dtype)


def prepared(call: Callable, prepare: Callable) -> Callable:
    """Returns an op's call with the arguments prepared."""

    def prepared_call(args: tuple, attributes: dict, promote: bool = False) -> Any:
        return call(prepare(args), attributes, promote)

    return prepared_call
