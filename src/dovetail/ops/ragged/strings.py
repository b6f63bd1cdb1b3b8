"""String ops that give rows of different lengths: splitting and n-grams; and those that take such rows."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.engine import dtypes
from dovetail.engine.text import natively
from dovetail.ops import strings as dense_strings
from dovetail.ops import strings_each, strings_join
from dovetail.ops.attrs import Text, static, text
from dovetail.ops.dispatch import dispatches
from dovetail.ops.families import op
from dovetail.ops.ragged.broadcast import aligned
from dovetail.ops.ragged.reductions import axes_of, reduce_axis
from dovetail.ops.ragged.rows import is_ragged, to_ragged_rank
from dovetail.ops.ragged.tensor import RaggedTensor
from dovetail.ops.shapes import as_tensor, expand_dims, reshape
from dovetail.ops.shapes import shape as shape_of
from dovetail.ops.strings import listed
from dovetail.ops.views import export

_STRING = dtypes.STRING
_INT64 = np.dtype(np.int64)


def rows_shape(shape: tuple, **_: Any) -> list:
    """The shape rule of ops that split the strings of a vector: row splits, values."""
    return [(None if shape[0] is None else shape[0] + 1,), (None,)]


_SPLITS_STRINGS: dict[str, Any] = {
    "engine": "host",
    "differentiable": False,
    "shape": rows_shape,
    "dtype": lambda *_, **__: [_INT64, _STRING],
}


def splits_of(lengths: Any) -> np.ndarray:
    """Returns the row splits of rows of these lengths."""
    return np.append(0, np.cumsum(lengths, dtype=np.int64))


def filled(values: list) -> np.ndarray:
    """Returns a vector of strings."""
    found: np.ndarray = np.empty(len(values), object)
    found[:] = values
    return found


@op("", **_SPLITS_STRINGS)
def split_vector(xp: Any, input: Any, *, sep: Text = b"", maxsplit: int = -1) -> Any:
    """Splits strings at a separator, at white space where it is empty."""
    found = natively.words(input) if not sep and maxsplit < 0 else None
    if found is not None:
        return [splits_of(found[0]), found[1]]
    lengths = np.empty(input.size, np.int64)
    values: list[bytes] = []  # one list for all: Python's collector looks through many again and again
    mark, most, extend = sep or None, -1 if maxsplit < 0 else maxsplit, values.extend
    for i, value in enumerate(listed(input)):
        words = value.split(mark, most) if most else [value]
        if mark is None and len(words) == most:
            words.append(b"")  # what is left after the last split
        lengths[i] = len(words)
        extend(words)
    return [splits_of(lengths), filled(values)]


_BYTES = filled([bytes((code,)) for code in range(256)])


@op("", **_SPLITS_STRINGS)
def bytes_of_vector(xp: Any, input: Any) -> Any:
    """Splits strings into bytes."""
    values = listed(input)
    lengths = np.fromiter(map(len, values), np.int64, len(values))
    return [splits_of(lengths), _BYTES[np.frombuffer(b"".join(values), np.uint8)]]


def by_vector(function: Callable, input: Any) -> list:
    """Applies an op on vectors to a dense or ragged tensor of any rank, adding a ragged dimension.

    Args:
        function: `f(vector) -> (row splits, values, more values ...)`.

    Returns:
        A tensor for each of the values.
    """
    if is_ragged(input):
        return [input.with_flat_values(part) for part in by_vector(function, input.flat_values)]
    x = as_tensor(input)
    rank = len(x.shape)
    if rank == 0:
        return list(function(reshape(x, shape=(1,)))[1:])
    if rank == 1:
        splits, *values = function(x)
        return [RaggedTensor._of(each, splits) for each in values]
    outer = to_ragged_rank(x, rank - 1)
    return [outer.with_flat_values(part) for part in by_vector(function, outer.flat_values)]


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
    return by_vector(lambda x: split_vector(x, sep="" if sep is None else sep, maxsplit=maxsplit), input)[0]


@export("strings.bytes_split")
def bytes_split(input: Any, name: str | None = None) -> Any:
    """Splits strings into rows of single bytes."""
    return by_vector(bytes_of_vector, input)[0]


# ---- n-grams ------------------------------------------------------------------------------------------------------


@op("", engine="host", differentiable=False, same_dtype=0, shape=lambda splits, *_, **__: [splits, (None,)])
def ngrams_of_rows(
    xp: Any,
    splits: Any,
    values: Any,
    *,
    widths: Any,
    separator: Text,
    padding: Any,
    pad: int,
    short: bool,
) -> Any:
    """Joins neighbouring strings of each row."""
    items, bounds = listed(values), splits.tolist()
    lengths: np.ndarray = np.empty(len(bounds) - 1, np.int64)
    found: list[bytes] = []
    for i, (start, end) in enumerate(itertools.pairwise(bounds)):
        before = len(found)
        row = items[start:end]
        for width in widths if items else ():
            _add_grams(found, row, width, separator, padding, pad)
        if short and row and len(found) == before:
            left, right = padding or (b"", b"")
            found.append(separator.join([left] * max(pad, 0) + row + [right] * max(pad, 0)))
        lengths[i] = len(found) - before
    return [splits_of(lengths).astype(splits.dtype), filled(found)]


ngrams_of_rows.dtype = lambda splits, *_, **__: [splits, _STRING]


def _add_grams(found: list, row: list, width: int, separator: bytes, padding: Any, pad: int) -> None:
    if padding is not None:
        count = width - 1 if pad < 0 else min(pad, width - 1)
        row = [padding[0]] * count + row + [padding[1]] * count
    if width == 1:
        found.extend(row)
    else:
        found.extend(map(separator.join, zip(*(row[i:] for i in range(width)), strict=False)))


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
        data: strings, dense or ragged, of rank 1 at least.
        ngram_width: one width, or a list of widths.
        separator: goes between the strings of an n-gram.
        pad_values: None, a string, or a pair: what stands in front of rows and behind them.
        padding_width: how many of them; as many as fit (width - 1) by default.
        preserve_short_sequences: rows too short for any n-gram give one of all their strings.

    Returns:
        Ragged for ragged data, dense for dense.
    """
    options = {
        "widths": _widths(ngram_width),
        "separator": separator,
        "padding": _padding(pad_values, padding_width),
        "pad": -1 if padding_width is None else int(static(padding_width)),
        "short": bool(preserve_short_sequences),
    }
    if is_ragged(data):
        return _grams_of(data, options)
    x = as_tensor(data)
    if len(x.shape) == 0:
        raise ValueError(
            f"tf.strings.ngrams: expected rank 1 at least, received a scalar{at_user_location()}"
        )
    if len(x.shape) == 1:
        size = reshape(shape_of(x, "int64"), shape=(1,))
        return ngrams_of_rows(size * np.array([0, 1]), x, **options)[1]
    return _grams_of(to_ragged_rank(x, len(x.shape) - 1), options).to_tensor("")


