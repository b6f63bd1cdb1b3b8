"""The progress bar, in Keras' layout:

3/10 ━━━━━━━━━━━━━━━━━━━━ 0s 12ms/step - accuracy: 0.5000 - loss: 1.2000
"""

from __future__ import annotations

import os
import sys
import time
from typing import Any

import numpy as np

from dovetail.keras import idiom
from dovetail.keras.utils import messages

_SECONDS_BETWEEN_PLAIN_LINES = 30.0


class Progbar:
    """Shows how far a loop has come.

    On a terminal (or in a notebook) the line is drawn again and again; elsewhere, in files and logs, a line is written
    at the end and at most twice a minute before.

    Args:
        target: number of steps, None when it is not known.
        width: of the bar, in characters.
        verbose: 0: silent; 1: bar; 2: one line at the end.
        interval: least number of seconds between two drawings; 0: draw each update, in files as well.
        stateful_metrics: names of values to show as they are; others are averaged over the steps.
        stateless_metrics: the other way round: only these are averaged.
        unit_name: what a step is called.

    Example:
        >>> bar = Progbar(target=10)
        >>> for step in range(10):
        ...     bar.update(step + 1, [("loss", 0.5)])
    """

    def __init__(
        self,
        target: int | None,
        width: int = 20,
        verbose: int = 1,
        interval: float = 0.05,
        stateful_metrics: Any = None,
        stateless_metrics: Any = None,
        unit_name: str = "step",
    ) -> None:
        if stateful_metrics is not None and stateless_metrics is not None:
            raise ValueError("Progbar: pass stateful_metrics or stateless_metrics, not both")
        self.target, self.width, self.verbose, self.interval = target, width, verbose, interval
        self.unit_name = unit_name
        self.stateful_metrics = set(stateful_metrics or ())
        self.stateless_metrics = None if stateless_metrics is None else set(stateless_metrics)
        self._totals: dict[str, tuple[float, float]] = {}
        self._seen = 0
        self._start = time.time()
        self._after_first: float | None = None
        self._last_update = 0.0
        self._last_width = 0
        self._redraws = _can_redraw()

    def update(self, current: int, values: Any = None, finalize: bool | None = None) -> None:
        """Shows that `current` steps are done.

        Args:
            current: number of steps done.
            values: list of `(name, value of the last step)`.
            finalize: whether this is the last update; default: whether the target is reached.
        """
        if finalize is None:
            finalize = self.target is not None and current >= self.target
        self._take(current, values or [], finalize)
        now = time.time()
        step_s = self._step_seconds(current, now)
        if self.verbose == 1:
            often = self._redraws or not self.interval
            pause = self.interval if often else _SECONDS_BETWEEN_PLAIN_LINES
            since = self._last_update or (0.0 if often else self._start)
            if finalize or now - since >= pause:
                self._draw(current, now, step_s, finalize)
                self._last_update = now
        elif self.verbose == 2 and finalize and self.target:
            count = f"{current:{len(str(self.target))}d}/{self.target}"
            messages.write(
                f"{count} - {now - self._start:.0f}s - {_duration(step_s)}/{self.unit_name}{self._shown()}\n"
            )

    def add(self, n: int, values: Any = None) -> None:
        """Shows that `n` more steps are done."""
        self.update(self._seen + n, values)

    def _take(self, current: int, values: Any, finalize: bool) -> None:
        steps = max(current - self._seen, 1)
        for name, value in values:
            number = float(np.mean(np.asarray(value)))
            if (finalize and idiom.last_values_in_progress()) or not self._averages(name):
                self._totals[name] = (number, 1)
            else:
                total, weight = self._totals.get(name, (0.0, 0.0))
                self._totals[name] = (total + number * steps, weight + steps)
        self._seen = current

    def _averages(self, name: str) -> bool:
        if self.stateless_metrics is not None:
            return name in self.stateless_metrics
        return name not in self.stateful_metrics

    def _step_seconds(self, current: int, now: float) -> float:
        """Returns the time a step takes; the first, which compiles, does not count when there are others."""
        if not current:
            return 0.0
        if self._after_first is not None and current > 1:
            return (now - self._after_first) / (current - 1)
        if current == 1:
            self._after_first = now
        return (now - self._start) / current

    def _draw(self, current: int, now: float, step_s: float, finalize: bool) -> None:
        elapsed = f"{now - self._start:.0f}s"
        bar = f"{current:7d}/Unknown"
        if self.target:
            done = max(0, min(self.width, int(self.width * current / self.target)))
            bar = f"{current:{len(str(self.target))}d}/{self.target} " + "━" * self.width
            elapsed = elapsed if finalize else _clock(step_s * (self.target - current))
        line = f"{bar} {elapsed} {_duration(step_s)}/{self.unit_name}{self._shown()}"
        width = len(line)
        if self._redraws:
            if self.target:
                line = _coloured(line, done, self.width)
            line = "\r" + line + " " * max(0, self._last_width - width)
        messages.write(line + ("\n" if finalize or not self._redraws else ""))
        self._last_width = width

    def _shown(self) -> str:
        parts = []
        for name, (total, weight) in self._totals.items():
            value = total / max(weight, 1)
            parts.append(f" - {name}: {value:.4f}" if abs(value) > 1e-3 else f" - {name}: {value:.4e}")
        return "".join(parts)


def _can_redraw() -> bool:
    if "ipykernel" in sys.modules or "PYCHARM_HOSTED" in os.environ:
        return True
    return (
        sys.stdout.isatty() and os.environ.get("TERM") != "dumb" if hasattr(sys.stdout, "isatty") else False
    )


def _coloured(line: str, done: int, width: int) -> str:
    """Makes the count bold, the done part of the bar green and the rest grey."""
    count, _, rest = line.partition(" " + "━" * width)
    green = f"\x1b[32m{'━' * done}\x1b[0m" if done else ""
    return f"\x1b[1m{count}\x1b[0m {green}\x1b[37m{'━' * (width - done)}\x1b[0m{rest}"


def _clock(seconds: float) -> str:
    minutes, whole = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}:{minutes:02d}:{whole:02d}"
    return f"{minutes}:{whole:02d}" if minutes else f"{whole}s"


def _duration(seconds: float) -> str:
    if seconds >= 1 or seconds == 0:
        return f"{seconds:.0f}s"
    return f"{seconds * 1e3:.0f}ms" if seconds >= 1e-3 else f"{seconds * 1e6:.0f}us"
