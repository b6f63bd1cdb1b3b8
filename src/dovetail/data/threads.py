"""A function in threads: results in the order of the elements, or as they come; and datasets read side by side."""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any

from dovetail.data.prefetch import Ahead

_NAP_S = 0.0005


class InThreads(Iterator):
    """The results of a function for elements, in their order; it goes on behind an element that fails.

    Args:
        function: called with an element and its number.
        elements: the elements.
        num_workers: number of threads; twice as many elements are under way.
        first: the number of the first element.
    """

    def __init__(self, function: Callable, elements: Iterator, num_workers: int, first: int = 0) -> None:
        self._function, self._elements, self._most = function, elements, 2 * num_workers
        self._numbers = itertools.count(first)
        self._pool = ThreadPoolExecutor(num_workers, thread_name_prefix="dovetail-map")
        self._running: deque[Future] = deque()

    def __next__(self) -> Any:
        while len(self._running) < self._most and (leaves := next(self._elements, None)) is not None:
            self._running.append(self._pool.submit(self._function, leaves, next(self._numbers)))
        if not self._running:
            self.close()
            raise StopIteration
        return self._taken().result()

    def _taken(self) -> Future:
        return self._running.popleft()

    def close(self) -> None:
        """Lets the threads end."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    __del__ = close


class InAnyOrder(InThreads):
    """The same as they come: one that takes long does not hold up the others."""

    def _taken(self) -> Future:
        done = next(iter(wait(self._running, return_when=FIRST_COMPLETED).done))
        self._running.remove(done)
        return done


def ready_first(opened: Iterator[Ahead], cycle_length: int, block_length: int) -> Iterator:
    """Yields up to `block_length` items at a time of whichever of `cycle_length` sources has one ready."""
    slots: list[Ahead] = []
    more = True
    while more or slots:
        while more and len(slots) < cycle_length:
            source = next(opened, None)
            more = source is not None
            if source is not None:
                source.start()
                slots.append(source)
        ready = next((slot for slot in slots if slot.is_ready()), None)
        if ready is None:
            time.sleep(_NAP_S)
            continue
        slots.remove(ready)
        items = list(itertools.islice(ready, block_length))
        yield from items
        if len(items) == block_length:
            slots.append(ready)


def started(sources: Iterator[Ahead], count: int) -> Iterator[Ahead]:
    """Yields sources whose threads run already, `count` of them ahead of the one that is taken."""
    waiting: deque[Ahead] = deque()
    for source in sources:
        source.start()
        waiting.append(source)
        if len(waiting) >= count:
            yield waiting.popleft()
    yield from waiting
