"""Words of many texts at once: each in one or two 64-bit numbers, found and counted by array operations.

A word of up to 16 bytes is two numbers, its first eight bytes and the others; a look-up compares these, in a table with
open addressing. Python's own dict does the same word by word, and takes four times as long.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail.base.own import declare

_WORD = np.dtype("<u8")  # the bytes of a word in their order, whatever the machine
_HALF, _MOST = 8, 16
_MASKS = np.array([(1 << (8 * size)) - 1 for size in range(_HALF)] + [2**64 - 1] * (_MOST - _HALF + 1), _WORD)
_FACTORS = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F)
_ROOM = 4  # places in the table for each word
_SPACE = ord(" ")
_BEHIND = b" " * (_MOST + _HALF)


@declare
class PackedTable:
    """Numbers of words, for `Words.numbers`.

    Args:
        numbers: byte string -> number.
    """

    def __init__(self, numbers: dict[bytes, int]) -> None:
        self.others = numbers  # asked for words that are longer
        known = [(*_halves(word), number) for word, number in numbers.items() if 0 < len(word) <= _MOST]
        first, second, values = ([row[i] for row in known] for i in range(3))
        size = max(1 << (_ROOM * len(known)).bit_length(), 2)
        self._shift = np.uint64(64 - (size.bit_length() - 1))
        self._last = size - 1
        self._first: Any = np.zeros(size, _WORD)
        self._second: Any = np.zeros(size, _WORD)
        self._values: Any = np.zeros(size, np.int64)
        self._fill(np.array(first, _WORD), np.array(second, _WORD), np.array(values, np.int64))

    def _fill(self, first: Any, second: Any, values: Any) -> None:
        place = self._places(first, second)
        while first.size:
            free = np.flatnonzero(self._first[place] == 0)
            _, chosen = np.unique(place[free], return_index=True)  # one word a place
            taken = free[chosen]
            at = place[taken]
            self._first[at], self._second[at], self._values[at] = first[taken], second[taken], values[taken]
            left = np.ones(first.size, bool)
            left[taken] = False
            first, second, values = first[left], second[left], values[left]
            place = (place[left] + 1) & self._last

    def _places(self, first: Any, second: Any) -> Any:
        mixed = first * _FACTORS[0]
        mixed ^= second * _FACTORS[1]
        mixed ^= mixed >> np.uint64(32)
        mixed *= _FACTORS[0]
        return (mixed >> self._shift).astype(np.int64)

    def find(self, first: Any, second: Any, default: int) -> Any:
        """Returns the number of each word, given by its halves."""
        place = self._places(first, second)
        stored = self._first[place]
        same = (stored == first) & (self._second[place] == second)
        found = np.where(same, self._values[place], default)
        pending = np.flatnonzero(~same & (stored != 0))
        while pending.size:
            place[pending] = (place[pending] + 1) & self._last
            at = place[pending]
            same = (self._first[at] == first[pending]) & (self._second[at] == second[pending])
            found[pending[same]] = self._values[at[same]]
            pending = pending[~same & (self._first[at] != 0)]
        return found


def _halves(word: bytes) -> tuple[int, int]:
    return int.from_bytes(word[:_HALF], "little"), int.from_bytes(word[_HALF:], "little")


class Words:
    """The words of some texts.

    Args:
        texts: words with single or several spaces between; no other white space, no byte 0 (see `packable`).

    Attributes:
        lengths: how many words each text has.
    """

    def __init__(self, texts: list[bytes]) -> None:
        self._joined = joined = b" " + b" ".join(texts) + _BEHIND
        letters: Any = np.frombuffer(joined, np.uint8)
        space = letters == _SPACE
        edges = np.flatnonzero(space[1:] != space[:-1])
        edges += 1
        self._starts, self._ends = edges[::2], edges[1::2]
        self._sizes = self._ends - self._starts
        sizes = np.fromiter(map(len, texts), np.int64, len(texts))
        behind = np.searchsorted(self._starts, np.cumsum(sizes + 1))
        self.lengths: Any = np.diff(behind, prepend=0)
        every = np.lib.stride_tricks.as_strided(
            np.frombuffer(joined, _WORD, 1), (letters.size - _HALF + 1,), (1,), writeable=False
        )
        self.first: Any = every[self._starts] & _MASKS[np.minimum(self._sizes, _HALF)]
        self.second: Any = np.zeros_like(self.first)
        more = np.flatnonzero(self._sizes > _HALF)
        rest = np.minimum(self._sizes[more] - _HALF, _HALF)
        self.second[more] = every[self._starts[more] + _HALF] & _MASKS[rest]
        self._long = np.flatnonzero(self._sizes > _MOST)

    def _long_words(self) -> list[bytes]:
        bounds = zip(self._starts[self._long].tolist(), self._ends[self._long].tolist(), strict=True)
        return [self._joined[start:end] for start, end in bounds]

    def numbers(self, table: PackedTable, default: int) -> Any:
        """Returns the number of each word (words,), `default` for those that the table does not have."""
        found = table.find(self.first, self.second, default)
        if self._long.size:
            found[self._long] = [table.others.get(word, default) for word in self._long_words()]
        return found

    def counts(self) -> tuple[list[bytes], list[int]]:
        """Returns the words, and how often each occurs; a word may come several times."""
        packed = np.flatnonzero(self._sizes <= _MOST) if self._long.size else slice(None)
        first, second = self.first[packed], self.second[packed]
        order = np.argsort(first ^ (second * _FACTORS[0]))
        first, second = first[order], second[order]
        begins = np.ones(first.size + 1, bool)  # and one behind the last
        np.not_equal(first[1:], first[:-1], out=begins[1:-1])
        begins[1:-1] |= second[1:] != second[:-1]
        places = np.flatnonzero(begins)
        halves = np.stack([first[places[:-1]], second[places[:-1]]], axis=1)
        words = halves.view(f"S{_MOST}").reshape(-1).tolist() if halves.size else []
        long = self._long_words()
        return words + long, np.diff(places).tolist() + [1] * len(long)


def packable(text: bytes) -> bool:
    """Returns whether `Words` may hold a text."""
    return b"\0" not in text
