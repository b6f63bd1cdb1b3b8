"""Where the time of training goes: spans of it by kind, while somebody wants to know.

A span within another takes its time from it, so that the kinds add up to the whole. What nobody watches costs a look
at an attribute.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext

COMPILING, DATA, DISPATCH, STEPS, CALLBACKS = (
    "compiling",
    "waiting for data",
    "dispatch",
    "steps",
    "callbacks",
)
OTHER = "other"
KINDS = (COMPILING, DATA, DISPATCH, STEPS, CALLBACKS, OTHER)


class Stopwatch:
    """Counts the time of one thread by kind.

    Attributes:
        seconds: by kind.
    """

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(KINDS, 0.0)
        self._open = [OTHER]
        self._since = time.perf_counter()

    @property
    def kind(self) -> str:
        """What the time counts as now."""
        return self._open[-1]

    def lap(self) -> None:
        """Counts the time until now."""
        now = time.perf_counter()
        self.seconds[self.kind] += now - self._since
        self._since = now

    def begin(self, kind: str) -> None:
        """Counts the time from now on as of a kind."""
        self.lap()
        self._open.append(kind)

    def end(self) -> None:
        """Counts it as what it counted as before."""
        self.lap()
        self._open.pop()

    def move(self, seconds: float, kind: str, to: str) -> None:
        """Counts some of what has passed as of another kind."""
        self.lap()
        seconds = min(seconds, self.seconds[kind])
        self.seconds[kind] -= seconds
        self.seconds[to] += seconds

    def take_over(self, inner: Stopwatch) -> None:
        """Counts what another one has counted since the last lap."""
        for kind, seconds in inner.seconds.items():
            self.seconds[kind] += seconds
        self._since = time.perf_counter()


class _Here(threading.local):
    watch: Stopwatch | None = None


here = _Here()
_NOTHING = nullcontext()


class _Span:
    __slots__ = ("_kind", "_watch")

    def __init__(self, watch: Stopwatch, kind: str) -> None:
        self._watch, self._kind = watch, kind

    def __enter__(self) -> None:
        self._watch.begin(self._kind)

    def __exit__(self, *exc: object) -> None:
        self._watch.end()


def spending(kind: str) -> AbstractContextManager:
    """Counts what runs in a `with` block as of a kind, where this thread is watched."""
    return _NOTHING if here.watch is None else _Span(here.watch, kind)


def is_watched() -> bool:
    """Whether this thread's time is counted."""
    return here.watch is not None


def waiting_for(items: Iterator, computes: Callable[[], bool]) -> Iterator:
    """Yields the items; who waits for one while the device still computes has not waited for data."""
    watch = here.watch
    return items if watch is None else _waiting_for(items, computes, watch)


def _waiting_for(items: Iterator, computes: Callable[[], bool], watch: Stopwatch) -> Iterator:
    while True:
        before = watch.seconds[DATA]
        with _Span(watch, DATA):
            item = next(items, _END)
        if computes():
            watch.move(watch.seconds[DATA] - before, DATA, STEPS)
        if item is _END:
            return
        yield item


_END = object()
