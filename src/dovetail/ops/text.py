"""Texts as the numbers of their words: one op from strings to integers, for layers that vectorize text."""

from __future__ import annotations

import collections
import itertools
import string
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from dovetail.engine import dtypes
from dovetail.ops.attrs import Nested
from dovetail.ops.families import op
from dovetail.ops.packed_words import Words, packable
from dovetail.ops.precision import INT64

_PUNCTUATION = string.punctuation.encode()
_LOWER = bytes.maketrans(string.ascii_uppercase.encode(), string.ascii_lowercase.encode())
# How a text is made uniform before it is split: what is translated, and what is left out.
_TRANSLATIONS: dict[str, tuple[bytes | None, bytes]] = {
    "lower": (_LOWER, b""),
    "strip_punctuation": (None, _PUNCTUATION),
    "lower_and_strip_punctuation": (_LOWER, _PUNCTUATION),
}
_WHITESPACE = b"\t\n\v\f\r "


def _spaced(table: bytes | None, left_out: bytes = b"") -> tuple[bytes, bytes]:
    """Returns a translation that turns all white space into spaces, too."""
    spaces = bytes.maketrans(_WHITESPACE, b" " * len(_WHITESPACE))
    return (table or bytes(range(256))).translate(spaces), left_out


_SPACED: dict[str | None, tuple[bytes, bytes]] = {None: _spaced(None)}
_SPACED.update((name, _spaced(*how)) for name, how in _TRANSLATIONS.items())
_TEXTS_AT_ONCE, _COUNTED_AT_ONCE = 256, 1024
_WORTH_PACKING = 4096  # bytes
STANDARDIZATIONS = (*sorted(_TRANSLATIONS),)
SPLITS = ("whitespace", "character")


def _uniform(texts: Iterable[bytes], standardize: str | None) -> Iterable[bytes]:
    if standardize is None:
        return texts
    table, left_out = _TRANSLATIONS[standardize]
    return (text.translate(table, left_out) for text in texts)


def _characters(text: bytes) -> list[bytes]:
    if text.isascii():
        return [text[place : place + 1] for place in range(len(text))]
    return [character.encode() for character in text.decode("utf-8", "replace")]


def _split(texts: Iterable[bytes], split: str, most: int | None) -> Iterator[list[bytes]]:
    """Yields the tokens of texts; the first `most` of them are all there, of the others some."""
    if split == "character":
        return map(_characters, texts)
    if most is None:
        return map(bytes.split, texts)
    return (text.split(None, most) for text in texts)


def _grams(tokens: list[bytes], widths: tuple[int, ...]) -> list[bytes]:
    found: list[bytes] = []
    for width in widths:
        shifted = [tokens[start:] for start in range(width)]
        found.extend(tokens if width == 1 else map(b" ".join, zip(*shifted, strict=False)))
    return found


def rows_of_tokens(
    texts: Iterable[bytes],
    standardize: str | None,
    split: str,
    ngrams: tuple[int, ...] | None = None,
    most: int | None = None,
) -> Iterator[list[bytes]]:
    """Yields the tokens of each text.

    Args:
        texts: UTF-8.
        standardize: one of `STANDARDIZATIONS`, or None.
        split: one of `SPLITS`.
        ngrams: the tokens are joined to runs of so many neighbours: all of the first width, then all of the next.
        most: how many tokens of a text to give at most.
    """
    rows = _split(_uniform(texts, standardize), split, most if ngrams is None else None)
    if ngrams is not None:
        rows = (_grams(row, ngrams) for row in rows)
    return rows if most is None else (row[:most] for row in rows)


def _packed(texts: list[bytes], standardize: str | None, split: str, ngrams: Any) -> Words | None:
    """Returns the words of texts for array operations; None where these do not serve."""
    if split != "whitespace" or ngrams is not None or sum(map(len, texts)) < _WORTH_PACKING:
        return None
    table, left_out = _SPACED[standardize]
    words = [text.translate(table, left_out) for text in texts]
    return Words(words) if all(map(packable, words)) else None


def _looked_up(texts: list[bytes], table: Any, default: int, most: int | None, how: dict) -> tuple[Any, Any]:
    """Returns the numbers of the tokens of texts, and how many each text has."""
    packed = _packed(texts, **how)
    if packed is not None:
        numbers, lengths = packed.numbers(table.packed, default), packed.lengths
        if most is None or lengths.max() <= most:
            return numbers, lengths
        places = np.arange(numbers.size) - np.repeat(lengths.cumsum() - lengths, lengths)
        return numbers[places < most], np.minimum(lengths, most)
    rows = list(rows_of_tokens(texts, **how, most=most))
    lengths = np.fromiter(map(len, rows), np.int64, len(rows))
    found = map(table.numbers.get, itertools.chain.from_iterable(rows), itertools.repeat(default))
    return np.fromiter(found, np.int64, int(lengths.sum())), lengths


def _parts(
    input: Any, table: Any, default: int, most: int | None = None, **how: Any
) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
    """Yields the texts of an array, some at a time: which they are, the numbers of their tokens, how many each has.

    What millions of tokens take is the way to memory and back, so that those of few texts are alive at once.
    """
    texts = input.reshape(-1).tolist()
    for start in range(0, len(texts), _TEXTS_AT_ONCE):
        part = texts[start : start + _TEXTS_AT_ONCE]
        yield slice(start, start + len(part)), *_looked_up(part, table, default, most, how)


