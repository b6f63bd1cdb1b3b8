"""Which shapes are worth compiling for: XLA compiles for exact shapes, and a shape may never come again."""

from __future__ import annotations

from typing import Any

from dovetail.base.bounded import Bounded

SHAPES_BEFORE_OP_BY_OP = 4
CALLS_THAT_MAKE_A_SHAPE_FREQUENT = 3
_MOST_SEEN = 2048
_MOST_FAMILIES = 512


class Frequency:
    """Counts the shapes that a function meets.

    The first few shapes of a family (calls that differ in sizes alone) are compiled; later ones once they come often.
    Families and shapes that were forgotten begin anew.
    """

    def __init__(self) -> None:
        self._compiled: Bounded = Bounded(_MOST_FAMILIES)
        self._seen: Bounded = Bounded(_MOST_SEEN)

    def compiles(self, family: Any, key: Any) -> bool:
        """Counts a call that has no program; returns whether one should be made."""
        if not self.has_met(family):
            return True
        return self._seen.put(key, self._seen.get(key, 0) + 1) >= CALLS_THAT_MAKE_A_SHAPE_FREQUENT

    def has_met(self, family: Any) -> bool:
        """Returns whether so many members of the family were compiled that new ones must come often."""
        return self._compiled.get(family, 0) >= SHAPES_BEFORE_OP_BY_OP

    def compiled(self, family: Any) -> None:
        """Notes that a program was made for a member of the family."""
        self._compiled.put(family, self._compiled.get(family, 0) + 1)
