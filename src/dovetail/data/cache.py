"""`cache`: the elements of the first complete pass, kept in memory or in files, serve the later passes."""

from __future__ import annotations

from collections.abc import Iterator

from dovetail.data.node import Node
from dovetail.data.plan import ArrayPlan

_VERSION = 2


class MemoryCache(Node):
    """Keeps the elements in memory.  A pass that is left early keeps nothing."""

    def __init__(self, source: Node) -> None:
        super().__init__(source)
        self._kept: list[tuple] | None = None

    def _make_plan(self) -> ArrayPlan | None:
        plan = self.source.plan  # rows of arrays are in memory already; a shuffled order is kept as it came
        return plan and plan.kept()

    def _generate(self) -> Iterator[tuple]:
        if self._kept is not None:
            yield from self._kept
            return
        kept = []
        for leaves in self.source.elements():
            kept.append(leaves)
            yield leaves
        self._kept = kept
