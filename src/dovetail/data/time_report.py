"""Where the time of a pipeline goes: a pass over it, its steps timed."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator
from typing import Any

from dovetail.base.trackable import below
from dovetail.data.node import Node

_HEADINGS = ("step", "elements", "seconds", "share")


@dataclasses.dataclass
class StepTime:
    """What one step took.

    Attributes:
        step: its name, such as "Map(augment)".
        depth: how many steps stand behind it.
        num_elements: it has given; a group of stacked elements counts as one.
        total_s: seconds until they were there, with the steps before it that run in the same thread.
        own_s: the same without these.
    """

    step: str
    depth: int
    num_elements: int = 0
    total_s: float = 0.0
    own_s: float = 0.0


class TimeReport(list):
    """The steps of a pipeline, the last one first, with their times: `str(report)` is a table.

    Steps on rows of arrays (see `Dataset`) are planned as one, and count for the last of them.
    """

    def __str__(self) -> str:
        whole = sum(row.own_s for row in self) or 1.0
        rows = [_HEADINGS]
        for row in self:
            name = "  " * row.depth + row.step
            rows.append((name, str(row.num_elements), f"{row.own_s:.4f}", f"{row.own_s / whole:.0%}"))
        widths = [max(len(row[i]) for row in rows) for i in range(len(_HEADINGS))]
        return "\n".join(
            "  ".join(
                [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:]))]
            )
            for row in rows
        )

    __repr__ = __str__


class _Timed(Iterator):
    """An iterator that adds up how long its items take."""

    def __init__(self, items: Iterator, row: StepTime) -> None:
        self._items, self._row = items, row

    def __next__(self) -> Any:
        began = time.perf_counter()
        try:
            item = next(self._items)
            self._row.num_elements += 1
            return item
        finally:
            self._row.total_s += time.perf_counter() - began


def measured(node: Node, num_elements: int | None) -> TimeReport:
    """Returns the times of a pass over a pipeline, of at most `num_elements` elements."""
    steps = below(node, lambda step: step.inputs)
    depths = _depths(node)
    rows = {id(step): StepTime(_name(step), depths[id(step)]) for step in steps}
    try:
        for step in steps:
            vars(step).update(_timed(step, rows[id(step)]))
        for number, _ in enumerate(node.elements(), 1):
            if number == num_elements:
                break
    finally:
        for step in steps:
            for name in ("elements", "batches"):
                vars(step).pop(name, None)
    for step in steps:
        before = sum(rows[id(one)].total_s for one in step.inputs)
        rows[id(step)].own_s = max(rows[id(step)].total_s - before, 0.0)
    return TimeReport(rows[id(step)] for step in steps)


def _timed(step: Node, row: StepTime) -> dict[str, Callable]:
    """Returns the methods that give elements, timed."""
    elements, batches = step.elements, step.batches

    def timed_batches(size: int) -> Iterator | None:
        found = batches(size)
        return None if found is None else _Timed(found, row)

    return {"elements": lambda: _Timed(elements(), row), "batches": timed_batches}


def _depths(node: Node) -> dict[int, int]:
    found, level, depth = {id(node): 0}, [node], 0
    while level:
        depth += 1
        level = [one for step in level for one in step.inputs if id(one) not in found]
        found.update({id(one): depth for one in level})
    return found


def _name(step: Node) -> str:
    function = getattr(getattr(step, "_function", None), "function", None)
    inside = f"({getattr(function, '__name__', type(function).__name__)})" if function is not None else ""
    return f"{type(step).__name__}{inside}"
