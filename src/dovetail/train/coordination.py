"""`tf.train`: threads that stop together, and clusters as descriptions."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

from dovetail.base.errors import OutOfRangeError, at_user_location
from dovetail.wire.examples import ClusterDef


class Coordinator:
    """Lets threads know when all of them are to stop, and passes on what one of them raised.

    Args:
        clean_stop_exception_types: exceptions that only mean the end, `OutOfRangeError` when None.
    """

    def __init__(self, clean_stop_exception_types: Any = None) -> None:
        self._clean = tuple(clean_stop_exception_types or (OutOfRangeError,))
        self._stop, self._lock = threading.Event(), threading.Lock()
        self._error: BaseException | None = None
        self._threads: list[threading.Thread] = []
        self.joined = False

    def request_stop(self, ex: Any = None) -> None:
        """Asks all threads to stop; `ex` is an exception, or what `sys.exc_info()` gives, that `join` raises."""
        with self._lock:
            if not self._stop.is_set():
                error = ex[1] if isinstance(ex, tuple) else ex
                if isinstance(error, BaseException) and not isinstance(error, self._clean):
                    self._error = error
                self._stop.set()

    def clear_stop(self) -> None:
        """Begins anew."""
        self._stop.clear()
        self._error, self.joined = None, False

    def should_stop(self) -> bool:
        return self._stop.is_set()

    def wait_for_stop(self, timeout: float | None = None) -> bool:
        """Waits until a stop is asked for, or `timeout` seconds; returns whether it was."""
        return self._stop.wait(timeout)

    def register_thread(self, thread: threading.Thread) -> None:
        """Adds a thread that `join` waits for."""
        self._threads.append(thread)

    @contextlib.contextmanager
    def stop_on_exception(self) -> Iterator[None]:
        """Asks for a stop when the `with` block raises."""
        try:
            yield
        except Exception:  # noqa: BLE001  join raises it
            self.request_stop(sys.exc_info())

    def join(
        self,
        threads: Any = None,
        stop_grace_period_secs: float = 120,
        ignore_live_threads: bool = False,
    ) -> None:
        """Waits for the threads, and raises what one of them raised.

        Args:
            threads: besides those that were registered.
            stop_grace_period_secs: how long they may take once a stop is asked for.
            ignore_live_threads: False: RuntimeError for those that take longer.
        """
        waited = [*self._threads, *[t for t in threads or () if t not in self._threads]]
        while any(t.is_alive() for t in waited) and not self.wait_for_stop(0.05):
            pass
        end = time.monotonic() + stop_grace_period_secs
        for thread in waited:
            thread.join(max(0.0, end - time.monotonic()))
        alive = [t.name for t in waited if t.is_alive()]
        self.joined, self._threads = True, []
        if self._error is not None:
            raise self._error
        if alive and not ignore_live_threads:
            raise RuntimeError(f"Coordinator stopped with threads still running: {' '.join(alive)}")

    def raise_requested_exception(self) -> None:
        """Raises what `request_stop` was given."""
        if self._error is not None:
            raise self._error


class ClusterSpec:
    """Which tasks, by host and port, a cluster has: a description, there is one process here.

    Args:
        cluster: lists of addresses, or dicts from numbers to them, by the names of jobs; a `ClusterDef`, or another
            description.
    """

    def __init__(self, cluster: Any) -> None:
        told = cluster.as_dict() if isinstance(cluster, ClusterSpec) else cluster
        jobs = {job.name: dict(job.tasks) for job in told.job} if isinstance(told, ClusterDef) else dict(told)
        self._jobs: dict[str, dict[int, str]] = {
            job: dict(tasks) if isinstance(tasks, dict) else dict(enumerate(tasks))
            for job, tasks in jobs.items()
        }

    @property
    def jobs(self) -> list[str]:
        return list(self._jobs)

    def __bool__(self) -> bool:
        return bool(self._jobs)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ClusterSpec) and self._jobs == other._jobs

    def __hash__(self) -> int:
        return hash(str(self._jobs))

    def as_dict(self) -> dict:
        """Returns the addresses by job: lists where tasks are numbered from 0 on, else dicts."""
        return {
            job: [tasks[i] for i in range(len(tasks))]
            if set(tasks) == set(range(len(tasks)))
            else dict(tasks)
            for job, tasks in self._jobs.items()
        }

    def as_cluster_def(self) -> ClusterDef:
        """Returns the description as a message."""
        made = ClusterDef()
        for job, tasks in sorted(self._jobs.items()):
            made.job.add(name=job, tasks=dict(sorted(tasks.items())))
        return made

    def num_tasks(self, job_name: str) -> int:
        return len(self._tasks(job_name))

    def task_indices(self, job_name: str) -> list[int]:
        return sorted(self._tasks(job_name))

    def task_address(self, job_name: str, task_index: int) -> str:
        """Returns the address of a task."""
        tasks = self._tasks(job_name)
        if task_index not in tasks:
            raise ValueError(f"no task with index {task_index} in job {job_name!r}{at_user_location()}")
        return tasks[task_index]

    def job_tasks(self, job_name: str) -> list:
        tasks = self._tasks(job_name)
        return [tasks.get(i) for i in range(max(tasks) + 1)] if tasks else []

    def _tasks(self, job: str) -> dict[int, str]:
        if job not in self._jobs:
            raise ValueError(f"no such job in cluster: {job!r}{at_user_location()}")
        return self._jobs[job]
