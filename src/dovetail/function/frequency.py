"""Which shapes are worth compiling for: XLA compiles for exact shapes, and a shape may never come again."""

from __future__ import annotations

import functools
from typing import Any

from dovetail.base.bounded import Bounded
from dovetail.engine import xla
from dovetail.engine.memory import keep_freed_pages

SHAPES_BEFORE_OP_BY_OP = 4
# A step op by op costs about as much more than a compiled one as a sixteenth of what compiling costs.  Whoever waits
# until then pays at most twice what knowing the future would have cost.
CALLS_THAT_MAKE_A_SHAPE_FREQUENT = 16
_CALLS_ON_A_DEVICE = 3
_MOST_SEEN = 2048
_MOST_FAMILIES = 512


def _on_cpu() -> bool:
    return xla("compiling").platform() == "cpu"  # elsewhere every single op would be compiled


@functools.cache
def _calls_that_make_a_shape_frequent() -> int:
    return CALLS_THAT_MAKE_A_SHAPE_FREQUENT if _on_cpu() else _CALLS_ON_A_DEVICE


class Frequency:
    """Counts the shapes that a function meets.

    Shapes of a family (calls that differ in sizes alone) are compiled at once while they are few, or when one comes
    twice running; after that when they have come often.  The count decides, never a clock, so that a program that is
    run again takes the same ways.  Families and shapes that were forgotten begin anew.

    Args:
        at_once: how many shapes of a family are compiled when they are first met.
    """

    def __init__(self, at_once: int = SHAPES_BEFORE_OP_BY_OP) -> None:
        self._at_once = at_once
        self._compiled: Bounded = Bounded(_MOST_FAMILIES)
        self._last: Bounded = Bounded(_MOST_FAMILIES)
        self._seen: Bounded = Bounded(_MOST_SEEN)

    def compiles(self, family: Any, key: Any, times: int = 1) -> bool:
        """Counts calls that have no program; returns whether one should be made.

        Args:
            family: what they share.
            key: the shapes.
            times: how many such calls are about to come.
        """
        if self._compiled.get(family, 0) < SHAPES_BEFORE_OP_BY_OP and self._compiles_early(
            family, key, times
        ):
            return True
        count = self._seen.put(key, self._seen.get(key, 0) + times)
        if count >= _calls_that_make_a_shape_frequent():
            return True
        keep_freed_pages()
        return False

    def _compiles_early(self, family: Any, key: Any, times: int) -> bool:
        """Decides for a member of a family of which few were compiled."""
        running = times > 1 or self._last.get(family) == key
        self._last.put(family, key)
        return running or self._compiled.get(family, 0) < self._at_once or not _on_cpu()

    def has_met(self, family: Any) -> bool:
        """Returns whether so many members of the family were compiled that new ones must come often."""
        return self._compiled.get(family, 0) >= SHAPES_BEFORE_OP_BY_OP

    def compiled(self, family: Any) -> None:
        """Notes that a program was made for a member of the family."""
        self._compiled.put(family, self._compiled.get(family, 0) + 1)

    def expect_changes(self) -> None:
        """Notes that shapes change from call to call: none is compiled when it is first met."""
        self._at_once = 0
