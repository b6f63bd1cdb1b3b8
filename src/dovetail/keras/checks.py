"""Checks of arguments that classes of all kinds share.  The class adds its name and the user's line (`Told`)."""

from __future__ import annotations

import numbers
from typing import Any

import numpy as np

from dovetail.tensor.dtype import as_dtype
from dovetail.tensor.tensor import TensorLike


def is_number(value: Any) -> bool:
    """True for a real number, also as a scalar array or tensor."""
    if isinstance(value, numbers.Real) and not isinstance(value, bool):
        return True
    return isinstance(value, np.generic | np.ndarray | TensorLike) and tuple(value.shape) == ()


def number(value: Any, name: str) -> Any:
    """Returns a value that must be a real number."""
    if not is_number(value):
        raise TypeError(f"{name} must be a number, received {value!r:.80}")
    return value


def number_or_none(value: Any, name: str) -> Any:
    """Returns a value that must be a real number or None."""
    if value is not None and not is_number(value):
        raise TypeError(f"{name} must be a number or None, received {value!r:.80}")
    return value


def count(value: Any, name: str, minimum: int = 0) -> int:
    """Returns a value that must be an integer of at least `minimum`."""
    if not isinstance(value, numbers.Integral) or isinstance(value, bool) or value < minimum:
        raise ValueError(f"{name} must be an integer >= {minimum}, received {value!r:.80}")
    return int(value)


def index(value: Any, name: str) -> int:
    """Returns a value that must be an integer; negative ones count from the end."""
    if not isinstance(value, numbers.Integral) or isinstance(value, bool):
        raise ValueError(f"{name} must be an integer, received {value!r:.80}")
    return int(value)


def dtype_name(value: Any, default: str) -> str:
    """Returns the name of a dtype: of a dtype, its name, a policy's dtype to compute in, or (None) the default.

    Numbers are refused, though some stand for a dtype in files.
    """
    value = getattr(value, "compute_dtype", value)
    if isinstance(value, bool | int | float):
        raise ValueError(f"dtype must be a dtype or its name, received {value!r}")
    return as_dtype(default if value is None else value).name


def text(value: Any, name: str) -> Any:
    """Returns a value that must be a string or None."""
    if value is not None and not isinstance(value, str):
        raise ValueError(f"{name} must be a string, received {value!r:.80}")
    return value


def axes(value: Any, name: str) -> Any:
    """Returns an axis, or several, that must be integers; None stays."""
    several = value if isinstance(value, list | tuple) else [value]
    if value is not None and not all(isinstance(one, numbers.Integral) for one in several):
        raise TypeError(f"{name} must be an integer or a list of integers, received {value!r:.80}")
    return value
