"""Runs workloads: load all sides, then one repeat of each in turn, round after round."""

from __future__ import annotations

import math
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.kinds import BenchmarkError, Side, Workload
from benchmarks.processes import Timed, Usage, start
from benchmarks.workloads import workload_called

PEAK = ("matrix_product", "torch")  # the workload and the side that tell what the machine can do
_PEAK = "(peak)"


@dataclass
class Measured:
    """The figures of one side, in the workload's unit.

    Args:
        values: one figure a round.
        error: why the side has no figures, or lost some; empty when all went well.
        parts: the figures of each part, where the work has parts.
        peak_mib: the most memory its process held, in MiB; None where a side is not one process.
    """

    values: list[float] = field(default_factory=list)
    error: str = ""
    parts: dict[str, list[float]] = field(default_factory=dict)
    peak_mib: float | None = None

    @property
    def median(self) -> float | None:
        """The median of the rounds; None where a side failed."""
        return statistics.median(self.values) if self.values and not self.error else None

    @property
    def part_medians(self) -> dict[str, float]:
        """The median of each part."""
        return {name: statistics.median(values) for name, values in self.parts.items()}

    def add(self, reply: dict[str, Any]) -> None:
        """Add the figures of a round."""
        self.values.append(float(reply["value"]))
        self.peak_mib = reply.get("peak_mib")
        for name, value in reply.get("parts", {}).items():
            self.parts.setdefault(name, []).append(float(value))


@dataclass
class Outcome:
    """A finished workload.

    Args:
        workload: what was measured.
        sides: figures by label.
        rounds: timed repeats of each side.
        measured_at: date and time.
        busy_elsewhere: share of the machine that other programs used meanwhile; None where it is not known.
        machine_peak: what the machine reaches in a product of matrices, in GFLOP/s, measured in the same rounds; None
            for workloads that do not count their operations.
    """

    workload: Workload
    sides: dict[str, Measured]
    rounds: int
    measured_at: str
    busy_elsewhere: float | None = None
    machine_peak: Measured | None = None

    def peak_share(self, label: str) -> float | None:
        """Return the share of the machine's peak that a side reaches; None where a figure is missing."""
        side, peak = self.sides.get(label), self.machine_peak
        if side is None or side.median is None or peak is None or peak.median is None:
            return None
        reached = self.workload.flops_per_second(side.median)
        return None if reached is None else reached / (peak.median * 1e9)

    def ratio(self, peer: str, ours: str) -> float | None:
        """Return how many times faster `ours` is than `peer`; None where a figure is missing."""
        mine, theirs = self.sides.get(ours), self.sides.get(peer)
        if mine is None or theirs is None or mine.median is None or theirs.median is None:
            return None
        if mine.parts and theirs.parts:
            return math.exp(statistics.fmean(math.log(r) for r in self.part_ratios([peer], ours).values()))
        if self.workload.is_throughput:
            return mine.median / theirs.median
        return theirs.median / mine.median

    def part_ratios(self, peers: Sequence[str], ours: str) -> dict[str, float]:
        """Return for each part how many times faster `ours` is than the fastest of the peers that have it."""
        figures = [self.sides[peer].part_medians for peer in peers if peer in self.sides]
        best = {
            name: min(found[name] for found in figures if name in found)
            for name in self.sides[ours].parts
            if any(name in found for found in figures)
        }
        return {
            name: best[name] / mine for name, mine in self.sides[ours].part_medians.items() if name in best
        }

    def memory_ratio(self, peer: str, ours: str) -> float | None:
        """Return how many times the peak memory of `ours` that of `peer` is; None where a figure is missing."""
        mine, theirs = self.sides.get(ours), self.sides.get(peer)
        if mine is None or theirs is None or mine.peak_mib is None or theirs.peak_mib is None:
            return None
        return theirs.peak_mib / mine.peak_mib


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
    if workload.flops is not None:
        measured[_PEAK] = Measured()
    begin, before = time.monotonic(), Usage.now()
    try:
        for side in sides:
            progress(f"{position} {workload.name}: loading {side.label}")
            handles[side.label] = start(workload, side)
            _load(handles[side.label], measured[side.label])
        if _PEAK in measured:
            handles[_PEAK] = _peak()
            _load(handles[_PEAK], measured[_PEAK])
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
    peak = measured.pop(_PEAK, None)
    return Outcome(workload, measured, rounds, time.strftime("%Y-%m-%d %H:%M"), busy_elsewhere, peak)


def _peak() -> Timed:
    product = workload_called(PEAK[0])
    return start(product, product.side(PEAK[1]))


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
        measured.add(handle.repeat())
    except BenchmarkError as error:
        measured.error = str(error)


def progress(text: str, last: bool = False) -> None:
    """Show where the run stands, on stderr: one line that changes on a terminal, elsewhere only the last."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\033[K{text}" + ("\n" if last else ""))
    elif last:
        sys.stderr.write(text + "\n")
    sys.stderr.flush()
