"""HDF5 files that are written from their beginning to their end, such as members of archives.

HDF5 writes here and there.  What it writes of itself is little: it is kept in pages, with room for the data, which goes
out of the arrays as they lie.  Nothing large is copied.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import h5py
import numpy as np

from dovetail.wire.seekable import Seekable

_PAGE = 1 << 16
_LARGE = 1 << 16  # bytes of an array that waits; HDF5 writes others itself
_AT_ONCE = 1 << 20  # bytes that go out at once: checksums find them in the cache


class Streamed:
    """An HDF5 file that is made in memory, without the data of large arrays.

    Attributes:
        file: the open file; closed by `pieces`.
    """

    def __init__(self) -> None:
        self._pages = _Pages()
        self.file = h5py.File(self._pages, "w")
        self._arrays: list[tuple[int, np.ndarray]] = []

    def write(self, group: Any, name: str, value: np.ndarray) -> None:
        """Writes an array into a group."""
        if value.nbytes < _LARGE or value.dtype.hasobject:
            group[name] = value
            return
        plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plan.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
        plan.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
        dataset = group.create_dataset(name, value.shape, value.dtype, dcpl=plan)
        self._arrays.append((dataset.id.get_offset(), np.ascontiguousarray(value)))

    def pieces(self) -> Iterator[memoryview]:
        """Closes the file, and yields its bytes in order."""
        self.file.close()
        at = 0
        for begin, array in sorted(self._arrays, key=lambda pair: pair[0]):
            yield from self._pages.between(at, begin)
            flat = array.data.cast("B")
            for first in range(0, len(flat), _AT_ONCE):
                yield flat[first : first + _AT_ONCE]
            at = begin + len(flat)
        yield from self._pages.between(at, self._pages.size)


class _Pages(Seekable):
    """A file in memory, of which only the pages that were written take room; the others are zeros."""

    def __init__(self) -> None:
        super().__init__(0)
        self._pages: dict[int, bytearray] = {}

    def writable(self) -> bool:
        return True

    def truncate(self, size: int | None = None) -> int:
        self.size = self.at if size is None else size
        return self.size

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        for page, first, last, done in _parts(self.at, len(view)):
            self._pages.setdefault(page, bytearray(_PAGE))[first:last] = view[done : done + last - first]
        self.at += len(view)
        self.size = max(self.size, self.at)
        return len(view)

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")[: self.left()]
        for page, first, last, done in _parts(self.at, len(view)):
            view[done : done + last - first] = self._pages.get(page, bytes(_PAGE))[first:last]
        self.at += len(view)
        return len(view)

    def between(self, begin: int, end: int) -> Iterator[memoryview]:
        """Yields the bytes from `begin` up to `end`."""
        for page, first, last, _ in _parts(begin, end - begin):
            yield memoryview(self._pages.get(page, bytes(_PAGE)))[first:last]


def _parts(begin: int, length: int) -> Iterator[tuple[int, int, int, int]]:
    """Yields the pages of a range: the number, where it begins and ends in the page, and how many bytes came before."""
    done = 0
    while done < length:
        page, first = divmod(begin + done, _PAGE)
        last = min(_PAGE, first + length - done)
        yield page, first, last, done
        done += last - first
