"""Which shapes are worth compiling for: XLA compiles for exact shapes, and a shape may never come again."""

from __future__ import annotations

from collections import Counter
from typing import Any

SHAPES_BEFORE_OP_BY_OP = 4
CALLS_THAT_MAKE_A_SHAPE_FREQUENT = 3
_MOST_SEEN = 2048


class Frequency:
    """Counts the shapes that a function meets.

    The first few shapes of a family (calls that differ in sizes alone) are compiled; later ones once they come often.
    """

    def __init__(self) -> None:
        self._compiled: Counter = Counter()
        self._seen: Counter = Counter()

    def compiles(self, family: Any, key: Any) -> bool:
        """Counts a call that has no program; returns whether one should be made."""
        if self._compiled[family] < SHAPES_BEFORE_OP_BY_OP:
            return True
        if len(self._seen) > _MOST_SEEN:
            self._seen.clear()
        self._seen[key] += 1
        return self._seen[key] >= CALLS_THAT_MAKE_A_SHAPE_FREQUENT

    def has_met(self, family: Any) -> bool:
        """Returns whether so many members of the family were compiled that new ones must come often."""
        return self._compiled[family] >= SHAPES_BEFORE_OP_BY_OP

    def compiled(self, family: Any) -> None:
        """Notes that a program was made for a member of the family."""
        self._compiled[family] += 1
