"""Memory of large arrays: what the C library does with what was freed, and pages of what is filled once."""

from __future__ import annotations

import ctypes
import functools
import math
import mmap
import sys
from typing import Any

import numpy as np

# Of glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_LARGEST_KEPT_BLOCK = 32 << 20  # the most that glibc allows
_MOST_KEPT = 128 << 20


@functools.cache
def keep_freed_pages() -> bool:
    """Lets the process keep up to 128 MiB of what it has freed, instead of asking the system for it anew.

    Op by op on NumPy, every op makes an array.  Where these are larger than 128 KiB, glibc gives them back when they
    are freed, and a step spends a third of its time on the faults of fresh pages.

    Returns:
        whether the C library knows of such a thing: only glibc does.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is None:
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, _LARGEST_KEPT_BLOCK) and mallopt(_M_TRIM_THRESHOLD, _MOST_KEPT))


_HUGE = 1 << 22  # bytes, from which on NumPy asks for huge pages


def array_to_fill(shape: tuple, dtype: Any) -> np.ndarray:
    """Returns an array without values that is filled once, as from a file.

    NumPy asks for huge pages for large ones. What is fresh is not worth them: on a virtual machine, whose host has to
    find them, such a page can take milliseconds.
    """
    dtype = np.dtype(dtype)
    size = math.prod(shape) * dtype.itemsize
    if size < _HUGE or dtype.hasobject:
        return np.empty(shape, dtype)
    pages = mmap.mmap(-1, size)
    if hasattr(mmap, "MADV_NOHUGEPAGE"):
        pages.madvise(mmap.MADV_NOHUGEPAGE)
    return np.frombuffer(pages, dtype).reshape(shape)
