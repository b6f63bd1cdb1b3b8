"""The child process of one framework: `python -m benchmarks.worker FRAMEWORK`, JSON lines in and out.

    {"do": "load", "workload": "eager_add", "label": "jax"}  ->  {"ok": true, "units": 20000}
    {"do": "repeat"}                                         ->  {"ok": true, "value": 10.7, "peak_mib": 612.5}
    anything that fails                                      ->  {"ok": false, "error": "...", "trace": "..."}

Between requests the process blocks on stdin. What a framework prints goes to stderr.
"""

from __future__ import annotations

import json
import math
import os
import resource
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any, TextIO

from benchmarks.frameworks import Loaded, load
from benchmarks.kinds import BenchmarkError, Parts, Run, Workload, in_unit
from benchmarks.workloads import workload_called

TARGET_S = 0.25
PART_TARGET_S, PART_TIMES = 0.002, 3
MOST_UNITS = 1_000_000
# what ru_maxrss counts: bytes on macOS, KiB elsewhere
PEAK_UNITS_PER_MIB = 1 << 20 if sys.platform == "darwin" else 1 << 10


def peak_mib() -> float:
    """Return the most memory this process has held at once, in MiB, since it began: imports and compiling included."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / PEAK_UNITS_PER_MIB


class Worker:
    """One loaded framework and the workload it is being timed on."""

    def __init__(self, framework: str) -> None:
        self.framework = framework
        self.loaded: Loaded | None = None
        self.workload: Workload | None = None
        self.run: Run | None = None
        self.parts: dict[str, tuple[Callable[[], Run], int]] = {}  # with the units of work of each
        self.units = 0

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Do one request and return the reply."""
        if request["do"] == "load":
            return {"units": self.load(request["workload"], request["label"])}
        if request["do"] == "repeat":
            return {
                **(self.repeat_parts() if self.parts else {"value": self.repeat()}),
                "peak_mib": peak_mib(),
            }
        raise BenchmarkError(f"worker: expected 'load' or 'repeat', received {request['do']!r}")

    def load(self, name: str, label: str) -> int:
        """Build a side, warm it up, and return how many units of work a repeat has."""
        if self.loaded is None:
            self.loaded = load(self.framework)
        self.workload = workload_called(name)
        side = self.workload.side(label)
        if side.build is None:
            raise BenchmarkError(f"{name}: the side {label!r} is a whole process, not a worker's")
        built = side.build(self.loaded)
        if isinstance(built, Parts):
            self.parts = {part: (make, self._load_part(make)) for part, make in built.runs.items()}
            return len(self.parts)
        self.run = built
        self.units = self.run.units or self._units_that_fill_the_target(TARGET_S)
        for _ in range(self.run.warmups):
            self._timed(self.units)
        return self.units

    def repeat(self) -> float:
        """Time one repeat and return it in the workload's unit."""
        if self.workload is None:
            raise BenchmarkError("worker: 'repeat' came before 'load'")
        value = in_unit(self.workload, self._timed(self.units), self.units)
        if not math.isfinite(value):
            raise BenchmarkError(f"{self.workload.name}: the timing came out as {value}")
        return value

    def _load_part(self, make: Callable[[], Run]) -> int:
        self.run = make()
        return self._units_that_fill_the_target(PART_TARGET_S)

    def repeat_parts(self) -> dict[str, Any]:
        """Time each part, the best of a few times, and return the figures and their geometric mean."""
        if self.workload is None:
            raise BenchmarkError("worker: 'repeat' came before 'load'")
        figures = {}
        for name, (make, units) in self.parts.items():
            self.run = make()
            self._timed(1)
            figures[name] = in_unit(self.workload, min(self._timed(units) for _ in range(PART_TIMES)), units)
        return {
            "value": math.exp(math.fsum(map(math.log, figures.values())) / len(figures)),
            "parts": figures,
        }

    def _timed(self, units: int) -> float:
        run = self.run
        if run is None:
            raise BenchmarkError("worker: nothing is loaded")
        if run.prepare is not None:
            run.prepare(units)
        start = time.perf_counter()
        result = run.repeat(units)
        if run.finish is not None:
            run.finish(result)
        seconds = time.perf_counter() - start
        run.check(result)
        return seconds

    def _units_that_fill_the_target(self, target_s: float) -> int:
        self._timed(1)
        units = 1
        while units < MOST_UNITS:
            seconds = self._timed(units)
            if seconds >= target_s / 4:
                return max(1, round(units * target_s / seconds))
            units *= 4
        return units


def serve(framework: str, requests: TextIO, replies: TextIO) -> None:
    """Answer requests until stdin is closed."""
    worker = Worker(framework)
    for line in requests:
        try:
            reply = {"ok": True, **worker.answer(json.loads(line))}
        except Exception as error:  # noqa: BLE001 - the parent records it: one broken side must not end the run
            reply = {
                "ok": False,
                "error": f"{type(error).__name__}: {error}",
                "trace": traceback.format_exc(),
            }
        replies.write(json.dumps(reply) + "\n")
        replies.flush()


def main() -> None:
    """Keep stdout for replies, send everything else that is printed to stderr, and serve."""
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    serve(sys.argv[1], sys.stdin, replies)


if __name__ == "__main__":
    main()
