"""`tf.DType`: the element types, as objects that compare equal to their names."""

from __future__ import annotations

import functools
from typing import Any

import ml_dtypes
import numpy as np

from dovetail.base.errors import at_user_location, suggest
from dovetail.engine import dtypes


class DType:
    """The type of a tensor's elements, such as `tf.float32`.

    Compares equal to its name and to NumPy's dtype: `tf.float32 == "float32" == np.float32`.
    """

    __slots__ = ("_name", "_numpy", "_enum")

    def __init__(self, name: str, numpy_dtype: np.dtype, enum: int) -> None:
        self._name, self._numpy, self._enum = name, numpy_dtype, enum

    @property
    def name(self) -> str:
        return self._name

    @property
    def as_numpy_dtype(self) -> Any:
        return self._numpy.type

    @property
    def numpy_dtype(self) -> np.dtype:
        """The `np.dtype` object (`as_numpy_dtype` is the scalar class)."""
        return self._numpy

    @property
    def as_datatype_enum(self) -> int:
        return self._enum

    @property
    def base_dtype(self) -> DType:
        return self

    @property
    def real_dtype(self) -> DType:
        return {"complex64": float32, "complex128": float64}.get(self._name, self)

    @property
    def is_floating(self) -> bool:
        return dtypes.is_floating(self._numpy)

    @property
    def is_integer(self) -> bool:
        return self._numpy.kind in "iu"

    @property
    def is_complex(self) -> bool:
        return self._numpy.kind == "c"

    @property
    def is_bool(self) -> bool:
        return self._numpy.kind == "b"

    @property
    def is_unsigned(self) -> bool:
        return self._numpy.kind == "u"

    @property
    def is_numpy_compatible(self) -> bool:
        return True

    @property
    def size(self) -> int:
        """Bytes an element takes."""
        return self._numpy.itemsize

    @property
    def min(self) -> Any:
        return self._limits().min if not self.is_bool else False

    @property
    def max(self) -> Any:
        return self._limits().max if not self.is_bool else True

    @property
    def limits(self) -> tuple:
        return self.min, self.max

    def _limits(self) -> Any:
        if self.is_integer:
            return np.iinfo(self._numpy)
        if self.is_floating:
            return ml_dtypes.finfo(self._numpy)
        raise TypeError(f"{self!r} has no minimum and maximum")

    def is_compatible_with(self, other: Any) -> bool:
        return self == as_dtype(other)

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if other is None:
            return False
        try:
            return self._name == as_dtype(other)._name
        except TypeError:
            return False

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(self._name)

    def __int__(self) -> int:
        return self._enum

    def __repr__(self) -> str:
        return f"tf.{self._name}"

    def __str__(self) -> str:
        return f"<dtype: '{self._name}'>"

    def __reduce__(self) -> tuple:
        return as_dtype, (self._name,)


class NamedDType(DType):
    """A dtype that prints as its name, as those of weights do in Keras 3; equal to the one that it is."""

    __slots__ = ()
    __hash__ = DType.__hash__

    def __str__(self) -> str:
        return self._name


@functools.lru_cache(maxsize=64)
def by_name(dtype: DType) -> NamedDType:
    """Returns the same dtype, which prints as its name."""
    return NamedDType(dtype.name, dtype.numpy_dtype, dtype.as_datatype_enum)


float16 = half = DType("float16", np.dtype(np.float16), 19)
float32 = DType("float32", np.dtype(np.float32), 1)
float64 = double = DType("float64", np.dtype(np.float64), 2)
bfloat16 = DType("bfloat16", dtypes.BFLOAT16, 14)
float8_e4m3fn = DType("float8_e4m3fn", np.dtype(ml_dtypes.float8_e4m3fn), 25)
float8_e5m2 = DType("float8_e5m2", np.dtype(ml_dtypes.float8_e5m2), 24)
int8 = DType("int8", np.dtype(np.int8), 6)
int16 = DType("int16", np.dtype(np.int16), 5)
int32 = DType("int32", np.dtype(np.int32), 3)
int64 = DType("int64", np.dtype(np.int64), 9)
uint8 = DType("uint8", np.dtype(np.uint8), 4)
uint16 = DType("uint16", np.dtype(np.uint16), 17)
uint32 = DType("uint32", np.dtype(np.uint32), 22)
uint64 = DType("uint64", np.dtype(np.uint64), 23)
bool_ = DType("bool", np.dtype(np.bool_), 10)
complex64 = DType("complex64", np.dtype(np.complex64), 8)
complex128 = DType("complex128", np.dtype(np.complex128), 18)
string = DType("string", dtypes.STRING, 7)

ALL: tuple[DType, ...] = (
    *(float16, float32, float64, bfloat16, float8_e4m3fn, float8_e5m2),
    *(int8, int16, int32, int64, uint8, uint16, uint32, uint64),
    *(bool_, complex64, complex128, string),
)
_BY_NUMPY = {dtype.numpy_dtype: dtype for dtype in ALL}
_BY_NAME = {dtype.name: dtype for dtype in ALL} | {"half": float16, "double": float64, "float": float32}
_BY_TYPE = {float: float32, int: int32, bool: bool_, complex: complex128, str: string, bytes: string}


def from_numpy(dtype: np.dtype) -> DType:
    """Returns the DType of a NumPy dtype object (fixed-width strings and objects are `tf.string`)."""
    found = _BY_NUMPY.get(dtype)
    if found is not None:
        return found
    if dtype.kind in "SUO":
        return string
    raise TypeError(f"no tensor can hold NumPy's {dtype}. Supported: {', '.join(d.name for d in ALL)}")


def as_dtype(value: Any) -> DType:
    """Returns the DType that `value` names: a DType, a string, a NumPy or Python type (`tf.as_dtype`).

    Raises:
        TypeError: `value` names no dtype.
    """
    if type(value) is DType:
        return value
    if isinstance(value, DType):
        return _BY_NAME[value.name]
    if isinstance(value, str):
        found = _BY_NAME.get(value)
        if found is not None:
            return found
        raise TypeError(
            f"tf.as_dtype: no dtype is called {value!r}. Known: {', '.join(_BY_NAME)}.{suggest(value, _BY_NAME)}"
            f"{at_user_location()}"
        )
    if isinstance(value, type) and value in _BY_TYPE:
        return _BY_TYPE[value]
    if isinstance(value, int):
        for dtype in ALL:
            if dtype.as_datatype_enum == value:
                return dtype
    try:
        if value is None:  # NumPy takes it for float64
            raise TypeError
        return from_numpy(np.dtype(value))
    except TypeError:
        raise TypeError(f"tf.as_dtype: {value!r} names no dtype{at_user_location()}") from None


def numpy_dtype(value: Any) -> np.dtype:
    """Returns `np.dtype` for anything that `as_dtype` takes."""
    return value._numpy if type(value) is DType else as_dtype(value)._numpy
