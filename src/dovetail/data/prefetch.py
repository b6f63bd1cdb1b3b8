"""`prefetch`: elements are made by a thread while the caller works on the ones before."""

from __future__ import annotations

import contextvars
import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from dovetail.data.node import Node, known
from dovetail.data.plan import ArrayPlan

AUTO_SIZE = 4
_WORTH_A_THREAD_BYTES = 1 << 20


class Prefetch(Node):
    """The same elements, made up to `buffer_size` ahead (-1: the framework chooses; 0: not ahead).

    Batches that are gathered from arrays in microseconds are not handed through a thread.
    """

    passes_errors_on = True

    def __init__(self, source: Node, buffer_size: int) -> None:
        super().__init__(source)
        if buffer_size < -1:
            raise ValueError(
                f"Dataset.prefetch: buffer_size must be >= 0 or AUTOTUNE, received {buffer_size}"
            )
        self._buffer_size = AUTO_SIZE if buffer_size == -1 else buffer_size

    def _make_plan(self) -> ArrayPlan | None:
        return self.source.plan

    def elements(self) -> Iterator[tuple]:
        plan = self.plan
        if plan is not None and plan.row_bytes() * (plan.batch_size or 1) < _WORTH_A_THREAD_BYTES:
            return plan.elements()
        if not self._buffer_size or (known(self.source.cardinality()) and self.source.cardinality() <= 1):
            return self.source.elements()
        return ahead(self.source.elements, self._buffer_size)

    def _generate_after(self, count: int) -> Iterator[tuple]:
        if not self._buffer_size:
            return self.source.elements_after(count)
        return ahead(lambda: self.source.elements_after(count), self._buffer_size)


class _Buffer:
    """A bounded queue between one thread that makes elements and one that takes them."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._items: deque = deque()
        self._changed = threading.Condition()
        self._closed = False

    def put(self, item: Any) -> bool:
        """Waits for a free place; returns False when nobody will take the item."""
        with self._changed:
            while len(self._items) >= self._size and not self._closed:
                self._changed.wait()
            if self._closed:
                return False
            self._items.append(item)
            self._changed.notify_all()
            return True

    def get(self) -> Any:
        with self._changed:
            while not self._items:
                self._changed.wait()
            item = self._items.popleft()
            self._changed.notify_all()
            return item

    def is_filled(self) -> bool:
        return bool(self._items)

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._items.clear()
            self._changed.notify_all()


class Ahead(Iterator):
    """What `ahead` returns."""

    def __init__(self, make: Callable[[], Iterator], size: int) -> None:
        self._buffer: _Buffer | None = _Buffer(size)
        self._make: Callable | None = make

    def start(self) -> None:
        """Lets the thread begin, before the first element is asked for."""
        if self._make is not None and self._buffer is not None:
            arguments = self._make, self._buffer
            self._make = None
            run = contextvars.copy_context().run
            threading.Thread(
                target=run, args=(_produce, *arguments), name="dovetail-prefetch", daemon=True
            ).start()

    def is_ready(self) -> bool:
        """Whether the next element, or that there is none, is known already."""
        return self._buffer is None or self._buffer.is_filled()

    def __next__(self) -> Any:
        if self._buffer is None:
            raise StopIteration
        self.start()
        kind, item = self._buffer.get()
        if kind == "element":
            return item
        if kind == "error":
            raise item
        self.close()
        raise StopIteration

    def close(self) -> None:
        """Lets the thread end."""
        buffer, self._buffer = self._buffer, None
        if buffer is not None:
            buffer.close()

    __del__ = close


def ahead(make: Callable[[], Iterator], size: int) -> Ahead:
    """Iterates over `make()`, which runs in a thread up to `size` elements ahead.

    An exception in the thread is raised here with its own traceback, and the next element follows where there is one.
    The thread ends with the iterator: at its last element, or when the iterator is closed or dropped.
    """
    return Ahead(make, size)


def _produce(make: Callable[[], Iterator], buffer: _Buffer) -> None:
    goes_on = True
    source: Iterator = iter(())
    try:
        source = make()
    except BaseException as error:  # noqa: BLE001  it is raised where the elements are taken
        goes_on = buffer.put(("error", error))
    while goes_on:
        try:
            item = ("element", next(source))
        except StopIteration:
            break
        except BaseException as error:  # noqa: BLE001
            item = ("error", error)
        goes_on = buffer.put(item)
    close = getattr(source, "close", None)
    if close is not None:
        close()
    if goes_on:
        buffer.put(("end", None))
