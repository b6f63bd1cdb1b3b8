"""`tf.compat.v1.train`: threads that loop, where variables are put, timers, and what reads checkpoints."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import dovetail as tf
from dovetail.base.errors import at_user_location
from dovetail.train.coordination import ClusterSpec, Coordinator


class LooperThread(threading.Thread):
    """A thread that calls a function until the coordinator stops, every `timer_interval_secs` (None: at once)."""

    def __init__(
        self,
        coord: Coordinator,
        timer_interval_secs: float | None,
        target: Callable | None = None,
        args: Any = None,
        kwargs: Any = None,
    ) -> None:
        super().__init__(daemon=True)
        self._coord, self._pause = coord, timer_interval_secs
        self._call, self._given, self._named = target, args or (), kwargs or {}
        coord.register_thread(self)

    @staticmethod
    def loop(
        coord: Coordinator,
        timer_interval_secs: float | None,
        target: Callable,
        args: Any = None,
        kwargs: Any = None,
    ) -> LooperThread:
        """Returns a thread that was started."""
        made = LooperThread(coord, timer_interval_secs, target, args, kwargs)
        made.start()
        return made

    def run(self) -> None:
        with self._coord.stop_on_exception():
            self.start_loop()
            while not (self._coord.wait_for_stop(self._pause) if self._pause else self._coord.should_stop()):
                self.run_loop()
            self.stop_loop()

    def start_loop(self) -> None:
        """Called before the first call."""

    def stop_loop(self) -> None:
        """Called after the last."""

    def run_loop(self) -> None:
        if self._call is not None:
            self._call(*self._given, **self._named)


def replica_device_setter(
    ps_tasks: int = 0,
    ps_device: str = "/job:ps",
    worker_device: str = "/job:worker",
    merge_devices: bool = True,
    cluster: Any = None,
    ps_ops: Any = None,
    ps_strategy: Any = None,
) -> Any:
    """Returns None: `tf.device(None)` places nothing.  Refuses parameter servers, which are not there.

    Raises:
        NotImplementedError: there are parameter servers.
    """
    servers = ClusterSpec(cluster).as_dict().get(ps_device.rpartition(":")[2], ()) if cluster else ()
    if ps_tasks or servers:
        raise NotImplementedError(
            "replica_device_setter: there are no parameter servers here; leave them out, or use tf.distribute"
            f"{at_user_location()}"
        )


class SecondOrStepTimer:
    """Tells when something is due: every so many seconds or steps."""

    def __init__(self, every_secs: float | None = None, every_steps: int | None = None) -> None:
        if (every_secs is None) == (every_steps is None):
            raise ValueError(f"pass either every_secs or every_steps{at_user_location()}")
        self._secs, self._steps = every_secs, every_steps
        self.reset()

    def reset(self) -> None:
        self._last_step: int | None = None
        self._last_time: float | None = None

    def should_trigger_for_step(self, step: int) -> bool:
        if self._last_step is None or self._last_time is None:
            return True
        if step == self._last_step:
            return False
        if self._secs is not None:
            return time.time() >= self._last_time + self._secs
        return step >= self._last_step + (self._steps or 0)

    def update_last_triggered_step(self, step: int) -> tuple:
        """Notes a step; returns the seconds and the steps since the last one, None for the first."""
        now = time.time()
        first = self._last_step is None or self._last_time is None
        passed = (None, None) if first else (now - (self._last_time or 0), step - (self._last_step or 0))
        self._last_step, self._last_time = step, now
        return passed

    def last_triggered_step(self) -> int | None:
        return self._last_step


def NewCheckpointReader(filepattern: Any) -> Any:
    """Returns what reads a checkpoint: `tf.train.load_checkpoint`."""
    return tf.train.load_checkpoint(filepattern)


NAMES: dict[str, Any] = {
    f.__name__: f
    for f in (
        *(ClusterSpec, Coordinator, LooperThread, NewCheckpointReader, SecondOrStepTimer),
        replica_device_setter,
    )
}
