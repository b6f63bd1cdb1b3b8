"""CRC-32C (Castagnoli), the checksum of record files.

The remainder of bytes is linear in them.  So long data is cut into lanes of equal length, whose remainders are found
side by side with NumPy, byte by byte, and then put together: what a lane's remainder becomes when more bytes follow is
a linear map of its 32 bits.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

_POLYNOMIAL = 0x82F63B78  # reflected
_LANES = 256
_LONG = 8192  # bytes from which on lanes are worth their trouble
_MASK_DELTA = 0xA282EAD8


@functools.cache
def _table() -> list[int]:
    rows = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = (value >> 1) ^ (_POLYNOMIAL if value & 1 else 0)
        rows.append(value)
    return rows


def _advance(remainder: int, data: bytes) -> int:
    """Returns the remainder after more bytes."""
    table = _table()
    for byte in data:
        remainder = table[(remainder ^ byte) & 0xFF] ^ (remainder >> 8)
    return remainder


@functools.lru_cache(maxsize=64)
def _shift(count: int) -> tuple[int, ...]:
    """Returns what `count` zero bytes make of each of the 32 bits of a remainder."""
    if count == 1:
        table = _table()
        return tuple(table[bit & 0xFF] ^ (bit >> 8) for bit in (1 << i for i in range(32)))
    half = _shift(count // 2)
    twice = tuple(_applied(half, image) for image in half)
    return twice if count % 2 == 0 else tuple(_applied(_shift(1), image) for image in twice)


def _applied(images: tuple[int, ...], remainder: int) -> int:
    result, bit = 0, 0
    while remainder:
        if remainder & 1:
            result ^= images[bit]
        remainder >>= 1
        bit += 1
    return result


def _advance_in_lanes(remainder: int, data: bytes) -> int:
    length = len(data) // _LANES
    lanes = np.frombuffer(data, np.uint8, length * _LANES).reshape(_LANES, length)
    table: Any = np.array(_table(), np.uint32)
    found: Any = np.zeros(_LANES, np.uint32)
    for column in lanes.T:
        found = table[(found ^ column) & 0xFF] ^ (found >> 8)
    images = _shift(length)
    for one in found.tolist():
        remainder = _applied(images, remainder) ^ one
    return _advance(remainder, data[length * _LANES :])


def crc32c(data: bytes) -> int:
    """Returns the checksum of bytes.

    Example:
        >>> hex(crc32c(b"123456789"))
        '0xe3069283'
    """
    advance = _advance_in_lanes if len(data) >= _LONG else _advance
    return advance(0xFFFFFFFF, data) ^ 0xFFFFFFFF


def masked(data: bytes) -> int:
    """Returns the checksum as record files hold it: turned by 15 bits, and a constant added."""
    value = crc32c(data)
    return (((value >> 15) | (value << 17)) + _MASK_DELTA) & 0xFFFFFFFF
