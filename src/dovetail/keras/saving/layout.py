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

from dovetail.base.trackable import children, held, is_transparent
from dovetail.keras.idiom import is_keras_2
from dovetail.keras.layers.machinery.layer import Layer
from dovetail.keras.naming import to_snake_case
from dovetail.keras.optimizers import Optimizer
from dovetail.tensor.variable import Variable

_LISTED = "layers"
_CONTAINERS = (list, tuple, dict, set)
_INTERNAL = ("_stack", "_compile_config")  # attributes of models that hold layers or optimizers a second time


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


def places(model: Any, older: bool | None = None) -> list[Place]:
    """Returns the groups of a model's file, the model's own (path "") first.

    Args:
        model: the model.
        older: whether the file is one of Keras 2, which names some groups otherwise; None: as the program's Keras does.
    """
    return list(_walk(model, "", set(), is_keras_2() if older is None else older))


def places_in(model: Any, file: Any) -> list[Place]:
    """Returns the groups of a model's file as the file that is there names them."""
    newer, older = places(model, False), places(model, True)
    if [place.path for place in newer] == [place.path for place in older]:
        return newer
    return max(newer, older, key=lambda found: sum(place.vars_path in file for place in found))


def _walk(owner: Any, path: str, seen: set[int], older: bool) -> Iterator[Place]:
    seen.add(id(owner))
    if isinstance(owner, Layer | Optimizer):  # the variables of a module inside are its layer's
        yield Place(path, owner, own_variables(owner))
    for name, child in _named(owner, older):
        below = f"{path}/{name}" if path else name
        if isinstance(child, _CONTAINERS):
            yield from _walk_container(child, below, seen, older)
        elif id(child) not in seen:
            yield from _walk(child, below, seen, older)


def _walk_container(container: Any, path: str, seen: set[int], older: bool) -> Iterator[Place]:
    used: Counter = Counter()
    for member in _members(container):
        nested = isinstance(member, _CONTAINERS)
        if not nested and not _holds(member):
            continue
        base = "container" if nested else to_snake_case(type(member).__name__)
        name = f"{base}_{used[base]}" if used[base] else base
        used[base] += 1  # members met before count, too
        if nested:
            yield from _walk_container(member, f"{path}/{name}", seen, older)
        elif id(member) not in seen:
            yield from _walk(member, f"{path}/{name}", seen, older)


def _members(container: Any) -> list:
    return list(container.values() if isinstance(container, dict) else container)


def _named(owner: Any, older: bool) -> list[tuple[str, Any]]:
    """Returns what holds layers or an optimizer, by the name of its group."""
    names = getattr(owner, "_names_in_files", {})
    if older:  # where these attributes are private
        names = {name: f"_{shown}" for name, shown in names.items()}
    found = {
        str(names.get(name, name)): child
        for name, child in children(owner)
        if name not in _INTERNAL and _holds(child)
    }
    if _is_model(owner):
        found[_LISTED] = [layer for layer in owner.layers if not layer.is_op or layer.weights]
    return sorted(found.items(), key=lambda item: (item[0].startswith("_"), item[0]))


def _is_model(owner: Any) -> bool:
    return hasattr(owner, "_graph_layers")


def _holds(value: Any) -> bool:
    if isinstance(value, _CONTAINERS):
        return any(_holds(member) for member in _members(value))
    if isinstance(value, Layer | Optimizer):
        return True
    return is_transparent(value) and any(isinstance(item, Layer | Optimizer) for item in held(value))


def own_variables(owner: Any) -> list[Variable]:
    """Returns the variables that an object itself holds, in Keras' order."""
    return list(owner.variables) if isinstance(owner, Optimizer) else owner._stored_variables()
