"""Static attributes of ops (axes, shapes, dtypes, flags): what users may pass, made hashable and uniform.

The annotation of an op's keyword-only parameter names its kind; `CANONICAL` says what that kind accepts.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from dovetail.base.errors import DataDependentShapeError
from dovetail.base.wording import described
from dovetail.engine import is_named_size, is_tracer
from dovetail.tensor import dtype as dt
from dovetail.tensor.shape import TensorShape
from dovetail.tensor.symbolic import SymbolicTensor
from dovetail.tensor.tensor import Tensor, TensorLike

_BEYOND = 1 << 63
_SCALARS = (int, float, complex, str, bytes)


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
    """None, or an integer of at most 64 bits."""
    if value is None or type(value) is int:
        return value if value is None or -_BEYOND <= value < _BEYOND else _refused("64-bit integer", value)
    value = static(value)
    if isinstance(value, list | np.ndarray) and len(value) == 1:
        value = value[0]
    if type(value) is int and -_BEYOND <= value < _BEYOND:
        return value
    try:
        return operator.index(value)
    except TypeError:
        return value if is_named_size(value) else _refused("integer", value)  # type: ignore[return-value]


def _refused(expected: str, value: Any) -> Any:
    article = "an" if expected[0] in "aeiou" else "a"
    raise TypeError(f"expected {article} {expected}, received {described(value)}")


def needed(value: Any) -> int:
    """An integer; None is none."""
    return integer(value) if value is not None else _refused("integer", None)  # type: ignore[return-value]


def whole(value: Any) -> int:
    """An integer of at least 0."""
    found = integer(value)
    return found if found is not None and found >= 0 else _refused("integer >= 0", value)


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
    if isinstance(value, str | bytes | dict):
        return _refused("list of integers", value)
    return (integer(value),)


def axis(value: Any) -> Any:
    """None, an axis, or a tuple of axes."""
    if value is None or type(value) is int:
        return value
    value = static(value)
    if isinstance(value, list | tuple | np.ndarray):
        return tuple(needed(item) for item in value)
    return integer(value)


def nested(value: Any) -> Any:
    """A word such as "SAME", or nested lists of integers (paddings, crops) as nested tuples."""
    value = static(value)
    if isinstance(value, list | tuple | np.ndarray):
        return tuple(nested(item) if not isinstance(item, str) else needed(item) for item in value)
    return value if value is None or isinstance(value, str) else integer(value)


def spec(value: Any) -> Any:
    """What an index is made of: nested lists of integers and the letters that tell what they are."""
    value = static(value)
    if isinstance(value, list | tuple):
        return tuple(spec(item) for item in value)
    return value if value is None or isinstance(value, str) else integer(value)


def number(value: Any) -> Any:
    """A number; a string where tensors of strings are filled."""
    value = static(value)
    if isinstance(value, np.generic) or (isinstance(value, np.ndarray) and value.ndim == 0):
        return value.item()
    return value if value is None or isinstance(value, _SCALARS) else _refused("number", value)


def dtype(value: Any) -> np.dtype | None:
    return None if value is None else dt.numpy_dtype(value)


def flag(value: Any) -> bool:
    """True or False, also as 1 or 0; None is False."""
    value = static(value)
    if value is None or isinstance(value, bool | np.bool_) or (isinstance(value, int) and value in (0, 1)):
        return bool(value)
    return _refused("bool (True or False)", value)


def real(value: Any) -> float | None:
    if value is None or type(value) is float:
        return value
    value = static(value)
    if isinstance(value, str | bytes | complex) or not hasattr(value, "__float__"):
        return _refused("number", value)
    return float(value)


def word(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return _refused("string", value)


def text(value: Any) -> bytes:
    """A string, also as a scalar tensor, as bytes."""
    given, value = value, static(value)
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value.item()
    if isinstance(value, str):
        return value.encode()
    return bytes(value) if isinstance(value, bytes | bytearray) else _refused("string", given)


CANONICAL: dict[str, Callable[[Any], Any]] = {
    "Axis": axis,
    "DTypeLike": dtype,
    "Nested": nested,
    "Number": number,
    "Number | None": number,
    "Shape": sizes,
    "Spec": spec,
    "Text": text,
    "bool": flag,
    "float": real,
    "float | None": real,
    "int": integer,
    "int | None": integer,
    "str": word,
    "str | None": word,
}

# For readers of a body's signature and for CANONICAL; to the type checker they are whatever the body takes them for.
Axis = Any
Shape = Any
Nested = Any
Spec = Any
Text = Any
Number = int | float | bool | complex
DTypeLike = Any


def is_symbolic(value: Any) -> bool:
    """True when the attribute is, or contains, a symbolic tensor."""
    kind = type(value)
    if kind is SymbolicTensor:
        return True
    if kind is list or kind is tuple:
        for item in value:
            if is_symbolic(item):
                return True
    return False
