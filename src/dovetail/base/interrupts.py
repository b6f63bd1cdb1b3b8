"""Holding Ctrl-C back over a few lines that must run as one."""

from __future__ import annotations

import signal
import threading
from _signal import (
    signal as _set_handler,
)  # without the enums that signal.signal makes of numbers, 5 microseconds a call
from types import TracebackType
from typing import Any

_MAIN = threading.main_thread().ident


class hold_interrupts:
    """A context in which Ctrl-C waits until the end.  Free of effect outside of the main thread.

    Used around "run a program that gives up its input buffers, store its outputs": an interrupt between the two would
    leave variables without values.
    """

    __slots__ = ("_before", "_came")

    def __enter__(self) -> hold_interrupts:
        self._came = False
        self._before: Any = None
        if threading.get_ident() == _MAIN:
            try:
                self._before = _set_handler(signal.SIGINT, self._note)
            except ValueError:  # an embedded interpreter, where Python handles no signals
                self._before = None
        return self

    def _note(self, number: int, frame: Any) -> None:
        self._came = True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        before = self._before
        if before is None:
            return
        _set_handler(signal.SIGINT, before)
        if self._came and kind is None:
            if callable(before):
                before(signal.SIGINT, None)
            elif before == signal.SIG_DFL:
                raise KeyboardInterrupt
