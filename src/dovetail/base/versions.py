"""Versions: what was found out about some objects holds until one of them changes.

Each object that can change counts its own changes, so that one owner's change makes nobody else's answers stale.
"""

from __future__ import annotations

from typing import Any


class _Changes:
    """Counts the changes of all objects: while it stands still, none has changed."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0


_all = _Changes()


class Versioned:
    """An object that counts its changes: an attribute that matters to those who walk over it was set.

    Attributes:
        _version: moves with each change.
    """

    _version = 0

    def _changed(self) -> None:
        self.__dict__["_version"] = self._version + 1
        _all.count += 1


class Versions:
    """The versions of some objects at one moment.

    Args:
        objects: what an answer was made of.
    """

    __slots__ = ("_count", "_objects", "_seen")

    def __init__(self, objects: list[Any]) -> None:
        self._objects, self._count = objects, _all.count
        self._seen = [item._version for item in objects]

    def hold(self) -> bool:
        """True while none of the objects has changed."""
        count = _all.count
        if self._count == count:
            return True
        if [item._version for item in self._objects] != self._seen:
            return False
        self._count = count
        return True
