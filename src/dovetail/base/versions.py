"""Versions: what was found out about some objects holds until one of them changes.

Each object that can change keeps the number of its own latest change, so that one owner's change makes nobody else's
answers stale.
"""

from __future__ import annotations

import itertools
from typing import Any


class _Changes:
    """The latest change of any object: while it stays the same, none has changed."""

    __slots__ = ("latest",)

    def __init__(self) -> None:
        self.latest = 0


_all = _Changes()
# No two changes have one number, whatever threads make them: what a late thread writes is new to all who look.
_numbers = itertools.count(1)


class Versioned:
    """An object that numbers its changes: an attribute that matters to those who walk over it was set.

    Attributes:
        _version: the number of its latest change.
    """

    _version = 0

    def _changed(self) -> None:
        number = next(_numbers)
        self.__dict__["_version"] = number  # before all others are told: whoever is told finds it
        _all.latest = number


class Versions:
    """The versions of some objects at one moment.

    Args:
        objects: what an answer was made of.
    """

    __slots__ = ("_latest", "_objects", "_seen")

    def __init__(self, objects: list[Any]) -> None:
        self._objects, self._latest = objects, _all.latest
        self._seen = [item._version for item in objects]

    def hold(self) -> bool:
        """True while none of the objects has changed."""
        latest = _all.latest
        if self._latest == latest:
            return True
        if [item._version for item in self._objects] != self._seen:
            return False
        self._latest = latest
        return True
