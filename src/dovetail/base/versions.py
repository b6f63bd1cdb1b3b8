"""A counter that moves when the structure of any model may have changed: what was found out before is stale then."""

from __future__ import annotations


class Structure:
    """Counts changes: a layer or variable put into an attribute, a `trainable` flag set."""

    __slots__ = ("version",)

    def __init__(self) -> None:
        self.version = 0

    def changed(self) -> None:
        self.version += 1


structure = Structure()
