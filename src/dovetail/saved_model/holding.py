"""What of an object is saved: its functions with the signatures that they were traced for, and what it holds."""

from __future__ import annotations

from typing import Any

from dovetail.base.trackable import CONTAINERS, children, unique
from dovetail.function.concrete import ConcreteFunction
from dovetail.function.describe import arguments_of
from dovetail.function.function import Function
from dovetail.function.methods import Bound
from dovetail.saved_model.functions import LoadedFunction
from dovetail.saved_model.objects import Asset, Loaded
from dovetail.saved_model.writing.tables import TableContent
from dovetail.tensor.variable import Variable
from dovetail.train.object_graph import named_children


def is_function(value: Any) -> bool:
    """Whether it is a function that was traced, or can be."""
    return isinstance(value, Function | Bound | LoadedFunction | ConcreteFunction)


def functions_of(owner: Any) -> list[tuple[str, Any]]:
    """Returns the `tf.function`s of an object: in its attributes, and among its methods.

    A class whose functions are made anew with its objects has an attribute `_saves_functions`, which is False.
    """
    if isinstance(owner, CONTAINERS):
        return [(name, value) for name, value in _items(owner) if is_function(value)]
    if not getattr(type(owner), "_saves_functions", True):
        return []
    own = [(name, value) for name, value in getattr(owner, "__dict__", {}).items() if is_function(value)]
    names = [name for name in dir(type(owner)) if isinstance(getattr(type(owner), name, None), Function)]
    return own + [(name, getattr(owner, name)) for name in names if name not in dict(own)]


def _items(container: Any) -> list[tuple[str, Any]]:
    pairs = container.items() if isinstance(container, dict) else enumerate(container)
    return [(str(name), value) for name, value in pairs]


def _containers_of_functions(owner: Any) -> list[tuple[str, Any]]:
    """Returns the lists and dicts with functions of an object; signatures of a loaded one are given anew."""
    if isinstance(owner, CONTAINERS) or not getattr(type(owner), "_saves_functions", True):
        return []
    held = getattr(owner, "__dict__", {}).items()
    return [
        (name, value)
        for name, value in held
        if isinstance(value, CONTAINERS)
        and not name.startswith("_")
        and not (isinstance(owner, Loaded) and name == "signatures")
        and any(is_function(one) for _, one in _items(value))
    ]


def traces_of(function: Any) -> list[ConcreteFunction]:
    """Returns the signatures that a function was traced for, or declared with."""
    if isinstance(function, LoadedFunction):
        return list(function.concrete_functions)
    if function.input_signature is not None:
        return [function.get_concrete_function()]
    calls = [arguments_of(key) for key in function._programs]
    found = [function.get_concrete_function(*args, **kwargs) for args, kwargs in calls]
    return unique([*found, *function._concrete.values()])


def held(owner: Any) -> list[tuple[str, Any]]:
    """Returns what an object holds that is saved: what a checkpoint holds, and files."""
    if isinstance(owner, Variable | Asset | TableContent) or is_function(owner):
        return []
    files = [(str(name), child) for name, child in children(owner) if isinstance(child, Asset)]
    found = [*named_children(owner), *files]
    known = {name for name, _ in found}
    return found + [pair for pair in _containers_of_functions(owner) if pair[0] not in known]
