"""Which objects a checkpoint holds, and under which names: TensorFlow's graph of trackable objects.

A node is an object, an edge the name by which another holds it; values (variables, tables, iterators) stand under the
first path that leads to them.  When a checkpoint is read, its edges are followed through the objects that are there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from dovetail.base.trackable import CONTAINERS, PLAIN, children
from dovetail.tensor.variable import Variable
from dovetail.wire.protobuf import Field, Message

GRAPH_KEY = "_CHECKPOINTABLE_OBJECT_GRAPH"
VALUE = "VARIABLE_VALUE"
_TAKING_PART = ("__children__", "__saved_children__", "__saved_values__")


class _Child(Message):
    fields = {"node_id": Field(1, "int32"), "local_name": Field(2, "string")}


class _Attribute(Message):
    fields = {
        "name": Field(1, "string"),
        "full_name": Field(2, "string"),
        "checkpoint_key": Field(3, "string"),
    }


class _Slot(Message):
    fields = {
        "original_variable_node_id": Field(1, "int32"),
        "slot_name": Field(2, "string"),
        "slot_variable_node_id": Field(3, "int32"),
    }


class _Flag(Message):
    fields = {"value": Field(1, "bool")}


class ObjectNode(Message):
    """An object of a checkpoint: what it holds, and its values."""

    fields = {
        "children": Field(1, _Child, repeated=True),
        "attributes": Field(2, _Attribute, repeated=True),
        "slot_variables": Field(3, _Slot, repeated=True),
        "has_checkpoint_values": Field(5, _Flag),
    }


class ObjectGraph(Message):
    """The objects of a checkpoint; the first is its root."""

    fields = {"nodes": Field(1, ObjectNode, repeated=True)}


def named_children(owner: Any) -> list[tuple[str, Any]]:
    """Returns what an object holds that a checkpoint can hold, by the names it has there.

    An object may say so itself by a method `__saved_children__()`; otherwise `__children__` does.
    """
    tell = getattr(type(owner), "__saved_children__", None)
    found = children(owner) if tell is None else tell(owner)
    return [(str(name), child) for name, child in found if _takes_part(child)]


def _takes_part(item: Any) -> bool:
    if type(item) in PLAIN:
        return False
    if isinstance(item, CONTAINERS):
        return any(_takes_part(child) for _, child in children(item))
    return isinstance(item, Variable) or any(hasattr(type(item), name) for name in _TAKING_PART)


def has_own_values(item: Any) -> bool:
    """Returns whether an object that is no variable has values of its own for a checkpoint.

    Such an object has two methods: `__saved_values__() -> {name: array}`, and `__load_values__(values)`.  Names that
    are the same up to a dash are parts of one value: "table-keys", "table-values".
    """
    return hasattr(type(item), "__saved_values__")


def values_of(item: Any) -> dict[str, np.ndarray]:
    """Returns the values of an object by name: of a variable, `VARIABLE_VALUE`."""
    if isinstance(item, Variable):
        return {VALUE: np.asarray(item._plain()._value)}
    return item.__saved_values__() if has_own_values(item) else {}


def value_names(item: Any) -> list[str]:
    """Returns the names of an object's values."""
    return [VALUE] if isinstance(item, Variable) else list(values_of(item))


class Walk:
    """All objects below a root, each once, the nearest first.

    Attributes:
        objects: the objects; the root is the first.
        paths: of each, the names that lead to it.
        edges: of each, `(name, place of the child)`.
    """

    def __init__(self, root: Any) -> None:
        self.objects, self.paths = [root], [()]  # type: list[Any], list[tuple[str, ...]]
        self.edges: list[list[tuple[str, int]]] = []
        places = {id(root): 0}
        for place, owner in enumerate(self.objects):
            edges = []
            for name, child in named_children(owner):
                if id(child) not in places:
                    places[id(child)] = len(self.objects)
                    self.objects.append(child)
                    self.paths.append((*self.paths[place], name))
                edges.append((name, places[id(child)]))
            self.edges.append(edges)

    def valued(self) -> Iterator[tuple[tuple[str, ...], Any]]:
        """Yields the objects that have values, with their paths."""
        for path, item in zip(self.paths, self.objects):
            if isinstance(item, Variable) or has_own_values(item):
                yield path, item


def written(root: Any) -> dict[str, np.ndarray]:
    """Returns the tensors of a checkpoint: the values of all objects below a root, and the graph of the objects."""
    walk = Walk(root)
    graph, tensors = ObjectGraph(), {}
    for path, item, edges in zip(walk.paths, walk.objects, walk.edges):
        node = graph.nodes.add()
        for name, place in edges:
            node.children.add(node_id=place, local_name=name)
        values = values_of(item)
        for name, value in values.items():
            tensors[_key(path, name)] = value
        full_name = str(getattr(item, "name", None) or "/".join(path)).removesuffix(":0")
        for name in dict.fromkeys(name.partition("-")[0] for name in values):
            node.attributes.add(name=name, full_name=full_name, checkpoint_key=_key(path, name))
        if values or edges:
            node.has_checkpoint_values.value = True
    serialized: np.ndarray = np.empty((), object)
    serialized[()] = graph.SerializeToString()
    return {**tensors, GRAPH_KEY: serialized}


def _key(path: tuple[str, ...], name: str) -> str:
    return "/".join([*map(escaped, path), ".ATTRIBUTES", name])


def keys_of_variables(root: Any) -> list[tuple[str, Variable]]:
    """Returns the variables below a root with the keys that `written` gives their values."""
    return [(_key(path, VALUE), item) for path, item in Walk(root).valued() if isinstance(item, Variable)]


def escaped(name: str) -> str:
    """Returns a name as a part of a key, in which dots and slashes have a meaning."""
    return name.replace(".", "..").replace("/", ".S")