def _widths(given: Any) -> tuple[int, ...]:
    given = static(given)
    widths = tuple(int(width) for width in (given if isinstance(given, Sequence) else [given]))
    if any(width < 1 for width in widths):
        raise ValueError(
            f"tf.strings.ngrams: all widths must be greater than 0, received {given}{at_user_location()}"
        )
    return widths


def _padding(values: Any, width: Any) -> tuple[bytes, bytes] | None:
    if width is not None and int(static(width)) < 1:
        raise ValueError(
            f"tf.strings.ngrams: padding_width must be greater than 0, received {width}{at_user_location()}"
        )
    if values is None:
        if width is not None:
            raise ValueError(f"tf.strings.ngrams: padding_width needs pad_values{at_user_location()}")
        return None
    left, right = values if isinstance(values, list | tuple) and len(values) == 2 else (values, values)
    return text(left), text(right)


def _grams_of(rt: Any, options: dict) -> Any:
    if is_ragged(rt.values):
        return rt.with_values(_grams_of(rt.values, options))
    splits, values = ngrams_of_rows(rt.row_splits, rt.values, **options)
    return RaggedTensor._of(values, splits)


# ---- rows of strings ----------------------------------------------------------------------------------------------


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
def join_rows(xp: Any, splits: Any, values: Any, *, separator: Text) -> Any:
    """Joins the strings of each row."""
    items = listed(values)
    return filled([strings_join.glued(separator, items[a:b]) for a, b in itertools.pairwise(splits.tolist())])


@dispatches([strings_join.reduce_join, strings_join.reduce_join_], RaggedTensor)
def _reduce_join(
    inputs: Any, axis: Any = None, keepdims: Any = False, separator: Any = "", name: Any = None
) -> Any:
    rank = len(inputs.shape)
    if axis is None:
        out = strings_join.reduce_join(inputs.flat_values, separator=separator)
        return reshape(out, shape=(1,) * rank) if keepdims else out
    for each in axes_of(axis, rank, "strings.reduce_join"):
        inputs = _joined(inputs, each, keepdims, separator)
    return inputs


def _joined(rt: Any, axis: int, keepdims: bool, separator: Any) -> Any:
    if is_ragged(rt) and axis == rt.ragged_rank == len(rt.shape) - 1:
        return _joined_last(rt, keepdims, separator)
    dense = functools.partial(strings_join.reduce_join, separator=separator)
    segments = functools.partial(strings_join.unsorted_segment_join, separator=separator)
    return reduce_axis(dense, segments, rt, axis, keepdims)


def _joined_last(rt: Any, keepdims: bool, separator: Any) -> Any:
    if is_ragged(rt.values):
        return rt.with_values(_joined_last(rt.values, keepdims, separator))
    out = join_rows(rt.row_splits, rt.values, separator=separator)
    return expand_dims(out, axis=1) if keepdims else out


@dispatches([strings_each.substr, strings_each.substr_], RaggedTensor)
def _substr(input: Any, pos: Any, len: Any, unit: str = "BYTE", name: Any = None) -> Any:
    operands = [each if is_ragged(each) else as_tensor(each) for each in (input, pos, len)]
    if not is_ragged(pos) and not is_ragged(len) and not operands[1].shape and not operands[2].shape:
        return input.with_flat_values(strings_each.substr(input.flat_values, *operands[1:], unit=unit))
    flat, rows = aligned(operands, "strings.substr")
    return rows.with_flat_values(strings_each.substr(*flat, unit=unit))
