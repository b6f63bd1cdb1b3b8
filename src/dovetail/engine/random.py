"""Random bits: one counter-based generator, the same numbers on both engines.

The generator is Philox4x64-10 (J. Salmon, M. Moraes, R. Dror, D. Shaw, 2011, "Parallel random numbers: as easy as 1,
2, 3").  A key is two 64-bit words; draw i is block i // 4, word i % 4, of the key.  The host engine uses NumPy's
generator, the XLA engine the same rounds in 64-bit integer arithmetic.
"""

from __future__ import annotations

import math
import threading
from typing import Any

import numpy as np

U64, U32, U16 = (np.dtype(name) for name in ("uint64", "uint32", "uint16"))
_MULTIPLIERS = (0xD2E7470EE14C6C93, 0xCA5A826395121157)
_WEYL = (0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B)
_ROUNDS = 10
_MASK = (1 << 64) - 1
_LOW = 0xFFFFFFFF


class _Host(threading.local):
    """One generator a thread: setting its state is ten times cheaper than making one."""

    def __init__(self) -> None:
        self.generator: Any = None  # NumPy imports its generators at their first use
        self.zeros: Any = np.zeros(4, U64)

    def draw(self, key: Any, count: int) -> Any:
        if self.generator is None:
            self.generator = np.random.Philox(key=np.zeros(2, U64))
        self.generator.state = {
            "bit_generator": "Philox",
            "state": {"counter": self.zeros, "key": key},
            "buffer": self.zeros,
            "buffer_pos": 4,
            "has_uint32": 0,
            "uinteger": 0,
        }
        return self.generator.random_raw(count)


_host = _Host()


def bits64(xp: Any, key: Any, count: int) -> Any:
    """Returns `count` random uint64.

    Args:
        xp: the engine.
        key: int64 or uint64 of shape (2,).
        count: how many; static.
    """
    key = key.astype(U64)
    if xp.name == "host":
        return np.atleast_1d(_host.draw(key, count))
    blocks = -(-count // 4)
    index = xp.arange(1, blocks + 1, dtype=U64)
    zero = xp.zeros((blocks,), U64)
    # Left to itself XLA computes all ten rounds again for each use of each word.
    words = xp.computed_once(_philox, (index, zero, zero, zero), key[0], key[1])
    return xp.stack(words, axis=1).reshape(-1)[:count]


def _philox(counter: tuple, k0: Any, k1: Any) -> tuple:
    c0, c1, c2, c3 = counter
    for _ in range(_ROUNDS):
        high0, low0 = _product(c0, _MULTIPLIERS[0])
        high1, low1 = _product(c2, _MULTIPLIERS[1])
        c0, c1, c2, c3 = high1 ^ c1 ^ k0, low1, high0 ^ c3 ^ k1, low0
        k0, k1 = k0 + np.uint64(_WEYL[0]), k1 + np.uint64(_WEYL[1])
    return c0, c1, c2, c3


def _product(x: Any, multiplier: int) -> tuple:
    """Returns the high and the low word of the 128-bit product, from products of 32-bit halves."""
    half, low = np.uint64(32), np.uint64(_LOW)
    m0, m1 = np.uint64(multiplier & _LOW), np.uint64(multiplier >> 32)
    x0, x1 = x & low, x >> half
    bottom = x0 * m0
    cross = x1 * m0 + (bottom >> half)
    middle = (cross & low) + x0 * m1
    return x1 * m1 + (cross >> half) + (middle >> half), x * np.uint64(multiplier & _MASK)


def bits32(xp: Any, key: Any, count: int) -> Any:
    """Returns `count` random uint32: the low half of each 64-bit word, then the high half."""
    return _split(xp, key, count, 2, U32)


def bits16(xp: Any, key: Any, count: int) -> Any:
    """Returns `count` random uint16, four from each 64-bit word, the lowest first."""
    return _split(xp, key, count, 4, U16)


def _split(xp: Any, key: Any, count: int, parts: int, dtype: np.dtype) -> Any:
    words = bits64(xp, key, -(-count // parts))
    if xp.name == "host":
        return words.astype("<u8").view(dtype.newbyteorder("<"))[:count].astype(dtype)
    shifts = np.arange(parts, dtype=U64) * np.uint64(64 // parts)
    return (words[:, None] >> shifts).astype(dtype).reshape(-1)[:count]


def floats(xp: Any, key: Any, shape: tuple, dtype: Any) -> Any:
    """Returns uniform numbers in [0, 1), exact multiples of 2**-24 (float32), 2**-53 (float64) or coarser (16 bits)."""
    if not shape and xp.name == "host" and dtype == np.float32:  # the short way of most single draws
        return np.asarray(((_host.draw(key.astype(U64), 1).item() & _LOW) >> 8) * 2.0**-24, dtype)
    count = math.prod(shape)
    if dtype == np.float64:
        words, kept, wide = bits64(xp, key, count) >> np.uint64(11), 53, np.dtype(np.float64)
    else:
        kept = {4: 24}.get(dtype.itemsize, 11 if dtype == np.float16 else 8)
        words, wide = bits32(xp, key, count) >> np.uint32(32 - kept), np.dtype(np.float32)
    scaled = words.astype(wide) * wide.type(2.0**-kept)
    return scaled.astype(dtype).reshape(shape)


def integers(xp: Any, key: Any, shape: tuple, low: Any, high: Any, dtype: Any) -> Any:
    """Returns uniform integers in [low, high): random bits modulo the size of the range, as TensorFlow does."""
    count = math.prod(shape)
    unsigned = U64 if dtype.itemsize == 8 else U32
    words = bits64(xp, key, count) if dtype.itemsize == 8 else bits32(xp, key, count)
    start = low.astype(unsigned)
    span = high.astype(unsigned) - start
    return (start + words.reshape(shape) % xp.maximum(span, unsigned.type(1))).astype(dtype)


def normals(xp: Any, key: Any, shape: tuple, dtype: Any) -> Any:
    """Returns standard normal numbers by the method of Box and Muller (1958); 16-bit dtypes are drawn in float32."""
    wide = dtype if dtype.itemsize >= 4 else np.dtype(np.float32)
    count = math.prod(shape)
    pairs = -(-count // 2)
    uniform = floats(xp, key, (2, pairs), wide)
    step = wide.type(2.0 ** (-53 if wide.itemsize == 8 else -24))
    radius = xp.sqrt(wide.type(-2) * xp.log(uniform[0] + step))
    angle = uniform[1] * wide.type(2 * np.pi)
    both = xp.concatenate([radius * xp.cos(angle), radius * xp.sin(angle)])
    return both[:count].reshape(shape).astype(dtype)
