"""`tf.convert_to_tensor`: Python values, NumPy arrays and everything array-like become tensors.

Rules: Python floats become float32 and Python ints int32 unless a dtype says otherwise; NumPy arrays keep their dtype;
a list that contains tensors is stacked.  In a list NumPy's integers count as Python's; among floats the first decides.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.base.joints import Joint
from dovetail.engine import dtypes, is_tracer, loaded_xla
from dovetail.tensor import dtype as dt
from dovetail.tensor.shape import TensorShape
from dovetail.tensor.symbolic import SymbolicTensor
from dovetail.tensor.tensor import Tensor, TensorLike

_FLOAT32, _INT32, _FLOAT64, _INT64 = (np.dtype(name) for name in ("float32", "int32", "float64", "int64"))
_LISTS = (list, tuple, range, TensorShape)
_SCALARS = {float: _FLOAT32, int: _INT32, bool: np.dtype(bool), complex: np.dtype(np.complex128)}
# Kinds of dtypes that Python's bools, ints, floats and complex numbers convert to ("V": bfloat16 and its like).
_ACCEPTED_BY = {"b": "biufcV", "i": "iufcV", "u": "iufcV", "f": "fcV", "c": "c"}
# Python values that a function may return and its caller gets as tensors.
RETURNED_AS_TENSORS = (bool, int, float, complex, str, bytes, np.ndarray, np.generic)
_converters: list[tuple[type, Callable]] = []
_stack = Joint("stack", set_by="dovetail.ops.array", called_by="a list of tensors")


def register_conversion(kind: type, function: Callable[[Any, Any], Any]) -> None:
    """Makes `function(value, dtype)` convert instances of `kind` (`tf.register_tensor_conversion_function`)."""
    _converters.insert(0, (kind, function))


def use_stack(function: Callable[[list], Any]) -> None:
    """Tells how a list of tensors becomes one; the op table installs its `stack`."""
    _stack.set(function)


def stacked(tensors: list) -> Any:
    """Returns tensors of one shape as one, with a new first axis."""
    return _stack.target(tensors)


def convert_to_tensor(value: Any, dtype: Any = None, dtype_hint: Any = None, name: str | None = None) -> Any:
    """Returns `value` as a Tensor.

    Args:
        value: number, string, nested list, NumPy array, tensor, variable, or an object with `__array__`.
        dtype: required dtype; a tensor of another dtype is an error, as in TensorFlow.
        dtype_hint: preferred dtype, used when the value converts to it.

    Raises:
        TypeError: the value has no dtype that a tensor can hold, or its dtype contradicts `dtype`.
        ValueError: nested lists of uneven lengths.
    """
    wanted = None if dtype is None else dt.numpy_dtype(dtype)
    if isinstance(value, TensorLike):
        return _existing(value, wanted)
    hint = None if dtype_hint is None else dt.numpy_dtype(dtype_hint)
    if wanted is None and hint is not None:
        try:
            return _wrapped(as_array(value, hint))
        except (TypeError, ValueError):
            return _wrapped(as_array(value, None))
    if wanted is not None and isinstance(value, np.ndarray | np.generic) and _truncates(value.dtype, wanted):
        return Tensor(np.asarray(value).astype(wanted))
    return _wrapped(as_array(value, wanted))


def _wrapped(result: Any) -> Any:
    return result if isinstance(result, TensorLike) else Tensor(result)


def _truncates(have: np.dtype, wanted: np.dtype) -> bool:
    """True for NumPy floats that become integers: allowed where the caller names the dtype, refused beside a tensor."""
    return wanted.kind in "iu" and have.kind == "f"


def _existing(value: Any, wanted: Any) -> Any:
    tensor = value if isinstance(value, SymbolicTensor | Tensor) else value._tensor()
    if wanted is not None and tensor.dtype.numpy_dtype != wanted:
        raise ValueError(
            f"tf.convert_to_tensor: the tensor has dtype {tensor.dtype.name}, requested {dt.from_numpy(wanted).name}. "
            f"Use tf.cast(x, '{dt.from_numpy(wanted).name}'){at_user_location()}"
        )
    return tensor


def as_array(value: Any, dtype: np.dtype | None) -> Any:
    """Returns a fresh NumPy array of a Python or NumPy value (or a Tensor, for values that hold tensors)."""
    kind = type(value)
    if kind in _SCALARS:
        return _scalar(value, _SCALARS[kind], dtype)
    if kind is np.ndarray:
        return _from_numpy(value, dtype)
    for registered, function in _converters:
        if isinstance(value, registered):
            return function(value, dtype)
    if isinstance(value, str | bytes):
        return _strings(value, dtype)
    if isinstance(value, np.generic):
        return _from_numpy(np.asarray(value), dtype)
    if value is None:
        raise ValueError(
            "Attempt to convert a value (None) with an unsupported type to a Tensor. Has a function returned nothing?"
            f"{at_user_location()}"
        )
    if isinstance(value, _LISTS):
        return _from_list(value, dtype)
    if loaded_xla() and (is_tracer(value) or isinstance(value, loaded_xla().Array)):
        return value if dtype is None or value.dtype == dtype else value.astype(dtype)
    if hasattr(value, "detach") and hasattr(value, "__array__"):
        return _from_numpy(_of_torch(value), dtype)
    if hasattr(value, "__array__"):
        return _from_numpy(np.asarray(value), dtype)
    if isinstance(value, bytearray | memoryview):
        return _from_list(list(value), dtype)
    raise ValueError(
        f"Attempt to convert a value ({str(value)[:60]}) with an unsupported type ({type(value).__name__}) to a Tensor"
        f"{at_user_location()}"
    )


def _of_torch(value: Any) -> np.ndarray:
    """Returns the values of a PyTorch tensor, wherever it lives and whatever it records; NumPy has no bfloat16."""
    plain = value.detach().cpu()
    if str(plain.dtype) == "torch.bfloat16":
        return np.asarray(plain.float()).astype(dt.bfloat16.numpy_dtype)
    return np.asarray(plain)


def _scalar(value: Any, natural: np.dtype, dtype: np.dtype | None) -> np.ndarray:
    if dtype is None:
        if natural is _INT32 and not -(1 << 31) <= value < 1 << 31:
            natural = _INT64
            if not -(1 << 63) <= value < 1 << 63:
                raise ValueError(f"The integer {value} does not fit into 64 bits{at_user_location()}")
        return np.array(value, natural)
    if dtype.kind not in _ACCEPTED_BY[natural.kind]:
        raise TypeError(
            f"Cannot convert {value!r} to a tensor of dtype {dt.from_numpy(dtype).name}{at_user_location()}"
        )
    try:
        return np.array(value, dtype)
    except OverflowError:
        return _wrapped_around(value, dtype)


def _wrapped_around(value: int, dtype: np.dtype) -> np.ndarray:
    """Returns the low bits of an integer that is too large for the dtype, as NumPy arrays and TensorFlow do."""
    if not -(1 << 63) <= value < 1 << 64:
        raise ValueError(
            f"The integer {value} does not fit into {dt.from_numpy(dtype).name}{at_user_location()}"
        )
    low_bits = value & ((1 << 8 * dtype.itemsize) - 1)
    return np.array(low_bits, f"u{dtype.itemsize}").view(dtype)


def _from_numpy(value: np.ndarray, dtype: np.dtype | None) -> np.ndarray:
    if value.dtype.kind in "SUO":
        return _strings(value, dtype)
    if dtype is None:
        dt.from_numpy(value.dtype)
        return value.copy()
    if dtype.kind in "iu" and value.dtype.kind in "fc":
        raise TypeError(
            f"Cannot convert an array of {value.dtype} to {dt.from_numpy(dtype).name} without loss; "
            f"use tf.cast{at_user_location()}"
        )
    if dtypes.is_host_only(dtype):
        raise ValueError(
            f"Cannot convert an array of {value.dtype} to strings; use tf.strings.as_string{at_user_location()}"
        )
    return value.astype(dtype)


def _strings(value: Any, dtype: np.dtype | None) -> Any:
    if dtype is not None and not dtypes.is_host_only(dtype):
        name = dt.from_numpy(dtype).name
        raise TypeError(f"Cannot convert {str(value)[:60]!r} to a tensor of dtype {name}{at_user_location()}")
    array = np.asarray(value, dtype=object)
    items = array.reshape(-1).tolist()
    kinds = set(map(type, items))
    if any(issubclass(kind, TensorLike) for kind in kinds):
        return _from_list(array.tolist(), dtype)
    for kind in kinds:
        if not issubclass(kind, str | bytes):
            raise _no_string(next(item for item in items if type(item) is kind))
    if kinds == {str}:
        items = list(map(str.encode, items))
    elif kinds != {bytes}:
        items = [item.encode() if isinstance(item, str) else bytes(item) for item in items]
    encoded: np.ndarray = np.empty(len(items), object)
    encoded[:] = items
    return encoded.reshape(array.shape)


def _no_string(item: Any) -> Exception:
    if isinstance(item, list | tuple):
        return _not_rectangular()
    return ValueError(
        f"Cannot make a tensor of {str(item)[:60]!r} of type {type(item).__name__}; expected numbers, strings "
        f"or tensors{at_user_location()}"
    )


def _not_rectangular() -> Exception:
    return ValueError(f"Can't convert a non-rectangular Python sequence to a Tensor.{at_user_location()}")


def _from_list(value: Any, dtype: np.dtype | None) -> Any:
    leaf = _first_leaf(value)
    if _holds_tensor(value):
        hint = _hint_of(value, None)
        return _stack.target([_part(item, dtype, hint) for item in value])
    if isinstance(leaf, str | bytes):  # NumPy would make all strings as long as the longest
        return _strings(value, dtype)
    try:
        array = np.asarray(value)
    except ValueError:
        raise _not_rectangular() from None
    if array.dtype.kind in "SUO":
        return _strings(value, dtype)
    if dtype is not None and not array.size:
        return np.empty(array.shape, dtype)
    if dtype is not None:
        return _python_numbers(array, dtype)
    return array.astype(_natural_dtype(array, leaf), copy=False)


def _natural_dtype(array: np.ndarray, leaf: Any) -> np.dtype:
    """Returns the dtype of a list without a stated one: the first element decides among floats, int32 comes first."""
    if array.dtype.kind == "b":
        return array.dtype
    if array.dtype.kind == "c":
        return _SCALARS[complex]
    if not array.size:
        return _FLOAT32
    if array.dtype.kind in "iu":
        fits = array.min() >= -(1 << 31) and array.max() < 1 << 31
        return _INT32 if fits else _INT64
    own = leaf.dtype if isinstance(leaf, np.generic | np.ndarray) else _FLOAT32
    return own if own.kind in "fV" else _FLOAT32


def _part(item: Any, dtype: np.dtype | None, hint: Any) -> Any:
    """Converts an element of a list that holds tensors: to `dtype`, or to fit beside the tensors."""
    if dtype is None:
        return convert_to_tensor(item, dtype_hint=hint)
    if not isinstance(item, TensorLike):
        return _wrapped(as_array(item, dtype))
    tensor = _existing(item, None)
    if (dtypes.is_host_only(dtype)) != (tensor.dtype == dt.string):
        raise TypeError(
            f"Cannot convert a tensor of dtype {tensor.dtype.name} to {dt.from_numpy(dtype).name}{at_user_location()}"
        )
    return tensor if tensor.dtype.numpy_dtype == dtype else tensor._astype(dt.from_numpy(dtype))


def _python_numbers(array: np.ndarray, dtype: np.dtype) -> np.ndarray:
    if dtype.kind not in _ACCEPTED_BY[array.dtype.kind]:
        raise TypeError(
            f"Cannot convert {array.tolist()!r:.60} to a tensor of dtype {dt.from_numpy(dtype).name}"
            f"{at_user_location()}"
        )
    return array.astype(dtype)


def _first_leaf(value: Any) -> Any:
    while isinstance(value, _LISTS) and len(value):
        value = value[0]
    return value


def _holds_tensor(value: Any) -> bool:
    if isinstance(value, _LISTS):
        return any(_holds_tensor(item) for item in value)
    return isinstance(value, TensorLike) or is_tracer(value)


def _hint_of(value: Any, dtype: np.dtype | None) -> Any:
    """Returns the dtype of the first tensor inside, which plain numbers beside it take."""
    if dtype is not None:
        return dt.from_numpy(dtype)
    if isinstance(value, TensorLike):
        return value.dtype
    if isinstance(value, _LISTS):
        for item in value:
            found = _hint_of(item, None)
            if found is not None:
                return found
    return None
