"""Text in columns: lines of comma-separated values, all lines of a batch at once."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from dovetail.base.errors import InvalidArgumentError, at_user_location
from dovetail.engine.text import natively
from dovetail.ops.attrs import Nested
from dovetail.ops.families import op
from dovetail.ops.shapes import as_tensor
from dovetail.ops.views import export

_HIDDEN, _HIDDEN_LINE = b"\0", b"\1"  # stand for a delimiter and for a line end inside of quotes


def _checked_number(make: Callable, texts: list[bytes], dtype: np.dtype) -> np.ndarray:
    if b"_" in b",".join(texts):  # which Python allows between digits
        raise ValueError("_")
    return np.fromiter(map(make, texts), dtype, len(texts))


def _float(text: bytes) -> float:
    try:
        return float(text)
    except ValueError:
        if b"x" not in text.lower():
            raise
        return float.fromhex(text.decode("ascii"))


def _numbers(make: Callable, slow: Callable) -> Callable[[list[bytes], np.dtype], np.ndarray]:
    def read(texts: list[bytes], dtype: np.dtype) -> np.ndarray:
        try:
            return _checked_number(make, texts, dtype)
        except ValueError:
            return _checked_number(slow, texts, dtype)

    return read


_READERS: dict[np.dtype, Callable[[list[bytes], np.dtype], np.ndarray]] = {
    np.dtype(np.int32): _numbers(int, int),
    np.dtype(np.int64): _numbers(int, int),
    np.dtype(np.float32): _numbers(float, _float),
    np.dtype(np.float64): _numbers(float, _float),
    np.dtype(object): np.array,
}
_NAMES = {"float32": "float", "float64": "double"}


def _shapes(records: tuple, *defaults: tuple, **_: Any) -> list:
    return [records] * len(defaults)


@op(
    "",
    engine="host",
    differentiable=False,
    same_dtype=0,
    shape=_shapes,
    dtype=lambda _, *kinds, **__: list(kinds),
    several=True,
)
def decode_csv_(
    xp: Any,
    records: Any,
    *record_defaults: Any,
    field_delim: str = ",",
    use_quote_delim: bool = True,
    na_value: str = "",
    select_cols: Nested = None,
) -> Any:
    """Returns the columns of lines of text.

    Args:
        records: string tensor.
        record_defaults: one a column: what an empty field stands for, or an empty tensor where there may be none; its
            dtype is the column's.
        field_delim: the character between fields.
        use_quote_delim: fields may stand in double quotes.
        na_value: a field that counts as empty.
        select_cols: the numbers of the columns that are wanted; None: all.
    """
    lines = records.reshape(-1).tolist()
    delim, missing = field_delim.encode(), (b"", na_value.encode())
    if not na_value and select_cols is None:
        found = natively.csv(lines, delim, use_quote_delim, [default.dtype for default in record_defaults])
        if found is not None:
            return [column.reshape(records.shape) for column in found]
    columns = _split(lines, delim, use_quote_delim, len(record_defaults), select_cols)
    results = []
    for number, (texts, default) in enumerate(zip(columns, record_defaults, strict=True)):
        filled = _filled(number, texts, default, missing)
        results.append(_read(number, filled, default.dtype).reshape(records.shape))
    return results


def _split(lines: list, delim: bytes, quotes: bool, count: int, wanted: tuple | None) -> list[list[bytes]]:
    """Returns the fields of each column."""
    if not lines:
        return [[]] * count
    text = b"\n".join(lines)
    is_quoted = quotes and b'"' in text
    if is_quoted and (_HIDDEN in text or _HIDDEN_LINE in text):
        return _one_by_one(lines, delim, count, wanted)
    if is_quoted:
        text = _all_unquoted(lines, text, delim)
    elif text.count(b"\n") != len(lines) - 1 or b"\r" in text:
        for number, line in enumerate(lines):
            _plain(number, line)
    rows = text.split(b"\n")
    width = rows[0].count(delim) + 1
    if not all(rows) or {row.count(delim) for row in rows} != {width - 1}:
        columns = _uneven(rows, delim, count, wanted)
    else:
        fields = text.replace(b"\n", delim).split(delim)
        _check_width(0, width if wanted is None else sum(c < width for c in wanted), count)
        columns = [fields[c::width] for c in (range(count) if wanted is None else wanted)]
    if is_quoted and (_HIDDEN in text or _HIDDEN_LINE in text):
        return [_shown(column, delim) for column in columns]
    return columns


def _shown(column: list[bytes], delim: bytes) -> list[bytes]:
    """Returns the fields of a column with what was hidden in them."""
    whole = b"\n".join(column)
    if _HIDDEN in whole:
        column = whole.replace(_HIDDEN, delim).split(b"\n")
    return [text.replace(_HIDDEN_LINE, b"\n") for text in column] if _HIDDEN_LINE in whole else column


def _all_unquoted(lines: list, text: bytes, delim: bytes) -> bytes:
    """Returns lines, joined by line ends, without quotes; what was inside of them and means something is hidden.

    Raises:
        InvalidArgumentError: quotes stand where they must not.
    """
    parts = text.split(b'"')  # those at odd places were inside
    outer, inner = b'"'.join(parts[::2]), b'"'.join(parts[1::2])
    kinds = outer.translate(_kinds_of(delim))
    odd = len(parts) % 2 == 0 or (b"\n" in inner and any(line.count(b'"') % 2 for line in lines))
    if odd or b'x"' in kinds or b'"x' in kinds or b"\r" in outer or outer.count(b"\n") != len(lines) - 1:
        return b"\n".join(
            [_unquoted(i, e, delim) if b'"' in e else _plain(i, e) for i, e in enumerate(lines)]
        )
    if delim in inner or b"\n" in inner:
        parts[1::2] = inner.replace(delim, _HIDDEN).replace(b"\n", _HIDDEN_LINE).split(b'"')
    if b'""' in kinds:  # two quotes inside of quotes are one
        parts[2:-1:2] = [part or b'"' for part in parts[2:-1:2]]
    return b"".join(parts)


@functools.cache
def _kinds_of(delim: bytes) -> bytes:
    """Returns the table that leaves quotes, makes delimiters and line ends commas, and all else an x."""
    kept = {b'"'[0]: b'"', b"\n"[0]: b",", delim[0]: b","}
    return b"".join(kept.get(byte, b"x") for byte in range(256))


def _uneven(lines: list, delim: bytes, count: int, wanted: tuple | None) -> list[list[bytes]]:
    """Returns the columns of lines that may have fields that nobody wants, more or fewer of them."""
    rows = []
    for number, line in enumerate(lines):
        fields = line.split(delim) if line else []
        found = fields if wanted is None else [fields[c] for c in wanted if c < len(fields)]
        _check_width(number, len(found), count)
        rows.append(found)
    return [list(column) for column in zip(*rows, strict=True)]


def _one_by_one(lines: list, delim: bytes, count: int, wanted: tuple | None) -> list[list[bytes]]:
    """Returns the columns of lines that have quotes and zero bytes: each line finds another byte to hide behind."""
    columns: list[list[bytes]] = [[] for _ in range(count)]
    for number, line in enumerate(lines):
        hidden = next(bytes([b]) for b in range(256) if bytes([b]) not in line + b'"\r\n' + delim)
        plain = _unquoted(number, line, delim, hidden, b"\n") if b'"' in line else _plain(number, line)
        row = [field.replace(hidden, delim) for field in plain.split(delim)] if plain else []
        found = row if wanted is None else [row[c] for c in wanted if c < len(row)]
        _check_width(number, len(found), count)
        for column, text in zip(columns, found, strict=True):
            column.append(text)
    return columns


def _plain(number: int, line: bytes) -> bytes:
    """Returns a line without quotes."""
    if b"\n" in line or b"\r" in line:
        raise _bad_line(number, line, "Unquoted fields cannot have quotes/CRLFs inside")
    return line


def _unquoted(
    number: int, line: bytes, delim: bytes, hidden: bytes = _HIDDEN, hidden_line: bytes = _HIDDEN_LINE
) -> bytes:
    """Returns a line without its quotes; what is hidden was inside of them."""
    parts = line.split(b'"')  # those at odd places were inside
    if len(parts) % 2 == 0:
        raise _bad_line(number, line, "Quoted field has to end with quote followed by delim or end")
    last = len(parts) - 1
    for place in range(0, last + 1, 2):
        part = parts[place]
        if place and place < last and not part:
            parts[place] = b'"'  # written as two
            continue
        if place < last and part and not part.endswith(delim):
            raise _bad_line(number, line, "Unquoted fields cannot have quotes/CRLFs inside")
        if place and part and not part.startswith(delim):
            raise _bad_line(number, line, "Quote inside a string has to be escaped by another quote")
        _plain(number, part)
    for place in range(1, last, 2):
        parts[place] = parts[place].replace(delim, hidden).replace(b"\n", hidden_line)
    return b"".join(parts)


def _check_width(number: int, found: int, expected: int) -> None:
    if found != expected:
        raise InvalidArgumentError(
            f"Expect {expected} fields but have {found} in record {number}{at_user_location()}"
        )


def _bad_line(number: int, line: bytes, why: str) -> InvalidArgumentError:
    return InvalidArgumentError(f"{why}: record {number}, {line!r:.120}{at_user_location()}")


def _filled(number: int, texts: list[bytes], default: np.ndarray, missing: tuple) -> list:
    """Returns the fields with the default in place of those that are missing."""
    if missing[0] not in texts and missing[1] not in texts:
        return texts
    if not default.size:
        place = next(i for i, text in enumerate(texts) if text in missing)
        raise InvalidArgumentError(
            f"Field {number} is required but missing in record {place}!{at_user_location()}"
        )
    value = default.reshape(-1)[0]
    text = value if isinstance(value, bytes) else str(value.item()).encode()
    return [text if one in missing else one for one in texts]


def _read(number: int, texts: list[bytes], dtype: np.dtype) -> np.ndarray:
    reader = _READERS[dtype]
    try:
        return reader(texts, dtype)
    except (ValueError, OverflowError):
        for place, text in enumerate(texts):
            try:
                reader([text], dtype)
            except (ValueError, OverflowError):
                kind = _NAMES.get(dtype.name, dtype.name)
                raise InvalidArgumentError(
                    f"Field {number} in record {place} is not a valid {kind}: {text.decode(errors='replace'):.80}"
                    f"{at_user_location()}"
                ) from None
        raise


@export("io.decode_csv")
def decode_csv(
    records: Any,
    record_defaults: Any,
    field_delim: str = ",",
    use_quote_delim: bool = True,
    na_value: str = "",
    select_cols: Any = None,
    name: str | None = None,
) -> list:
    """Returns the columns of lines of text (RFC 4180), a list of tensors of the shape of `records`.

    Args:
        records: string tensor, a line in each element.
        record_defaults: one a column, of dtype int32, int64, float32, float64 or string, which is the column's: a
            scalar, or a vector of size one, is what an empty field stands for; a vector of size zero: there is none.
        field_delim: the character between fields.
        use_quote_delim: fields may stand in double quotes, in which two quotes stand for one.
        na_value: text that counts as empty.
        select_cols: increasing numbers of the columns that are wanted; None: all.

    Raises:
        InvalidArgumentError: a line has another number of fields, or a field is no such number; the error says where.
    """
    label = "tf.io.decode_csv"
    defaults = _tensors_of(record_defaults)
    wanted = None if select_cols is None else tuple(int(column) for column in select_cols)
    if wanted is not None and any(a >= b for a, b in zip(wanted, wanted[1:])):
        raise ValueError(f"{label}: select_cols is not strictly increasing: {list(wanted)}")
    if wanted is not None and (len(wanted) != len(defaults) or wanted[:1] < (0,)):
        raise ValueError(
            f"{label}: Length of select_cols and record_defaults do not match: {list(wanted)}, {len(defaults)}"
        )
    if len(field_delim.encode()) != 1 or field_delim in '"\r\n':
        raise _refused(f"field_delim should be only 1 char, and no quote or line end: {field_delim!r}")
    return list(
        decode_csv_(
            as_tensor(records),
            *defaults,
            field_delim=field_delim,
            use_quote_delim=use_quote_delim,
            na_value=na_value,
            select_cols=wanted,
        )
    )


def _tensors_of(defaults: Any) -> tuple:
    """Returns the defaults as tensors: the same for numbers and texts of each line that a dataset maps."""
    key: list = []
    for default in defaults:
        value = default[0] if type(default) is list and len(default) == 1 else default
        if type(value) not in _PLAIN:
            return _converted(*defaults)
        key += (value is default, value, type(value))
    return _converted_once(*key)


_PLAIN = frozenset({bytes, float, int, str})


@functools.lru_cache(64)
def _converted_once(*key: Any) -> tuple:
    return _converted(*(value if bare else [value] for bare, value, _ in zip(*[iter(key)] * 3)))


def _converted(*given: Any) -> tuple:
    """Returns defaults as tensors.

    Raises:
        InvalidArgumentError: they are no defaults.
    """
    defaults = tuple([as_tensor(default) for default in given])
    if not defaults:
        raise _refused("record_defaults is empty")
    for number, default in enumerate(defaults):
        size = default.shape.num_elements()
        if default.shape.rank not in (0, 1, None) or (size is not None and size > 1):
            raise _refused(
                f"There should only be 1 default per field but field {number} has shape {default.shape}"
            )
        if default.dtype.numpy_dtype not in _READERS:
            names = ", ".join(dtype.name.replace("object", "string") for dtype in _READERS)
            raise _refused(f"the dtype of column {number} must be one of {names}, not {default.dtype.name}")
    return defaults


def _refused(why: str) -> InvalidArgumentError:
    return InvalidArgumentError(f"tf.io.decode_csv: {why}{at_user_location()}")
