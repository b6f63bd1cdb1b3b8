"""Static attributes of ops (axes, shapes, dtypes, flags): what users may pass, made hashable and uniform.

The annotation of an op's keyword-only parameter names its kind; `CANONICAL` says what that kind accepts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dovetail.base.errors import DataDependentShapeError
from dovetail.engine import is_tracer
from dovetail.tensor import dtype as dt
from dovetail.tensor.shape import TensorShape
from dovetail.tensor.symbolic import SymbolicTensor
from dovetail.tensor.tensor import Tensor, TensorLike


def static(value: Any) -> Any:
    """Returns a Tensor's value as Python numbers; other values unchanged.

    Raises:
        DataDependentShapeError: the tensor is traced, so its value is not known yet.
    """
    if not isinstance(value, TensorLike):
        return value
    tensor = value if type(value) is Tensor else value._tensor()
    if is_tracer(tensor._value):
        raise DataDependentShapeError(
            "attribute",
            "an axis, size or shape depends on the values of a traced tensor, and XLA needs it static",
        )
    return np.asarray(tensor._value).tolist()


def integer(value: Any) -> int | None:
    if value is None or type(value) is int:
        return value
    value = static(value)
    if isinstance(value, list):
        value = value[0] if len(value) == 1 else value
    if isinstance(value, float | np.floating):
        raise TypeError(f"expected an integer, received {value!r}")
    return int(value)


def sizes(value: Any) -> tuple | None:
    """A shape, or any list of integers."""
    if value is None:
        return None
    if type(value) is tuple and all(type(item) is int for item in value):
        return value
    value = static(value)
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, TensorShape | list | tuple | range):
        return tuple(-1 if item is None else integer(item) for item in value)
    return (integer(value),)


def axis(value: Any) -> Any:
    """None, an axis, or a tuple of axes."""
    if value is None or type(value) is int:
        return value
    value = static(value)
    if isinstance(value, list | tuple | np.ndarray):
        return tuple(integer(item) for item in value)
    return integer(value)


def nested(value: Any) -> Any:
    """Nested lists of integers (paddings, crops) as nested tuples."""
    value = static(value)
    if isinstance(value, list | tuple | np.ndarray):
        return tuple(nested(item) for item in value)
    return value if value is None or isinstance(value, str) else integer(value)


def number(value: Any) -> Any:
    value = static(value)
    return value.item() if isinstance(value, np.generic) else value


def dtype(value: Any) -> np.dtype | None:
    return None if value is None else dt.numpy_dtype(value)


def flag(value: Any) -> bool:
    return bool(static(value))


def real(value: Any) -> float | None:
    return None if value is None else float(static(value))


CANONICAL: dict[str, Callable[[Any], Any]] = {
    "Axis": axis,
    "DTypeLike": dtype,
    "Nested": nested,
    "Number": number,
    "Shape": sizes,
    "bool": flag,
    "float": real,
    "float | None": real,
    "int": integer,
    "int | None": integer,
    "str": str,
    "str | None": lambda value: None if value is None else str(value),
}

# For readers of a body's signature and for CANONICAL; to the type checker they are whatever the body takes them for.
Axis = Any
Shape = Any
Nested = Any
Number = int | float | bool | complex
DTypeLike = Any


def is_symbolic(value: Any) -> bool:
    """True when the attribute is, or contains, a symbolic tensor."""
    kind = type(value)
    if kind is SymbolicTensor:
        return True
    if kind is list or kind is tuple:
        return any(is_symbolic(item) for item in value)
    return False
