"""Failed checks inside compiled programs: kept where they happen, raised when the program has ended.

An exception raised by a host callback would reach the user as XLA's error about a failed callback.  So callbacks hand
theirs to `report`, and whoever called the program calls `settle`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from dovetail.engine import loaded_xla, xla

_lock = threading.Lock()
_reported: list[BaseException] = []


def check(function: Callable[..., BaseException | None], *values: Any) -> None:
    """Calls `function` with the run-time values inside a compiled program; what it returns is raised by `settle`."""

    def callback(*concrete: Any) -> None:
        error = function(*concrete)
        if error is not None:
            report(error)

    xla("checks inside compiled code").debug_callback(callback, *values)


def report(error: BaseException) -> None:
    """Keeps an exception for `settle`."""
    with _lock:
        _reported.append(error)


def settle() -> None:
    """Waits for prints and checks of the programs that were started, and raises the first reported exception."""
    engine = loaded_xla()
    if engine is None:
        return
    engine.effects_barrier()
    if _reported:
        with _lock:
            error = _reported[0]
            _reported.clear()
        raise error
