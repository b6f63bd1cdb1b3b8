"""Where the boxes of a graph stand: in rows by their distance from the inputs, with few crossings and straight lines.

Lines that pass rows get a spot of their own in each, so that they run between the boxes.  The rows are sorted by the
mean place of what each spot is joined to (Sugiyama, Tagawa and Toda, "Methods for Visual Understanding of Hierarchical
System Structures", 1981); then the spots move as near to those means as their neighbours in the row let them.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

MARGIN = 0.4
_GAP_ALONG = 0.5  # inches between two rows
_GAP_BOXES, _GAP_LINES = 0.45, 0.25
_LINE_WIDTH = 0.1
_SWEEPS = 12
_LINES_PULL = 0.2  # how much less than a box a line pulls at what it is joined to
_LINES_STAND = 8.0  # how much more than a box a line resists being pushed aside


class Spot:
    """A box in its row, or a line that passes through it.

    Attributes:
        box: the box, None for a line.
        size: inches it takes in its row.
        centre: its place in the row.
        above, below: the spots in the neighbouring rows that it is joined to.
        line: all spots of the same line.
    """

    __slots__ = ("above", "below", "box", "centre", "line", "row", "size")

    def __init__(self, row: int, size: float, box: Any = None) -> None:
        self.row, self.size, self.box = row, size, box
        self.centre = 0.0
        self.above: list[Spot] = []
        self.below: list[Spot] = []
        self.line: list[Spot] = []


class Layout:
    """The places of boxes and lines.

    Args:
        boxes: objects with `sources`, `across` (size in the row) and `along`; each after its sources.

    Attributes:
        rows: the spots of each row, in order.
        starts, stops: where each row begins and ends, along the rows.
        lines: `(source box, box, spots passed)` for every arrow.
        across, along: size of the picture.
    """

    def __init__(self, boxes: list) -> None:
        depths = _depths(boxes)
        self.rows: list[list[Spot]] = [[] for _ in range(max(depths.values(), default=0) + 1)]
        self.lines: list[tuple[Any, Any, list[Spot]]] = []
        spots: dict[int, Spot] = {}
        for box in boxes:
            spot = spots[id(box)] = Spot(depths[id(box)], box.across, box)
            self.rows[spot.row].append(spot)
            for source in box.sources:
                self.lines.append((source, box, self._joined(spots[id(source)], spot)))
        for _ in range(_SWEEPS):
            self._sort()
        self._settle()
        self._measure()

    def _joined(self, start: Spot, end: Spot) -> list[Spot]:
        """Joins two spots, through spots of the line in the rows between; returns those."""
        passed = [Spot(row, _LINE_WIDTH) for row in range(start.row + 1, end.row)]
        for spot in passed:
            spot.line = passed
            self.rows[spot.row].append(spot)
        for upper, lower in zip([start, *passed], [*passed, end], strict=True):
            upper.below.append(lower)
            lower.above.append(upper)
        return passed

    def _sort(self) -> None:
        """Sorts each row by where the neighbours of its spots stand, once downwards and once upwards."""
        for rows, towards in ((self.rows, "above"), (self.rows[::-1], "below")):
            index = {id(spot): i for row in self.rows for i, spot in enumerate(row)}
            for row in rows:
                wish = {
                    id(spot): _mean([index[id(other)] for other in getattr(spot, towards)], index[id(spot)])
                    for spot in row
                }
                row.sort(key=lambda spot, wish=wish: wish[id(spot)])  # type: ignore[misc]
                index.update({id(spot): i for i, spot in enumerate(row)})

    def _settle(self) -> None:
        """Moves the spots towards the means of their neighbours, in the order of their rows."""
        for row in self.rows:
            _spread(row, [0.0] * len(row))
        for sweep in range(4 * _SWEEPS):
            settled = sweep >= _SWEEPS
            for rows, towards in ((self.rows, "above"), (self.rows[::-1], "below")):
                for row in rows:
                    _spread(
                        row, [_wish(spot, "above below" if settled else towards, settled) for spot in row]
                    )

    def _measure(self) -> None:
        spots = [spot for row in self.rows for spot in row]
        first = min(spot.centre - spot.size / 2 for spot in spots)
        for spot in spots:
            spot.centre += MARGIN - first
        self.across = max(spot.centre + spot.size / 2 for spot in spots) + MARGIN
        self.starts, self.stops = [], []
        position = MARGIN
        for row in self.rows:
            self.starts.append(position)
            position += max(spot.box.along for spot in row if spot.box is not None)
            self.stops.append(position)
            position += _GAP_ALONG
        self.along = position - _GAP_ALONG + MARGIN


def _depths(boxes: list) -> dict[int, int]:
    """Returns the row of each box: below all of its sources; what has none stands just above its first reader."""
    depths: dict[int, int] = {}
    readers: dict[int, list] = defaultdict(list)
    for box in boxes:
        depths[id(box)] = 1 + max((depths[id(source)] for source in box.sources), default=-1)
        for source in box.sources:
            readers[id(source)].append(box)
    for box in boxes:
        if not box.sources and readers[id(box)]:
            depths[id(box)] = min(depths[id(other)] for other in readers[id(box)]) - 1
    return depths


def _mean(values: list, default: float) -> float:
    return sum(values) / len(values) if values else default


def _wish(spot: Spot, sides: str, straight: bool) -> float:
    """Returns where a spot would stand if it were alone: near its neighbours, or straight with the rest of its line."""
    if straight and spot.line:
        return _mean([other.centre for other in spot.line], spot.centre)
    total, pull = 0.0, 0.0
    for side in sides.split():
        for other in getattr(spot, side):
            weight = 1.0 if other.box is not None else _LINES_PULL
            total, pull = total + weight * other.centre, pull + weight
    return total / pull if pull else spot.centre


def _spread(row: list[Spot], wishes: list[float]) -> None:
    """Places the spots of a row in order, apart from each other, and as near to their wishes as can be."""
    offsets = [0.0]
    for left, right in zip(row, row[1:], strict=False):
        gap = _GAP_BOXES if left.box is not None and right.box is not None else _GAP_LINES
        offsets.append(offsets[-1] + (left.size + right.size) / 2 + gap)
    weights = [1.0 if spot.box is not None else _LINES_STAND for spot in row]
    levels = _rising([wish - offset for wish, offset in zip(wishes, offsets, strict=True)], weights)
    for spot, level, offset in zip(row, levels, offsets, strict=True):
        spot.centre = level + offset


def _rising(values: list[float], weights: list[float]) -> list[float]:
    """Returns the rising sequence nearest to `values` in weighted squares (pooling neighbours that fall)."""
    pools: list[list[float]] = []  # mean, weight, number
    for value, weight in zip(values, weights, strict=True):
        pools.append([value, weight, 1])
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            mean, heavy, count = pools.pop()
            before = pools[-1]
            total = before[1] + heavy
            pools[-1] = [(before[0] * before[1] + mean * heavy) / total, total, before[2] + count]
    return [mean for mean, _, count in pools for _ in range(int(count))]
