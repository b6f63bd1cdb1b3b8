"""String ops element by element: case, length, parts, numbers, regular expressions."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from dovetail.base.errors import InvalidArgumentError, at_user_location
from dovetail.engine import dtypes
from dovetail.ops.attrs import Axis, DTypeLike
from dovetail.ops.families import op
from dovetail.ops.rules import broadcast, reduced
from dovetail.ops.shapes import as_tensor
from dovetail.ops.strings import _each
from dovetail.ops.views import export

_STRING, _INT32, _BOOL, _FLOAT32 = dtypes.STRING, np.dtype(np.int32), np.dtype(bool), np.dtype(np.float32)
_SAME = {"engine": "host", "differentiable": False, "shape": lambda shape, **_: shape}


def _text(value: bytes, encoding: str) -> Any:
    return value.decode("utf-8", "replace") if encoding else value


def decoded(value: bytes, unit: str) -> Any:
    """Returns what is counted: the bytes themselves, or the characters of UTF-8."""
    if unit not in ("BYTE", "UTF8_CHAR"):
        raise ValueError(f"unit must be 'BYTE' or 'UTF8_CHAR', received {unit!r}{at_user_location()}")
    return value.decode("utf-8", "replace") if unit == "UTF8_CHAR" else value


def encoded(value: Any) -> bytes:
    return value.encode() if isinstance(value, str) else bytes(value)


@op("strings.upper", **_SAME, dtype=lambda *_, **__: _STRING)
def strings_upper(xp: Any, input: Any, *, encoding: str = "") -> Any:
    """Returns the strings in upper case (ASCII letters only unless `encoding` is "utf-8")."""
    return _each(lambda value: encoded(_text(value, encoding).upper()), input)


@op("strings.lower", **_SAME, dtype=lambda *_, **__: _STRING)
def strings_lower(xp: Any, input: Any, *, encoding: str = "") -> Any:
    """Returns the strings in lower case (ASCII letters only unless `encoding` is "utf-8")."""
    return _each(lambda value: encoded(_text(value, encoding).lower()), input)


@op("strings.strip", **_SAME, dtype=lambda *_, **__: _STRING)
def strings_strip(xp: Any, input: Any) -> Any:
    """Returns the strings without white space at both ends."""
    return _each(lambda value: value.strip(), input)


@op("strings.length", **_SAME, dtype=lambda *_, **__: _INT32)
def strings_length(xp: Any, input: Any, *, unit: str = "BYTE") -> Any:
    """Returns the number of bytes (`unit="BYTE"`) or characters (`"UTF8_CHAR"`)."""
    return _each(lambda value: len(decoded(value, unit)), input).astype(_INT32)


@op(
    "",
    engine="host",
    differentiable=False,
    same_dtype=0,
    shape=lambda x, pos, len, **_: broadcast(x, pos),
    dtype=lambda *_, **__: _STRING,
)
def substr_(xp: Any, input: Any, pos: Any, len: Any, *, unit: str = "BYTE") -> Any:
    """Returns parts of strings."""
    return _each(
        lambda value, start, size: _part(value, start, size, unit), *np.broadcast_arrays(input, pos, len)
    )


def _part(value: bytes, start: int, size: int, unit: str) -> bytes:
    whole = decoded(value, unit)
    if not -len(whole) <= start <= len(whole):
        raise InvalidArgumentError(f"pos {start} out of range for string {value!r:.60}{at_user_location()}")
    start = start + len(whole) if start < 0 else start
    return encoded(whole[start : start + size])


@export("strings.substr")
def substr(input: Any, pos: Any, len: Any, unit: str = "BYTE", name: str | None = None) -> Any:
    """Returns `len` bytes (or characters) of each string, from `pos` on; negative positions count from the end.

    Raises:
        InvalidArgumentError: a position is outside its string.
    """
    return substr_(as_tensor(input), as_tensor(pos), as_tensor(len), unit=unit)


@op("strings.regex_replace", **_SAME, dtype=lambda *_, **__: _STRING)
def regex_replace(xp: Any, input: Any, *, pattern: Any, rewrite: Any, replace_global: bool = True) -> Any:
    r"""Returns the strings with what `pattern` matches replaced; the rewrite refers to groups as \1.

    Differs from TensorFlow: patterns are Python's regular expressions, RE2's in TensorFlow; they agree on most.
    """
    compiled, count = compiled_pattern(pattern), 0 if replace_global else 1
    new = re.sub(rb"\\0", rb"\\g<0>", _bytes(rewrite))
    return _each(lambda value: compiled.sub(new, value, count=count), input)


@op("strings.regex_full_match", **_SAME, dtype=lambda *_, **__: _BOOL)
def regex_full_match(xp: Any, input: Any, *, pattern: Any) -> Any:
    """Returns where the whole string matches the pattern."""
    compiled = compiled_pattern(pattern)
    return _each(lambda value: compiled.fullmatch(value) is not None, input).astype(bool)


def _bytes(value: Any) -> bytes:
    return value.encode() if isinstance(value, str) else bytes(value)


def compiled_pattern(pattern: Any) -> Any:
    """Returns a compiled regular expression over bytes."""
    try:
        return re.compile(_bytes(pattern))
    except re.error as error:
        raise InvalidArgumentError(f"Invalid pattern: {pattern!r:.80}: {error}{at_user_location()}") from None


@op("", **_SAME, dtype=lambda kind, out_type: out_type)
def to_number_(xp: Any, input: Any, *, out_type: DTypeLike) -> Any:
    """Reads numbers."""
    make = float if out_type.kind == "f" else int
    return _each(lambda value: _number(value, make), input).astype(out_type)


def _number(value: bytes, make: Any) -> Any:
    try:
        return make(value)
    except ValueError:
        raise InvalidArgumentError(
            f"StringToNumberOp could not correctly convert string: {value!r:.60}"
        ) from None


@export("strings.to_number")
def to_number(input: Any, out_type: Any = _FLOAT32, name: str | None = None) -> Any:
    """Returns the numbers that strings show.

    Raises:
        InvalidArgumentError: a string shows no number.
    """
    return to_number_(input, out_type=out_type)


@op(
    "",
    engine="host",
    differentiable=False,
    shape=lambda shape, axis, keepdims, separator: reduced(shape, axis=axis, keepdims=keepdims),
)
def reduce_join_(
    xp: Any, inputs: Any, *, axis: Axis = None, keepdims: bool = False, separator: Any = ""
) -> Any:
    """Joins strings along axes."""
    axes = tuple(range(inputs.ndim)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    glue, out = _bytes(separator), inputs
    for each in reversed(axes):
        out = _joined_along(out, each % inputs.ndim, glue)
    return out if keepdims else np.squeeze(out, axis=tuple(a % inputs.ndim for a in axes)) if axes else out


def _joined_along(array: np.ndarray, axis: int, glue: bytes) -> np.ndarray:
    rows = np.moveaxis(array, axis, -1)
    out = np.empty((*rows.shape[:-1], 1), object)
    for place in np.ndindex(rows.shape[:-1]):
        out[(*place, 0)] = glue.join(rows[place])
    return np.moveaxis(out, -1, axis)


@export("strings.reduce_join")
def reduce_join(
    inputs: Any, axis: Any = None, keepdims: bool = False, separator: Any = "", name: str | None = None
) -> Any:
    """Joins all strings along an axis (along all by default), with `separator` between them."""
    return reduce_join_(inputs, axis=axis, keepdims=keepdims, separator=separator)
