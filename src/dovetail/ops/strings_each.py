"""String ops element by element: case, length, parts, numbers, regular expressions."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from dovetail.base.errors import InvalidArgumentError, at_user_location
from dovetail.engine.text import natively, patterns
from dovetail.ops.attrs import DTypeLike, Text
from dovetail.ops.families import op
from dovetail.ops.rules import broadcast
from dovetail.ops.shapes import as_tensor
from dovetail.ops.strings import EACH, GIVES_STRINGS, STRING, listed, made, mapped
from dovetail.ops.views import export

_INT32, _BOOL, _FLOAT32 = np.dtype(np.int32), np.dtype(bool), np.dtype(np.float32)


# ---- case ---------------------------------------------------------------------------------------------------------


def _cased(on_bytes: Callable, on_text: Callable, encoding: str) -> Callable:
    """Returns what changes the case: of ASCII letters, or of all in UTF-8."""
    if encoding not in ("", "utf-8"):
        raise ValueError(f"encoding must be '' (ASCII letters only) or 'utf-8', received {encoding!r}")
    if not encoding:
        return on_bytes

    def function(value: bytes) -> bytes:
        return on_bytes(value) if value.isascii() else on_text(value.decode("utf-8", "replace")).encode()

    return function


@op("strings.upper", **GIVES_STRINGS)
def strings_upper(xp: Any, input: Any, *, encoding: str = "") -> Any:
    """Returns the strings in upper case (ASCII letters only unless `encoding` is "utf-8")."""
    found = None if encoding else natively.in_case(input, b"a")
    return mapped(_cased(bytes.upper, str.upper, encoding), input) if found is None else found


@op("strings.lower", **GIVES_STRINGS)
def strings_lower(xp: Any, input: Any, *, encoding: str = "") -> Any:
    """Returns the strings in lower case (ASCII letters only unless `encoding` is "utf-8")."""
    found = None if encoding else natively.in_case(input, b"A")
    return mapped(_cased(bytes.lower, str.lower, encoding), input) if found is None else found


@op("strings.strip", **GIVES_STRINGS)
def strings_strip(xp: Any, input: Any) -> Any:
    """Returns the strings without white space at both ends."""
    return mapped(bytes.strip, input)


# ---- length and parts ---------------------------------------------------------------------------------------------

_TRAILING = bytes(range(0x80, 0xC0))  # the bytes of UTF-8 that go on with a character
_IS_TRAILING = frozenset(_TRAILING)


def _unit(unit: str, by_unit: dict) -> Any:
    if unit not in by_unit:
        raise ValueError(f"unit must be 'BYTE' or 'UTF8_CHAR', received {unit!r}{at_user_location()}")
    return by_unit[unit]


def _num_characters(value: bytes) -> int:
    return len(value) if value.isascii() else len(value.translate(None, _TRAILING))


_LENGTHS = {"BYTE": len, "UTF8_CHAR": _num_characters}


@op("strings.length", **EACH, dtype=lambda *_, **__: _INT32)
def strings_length(xp: Any, input: Any, *, unit: str = "BYTE") -> Any:
    """Returns the number of bytes (`unit="BYTE"`) or characters (`"UTF8_CHAR"`)."""
    return mapped(_unit(unit, _LENGTHS), input, _INT32)


def _part(value: Any, start: int, size: int) -> Any:
    """Returns a part of bytes or of text; a negative size takes all that is left."""
    total = len(value)
    if not -total <= start <= total:
        raise InvalidArgumentError(f"pos {start} out of range for string {value!r:.60}{at_user_location()}")
    start = start + total if start < 0 else start
    return value[start : start + size] if size >= 0 else value[start:]


def _character_part(value: bytes, start: int, size: int) -> bytes:
    if value.isascii():
        return _part(value, start, max(size, 0))
    try:
        return _part(value.decode(), start, max(size, 0)).encode()
    except UnicodeDecodeError:
        begins = [i for i, byte in enumerate(value) if i == 0 or byte not in _IS_TRAILING]
        chosen = _part(list(itertools.pairwise([*begins, len(value)])), start, max(size, 0))
        return b"".join(value[begin:end] for begin, end in chosen)


_PARTS = {"BYTE": _part, "UTF8_CHAR": _character_part}


@op(
    "",
    engine="host",
    differentiable=False,
    same_dtype=0,
    shape=lambda x, pos, len, **_: broadcast(x, pos),
    dtype=lambda *_, **__: STRING,
)
def substr_(xp: Any, input: Any, pos: Any, len: Any, *, unit: str = "BYTE") -> Any:
    """Returns parts of strings."""
    part = _unit(unit, _PARTS)
    if not pos.ndim and not len.ndim:
        start, size = pos.item(), len.item()
        return mapped(lambda value: part(value, start, size), input)
    input, pos, len = np.broadcast_arrays(input, pos, len)
    return made(map(part, listed(input), pos.reshape(-1).tolist(), len.reshape(-1).tolist()), input.shape)


@export("strings.substr")
def substr(input: Any, pos: Any, len: Any, unit: str = "BYTE", name: str | None = None) -> Any:
    """Returns `len` bytes (or characters) of each string, from `pos` on; negative positions count from the end.

    Raises:
        InvalidArgumentError: a position is outside its string.
    """
    return substr_(as_tensor(input), as_tensor(pos), as_tensor(len), unit=unit)


# ---- regular expressions ------------------------------------------------------------------------------------------


@op("strings.regex_replace", **GIVES_STRINGS)
def regex_replace(xp: Any, input: Any, *, pattern: Text, rewrite: Text, replace_global: bool = True) -> Any:
    r"""Returns the strings with what `pattern` matches replaced.

    Args:
        input: string tensor.
        pattern: a regular expression of RE2.
        rewrite: what stands in place of a match; \1 to \9 are the groups, \0 is the match.
        replace_global: all matches; the first of each string otherwise.

    Raises:
        InvalidArgumentError: the pattern is none, or the rewrite is wrong (TensorFlow logs the latter and cuts it).
    """
    return mapped(_compiled(pattern).replacer(rewrite, replace_global), input)


@op("strings.regex_full_match", **EACH, dtype=lambda *_, **__: _BOOL)
def regex_full_match(xp: Any, input: Any, *, pattern: Text) -> Any:
    """Returns where the whole string matches the pattern, a regular expression of RE2."""
    return mapped(_compiled(pattern).matcher(), input, _BOOL)


def _compiled(pattern: bytes) -> patterns.Pattern:
    try:
        return patterns.compiled(pattern)
    except patterns.BadPatternError as error:
        raise InvalidArgumentError(f"Invalid pattern: {pattern!r:.80}: {error}{at_user_location()}") from None


# ---- numbers ------------------------------------------------------------------------------------------------------

_READABLE = tuple(np.dtype(kind) for kind in ("float32", "float64", "int32", "int64", "uint32", "uint64"))
_CHUNK = 4096  # strings that are looked at together; few enough to stay in the cache
_HEXADECIMAL = re.compile(rb"\s*[+-]?0[xX]")
_NOT_A_NUMBER = re.compile(rb"\s*[+-]?nan\(\w*\)\s*", re.IGNORECASE)


@op("", **EACH, dtype=lambda kind, out_type: out_type)
def to_number_(xp: Any, input: Any, *, out_type: DTypeLike) -> Any:
    """Reads numbers."""
    if out_type not in _READABLE:
        raise ValueError(f"out_type must be one of {', '.join(map(str, _READABLE))}, received {out_type}")
    values = listed(input)
    read = _float if out_type.kind == "f" else _integer(out_type)
    try:
        if _holds_underscore(values):
            raise ValueError
        found = (
            np.fromiter(map(float, values), np.float64) if out_type.kind == "f" else _exact(values, out_type)
        )
    except (ValueError, OverflowError):
        found = np.array([_read(read, value, i) for i, value in enumerate(values)])
    return found.astype(out_type).reshape(input.shape)


def _holds_underscore(values: list) -> bool:
    """Whether a string holds "_", which Python's numbers may."""
    return any(b"_" in b"".join(values[i : i + _CHUNK]) for i in range(0, len(values), _CHUNK))


