"""The fields of many records as arrays: numbers, strings, and what stands for an empty field."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from dovetail.base.errors import InvalidArgumentError, at_user_location
from dovetail.data.files import strings
from dovetail.data.structure import as_leaf
from dovetail.engine import dtypes
from dovetail.tensor import as_dtype, convert_to_tensor

KINDS = ("float32", "float64", "int32", "int64", "string")
_NAMES = {"float32": "float", "float64": "double"}  # as messages have them
_HEX = re.compile(r"\s*[+-]?0[xX]")


class BadFieldError(Exception):
    """A field that shows no such value: the message says why."""


class Column:
    """One field of every record.

    Args:
        number: which of the fields that are taken.
        default: a dtype: the field must be there; a value, or an array of none or one: what an empty field stands for.
        missing: texts that stand for an empty field.

    Attributes:
        dtype: of the values.
    """

    def __init__(self, number: int, default: Any, missing: tuple[bytes, ...]) -> None:
        self._number = number
        self._missing = (*missing, *(name.decode("latin-1") for name in missing))
        self._default: Any = None
        self.dtype = as_dtype(default) if _is_kind(default) else self._with_default(default)
        if self.dtype.name not in KINDS:
            raise TypeError(
                f"field {number} cannot be {self.dtype.name}; it can be {', '.join(KINDS)}{at_user_location()}"
            )
        self._is_text = dtypes.is_host_only(self.dtype.numpy_dtype)
        self._parse: Any = float if self.dtype.is_floating else int

    def _with_default(self, default: Any) -> Any:
        value = as_leaf(convert_to_tensor(default))
        if value.size > 1 or value.ndim > 1:
            raise InvalidArgumentError(
                f"the default of field {self._number} must be one value, received {default!r:.60}{at_user_location()}"
            )
        if value.size:
            self._default = value.reshape(-1)[0]
        return as_dtype(value.dtype)

    def values(self, fields: Any) -> np.ndarray:
        """Returns the fields of many records (all bytes, or all text in Latin-1) as an array.

        Raises:
            BadFieldError: one of them shows no such value.
        """
        if not any(name in fields for name in self._missing):
            return self._converted(fields)
        if self._default is None:
            raise BadFieldError(f"Field {self._number} is required but missing in record!")
        gaps = [i for i, field in enumerate(fields) if field in self._missing]
        filled = list(fields)
        for place in gaps:
            filled[place] = b"0" if type(filled[place]) is bytes else "0"
        array = self._converted(filled)
        array[gaps] = self._default
        return array

    def _converted(self, fields: Any) -> np.ndarray:
        if self._is_text:
            return strings(_as_bytes(fields))
        wide = self._numbers(fields)
        with np.errstate(over="ignore"):
            array = wide.astype(self.dtype.numpy_dtype)
        if self._parse is int and not np.array_equal(array, wide):
            self._refuse(fields[int((array != wide).argmax())])
        return array

    def _numbers(self, fields: Any) -> np.ndarray:
        kind = np.float64 if self._parse is float else np.int64
        if not _have_underscores(fields):
            try:
                return np.fromiter(map(self._parse, fields), kind, len(fields))
            except (ValueError, OverflowError):
                pass
        return np.array([self._number_in(field) for field in fields], kind)

    def _number_in(self, field: Any) -> Any:
        text = field.decode("latin-1") if type(field) is bytes else field
        try:
            if "_" in text:
                raise ValueError(text)
            if self._parse is float and _HEX.match(text):
                return float.fromhex(text)
            return np.int64(int(text)) if self._parse is int else float(text)
        except (ValueError, OverflowError):
            self._refuse(field)

    def _refuse(self, field: Any) -> None:
        shown = field.decode("utf-8", "replace") if type(field) is bytes else field
        kind = _NAMES.get(self.dtype.name, self.dtype.name)
        raise BadFieldError(f"Field {self._number} in record is not a valid {kind}: {shown:.80}")


def _is_kind(default: Any) -> bool:
    """Whether a default is a dtype, or the name of one."""
    return (
        (isinstance(default, str) and default in KINDS)
        or hasattr(default, "as_numpy_dtype")
        or (isinstance(default, type | np.dtype))
    )


def _as_bytes(fields: Any) -> list:
    if type(fields[0]) is bytes:
        return list(fields)
    return [field.encode("latin-1") for field in fields]


def _have_underscores(fields: Any) -> bool:
    """Python reads them in numbers."""
    return b"_" in b"".join(fields) if type(fields[0]) is bytes else "_" in "".join(fields)
