"""Versions: what was found out about some objects holds until one of them changes.

Each object that can change counts its own changes, so that one owner's change makes nobody else's answers stale.
"""

from __future__ import annotations

from typing import Any


class Versioned:
    """An object that counts its changes: an attribute that matters to those who walk over it was set.

    Attributes:
        _version: moves with each change.
    """

    _version = 0

    def _changed(self) -> None:
        self.__dict__["_version"] = self._version + 1


class Versions:
    """The versions of some objects at one moment.

    Args:
        objects: what an answer was made of.
    """

    __slots__ = ("_objects", "_seen")

    def __init__(self, objects: list[Any]) -> None:
        self._objects = objects
        self._seen = [item._version for item in objects]

    def hold(self) -> bool:
        """True while none of the objects has changed."""
        return [item._version for item in self._objects] == self._seen
