"""Numbers of the protocol-buffer encoding, many at a time."""

from __future__ import annotations

from typing import Any

import numpy as np

_MOST_OF_LENGTH = 5  # bytes of a length; no message is longer than 2**35
_MOST_OF_NUMBER = 10
_WIDE = 64  # bytes on average from which on slices of bytes are copied, not single bytes


def length_at(data: bytes, place: int) -> tuple[int, int]:
    """Returns the number that stands at a place, and the place after it; what has no end reads as too large."""
    size = shift = 0
    while place < len(data):
        byte = data[place]
        place += 1
        size |= (byte & 127) << shift
        if byte < 128:
            return size, place
        shift += 7
        if shift > 63:
            break
    return 1 << 63, place


def lengths_at(data: Any, places: Any, last: int) -> tuple[Any, Any]:
    """Reads the number that stands at each of some places.

    Args:
        data: uint8, the bytes, with spare ones after `last`.
        places: int64 (n,), at most `last`.
        last: the largest place that there is.

    Returns:
        `(numbers, the places after them)`, int64; what is longer than 5 bytes reads as too large.
    """
    byte: Any = data[places].astype(np.int64)
    places = places + 1
    more = byte >= 128
    values = byte & 127
    for k in range(1, _MOST_OF_LENGTH):
        if not more.any():
            return values, places
        byte = np.where(more, data[np.minimum(places, last)], 0).astype(np.int64)
        values |= (byte & 127) << (7 * k)
        places = places + more
        more = byte >= 128
    return np.where(more, 1 << 35, values), places


def gathered(data: Any, starts: Any, sizes: Any) -> Any:
    """Returns the bytes of some ranges one after the other: uint8."""
    count = len(starts)
    if not count:
        return data[:0]
    size = int(sizes[0])
    if (sizes == size).all():
        windows: Any = np.ndarray((len(data) - size + 1, size), np.uint8, data, strides=(1, 1))
        return windows[starts].reshape(-1)
    total = int(sizes.sum())
    if total > _WIDE * count:
        return np.concatenate([data[a : a + n] for a, n in zip(starts.tolist(), sizes.tolist(), strict=True)])
    before: Any = np.cumsum(sizes) - sizes
    return data[np.repeat(starts - before, sizes) + np.arange(total)]


def numbers_in(data: Any, sizes: Any) -> tuple[Any, Any] | None:
    """Reads the numbers that fill ranges of bytes, which stand one after the other.

    Args:
        data: uint8, the ranges.
        sizes: int64 (n,), how long each is.

    Returns:
        `(the numbers, int64; how many are in each range)`; None where a range ends within a number, or one is too long.
    """
    ends_one: Any = data < 128
    ends: Any = np.cumsum(sizes)
    filled = ends[sizes > 0] - 1
    if not ends_one[filled].all():
        return None
    if ends_one.all():
        return data.astype(np.int64), sizes
    total: Any = np.concatenate([[0], np.cumsum(ends_one)])
    counts = total[ends] - total[ends - sizes]
    lasts = np.flatnonzero(ends_one)
    starts: Any = np.concatenate([[0], lasts[:-1] + 1])
    widths = lasts - starts + 1
    widest = int(widths.max())
    if widest > _MOST_OF_NUMBER:
        return None
    values = (data[starts] & 127).astype(np.uint64)
    for k in range(1, widest):
        rows = np.flatnonzero(widths > k)
        values[rows] |= (data[starts[rows] + k] & 127).astype(np.uint64) << np.uint64(7 * k)
    return values.view(np.int64), counts
