"""Where each variable stands in a ".weights.h5" file.

Keras' layout: every layer, optimizer and the model itself has a group with a group "vars" inside, which holds the
variables "0", "1", ...  The groups are nested like the attributes, walked in alphabetical order, each object once; a
functional or sequential model has its layers under "layers", a list or dict has its members under their class names in
snake case.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from dovetail.keras.layers.layer import Layer
from dovetail.keras.naming import to_snake_case
from dovetail.keras.optimizers import Optimizer
from dovetail.tensor.variable import Variable

_LISTED = "layers"


class Place:
    """One group of the file.

    Attributes:
        path: such as "layers/dense_1".
        owner: the layer or optimizer whose variables it holds.
        variables: the variables, in order.
    """

    __slots__ = ("owner", "path", "variables")

    def __init__(self, path: str, owner: Any, variables: list[Variable]) -> None:
        self.path, self.owner, self.variables = path, owner, variables

    @property
    def vars_path(self) -> str:
        return f"{self.path}/vars" if self.path else "vars"


def places(model: Any) -> list[Place]:
    """Returns the groups of a model's file, the model's own (path "") first."""
    return list(_walk(model, "", set()))


def _walk(owner: Any, path: str, seen: set[int]) -> Iterator[Place]:
    seen.add(id(owner))
    yield Place(path, owner, own_variables(owner))
    for name, child in _children(owner):
        below = f"{path}/{name}" if path else name
        if isinstance(child, list | tuple | dict | set):
            yield from _walk_container(child, below, seen)
        elif id(child) not in seen:
            yield from _walk(child, below, seen)


def _walk_container(container: Any, path: str, seen: set[int]) -> Iterator[Place]:
    used: Counter = Counter()
    for member in container.values() if isinstance(container, dict) else container:
        if not isinstance(member, Layer | Optimizer) or id(member) in seen:
            continue
        base = to_snake_case(type(member).__name__)
        name = f"{base}_{used[base]}" if used[base] else base
        used[base] += 1
        yield from _walk(member, f"{path}/{name}", seen)


def _children(owner: Any) -> list[tuple[str, Any]]:
    """Returns the attributes that hold layers or an optimizer, by name."""
    if isinstance(owner, Optimizer):
        inner = getattr(owner, "inner_optimizer", None)
        return [("inner_optimizer", inner)] if inner is not None else []
    found = {name: value for name, value in vars(owner).items() if not name.startswith("_") and _holds(value)}
    if getattr(owner, "_graph", None) is not None or hasattr(owner, "_stack"):
        found[_LISTED] = [
            layer for layer in owner.layers if not hasattr(layer, "_operation") or layer.weights
        ]
    return sorted(found.items())


def _holds(value: Any) -> bool:
    if isinstance(value, Layer | Optimizer):
        return True
    if isinstance(value, list | tuple | dict | set):
        return any(
            isinstance(v, Layer | Optimizer) for v in (value.values() if isinstance(value, dict) else value)
        )
    return False


def own_variables(owner: Any) -> list[Variable]:
    """Returns the variables that an object itself holds, in Keras' order: those made to be trained first."""
    if isinstance(owner, Optimizer):
        return list(owner.variables)
    held = owner._held_variables()
    trained = [v for v in held if getattr(v, "_declared_trainable", v.trainable)]
    return trained + [v for v in held if not getattr(v, "_declared_trainable", v.trainable)]
