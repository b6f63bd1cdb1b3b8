"""Kernels in C++ for what XLA and NumPy are slow at on the processor.

The source stands beside this file.  A machine with a compiler compiles it the first time that it is wanted, in some
seconds, and keeps the library in the user's cache folder; it is checked against NumPy whenever it is loaded.  Without a
compiler, with DOVETAIL_NATIVE=0, or after anything goes wrong, XLA's own kernels or NumPy serve; `state()` says why.
So they do for what is too brief (`kernels.brief`), where nothing has been compiled before.
"""

from __future__ import annotations

import ctypes
import threading

from dovetail.base.settings import settings
from dovetail.engine.kernels import BRIEF
from dovetail.engine.native.build import BuildError, compiled, was_compiled
from dovetail.engine.native.check import difference
from dovetail.engine.native.on_host import OnHost, num_threads

_TOLERANCE = 1e-5
_LOCK = threading.Lock()
_KEPT: list[
    bool
] = []  # at most one: whether the library was in the cache folder when that was first of interest
_FOUND: list[tuple[ctypes.CDLL | None, str]] = []  # at most one: the library, and what `state` says
_ON_HOST: list[tuple[ctypes.CDLL, OnHost]] = []  # at most one: that library, and its functions for NumPy


def library() -> ctypes.CDLL | None:
    """Returns the compiled library; None where there is none, or neither the settings nor what runs want it."""
    if not settings.native:
        return None
    with _LOCK:
        if not _FOUND:
            if left_out():
                return None
            _FOUND.append(_load())
    return _FOUND[0][0]


def left_out() -> bool:
    """Whether there is no library because what runs is too brief for compiling one."""
    if not BRIEF.get() or _FOUND or not settings.native:
        return False
    if not _KEPT:
        _KEPT.append(was_compiled())
    return not _KEPT[0]


def host_kernels() -> OnHost | None:
    """Returns the library's functions for NumPy's arrays; None where there are none, or they are not wanted."""
    if not settings.native:
        return None
    if _FOUND and _ON_HOST and _FOUND[0][0] is _ON_HOST[0][0]:
        return _ON_HOST[0][1]
    found = library()
    if found is not None:
        _ON_HOST[:] = [(found, OnHost(found))]
    return _ON_HOST[0][1] if found is not None else None


def use_threads(count: int) -> None:
    """Bounds the threads of the functions for NumPy's arrays; 0: as many as there are processors."""
    if _ON_HOST:
        _ON_HOST[0][1].use_threads(count or num_threads())


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
