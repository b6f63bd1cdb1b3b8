"""The heaps of HDF5 files, where strings of any length stand: HDF5 goes round for ever in some damaged ones.

A collection is its head, then objects one behind the other: number, count of references, size, and the bytes.  Number 0
is the free space at the end, whose size counts its own head; where that is 0, HDF5 finds the same object again.

Source: https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html (III.E, disk format of the global heap)
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np

_MAGIC = b"GCOL\x01\0\0\0"
_HEAD_BYTES = 16
_OBJECT = struct.Struct("<HH4xQ")
_SEARCHED_WHOLE = 64 << 20
_AT_ONCE = 8 << 20


def check(data: Any) -> None:
    """Looks at all heaps of a file.

    Args:
        data: the bytes of the file, or a memory map of it.

    Raises:
        ValueError: one is damaged.
    """
    for start in _starts(data):
        if start + _HEAD_BYTES <= len(data):
            _check_collection(data, start)


def _starts(data: Any) -> Iterator[int]:
    """Yields where heaps begin; in large files only at multiples of 8, where HDF5 puts them."""
    if len(data) <= _SEARCHED_WHOLE:
        yield from (found.start() for found in re.finditer(re.escape(_MAGIC), data))
        return
    wanted = np.frombuffer(_MAGIC, np.uint64)[0]
    words: Any = np.frombuffer(data, np.uint64, len(data) // 8)
    for first in range(0, len(words), _AT_ONCE):
        yield from ((first + np.flatnonzero(words[first : first + _AT_ONCE] == wanted)) * 8).tolist()


def _check_collection(data: Any, start: int) -> None:
    (size,) = struct.unpack_from("<Q", data, start + 8)
    place, end = start + _HEAD_BYTES, start + size
    if end > len(data):
        return  # HDF5 itself refuses it
    while place + _OBJECT.size <= end:
        number, _, length = _OBJECT.unpack_from(data, place)
        step = length if number == 0 else _OBJECT.size + (length + 7) // 8 * 8
        if step < _OBJECT.size or place + step > end:
            raise ValueError(f"the heap of strings at {start} has an object of {length} bytes at {place}")
        place += step
