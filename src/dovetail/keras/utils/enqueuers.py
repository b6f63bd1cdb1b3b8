"""Keras 2's queues of batches: they are made beside the program, in threads."""

from __future__ import annotations

import random
import threading
import time
import warnings
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from dovetail.base.errors import at_user_location

__all__ = ["GeneratorEnqueuer", "OrderedEnqueuer", "SequenceEnqueuer"]

_PAUSE_S = 0.01


def _tell(what: str) -> None:
    warnings.warn(f"{what}{at_user_location()}", stacklevel=4)


class SequenceEnqueuer:
    """Base of the queues.

    Args:
        sequence: what gives the batches.
        use_multiprocessing: True gets a warning: batches are made in threads, processes are for `PyDataset` in `fit`.

    Example:
        >>> queue = keras.utils.OrderedEnqueuer(sequence)
        >>> queue.start(workers=4)
        >>> batches = queue.get()
        >>> first = next(batches)
        >>> queue.stop()
    """

    _MOST_THREADS = 64

    def __init__(self, sequence: Any, use_multiprocessing: bool = False) -> None:
        if use_multiprocessing:
            _tell(f"{type(self).__name__}: use_multiprocessing=True: batches are made in threads")
        self.sequence, self.use_multiprocessing = sequence, use_multiprocessing
        self.workers = 0
        self.queue: deque[Future] = deque()
        self.stop_signal: threading.Event | None = None
        self._pool: ThreadPoolExecutor | None = None
        self._feeder: threading.Thread | None = None
        self._room = threading.Semaphore(0)

    def is_running(self) -> bool:
        return self.stop_signal is not None and not self.stop_signal.is_set()

    def start(self, workers: int = 1, max_queue_size: int = 10) -> None:
        """Begins to make batches.

        Args:
            workers: number of threads.
            max_queue_size: number of batches that are made ahead.
        """
        if self.is_running():
            raise RuntimeError(f"{type(self).__name__} runs already{at_user_location()}")
        self.workers, self.stop_signal = workers, threading.Event()
        self.queue.clear()
        self._room = threading.Semaphore(max_queue_size)
        self._pool = ThreadPoolExecutor(
            min(max(workers, 1), self._MOST_THREADS), thread_name_prefix="dovetail-batches"
        )
        self._feeder = threading.Thread(target=self._feed, args=(self.stop_signal,), daemon=True)
        self._feeder.start()

    def stop(self, timeout: float | None = None) -> None:
        """Stops, waiting for the batches that are being made; at most `timeout` seconds."""
        if self.stop_signal is None:
            return
        self.stop_signal.set()
        self._room.release()
        if self._feeder is not None:
            self._feeder.join(timeout)
        if self._pool is not None:
            self._pool.shutdown(wait=timeout is None, cancel_futures=True)
        self.queue.clear()

    def _put(self, make: Any, *args: Any) -> None:
        """Has a batch made, when there is room for it."""
        self._room.acquire()
        if self.is_running() and self._pool is not None:
            self.queue.append(self._pool.submit(make, *args))

    def _feed(self, stop: threading.Event) -> None:
        raise NotImplementedError(type(self).__name__)

    def _is_exhausted(self) -> bool:
        return self._feeder is None or not self._feeder.is_alive()

    def get(self) -> Iterator:
        """Yields the batches, in order; an error in making one is raised here."""
        while self.is_running():
            if not self.queue:
                if self._is_exhausted() and not self.queue:
                    return
                time.sleep(_PAUSE_S)
                continue
            batch = self._result(self.queue.popleft())
            if batch is not None:
                yield batch[0]

    def _result(self, future: Future) -> tuple | None:
        """Returns a batch, in a tuple; None where there was none left to make."""
        try:
            result = future.result()
        except BaseException:
            self.stop()
            raise
        self._room.release()
        return result


class OrderedEnqueuer(SequenceEnqueuer):
    """The batches of a `keras.utils.Sequence`, in order, epoch after epoch.

    Args:
        sequence: the `Sequence`.
        use_multiprocessing: see `SequenceEnqueuer`.
        shuffle: take the batches in a new order in each epoch.
    """

    def __init__(self, sequence: Any, use_multiprocessing: bool = False, shuffle: bool = False) -> None:
        super().__init__(sequence, use_multiprocessing)
        self.shuffle = shuffle

    def _feed(self, stop: threading.Event) -> None:
        while not stop.is_set():
            order = list(range(len(self.sequence)))
            if self.shuffle:
                random.shuffle(order)
            for index in order:
                self._put(lambda index: (self.sequence[index],), index)
                if stop.is_set():
                    return
            self._wait_for_epoch(stop)
            self.sequence.on_epoch_end()

    def _wait_for_epoch(self, stop: threading.Event) -> None:
        """Waits until all batches of an epoch are made: the next one may have others."""
        while not stop.is_set() and not all(future.done() for future in list(self.queue)):
            time.sleep(_PAUSE_S)


class GeneratorEnqueuer(SequenceEnqueuer):
    """The batches of a generator.

    Args:
        generator: gives batches.
        use_multiprocessing: see `SequenceEnqueuer`.
        random_seed: gets a warning: it is for the processes that there are none of.
    """

    _MOST_THREADS = 1  # a generator runs in one thread at a time, and its batches keep their order

    def __init__(
        self, generator: Any, use_multiprocessing: bool = False, random_seed: int | None = None
    ) -> None:
        super().__init__(generator, use_multiprocessing)
        if random_seed is not None:
            _tell(
                f"{type(self).__name__}: random_seed={random_seed}: no process is seeded; seed the generator"
            )
        self.random_seed = random_seed
        self._ended = False

    def _feed(self, stop: threading.Event) -> None:
        self._ended = False
        while not stop.is_set() and not self._ended:
            self._put(self._next)

    def _next(self) -> tuple | None:
        try:
            return (next(self.sequence),)
        except StopIteration:
            self._ended = True
            return None
