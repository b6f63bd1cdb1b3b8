"""Ctrl-C while steps run."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from dovetail.base.settings import state


@contextmanager
def deferred_interrupt() -> Iterator[Callable[[], None]]:
    """Holds Ctrl-C back while a step runs, so that variables always hold the values of a finished step.

    One that came in after the last step is raised at the end.

    Yields:
        a function that raises KeyboardInterrupt if one has come in.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return
    pending: list = []
    before = signal.getsignal(signal.SIGINT)

    def hold(number: int, frame: Any) -> None:
        if pending:
            signal.signal(signal.SIGINT, before)
            raise KeyboardInterrupt
        pending.append(number)

    def check() -> None:
        if pending:
            raise KeyboardInterrupt

    try:
        signal.signal(signal.SIGINT, hold)
    except ValueError:  # not allowed in an embedded interpreter
        yield lambda: None
        return
    tapes = state.tapes
    try:
        yield check
    finally:
        state.tapes = tapes  # an interrupt on a tape's own first or last line would leave it open
        signal.signal(signal.SIGINT, before if before is not None else signal.SIG_DFL)
    check()