def count_tokens(
    texts: list[bytes], count: collections.Counter, standardize: str | None, split: str, ngrams: Any = None
) -> None:
    """Adds how often each token occurs in texts to `count`."""
    for start in range(0, len(texts), _COUNTED_AT_ONCE):
        part = texts[start : start + _COUNTED_AT_ONCE]
        packed = _packed(part, standardize, split, ngrams)
        if packed is None:
            for row in rows_of_tokens(part, standardize, split, ngrams):
                count.update(row)
        else:
            for word, number in zip(*packed.counts(), strict=True):
                count[word] += number


def _numbers(input: Any, *args: Any, **how: Any) -> tuple[np.ndarray, np.ndarray]:
    """Returns the numbers of all tokens (tokens,), and how many each text has (texts,)."""
    parts = list(_parts(input, *args, **how))
    nothing: Any = np.empty(0, np.int64)
    numbers, lengths = (np.concatenate([nothing, *(part[i] for part in parts)]) for i in (1, 2))
    return numbers, lengths


def _rectangle_shape(shape: tuple, *, length: int | None, **_: Any) -> tuple:
    return (*shape, length)


@op("", engine="host", differentiable=False, shape=_rectangle_shape, dtype=lambda *_, **__: INT64)
def vectorize_text(
    xp: Any,
    input: Any,
    *,
    table: Any,
    default: int,
    standardize: Any,
    split: str,
    ngrams: Nested,
    length: Any,
) -> Any:
    """Returns the numbers of the tokens of texts, with zeros behind the last: (..., tokens).

    Args:
        input: strings of any shape.
        table: the numbers of tokens, an `ops.lookup.Table`.
        default: the number of other tokens.
        standardize, split, ngrams: see `rows_of_tokens`.
        length: how many numbers a text has; None: as many as the longest needs.
    """
    how = {"standardize": standardize, "split": split, "ngrams": ngrams, "most": length}
    if length is None:
        numbers, lengths = _numbers(input, table, default, **how)
        length = int(lengths.max(initial=0))
        parts: Any = [(slice(None), numbers, lengths)]
    else:
        parts = _parts(input, table, default, **how)
    out = np.zeros((input.size, length), np.int64)
    for part, numbers, lengths in parts:
        rows = out[part]
        if numbers.size == rows.size:
            rows[...] = numbers.reshape(rows.shape)
        else:
            rows[np.arange(length) < lengths[:, None]] = numbers
    return out.reshape(*input.shape, length)


@op(
    "",
    engine="host",
    differentiable=False,
    shape=lambda shape, **_: [(None if shape[0] is None else shape[0] + 1,), (None,)],
    dtype=lambda *_, **__: INT64,
)
def vectorize_text_ragged(
    xp: Any,
    input: Any,
    *,
    table: Any,
    default: int,
    standardize: Any,
    split: str,
    ngrams: Nested,
    length: Any,
) -> Any:
    """Returns the numbers of the tokens of texts (texts,) as row splits and values; see `vectorize_text`."""
    how = {"standardize": standardize, "split": split, "ngrams": ngrams, "most": length}
    numbers, lengths = _numbers(input, table, default, **how)
    return [np.concatenate([[0], lengths.cumsum()]).astype(np.int64), numbers]


def _bags_shape(shape: tuple, *weights: Any, depth: int, **_: Any) -> tuple:
    return (*shape, depth)


@op(
    "",
    engine="host",
    differentiable=False,
    same_dtype=0,
    shape=_bags_shape,
    dtype=lambda *_, dtype, **__: np.dtype(dtype),
)
def count_text(
    xp: Any,
    input: Any,
    weights: Any = None,
    *,
    table: Any,
    default: int,
    standardize: Any,
    split: str,
    ngrams: Nested,
    depth: int,
    binary: bool,
    dtype: str,
) -> Any:
    """Returns how often each token occurs in texts: (..., depth).

    Args:
        input: strings of any shape.
        weights: (depth,): what each token counts; 1 when None.
        table, default, standardize, split, ngrams: see `vectorize_text`.
        depth: how many numbers there are.
        binary: return 1 where a token occurs at all.
        dtype: of the result.
    """
    how = {"standardize": standardize, "split": split, "ngrams": ngrams}
    out = np.empty((input.size, depth), dtype)
    for part, numbers, lengths in _parts(input, table, default, **how):
        places = np.repeat(np.arange(lengths.size) * depth, lengths) + numbers
        counts: Any = np.bincount(places, minlength=lengths.size * depth).reshape(-1, depth)
        counts = counts > 0 if binary else counts
        out[part] = counts if weights is None else counts * weights
    return out.reshape(*input.shape, depth)


@op(
    "",
    engine="host",
    differentiable=False,
    shape=lambda shape, **_: shape,
    dtype=lambda *_, **__: dtypes.STRING,
)
def standardize_text(xp: Any, input: Any, *, standardize: str) -> Any:
    """Returns texts without what `standardize`, one of `STANDARDIZATIONS`, takes away."""
    out = np.empty(input.size, object)
    out[:] = list(_uniform(input.reshape(-1).tolist(), standardize))
    return out.reshape(input.shape)
