"""Runs workloads: load all sides, then one repeat of each in turn, round after round."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.kinds import BenchmarkError, Side, Workload
from benchmarks.processes import Timed, Usage, start


@dataclass
class Measured:
    """The figures of one side, in the workload's unit.

    Args:
        values: one figure a round.
        error: why the side has no figures, or lost some; empty when all went well.
    """

    values: list[float] = field(default_factory=list)
    error: str = ""

    @property
    def median(self) -> float | None:
        """The median of the rounds; None where a side failed."""
        return statistics.median(self.values) if self.values and not self.error else None


@dataclass
class Outcome:
    """A finished workload.

    Args:
        workload: what was measured.
        sides: figures by label.
        rounds: timed repeats of each side.
        measured_at: date and time.
        busy_elsewhere: share of the machine that other programs used meanwhile; None where it is not known.
    """

    workload: Workload
    sides: dict[str, Measured]
    rounds: int
    measured_at: str
    busy_elsewhere: float | None = None

    def ratio(self, peer: str, ours: str) -> float | None:
        """Return how many times faster `ours` is than `peer`; None where a figure is missing."""
        mine, theirs = self.sides.get(ours), self.sides.get(peer)
        if mine is None or theirs is None or mine.median is None or theirs.median is None:
            return None
        if self.workload.is_throughput:
            return mine.median / theirs.median
        return theirs.median / mine.median


def run(workload: Workload, sides: Sequence[Side], rounds: int, position: str = "") -> Outcome:
    """Measure the given sides of a workload.

    Args:
        workload: what to measure.
        sides: the sides that take part.
        rounds: timed repeats of each.
        position: such as "3/17", for the progress line.
    """
    measured = {side.label: Measured() for side in sides}
    handles: dict[str, Timed] = {}
    begin, before = time.monotonic(), Usage.now()
    try:
        for side in sides:
            progress(f"{position} {workload.name}: loading {side.label}")
            handles[side.label] = start(workload, side)
            _load(handles[side.label], measured[side.label])
        for number in range(rounds):
            for label, handle in _in_turn(handles, number):
                if not measured[label].error:
                    progress(f"{position} {workload.name}: round {number + 1}/{rounds} {label}")
                    _repeat(handle, measured[label])
    finally:
        for handle in handles.values():
            handle.close()
    progress(f"{position} {workload.name}: {time.monotonic() - begin:.0f} s", last=True)
    busy_elsewhere = before.busy_elsewhere_until(Usage.now())
    return Outcome(workload, measured, rounds, time.strftime("%Y-%m-%d %H:%M"), busy_elsewhere)


def _in_turn(handles: dict[str, Timed], number: int) -> list[tuple[str, Timed]]:
    """Returns the sides in the order of a round: each follows each other one, whose threads and pages it meets."""
    listed = list(handles.items())
    first = number % len(listed)
    turned = listed[first:] + listed[:first]
    return turned if number // len(listed) % 2 == 0 else turned[::-1]


def _load(handle: Timed, measured: Measured) -> None:
    try:
        handle.load()
    except BenchmarkError as error:
        measured.error = str(error)


def _repeat(handle: Timed, measured: Measured) -> None:
    try:
        measured.values.append(handle.repeat())
    except BenchmarkError as error:
        measured.error = str(error)


def progress(text: str, last: bool = False) -> None:
    """Show where the run stands, on stderr: one line that changes on a terminal, elsewhere only the last."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\033[K{text}" + ("\n" if last else ""))
    elif last:
        sys.stderr.write(text + "\n")
    sys.stderr.flush()
