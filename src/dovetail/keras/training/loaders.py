"""Numbered batches that several workers make ahead of their turn, in threads or in processes of their own."""

from __future__ import annotations

import collections
import importlib
from collections.abc import Callable, Iterator, Sequence
from concurrent import futures
from typing import Any, NamedTuple

from dovetail.base.errors import at_user_location

# The source of a worker process.
_HELD: list[Any] = []


class Workers(NamedTuple):
    """Who makes the batches of a source.

    Attributes:
        number: how many workers.
        in_processes: each is a process of its own, which has a copy of the source.
        most_ahead: how many batches may wait for their turn.
    """

    number: int = 1
    in_processes: bool = False
    most_ahead: int = 10

    @property
    def work_ahead(self) -> bool:
        """False for a single one in this process: it makes each batch when its turn comes."""
        return self.number > 1 or (self.in_processes and self.number == 1)


def workers_of(source: Any) -> Workers:
    """Returns the workers that a `PyDataset` asks for."""
    given = [getattr(source, name, None) for name in ("workers", "use_multiprocessing", "max_queue_size")]
    return Workers(int(given[0] or 1), bool(given[1]), int(given[2] or 10))


def batches_of(source: Any, order: Sequence[int], workers: Workers) -> Iterator[Any]:
    """Yields `source[i]` for the numbers in `order`, in that order.

    Raises:
        RuntimeError: a worker process has died.
    """
    if not workers.work_ahead:
        return (source[i] for i in order)
    return _made_ahead(source, order, workers)


def _made_ahead(source: Any, order: Sequence[int], workers: Workers) -> Iterator[Any]:
    pool, item = _pool(source, workers)
    waiting: collections.deque = collections.deque()
    numbers = iter(order)
    try:
        while True:
            while len(waiting) < max(workers.most_ahead, workers.number):
                number = next(numbers, None)
                if number is None:
                    break
                waiting.append(pool.submit(item, number))
            if not waiting:
                return
            yield waiting.popleft().result()
    except futures.BrokenExecutor as error:
        raise RuntimeError(
            f"a worker process of {type(source).__name__} has died. Processes are spawned: the program must stand "
            f"below `if __name__ == '__main__':`, and the data must be picklable{at_user_location()}"
        ) from error
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _pool(source: Any, workers: Workers) -> tuple[futures.Executor, Callable]:
    if not workers.in_processes:
        return futures.ThreadPoolExecutor(workers.number, thread_name_prefix="batches"), source.__getitem__
    # A fork would copy the threads' locks, and nothing that frees them.
    context = importlib.import_module("multiprocessing").get_context("spawn")
    return futures.ProcessPoolExecutor(workers.number, context, _hold, (source,)), _item


def _hold(source: Any) -> None:
    _HELD[:] = [source]


def _item(number: int) -> Any:
    return _HELD[0][number]


class Loaded:
    """A source of numbered batches with other workers than it asks for (Keras 2: `fit(data, workers=4)`)."""

    def __init__(self, source: Any, workers: Workers) -> None:
        self._source = source
        self.workers, self.use_multiprocessing, self.max_queue_size = workers

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, index: int) -> Any:
        return self._source[index]

    def on_epoch_begin(self) -> None:
        if hasattr(self._source, "on_epoch_begin"):
            self._source.on_epoch_begin()

    def on_epoch_end(self) -> None:
        if hasattr(self._source, "on_epoch_end"):
            self._source.on_epoch_end()


def with_workers(source: Any, count: int, in_processes: bool, most_ahead: int) -> Any:
    """Returns a source whose batches these workers make; other data as it is."""
    asked = Workers(int(count or 1), bool(in_processes), int(most_ahead))
    numbered = hasattr(source, "__getitem__") and hasattr(source, "on_epoch_end")
    return Loaded(source, asked) if asked.work_ahead and numbered else source
