"""Dtypes by name, as `keras.backend` speaks of them."""

from __future__ import annotations

from typing import Any

from dovetail.base.errors import at_user_location
from dovetail.base.settings import settings
from dovetail.ops.promotion import result_dtype
from dovetail.tensor import dtype as dt
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.tensor import TensorLike

_PYTHON_NUMBERS = (bool, int, float)


def dtype(x: Any) -> str:
    """Returns the name of a tensor's dtype.

    Example:
        >>> K.dtype(K.constant([1, 2]))
        'float32'
    """
    return (x if isinstance(x, TensorLike) else convert_to_tensor(x)).dtype.name


def standardize_dtype(dtype: Any) -> str:
    """Returns the name of what stands for a dtype; `floatx` for None.

    Raises:
        ValueError: it names no dtype.
    """
    if dtype is None:
        return settings.floatx
    try:
        return dt.as_dtype(dtype).name
    except TypeError as error:
        raise ValueError(
            f"standardize_dtype: {dtype!r} names no dtype ({error}){at_user_location()}"
        ) from None


def is_float_dtype(dtype: Any) -> bool:
    """Returns whether `dtype` is floating."""
    return dt.as_dtype(standardize_dtype(dtype)).is_floating


def is_int_dtype(dtype: Any) -> bool:
    """Returns whether `dtype` is an integer dtype, signed or not."""
    return dt.as_dtype(standardize_dtype(dtype)).is_integer


def result_type(*dtypes: Any) -> str:
    """Returns the dtype that values of all these dtypes promote to in `keras.ops`.

    Args:
        dtypes: dtypes, or Python's `bool`, `int` and `float`, which yield to them.

    Example:
        >>> K.result_type("int32", float), K.result_type("float16", float)
        ('float32', 'float16')
    """
    firm = [dt.as_dtype(standardize_dtype(item)) for item in dtypes if item not in _PYTHON_NUMBERS]
    numbers = [item for item in dtypes if item in _PYTHON_NUMBERS]
    if not firm:
        named = {bool: "bool", int: "int32", float: settings.floatx}
        return named[max(numbers, key=_PYTHON_NUMBERS.index)] if numbers else settings.floatx
    result = result_dtype(firm)
    if float in numbers and not (result.is_floating or result.is_complex):
        return settings.floatx
    return "int32" if int in numbers and result.is_bool else result.name
