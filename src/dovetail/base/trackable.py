"""What an object holds: `children` asks modules, layers, models, optimizers, metrics, datasets' iterators, lists and
dicts in one way.

An object takes part by a method `__children__()` that gives `(name, child)` pairs.  Weights, freezing, counting,
metrics and files all walk over that:

    class Pair:
        def __init__(self):
            self.left, self.right = tf.Variable(1.0), tf.Variable(2.0)
        def __children__(self):
            return [("left", self.left), ("right", self.right)]

A layer with a `Pair` among its attributes trains, saves and loads the two variables as weights of its own.  A class may
say otherwise by an attribute `_held_as`: "state", the variables inside are among the layer's `variables`, no weights
(random generators); "apart", they are the object's own (metrics, optimizers, iterators; a layer answers for its
weights itself).
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from dovetail.base.versions import Versions

# Types of values that hold nothing.
PLAIN = frozenset({int, float, str, bool, type(None), bytes, complex, type, type(len), type(lambda: 0)})
CONTAINERS = (list, tuple, dict)


def children(owner: Any) -> list[tuple[Any, Any]]:
    """Returns what an object holds directly, in order.

    Args:
        owner: a list, a tuple, a dict, or an object with `__children__`; anything else holds nothing.

    Returns:
        (name, child): the name is an attribute's, an index, or a key.
    """
    if isinstance(owner, dict):
        return list(owner.items())
    if isinstance(owner, list | tuple):
        return list(enumerate(owner))
    tell = getattr(type(owner), "__children__", None)
    return [] if tell is None else list(tell(owner))


AWAITING = "_awaited_by"  # the attribute that keeps who waits


def await_children(owner: Any, key: Any, tell: Callable[[Any], None]) -> None:
    """Has `tell(owner)` called once, when something is attached to an object.

    Nothing comes of it for objects that do not call `attached`: lists and dicts, and classes of other makers.

    Args:
        owner: the object.
        key: of who waits; one who waits already is replaced.
        tell: what to call.
    """
    if hasattr(owner, "__dict__"):
        owner.__dict__.setdefault(AWAITING, {})[key] = tell


def attached(owner: Any) -> None:
    """Tells those who wait for what an object gets: modules and layers call this when an attribute is set."""
    awaited = owner.__dict__.pop(AWAITING, None)
    if awaited:  # they ask again when they still miss something
        for tell in awaited.values():
            tell(owner)


def attributes(owner: Any, skip: frozenset[str] = frozenset()) -> list[tuple[str, Any]]:
    """Returns the attributes that may hold something, in the order in which they were set: what `__children__` gives.

    Args:
        owner: the object.
        skip: names of attributes that refer to what the object does not own.
    """
    return [
        (name, value)
        for name, value in vars(owner).items()
        if type(value) not in PLAIN and name not in skip and name != AWAITING
    ]


def leaves(owner: Any) -> Iterator[Any]:
    """Yields what an object holds, and in place of a list, tuple or dict what is inside."""
    for _, child in children(owner):
        if type(child) in PLAIN:
            continue
        if isinstance(child, CONTAINERS):
            yield from leaves(child)
        else:
            yield child


def held(owner: Any) -> Iterator[Any]:
    """Yields the leaves of an object, then those of the objects among them that hold weights for it, nearest first.

    What an object inside holds apart is left to that object.
    """
    pending, seen = [owner], {id(owner)}
    for one in pending:
        for leaf in leaves(one):
            yield leaf
            if is_transparent(leaf) and id(leaf) not in seen:
                seen.add(id(leaf))
                pending.append(leaf)


def is_transparent(item: Any) -> bool:
    """True for what is held for its weights' sake: modules, and users' objects with `__children__`."""
    return _is_transparent(type(item))  # type: ignore[arg-type]


@functools.lru_cache(maxsize=4096)
def _is_transparent(kind: type) -> bool:
    return hasattr(kind, "__children__") and getattr(kind, "_held_as", "weights") == "weights"


def below(owner: Any, inside: Callable[[Any], Iterable[Any]]) -> list[Any]:
    """Returns an object and all below it, each once, depth first: `inside(item)` gives what is directly below."""
    result: list[Any] = []
    seen: set[int] = set()
    stack = [owner]
    while stack:
        item = stack.pop()
        if id(item) not in seen:
            seen.add(id(item))
            result.append(item)
            stack.extend(reversed(list(inside(item))))
    return result


def containers(owner: Any) -> Iterator[Any]:
    """Yields the lists and dicts that an object holds, those inside of them, and those of its modules."""
    for _, child in children(owner):
        if isinstance(child, CONTAINERS):
            if not isinstance(child, tuple):  # a tuple stays as it is
                yield child
            yield from containers(child)
    if not isinstance(owner, CONTAINERS):
        for item in held(owner):
            if is_transparent(item):
                yield vars(item) if hasattr(item, "__dict__") else dict(children(item))


def unique(items: Any) -> list:
    """Returns the items without repetitions (by identity), in order."""
    seen: set[int] = set()
    result = []
    for item in items:
        if id(item) not in seen:
            seen.add(id(item))
            result.append(item)
    return result


class Trail:
    """What a walk passed: as long as none of it changes, it would find the same again.

    Attributes:
        walked: the versioned objects (layers, variables) that decide.
        grown: lists that only grow, or shrink.
        boxes: lists and dicts of which every entry decides.
    """

    __slots__ = ("boxes", "grown", "walked")

    def __init__(self) -> None:
        self.walked: list = []
        self.grown: list = []
        self.boxes: list = []


class Found:
    """What a walk found, and how to tell that it would find the same again.

    Args:
        items: what was found.
        trail: what the walk passed.
    """

    __slots__ = ("_boxes", "_contents", "_grown", "_lengths", "_versions", "items")

    def __init__(self, items: Any, trail: Trail) -> None:
        self.items, self._grown, self._boxes = items, [*trail.grown, *trail.boxes], trail.boxes
        self._lengths = list(map(len, self._grown))
        self._contents = [_kept(box) for box in trail.boxes]
        self._versions = Versions(trail.walked)

    def holds(self) -> bool:
        """True when no attribute was set since, and no list or dict has changed."""
        return (
            self._versions.hold()
            and self._lengths == list(map(len, self._grown))
            and all(
                all(map(operator.is_, _values(now), before))
                for now, before in zip(self._boxes, self._contents)
                if before
            )
        )


def _values(container: Any) -> Any:
    return container.values() if isinstance(container, dict) else container


def _kept(container: Any) -> list:
    """Returns what a container holds, nothing when that is all plain values: there may be many."""
    values = list(_values(container))
    return [] if PLAIN.issuperset(map(type, values)) else values
