"""Hashes of many byte strings at once, with the values that TensorFlow has; all arithmetic is modulo 2^64.

Sources: G. Pike, 2014, "FarmHash" (`Fingerprint64`); J.-P. Aumasson, D. Bernstein, 2012, "SipHash: a fast short-input
PRF" (SipHash-2-4); A. Appleby, 2008, "MurmurHash2" (its 64-bit form).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from dovetail.base.fingerprint import SIP_BEGIN, fingerprint64, siphash64

try:
    from farmhash import Fingerprint64
except ImportError:  # no build of cityhash for this Python; the same values, slower by far
    Fingerprint64 = fingerprint64

_U64 = np.dtype(np.uint64)
_MURMUR, _MURMUR_SEED = np.uint64(0xC6A4A7935BD1E995), np.uint64(0xDECAFCAFFE)
_LONGEST = 1 << 15  # bytes; the few strings that are longer are hashed one by one
_BLOCK = 1 << 13  # strings that are hashed together
_PADS = [bytes(8 - rest) for rest in range(8)]  # fills up a last word, or adds one of zeros


class _Words:
    """Strings as 64-bit words, the last one filled up with zeros; the longest strings first.

    Attributes:
        lengths: bytes of each string, in descending order.
    """

    def __init__(self, values: Sequence[bytes]) -> None:
        lengths = np.fromiter(map(len, values), np.int64, len(values))
        self._order = np.argsort(-lengths, kind="stable")
        self.lengths = lengths[self._order]
        padded = b"".join([value + _PADS[len(value) & 7] for value in values])
        self._words = np.frombuffer(padded, "<u8")
        counts = lengths // 8 + 1
        self._starts = (np.cumsum(counts) - counts)[self._order]

    def hashed(self, function: Callable[[_Words], np.ndarray]) -> np.ndarray:
        """Returns the hash of each string, in the order of the strings.

        Args:
            function: `f(words) -> hashes`; is called with few strings at a time, so that they stay in the cache.
        """
        result: np.ndarray = np.empty(len(self.lengths), _U64)
        for start in range(0, len(self.lengths), _BLOCK):
            part = slice(start, start + _BLOCK)
            block = copy.copy(self)
            block.lengths, block._starts = self.lengths[part], self._starts[part]
            result[self._order[part]] = function(block)
        return result

    def steps(self) -> Iterator[tuple[int, int, np.ndarray]]:
        """Yields `(step, number of strings that have so many words, the next word of each)`."""
        counts = self.lengths // 8 + 1
        for step in range(int(counts[0]) if len(counts) else 0):
            count = int(np.searchsorted(-counts, -step, side="left"))
            yield step, count, self._words[self._starts[:count] + step]


def fingerprints(values: Sequence[bytes]) -> np.ndarray:
    """Returns FarmHash's fingerprint of each string, uint64."""
    return np.fromiter(map(Fingerprint64, values), _U64, len(values))


def siphashes(values: Sequence[bytes], key: tuple[int, int]) -> np.ndarray:
    """Returns the hash of each string under a key of two 64-bit words, uint64."""
    found: np.ndarray = np.empty(len(values), _U64)
    short = np.fromiter((len(value) <= _LONGEST for value in values), bool, len(values))
    for place in np.flatnonzero(~short).tolist():
        found[place] = siphash64(values[place], key)
    if short.any():
        chosen = list(values) if short.all() else [value for value in values if len(value) <= _LONGEST]
        found[short] = _Words(chosen).hashed(lambda block: _siphashes(block, key))
    return found


def murmurs(values: Sequence[bytes]) -> np.ndarray:
    """Returns MurmurHash of each string, uint64."""
    return _Words(values).hashed(_murmurs)


def _murmurs(words: _Words) -> np.ndarray:
    result = _MURMUR_SEED ^ (words.lengths.astype(_U64) * _MURMUR)
    whole = words.lengths // 8
    for step, count, chunk in words.steps():
        full = whole[:count] > step
        mixed = chunk * _MURMUR
        mixed = (mixed ^ (mixed >> np.uint64(47))) * _MURMUR
        head = result[:count]
        rest = np.where(words.lengths[:count] % 8 > 0, (head ^ chunk) * _MURMUR, head)
        result[:count] = np.where(full, (head ^ mixed) * _MURMUR, rest)
    result = (result ^ (result >> np.uint64(47))) * _MURMUR
    return result ^ (result >> np.uint64(47))


def _siphashes(words: _Words, key: tuple[int, int]) -> np.ndarray:
    k0, k1 = (np.uint64(word & ((1 << 64) - 1)) for word in key)
    size = len(words.lengths)
    state: list[np.ndarray] = [
        np.full(size, np.uint64(b) ^ k, _U64) for b, k in zip(SIP_BEGIN, (k0, k1, k0, k1), strict=True)
    ]
    ends = (words.lengths.astype(_U64) & np.uint64(0xFF)) << np.uint64(56)
    last = words.lengths // 8
    for step, count, chunk in words.steps():
        chunk = np.where(last[:count] == step, chunk | ends[:count], chunk)
        part = [each[:count] for each in state]
        part[3] ^= chunk
        _rounds(part, 2)
        part[0] ^= chunk
    state[2] ^= np.uint64(0xFF)
    _rounds(state, 4)
    return state[0] ^ state[1] ^ state[2] ^ state[3]


def _rounds(v: list[np.ndarray], count: int) -> None:
    """Runs rounds of SipHash, in place."""
    v0, v1, v2, v3 = v
    for _ in range(count):
        v0 += v1
        v2 += v3
        _turn(v1, 13)
        _turn(v3, 16)
        v1 ^= v0
        v3 ^= v2
        _turn(v0, 32)
        v2 += v1
        v0 += v3
        _turn(v1, 17)
        _turn(v3, 21)
        v1 ^= v2
        v3 ^= v0
        _turn(v2, 32)


def _turn(x: np.ndarray, bits: int) -> None:
    high = x >> np.uint64(64 - bits)
    x <<= np.uint64(bits)
    x |= high
