"""Kernels in C++ for what XLA and NumPy are slow at on the processor.

The source stands beside this file.  A machine with a compiler compiles it the first time that it is wanted, in a second
or two, and keeps the library in the user's cache folder; it is checked against NumPy whenever it is loaded.  Without a
compiler, with DOVETAIL_NATIVE=0, or after anything goes wrong, XLA's own kernels or NumPy serve; `state()` says why.
"""

from __future__ import annotations

import ctypes
import threading

from dovetail.base.settings import settings
from dovetail.engine.native.build import BuildError, compiled
from dovetail.engine.native.check import difference

_TOLERANCE = 1e-5
_LOCK = threading.Lock()
_FOUND: list[tuple[ctypes.CDLL | None, str]] = []  # at most one: the library, and what `state` says


def library() -> ctypes.CDLL | None:
    """Returns the compiled library; None where there is none, or the settings do not want it."""
    if not settings.native:
        return None
    with _LOCK:
        if not _FOUND:
            _FOUND.append(_load())
    return _FOUND[0][0]


def state() -> str:
    """Says in a few words whether native kernels are in use, and why not."""
    library()
    return _FOUND[0][1] if settings.native else "off (DOVETAIL_NATIVE=0)"


def _load() -> tuple[ctypes.CDLL | None, str]:
    try:
        loaded, where = compiled()
    except BuildError as error:
        return None, f"none: {error}"
    wrong = difference(loaded)
    if not wrong <= _TOLERANCE:
        return None, f"none: {where} gives results that differ from NumPy's by {wrong:.1g}"
    return loaded, where