def _exact(values: list, kind: np.dtype) -> np.ndarray:
    found = list(map(int, values))
    if found:
        _integer(kind)(b"%d" % min(found)), _integer(kind)(b"%d" % max(found))
    return np.array(found, kind)


def _read(read: Callable, value: bytes, position: int) -> Any:
    try:
        return read(value)
    except ValueError:
        raise InvalidArgumentError(
            f"StringToNumberOp could not correctly convert string: {value!r:.60} (element {position})"
        ) from None


def _float(value: bytes) -> float:
    if _HEXADECIMAL.match(value):
        return float.fromhex(value.decode())
    if _NOT_A_NUMBER.fullmatch(value):
        return float("nan")
    if b"_" in value:
        raise ValueError
    return float(value)


def _integer(kind: np.dtype) -> Callable[[bytes], int]:
    limits = np.iinfo(kind)

    def read(value: bytes) -> int:
        number = int(value)
        if b"_" in value or not limits.min <= number <= limits.max:
            raise ValueError
        return number

    return read


@export("strings.to_number")
def to_number(input: Any, out_type: Any = _FLOAT32, name: str | None = None) -> Any:
    """Returns the numbers that strings show.

    Args:
        input: string tensor.
        out_type: float32, float64, int32, int64, uint32 or uint64.

    Raises:
        InvalidArgumentError: a string shows no number, or one that the type cannot hold.
    """
    return to_number_(input, out_type=out_type)
