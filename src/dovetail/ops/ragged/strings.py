"""String ops that give rows of different lengths: splitting, characters, n-grams; and those that take such rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dovetail.base.errors import InvalidArgumentError, at_user_location
from dovetail.engine import dtypes
from dovetail.ops import strings as dense_strings
from dovetail.ops import strings_each
from dovetail.ops.attrs import static
from dovetail.ops.dispatch import dispatches
from dovetail.ops.families import op
from dovetail.ops.ragged.broadcast import aligned
from dovetail.ops.ragged.rows import is_ragged, to_ragged_rank
from dovetail.ops.ragged.tensor import RaggedTensor
from dovetail.ops.shapes import as_tensor, reshape
from dovetail.ops.views import export

_STRING = dtypes.STRING
_INT64 = np.dtype(np.int64)


def _rows_shape(shape: tuple, **_: Any) -> list:
    return [(None if shape[0] is None else shape[0] + 1,), (None,)]


def _split_rows(rows: list, kind: Any = object) -> list:
    """Returns `(row splits, values)` of lists."""
    splits = np.concatenate([[0], np.cumsum([len(row) for row in rows], dtype=np.int64)]).astype(np.int64)
    values = np.empty(int(splits[-1]), kind)
    values[:] = [item for row in rows for item in row]
    return [splits, values]


def _rows_of(kind: Any) -> Callable:
    """Returns the dtype rule of ops that give row splits and the values of the rows."""
    return lambda *_, **attributes: [_INT64, kind(attributes)]


_rows_of_strings = _rows_of(lambda attributes: _STRING)


@op("", engine="host", differentiable=False, shape=_rows_shape, dtype=_rows_of_strings)
def split_vector(xp: Any, input: Any, *, sep: Any = "", maxsplit: int = -1) -> Any:
    """Splits strings at a separator, at white space where it is empty."""
    mark = sep.encode() if isinstance(sep, str) else sep
    return _split_rows([value.split(mark or None, maxsplit) for value in input])


@op("", engine="host", differentiable=False, shape=_rows_shape, dtype=_rows_of_strings)
def bytes_of_vector(xp: Any, input: Any) -> Any:
    """Splits strings into bytes."""
    return _split_rows([[value[i : i + 1] for i in range(len(value))] for value in input])


_rows_of_characters = _rows_of(lambda attributes: np.dtype(np.int32) if attributes["codes"] else _STRING)


@op("", engine="host", differentiable=False, shape=_rows_shape, dtype=_rows_of_characters)
def characters_of_vector(
    xp: Any, input: Any, *, encoding: str, errors: str, codes: bool, replacement_char: int
) -> Any:
    """Splits strings into characters, or (`codes`) into code points."""
    rows = [_characters(value, encoding, errors, replacement_char) for value in input]
    if codes:
        return _split_rows([[ord(c) for c in row] for row in rows], np.int32)
    return _split_rows([[c.encode(_codec(encoding)) for c in row] for row in rows])


characters_of_vector.dtype = lambda kind, codes, **_: np.dtype(np.int32) if codes else _STRING


def _codec(encoding: str) -> str:
    return {"UTF-16-BE": "utf-16-be", "UTF-32-BE": "utf-32-be"}.get(encoding, encoding)


def _characters(value: bytes, encoding: str, errors: str, replacement_char: int) -> str:
    try:
        return value.decode(_codec(encoding))
    except UnicodeDecodeError:
        if errors == "strict":
            raise InvalidArgumentError(f"Invalid formatting on input string {value!r:.60}") from None
    if errors == "ignore":
        return value.decode(_codec(encoding), "ignore")
    return value.decode(_codec(encoding), "replace").replace("\ufffd", chr(replacement_char))


def _by_vector(function: Callable, input: Any) -> Any:
    """Applies an op on vectors to a dense or ragged tensor of any rank, adding a ragged dimension."""
    if is_ragged(input):
        return input.with_flat_values(_by_vector(function, input.flat_values))
    x = as_tensor(input)
    rank = len(x.shape)
    if rank == 0:
        return _made(function(reshape(x, shape=(1,)))).values
    if rank == 1:
        return _made(function(x))
    outer = to_ragged_rank(x, rank - 1)
    return outer.with_flat_values(_by_vector(function, outer.flat_values))


def _made(parts: Any) -> Any:
    return RaggedTensor._of(parts[1], parts[0])


@export("strings.split")
def split(input: Any, sep: Any = None, maxsplit: int = -1, name: str | None = None) -> Any:
    """Splits strings into rows of words.

    Args:
        input: strings, dense or ragged.
        sep: what separates words; white space (any amount) by default.
        maxsplit: the most splits; -1: all.

    Returns:
        A ragged tensor of one dimension more; a vector for a scalar.
    """
    return _by_vector(lambda x: split_vector(x, sep=sep or "", maxsplit=maxsplit), input)


@export("strings.bytes_split")
def bytes_split(input: Any, name: str | None = None) -> Any:
    """Splits strings into rows of single bytes."""
    return _by_vector(bytes_of_vector, input)


def _by_characters(input: Any, encoding: str, errors: str, replacement_char: int, codes: bool) -> Any:
    if errors not in ("replace", "strict", "ignore"):
        raise ValueError(
            f"errors must be 'replace', 'strict' or 'ignore', received {errors!r}{at_user_location()}"
        )
    return _by_vector(
        lambda x: characters_of_vector(
            x, encoding=encoding, errors=errors, codes=codes, replacement_char=replacement_char
        ),
        input,
    )


@export("strings.unicode_split")
def unicode_split(
    input: Any,
    input_encoding: str,
    errors: str = "replace",
    replacement_char: int = 65533,
    name: str | None = None,
) -> Any:
    """Splits strings into rows of characters."""
    return _by_characters(input, input_encoding, errors, replacement_char, False)


@export("strings.unicode_decode")
def unicode_decode(
    input: Any,
    input_encoding: str,
    errors: str = "replace",
    replacement_char: int = 65533,
    replace_control_characters: bool = False,
    name: str | None = None,
) -> Any:
    """Returns the code points of the characters of strings, as rows."""
    if replace_control_characters:
        raise ValueError(f"unicode_decode: replace_control_characters is not supported{at_user_location()}")
    return _by_characters(input, input_encoding, errors, replacement_char, True)


@op(
    "",
    engine="host",
    differentiable=False,
    same_dtype=0,
    shape=lambda splits, codes, **_: (None if splits[0] is None else splits[0] - 1,),
    dtype=lambda *_, **__: _STRING,
)
def encode_rows(
    xp: Any, splits: Any, codes: Any, *, encoding: str, errors: str, replacement_char: int
) -> Any:
    """Makes strings of rows of code points."""
    out = np.empty(splits.size - 1, object)
    for i in range(out.size):
        row = codes[splits[i] : splits[i + 1]].tolist()
        out[i] = "".join(_character(c, errors, replacement_char) for c in row).encode(_codec(encoding))
    return out


def _character(code: int, errors: str, replacement_char: int) -> str:
    if 0 <= code < 0xD800 or 0xDFFF < code < 0x110000:
        return chr(code)
    if errors == "strict":
        raise InvalidArgumentError(f"Code point {code} is out of range for Unicode")
    return chr(replacement_char) if errors == "replace" else ""


@export("strings.unicode_encode")
def unicode_encode(
    input: Any,
    output_encoding: str,
    errors: str = "replace",
    replacement_char: int = 65533,
    name: str | None = None,
) -> Any:
    """Makes strings of code points along the last axis."""
    options = {"encoding": output_encoding, "errors": errors, "replacement_char": replacement_char}
    rt = input if is_ragged(input) else as_tensor(input)
    if not is_ragged(rt):
        if len(rt.shape) == 1:
            return encode_rows(as_tensor(np.array([0, rt.shape[0]])), rt, **options)[0]
        rt = to_ragged_rank(rt, len(rt.shape) - 1)
    if is_ragged(rt.values):
        return rt.with_values(unicode_encode(rt.values, output_encoding, errors, replacement_char))
    return encode_rows(rt.row_splits, rt.values, **options)


# ---- rows of strings --------------------------------------------------------------------------------------------


@op(
    "",
    engine="host",
    differentiable=False,
    same_dtype=0,
    shape=lambda splits, *_, **__: [splits, (None,)],
    dtype=lambda splits, *_, **__: [splits, _STRING],
)
def ngrams_of_rows(
    xp: Any,
    splits: Any,
    values: Any,
    *,
    widths: Any,
    separator: Any,
    left: Any,
    right: Any,
    pad: int,
    short: bool,
) -> Any:
    """Joins neighbouring strings of each row."""
    glue = separator.encode() if isinstance(separator, str) else separator
    rows = [list(values[a:b]) for a, b in zip(splits, splits[1:], strict=False)]
    found = [[g for w in widths for g in _grams(row, w, glue, left, right, pad)] for row in rows]
    if short:
        found = [g or ([glue.join(row)] if row else []) for g, row in zip(found, rows, strict=True)]
    return _split_rows(found)


ngrams_of_rows.dtype = lambda *_, **__: _STRING


def _grams(row: list, width: int, glue: bytes, left: Any, right: Any, pad: int) -> list:
    count = 0 if left is None else (width - 1 if pad < 0 else min(pad, width - 1))
    padded = [left] * count + row + [right] * count
    return [glue.join(padded[i : i + width]) for i in range(len(padded) - width + 1)]


@export("strings.ngrams")
def ngrams(
    data: Any,
    ngram_width: Any,
    separator: Any = " ",
    pad_values: Any = None,
    padding_width: Any = None,
    preserve_short_sequences: bool = False,
    name: str | None = None,
) -> Any:
    """Returns the n-grams of the strings along the last axis.

    Args:
        data: strings, dense or ragged.
        ngram_width: one width, or a tuple of widths.
        separator: goes between the strings of an n-gram.
        pad_values: None, a string, or a pair: what stands in front of rows and behind them.
        padding_width: how many of them; as many as fit (width - 1) by default.
        preserve_short_sequences: rows too short for any n-gram give one of all their strings.
    """
    widths = (ngram_width,) if isinstance(ngram_width, int) else tuple(ngram_width)
    left, right = pad_values if isinstance(pad_values, list | tuple) else (pad_values, pad_values)
    rt = data if is_ragged(data) else as_tensor(data)
    options = {
        "widths": widths,
        "separator": separator,
        "left": _bytes(left),
        "right": _bytes(right),
        "pad": -1 if padding_width is None else int(padding_width),
        "short": preserve_short_sequences,
    }
    if not is_ragged(rt) and len(rt.shape) == 1:
        return ngrams_of_rows(as_tensor(np.array([0, rt.shape[0]])), rt, **options)[1]
    rt = rt if is_ragged(rt) else to_ragged_rank(rt, len(rt.shape) - 1)
    return _grams_of(rt, options)


def _grams_of(rt: Any, options: dict) -> Any:
    if is_ragged(rt.values):
        return rt.with_values(_grams_of(rt.values, options))
    return _made(ngrams_of_rows(rt.row_splits, rt.values, **options))


def _bytes(value: Any) -> bytes | None:
    return value.encode() if isinstance(value, str) else value


@dispatches([dense_strings.join, dense_strings.join_], RaggedTensor)
def _join(inputs: Any, separator: Any = "", name: Any = None) -> Any:
    flat, rows = aligned(list(inputs), "strings.join")
    return rows.with_flat_values(dense_strings.join(flat, separator))


@op(
    "",
    engine="host",
    differentiable=False,
    same_dtype=0,
    shape=lambda splits, values, **_: (None if splits[0] is None else splits[0] - 1,),
    dtype=lambda *_, **__: _STRING,
)
def join_rows(xp: Any, splits: Any, values: Any, *, separator: Any) -> Any:
    """Joins the strings of each row."""
    out, glue = np.empty(splits.size - 1, object), _bytes(separator) or b""
    for i in range(out.size):
        out[i] = glue.join(values[splits[i] : splits[i + 1]])
    return out


@dispatches([strings_each.reduce_join, strings_each.reduce_join_], RaggedTensor)
def _reduce_join(
    inputs: Any, axis: Any = None, keepdims: Any = False, separator: Any = "", name: Any = None
) -> Any:
    rank = len(inputs.shape)
    axes = range(rank) if axis is None else np.atleast_1d(static(axis)).tolist()
    for each in sorted((a % rank for a in axes), reverse=True):
        inputs = _joined(inputs, each, keepdims, separator)
    return inputs


def _joined(rt: Any, axis: int, keepdims: bool, separator: Any) -> Any:
    if not is_ragged(rt):
        return strings_each.reduce_join(rt, axis, keepdims, separator)
    if axis > 1:
        return rt.with_values(_joined(rt.values, axis - 1, keepdims, separator))
    if axis == 0 or is_ragged(rt.values):
        raise ValueError(
            f"tf.strings.reduce_join: axis {axis} of a ragged tensor of rank {len(rt.shape)} is not supported"
            f"{at_user_location()}"
        )
    out = join_rows(rt.row_splits, rt.values, separator=separator)
    return out[:, None] if keepdims else out


@dispatches([strings_each.substr, strings_each.substr_], RaggedTensor)
def _substr(input: Any, pos: Any, len: Any, unit: str = "BYTE", name: Any = None) -> Any:
    flat, rows = aligned(
        [input, as_tensor(pos) if not is_ragged(pos) else pos, as_tensor(len)], "strings.substr"
    )
    return rows.with_flat_values(strings_each.substr(*flat, unit=unit))
