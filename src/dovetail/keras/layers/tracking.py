"""Finding the variables and layers that an object holds, wherever it keeps them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dovetail.tensor.variable import Variable

_PLAIN = frozenset({int, float, str, bool, type(None), bytes, complex, type, type(len), type(lambda: 0)})
_CONTAINERS = (list, tuple, dict)


def held_objects(owner: Any, skip: frozenset[str] = frozenset()) -> Iterator[Any]:
    """Yields every object that is an attribute of `owner`, or sits in a list, tuple or dict attribute."""
    for name, value in vars(owner).items():
        kind = type(value)
        if kind in _PLAIN or name in skip:
            continue
        if isinstance(value, _CONTAINERS):
            yield from _inside(value)
        else:
            yield value


def _inside(container: Any) -> Iterator[Any]:
    for value in container.values() if isinstance(container, dict) else container:
        if type(value) in _PLAIN:
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
