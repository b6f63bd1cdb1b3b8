"""Finding the variables and layers that an object holds, wherever it keeps them."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from typing import Any

from dovetail.base.versions import Versions
from dovetail.tensor.variable import Variable

PLAIN = frozenset({int, float, str, bool, type(None), bytes, complex, type, type(len), type(lambda: 0)})
_CONTAINERS = (list, tuple, dict)


class Found:
    """What a walk over layers found, and how to tell that it would find the same again.

    Args:
        items: what was found.
        walked: the layers and variables that decide.
        containers: the lists and dicts that they hold.
    """

    __slots__ = ("_containers", "_contents", "_lengths", "_versions", "items")

    def __init__(self, items: Any, walked: list, containers: list) -> None:
        self.items, self._containers = items, containers
        self._lengths = list(map(len, containers))
        self._contents = [_held(container) for container in containers]  # long lists of words are left out
        self._versions = Versions(walked)

    def holds(self) -> bool:
        """True when no attribute was set and no list or dict has changed since."""
        return (
            self._versions.hold()
            and self._lengths == list(map(len, self._containers))
            and all(
                all(map(operator.is_, _values(now), before))
                for now, before in zip(self._containers, self._contents)
                if before
            )
        )


def held_objects(owner: Any, skip: frozenset[str] = frozenset()) -> Iterator[Any]:
    """Yields every object that is an attribute of `owner`, or sits in a list, tuple or dict attribute."""
    for name, value in vars(owner).items():
        if type(value) in PLAIN or name in skip:
            continue
        if isinstance(value, _CONTAINERS):
            yield from _inside(value)
        else:
            yield value


def containers_of(owner: Any, skip: frozenset[str] = frozenset()) -> Iterator[Any]:
    """Yields the lists, tuples and dicts among the attributes of `owner`, and those inside of them."""
    for name, value in vars(owner).items():
        if name not in skip and isinstance(value, _CONTAINERS):
            yield from _nested(value)


def _nested(container: Any) -> Iterator[Any]:
    yield container
    for value in _values(container):
        if isinstance(value, _CONTAINERS):
            yield from _nested(value)


def _values(container: Any) -> Any:
    return container.values() if isinstance(container, dict) else container


def _held(container: Any) -> list:
    """Returns what a container holds, nothing when that is all plain values."""
    values = list(_values(container))
    return [] if PLAIN.issuperset(map(type, values)) else values


def _inside(container: Any) -> Iterator[Any]:
    for value in _values(container):
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
