"""Finding the variables and layers that an object holds, wherever it keeps them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dovetail.base.versions import Versions
from dovetail.tensor.variable import Variable

PLAIN = frozenset({int, float, str, bool, type(None), bytes, complex, type, type(len), type(lambda: 0)})
_CONTAINERS = (list, tuple, dict)


class Found:
    """What a walk over layers found, and how to tell that it would find the same again.

    Attributes:
        items: what was found.
    """

    __slots__ = ("_containers", "_lengths", "_versions", "items")

    def __init__(self, items: list, walked: list, containers: list) -> None:
        self.items, self._containers = items, containers
        self._lengths = [len(container) for container in containers]
        self._versions = Versions(walked)

    def holds(self) -> bool:
        """True when no attribute was set and no list or dict changed its length since."""
        return self._versions.hold() and self._lengths == [len(c) for c in self._containers]


def held_objects(owner: Any, skip: frozenset[str] = frozenset()) -> Iterator[Any]:
    """Yields every object that is an attribute of `owner`, or sits in a list, tuple or dict attribute."""
    for name, value in vars(owner).items():
        kind = type(value)
        if kind in PLAIN or name in skip:
            continue
        if isinstance(value, _CONTAINERS):
            yield from _inside(value)
        else:
            yield value


def _inside(container: Any) -> Iterator[Any]:
    for value in container.values() if isinstance(container, dict) else container:
        if type(value) in PLAIN:
            continue
        if isinstance(value, _CONTAINERS):
            yield from _inside(value)
        else:
            yield value


def unique(items: Any) -> list:
    """Returns the items without repetitions (by identity), in order."""
    seen: set[int] = set()
    result = []
    for item in items:
        if id(item) not in seen:
            seen.add(id(item))
            result.append(item)
    return result


def variables_of(owner: Any, skip: frozenset[str] = frozenset()) -> list[Variable]:
    """Returns the variables that `owner` itself holds."""
    return unique(value for value in held_objects(owner, skip) if isinstance(value, Variable))
