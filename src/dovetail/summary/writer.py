"""Event files, and which of them summaries go to."""

from __future__ import annotations

import contextlib
import itertools
import os
import socket
import threading
import time
import weakref
from collections.abc import Iterator
from typing import Any

from dovetail.base.atomic import make_folder
from dovetail.base.errors import at_user_location
from dovetail.wire.messages import Event
from dovetail.wire.records import framed

__all__ = ["SummaryWriter", "create_file_writer", "create_noop_writer"]

_VERSION = "brain.Event:2"
_WRITER = "tensorflow.core.util.events_writer"  # what TensorBoard knows the writers of whole files by
_QUEUE, _FLUSH_S = 10, 120.0
_numbers = itertools.count()  # files of one second have different names


class _Now(threading.local):
    """Where summaries of this thread go.

    Attributes:
        writer: the default writer, or None.
        step: the default step: an integer, a variable, or None.
        records: whether summaries are recorded: a bool, a tensor, or a function that returns one.
    """

    def __init__(self) -> None:
        self.writer: Any = None
        self.step: Any = None
        self.records: Any = True


now = _Now()


class SummaryWriter:
    """Writes events to a file, or nowhere.

    Made by `tf.summary.create_file_writer` and `tf.summary.create_noop_writer`.
    """

    def __init__(self, path: str | None, max_queue: int = _QUEUE, flush_s: float = _FLUSH_S) -> None:
        self._lock = threading.Lock()
        self._path, self._max_queue, self._flush_s = path, max_queue, flush_s
        self._closed, self._waiting, self._flushed_at = False, 0, time.monotonic()
        self._file: Any = None
        if path is not None:
            make_folder(os.path.dirname(path))
            self._file = open(path, "wb")  # noqa: SIM115 - close() closes it
            weakref.finalize(self, self._file.close)
            self.add_event(Event(file_version=_VERSION, source_metadata={"writer": _WRITER}))
            self.flush()

    def _check(self) -> None:
        if self._closed:
            raise RuntimeError(f"SummaryWriter is already closed{at_user_location()}")

    @contextlib.contextmanager
    def as_default(self, step: Any = None) -> Iterator[SummaryWriter]:
        """Makes this the writer of the summaries in a `with` block; flushes it at the end.

        Args:
            step: the default step in the block.
        """
        self._check()
        before = now.writer, now.step
        now.writer = self
        if step is not None:
            now.step = step
        try:
            yield self
        finally:
            if not self._closed:
                self.flush()
            now.writer, now.step = before if step is not None else (before[0], now.step)

    def set_as_default(self, step: Any = None) -> None:
        """Makes this the writer of all summaries from now on, and `step` the default step."""
        self._check()
        now.writer = self
        if step is not None:
            now.step = step

    def add_event(self, event: Event) -> None:
        """Writes an event; its time is now where it has none."""
        if self._file is None or self._closed:
            return
        if not event.wall_time:
            event.wall_time = time.time()
        with self._lock:
            self._file.write(framed(event.SerializeToString()))
            self._waiting += 1
            late = time.monotonic() - self._flushed_at > self._flush_s
            if self._waiting >= self._max_queue or late:
                self._flush()

    def _flush(self) -> None:
        self._file.flush()
        self._waiting, self._flushed_at = 0, time.monotonic()

    def flush(self) -> None:
        """Writes to the file what is still in memory."""
        if self._file is not None and not self._closed:
            with self._lock:
                self._flush()

    def init(self) -> None:
        """Does nothing: a writer is ready when it is made."""

    def close(self) -> None:
        """Writes what is in memory, and closes the file; summaries go nowhere then."""
        if self._file is not None and not self._closed:
            with self._lock:
                self._file.close()
        self._closed = True
        if now.writer is self:
            now.writer = None


def create_file_writer(
    logdir: Any,
    max_queue: int | None = None,
    flush_millis: int | None = None,
    filename_suffix: str | None = None,
    name: str | None = None,
    experimental_trackable: bool = False,
    experimental_mesh: Any = None,
) -> SummaryWriter:
    """Returns a writer to a new event file in a folder, which is made when it is not there.

    Args:
        logdir: the folder.
        max_queue: how many events may wait in memory; 10 when None.
        flush_millis: how long they may wait, in milliseconds; two minutes when None.
        filename_suffix: ending of the file's name; ".v2" when None.
        name, experimental_trackable: accepted for compatibility; they change nothing.
        experimental_mesh: must be None.
    """
    if logdir is None:
        return create_noop_writer()
    if experimental_mesh is not None:
        raise NotImplementedError(
            f"tf.summary.create_file_writer: experimental_mesh is not supported{at_user_location()}"
        )
    suffix = ".v2" if filename_suffix is None else filename_suffix
    file = f"events.out.tfevents.{int(time.time()):010d}.{socket.gethostname()}.{os.getpid()}.{next(_numbers)}{suffix}"
    return SummaryWriter(
        os.path.join(os.path.expanduser(os.fspath(logdir)), file),
        _QUEUE if max_queue is None else max(int(max_queue), 1),
        _FLUSH_S if flush_millis is None else flush_millis / 1000,
    )


def create_noop_writer() -> SummaryWriter:
    """Returns a writer that writes nothing."""
    return SummaryWriter(None)
