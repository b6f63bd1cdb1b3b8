"""What the C library does with memory that was freed."""

from __future__ import annotations

import ctypes
import functools
import sys

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
