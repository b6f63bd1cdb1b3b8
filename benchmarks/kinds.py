"""The words the benchmarks are written in: a run, a side, a bar and a workload."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

UNIT_SCALE = {"us": 1e6, "ms": 1e3, "s": 1.0}


class BenchmarkError(Exception):
    """A side did not do the work it is timed on, or could not be run."""


@dataclass
class Run:
    """One framework, loaded and ready to be timed on one workload.

    Args:
        repeat: `repeat(n)` does `n` units of work and returns something `check` can judge.
        check: raises BenchmarkError if the result of a repeat shows that the work was not done.
        units: units of work per repeat; 0 lets the worker choose a number that fills `TARGET_S`.
        prepare: untimed work before a repeat of `n` units, such as making its inputs.
        finish: waits for asynchronous work, inside the timing.
        warmups: untimed repeats before the first timed one.
    """

    repeat: Callable[[int], Any]
    check: Callable[[Any], None]
    units: int = 0
    prepare: Callable[[int], None] | None = None
    finish: Callable[[Any], Any] | None = None
    warmups: int = 2


@dataclass
class Parts:
    """Work that falls into many small parts, each of which is timed by itself.

    Its figure is the geometric mean of theirs; ratios of two sides are the mean of the ratios of their parts.

    Args:
        runs: what makes the parts, by name; each is made before it is timed and given up after it, since all inputs
            together may be more than memory holds.  The worker chooses its number of units.
    """

    runs: dict[str, Callable[[], Run]]


@dataclass(frozen=True)
class Side:
    """One framework's way of doing a workload.

    Args:
        label: what the table calls it.
        framework: a name in `frameworks.FRAMEWORKS`; decides the process and its environment.
        build: makes the Run, or the Parts, inside that process. None for a side that is a whole process, see `command`.
        command: arguments after `python` of a fresh process that is timed as a whole.
        until: a line of the fresh process' output that ends the timing; None times it to its exit.
        silent: fail when the fresh process prints anything.
        cache: the compilation cache on disk that the process finds: "empty", "filled", or None for its own.
    """

    label: str
    framework: str
    build: Callable[[Any], Run | Parts] | None = None
    command: tuple[str, ...] = ()
    until: str | None = None
    silent: bool = False
    cache: str | None = None


@dataclass(frozen=True)
class Bar:
    """A figure that has to be reached.

    Args:
        text: the bar in words.
        than: label of the peer, or several of which each is meant, or "*" for each peer; None compares with a
            fixed figure.
        at_least: the least ratio; ratios above 1 mean that `ours` is faster.
        at_most: the largest own figure, in the workload's unit; with `than`, the peer's figure plus this.
        each_at_least: the least ratio of any part, to the fastest of the peers where there are several.
        peak_share: the least share of the machine's peak, of a workload that counts its `flops`.
        ours: label of the side that is judged.
        of: what is compared, "speed" or "memory": the peak of the process; ratios above 1 say that `ours` needs less.
    """

    text: str
    than: str | tuple[str, ...] | None = None
    at_least: float | None = None
    at_most: float | None = None
    each_at_least: float | None = None
    peak_share: float | None = None
    ours: str = "dovetail"
    of: str = "speed"


@dataclass(frozen=True)
class Workload:
    """What is measured, by whom, and what has to come out.

    Args:
        name: as given to `--only`.
        about: what is measured, in a sentence or two.
        unit: "us", "ms" or "s" for times per unit of work, "samples/s" for throughput.
        sides: the frameworks; labels are unique, the first is ours.
        bars: what has to be reached.
        flops: floating-point operations of one unit of work, see `benchmarks.flops`, where the work is bound by them:
            the machine's peak is then measured in the same rounds.
        device: "cpu", or "gpu" for what `--gpu` measures.
    """

    name: str
    about: str
    unit: str
    sides: tuple[Side, ...]
    bars: tuple[Bar, ...]
    flops: float | None = None
    device: str = "cpu"

    @property
    def is_throughput(self) -> bool:
        """Whether larger figures are better."""
        return self.unit.endswith("/s")

    def flops_per_second(self, figure: float) -> float | None:
        """Return the floating-point operations per second behind a figure; None where they are not counted."""
        if self.flops is None:
            return None
        return self.flops * (figure if self.is_throughput else UNIT_SCALE[self.unit] / figure)

    @property
    def ours(self) -> str:
        """Label of our side, which the table compares the peers with."""
        return self.sides[0].label

    @property
    def peers(self) -> tuple[str, ...]:
        """Labels of the sides that are not ours."""
        return tuple(side.label for side in self.sides if not side.framework.startswith("dovetail"))

    def side(self, label: str) -> Side:
        """Return the side called `label`.

        Raises:
            KeyError: if the workload has no such side.
        """
        for side in self.sides:
            if side.label == label:
                return side
        raise KeyError(f"{self.name}: no side is called {label!r}; there are {[s.label for s in self.sides]}")


def in_unit(workload: Workload, seconds: float, units: int) -> float:
    """Turn the time of a repeat of `units` units of work into the workload's unit."""
    if workload.is_throughput:
        return units / seconds
    return seconds / units * UNIT_SCALE[workload.unit]


def loop(fn: Callable[..., Any], *args: Any) -> Callable[[int], Any]:
    """Make a `repeat` that calls `fn(*args)` `n` times and returns the last result."""

    def repeat(n: int) -> Any:
        result = None
        for _ in range(n):
            result = fn(*args)
        return result

    return repeat
