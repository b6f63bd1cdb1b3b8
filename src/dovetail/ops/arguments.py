"""The arguments of a call become tensors: numbers, lists and arrays are converted, dtypes compared or promoted."""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail.base.errors import (
    ArgumentTypeError,
    DataDependentShapeError,
    OperatorNotAllowedInGraphError,
    OpError,
    at_user_location,
)
from dovetail.base.settings import settings
from dovetail.base.wording import kind_of, plain
from dovetail.engine import EngineUnavailableError
from dovetail.ops.promotion import result_dtype
from dovetail.tensor import dtype as dt
from dovetail.tensor.convert import as_array, convert_to_tensor
from dovetail.tensor.symbolic import SymbolicTensor
from dovetail.tensor.tensor import Tensor, TensorLike

OURS = (OpError, DataDependentShapeError, OperatorNotAllowedInGraphError, EngineUnavailableError)
_SAFE = 60000.0  # numbers that every floating dtype of 16 bits or more holds


def as_tensors(op: Any, args: tuple, promote: bool = False) -> tuple:
    """Converts the arguments of a call to tensors, plain numbers to the dtype of the tensors beside them."""
    result: list[Any] = list(args)
    group = len(args) if op.same_dtype < 0 else op.same_dtype
    hint = None
    for position, arg in enumerate(args):
        kind = type(arg)
        if kind is not Tensor and kind is not SymbolicTensor:
            if not isinstance(arg, TensorLike):
                continue
            result[position] = arg = arg if isinstance(arg, Tensor) else arg._tensor()
        if hint is None and position < group:
            hint = arg.dtype
    for position, arg in enumerate(result):
        if isinstance(arg, TensorLike) or (arg is None and op.takes_none(position)):
            continue
        wanted = hint if position < group else None
        kind = type(arg)
        if (
            (kind is float or kind is int)
            and wanted is not None
            and wanted.is_floating
            and wanted.size > 1
            and abs(arg) < _SAFE
        ):
            result[position] = Tensor(np.array(arg, wanted.numpy_dtype))
            continue
        try:
            result[position] = _converted(op, arg, wanted, promote)
        except (TypeError, ValueError) as error:
            raise _unconvertible(op, position, error) from None
        if wanted is None and position < group and not isinstance(arg, int):
            hint = result[position].dtype
    return checked(op, tuple(result), promote)


def _converted(op: Any, arg: Any, hint: Any, promote: bool) -> Any:
    """Converts one argument; `hint` is the dtype that the tensors beside it have."""
    if hint is None or (promote and not isinstance(arg, int | float | bool)):
        return convert_to_tensor(arg)
    if promote and _needs_promotion(arg, hint):
        return convert_to_tensor(arg, dtype_hint=settings.floatx if isinstance(arg, float) else None)
    if isinstance(arg, bool) and not hint.is_bool:
        arg = int(arg)
    try:
        converted = as_array(arg, hint.numpy_dtype)
        return converted if isinstance(converted, TensorLike) else Tensor(converted)
    except (TypeError, ValueError) as error:
        natural = convert_to_tensor(arg)
        if natural.dtype == hint:
            return natural
        raise _type_error(
            f"{op.name}: cannot use {arg!r:.60} beside a tensor of dtype {hint.name} ({plain(error)})"
        ) from None


def _unconvertible(op: Any, position: int, error: Exception) -> Exception:
    if isinstance(error, OURS):
        return error
    name = op.tensors[min(position, len(op.tensors) - 1)]
    return kind_of(error)(f"{op.name}: {name}: {plain(error)}{at_user_location()}")


def _type_error(message: str) -> Exception:
    return ArgumentTypeError(message + at_user_location())


def _needs_promotion(arg: Any, hint: Any) -> bool:
    return (isinstance(arg, float) and not hint.is_floating and not hint.is_complex) or (
        isinstance(arg, int) and not isinstance(arg, bool) and hint.is_bool
    )


def checked(op: Any, args: tuple, promote: bool) -> tuple:
    """Checks that the op's dtype group agrees, or makes it agree (`keras.ops`)."""
    group = args if op.same_dtype < 0 else args[: op.same_dtype]
    first = None
    for arg in group:
        if arg is None:
            continue
        kind = arg._value.dtype if type(arg) is Tensor else arg.dtype.numpy_dtype
        if first is None:
            first = kind
        elif kind != first:
            if promote:
                wanted = result_dtype([a.dtype for a in group if a is not None])
                cast = tuple(a if a is None or a.dtype == wanted else a._astype(wanted) for a in group)
                return cast + args[len(cast) :]
            raise _type_error(_mismatch(op, group))
    return args


def _mismatch(op: Any, group: tuple) -> str:
    names = [a.dtype.name for a in group if a is not None]
    other = next(name for name in names if name != names[0])
    fix = max((names[0], other), key=lambda name: (dt.as_dtype(name).is_floating, dt.as_dtype(name).size))
    return (
        f"{op.name}: the tensors have different dtypes: {', '.join(names)}. Tensors are not converted implicitly; "
        f"write tf.cast(x, tf.{fix})"
    )
