"""Work that is done again and again beside the program: `TimedThread` and what derives from it."""

from __future__ import annotations

import threading
import time
from typing import Any

from dovetail.base.errors import at_user_location

__all__ = ["StepsPerExecutionTuner", "TimedThread"]


class TimedThread:
    """Calls `on_interval` every so many seconds, in a thread of its own.  Subclasses define it.

    Args:
        interval: seconds between two calls.
        kwargs: of `threading.Thread`; `daemon` is True by default.
    """

    def __init__(self, interval: float, **kwargs: Any) -> None:
        self.interval = interval
        self.daemon = kwargs.pop("daemon", True)
        self.thread_kwargs = kwargs
        self.thread: threading.Thread | None = None
        self.thread_stop_event: threading.Event | None = None

    def on_interval(self) -> None:
        """Called at each interval."""
        raise NotImplementedError(
            f"{type(self).__name__} has no on_interval(): define it{at_user_location()}"
        )

    def _run(self) -> None:
        stop = self.thread_stop_event
        while stop is not None and not stop.wait(self.interval):
            self.on_interval()

    def start(self) -> None:
        """Begins to call; without effect while it runs."""
        if self.is_alive():
            return
        self.thread_stop_event = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=self.daemon, **self.thread_kwargs)
        self.thread.start()

    def stop(self) -> None:
        """Makes no further calls."""
        if self.thread_stop_event is not None:
            self.thread_stop_event.set()

    def is_alive(self) -> bool:
        return self.thread is not None and self.thread.is_alive()

    def __enter__(self) -> TimedThread:
        self.start()
        return self

    def __exit__(self, *args: Any) -> None:
        self.stop()


class StepsPerExecutionTuner(TimedThread):
    """Searches the number of steps per execution with which an optimizer makes most steps a second.

    Args:
        optimizer: whose `iterations` tell how far training has come.
        spe_variable: the variable that holds the number of steps.
        interval: seconds between two measurements.
        change_spe_interval: measurements between two changes.
        change_threshold: relative change of the speed, in (0, 1), that counts as one.

    The number is doubled or halved: in the same direction as before while training gets faster, in the other one when
    it got slower.
    """

    def __init__(
        self,
        optimizer: Any,
        spe_variable: Any,
        interval: float = 5,
        change_spe_interval: int = 10,
        change_threshold: float = 0.1,
    ) -> None:
        super().__init__(interval)
        self.optimizer, self._steps = optimizer, spe_variable
        self.change_spe_interval, self.change_threshold = change_spe_interval, change_threshold
        self._factor = 2.0
        self._speeds: list[float] = []
        self._before: float | None = None
        self._last: tuple[float, int] | None = None

    def start(self) -> None:
        self._last = None
        super().start()

    def on_interval(self) -> None:
        """Measures the speed, and changes the number of steps when it is time to."""
        now, count = time.monotonic(), int(self.optimizer.iterations.numpy())
        if self._last is not None and now > self._last[0]:
            self._speeds.append((count - self._last[1]) / (now - self._last[0]))
        self._last = now, count
        if len(self._speeds) >= self.change_spe_interval:
            self._change(sum(self._speeds) / len(self._speeds))
            self._speeds = []

    def _change(self, speed: float) -> None:
        if self._before is not None and speed < self._before * (1 - self.change_threshold):
            self._factor = 1 / self._factor
        self._before = speed
        self.steps_per_execution = max(1, round(self.steps_per_execution * self._factor))

    @property
    def steps_per_execution(self) -> int:
        """The number of steps in one execution."""
        return int(self._steps.numpy())

    @steps_per_execution.setter
    def steps_per_execution(self, value: int) -> None:
        self._steps.assign(value)
        self.init_spe = value
