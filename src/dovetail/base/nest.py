"""Nested structures (`tf.nest`): lists, tuples, named tuples, dicts and registered containers, walked in one order.

Dicts are walked in sorted key order and `None` is a leaf, as in TensorFlow.  The walking itself is `optree`'s.

A composite tensor is one leaf, or (`expand_composites=True`) a container of its components.  What our own machinery
takes apart (`flatten_spec`, `flat`, `pack`, `mapped`) is expanded always: traces, loops and nodes know tensors only.
A dataclass with `__tf_flatten__` and `__tf_unflatten__` is a container everywhere.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import optree

_PLAIN_LEAVES = frozenset({type(None), int, float, bool, str, bytes})
_MOST_KNOWN_LEAVES = 4096


class _Walk:
    """One of the two ways to walk.

    Args:
        namespace: of `optree`.

    Attributes:
        leaf_types: types of leaves that need no look: neither containers nor dataclasses that describe themselves.
    """

    __slots__ = ("leaf_types", "namespace")

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace
        self.leaf_types: set[type] = set(_PLAIN_LEAVES)

    def register(self, kind: type, take_apart: Callable, put_together: Callable) -> None:
        self.leaf_types.discard(kind)
        optree.register_pytree_node(kind, take_apart, put_together, namespace=self.namespace)

    def leaves(self, structure: Any) -> list:
        return [structure] if type(structure) in self.leaf_types else self.flatten(structure)[0]

    def flatten(self, structure: Any) -> tuple[list, Any]:
        """Returns `(leaves, treespec)`.

        The treespec is hashable, comparable (expanded, it holds the specs of the composites) and rebuilds with
        `unflatten`.
        """
        found = optree.tree_flatten(structure, none_is_leaf=True, namespace=self.namespace)
        if self.leaf_types.issuperset(map(type, found[0])) or not self._learn(set(map(type, found[0]))):
            return found
        return self.flatten(structure)

    def _learn(self, kinds: set[type]) -> bool:
        """Registers the dataclasses among the types of leaves; returns whether there were new ones."""
        found = False
        for kind in kinds - self.leaf_types:
            if _describes_itself(kind):
                register(kind, _apart, functools.partial(_together, kind))
                found = True
            elif len(self.leaf_types) < _MOST_KNOWN_LEAVES:
                self.leaf_types.add(kind)
        return found


_closed, _expanded = _Walk("dovetail"), _Walk("dovetail.composites")
flatten_spec = _expanded.flatten  # (leaves, treespec), composite tensors taken apart
flat = _expanded.leaves  # the leaves, composite tensors taken apart
closed = _closed.flatten  # (leaves, treespec), composite tensors as leaves


def register(kind: type, take_apart: Callable, put_together: Callable) -> None:
    """Makes `kind` a container: `take_apart(value) -> (children, facts)`, `put_together(facts, children) -> value`."""
    for walk in (_closed, _expanded):
        walk.register(kind, take_apart, put_together)


def register_composite(kind: type, take_apart: Callable, put_together: Callable) -> None:
    """Makes `kind` a container where composites are expanded, and a leaf elsewhere."""
    _expanded.register(kind, take_apart, put_together)


def is_nested(structure: Any) -> bool:
    """True for a list, tuple, dict or other registered container."""
    return not optree.tree_is_leaf(
        structure, none_is_leaf=True, namespace=_closed.namespace
    ) or _describes_itself(type(structure))


def flatten(structure: Any, expand_composites: bool = False) -> list:
    """Returns the leaves as a list; with `expand_composites` the components of composite tensors count as leaves."""
    return (_expanded if expand_composites else _closed).leaves(structure)


def one_level(structure: Any) -> tuple[list, list, Any]:
    """Returns the children of a container, their indices or keys, and the spec that `unflatten` takes for it."""
    _closed.leaves(structure)  # registers dataclasses that describe themselves
    children, spec = optree.tree_flatten(
        structure, lambda part: part is not structure, none_is_leaf=True, namespace=_closed.namespace
    )
    return children, spec.entries(), spec


def pack(structure: Any, leaves: Any) -> Any:
    """Returns `structure` with its leaves (composite tensors taken apart) replaced."""
    return pack_sequence_as(structure, leaves, expand_composites=True)


def mapped(function: Callable, *structures: Any) -> Any:
    """Applies `function` to the corresponding leaves of structures, composite tensors taken apart."""
    return map_structure(function, *structures, expand_composites=True)


def unflatten(spec: Any, leaves: Any) -> Any:
    """Rebuilds the structure of `spec` around `leaves`."""
    return optree.tree_unflatten(spec, leaves)


def _flattened(structure: Any, expand: bool) -> tuple[list, Any]:
    return (_expanded if expand else _closed).flatten(structure)


def pack_sequence_as(structure: Any, flat_sequence: Any, expand_composites: bool = False) -> Any:
    """Returns `structure` with its leaves replaced by `flat_sequence`, in order."""
    leaves, spec = _flattened(structure, expand_composites)
    given = list(flat_sequence)
    if len(given) != len(leaves):
        raise ValueError(
            f"tf.nest.pack_sequence_as: the structure has {len(leaves)} leaves, flat_sequence has {len(given)}. "
            f"Structure: {structure}"
        )
    return unflatten(spec, given)


def assert_same_structure(
    nest1: Any, nest2: Any, check_types: bool = True, expand_composites: bool = False
) -> None:
    """Raises ValueError when the two structures differ, TypeError when the types of their containers do."""
    if _flattened(nest1, expand_composites)[1] == _flattened(nest2, expand_composites)[1]:
        return
    difference = _difference(nest1, nest2, check_types, expand_composites)
    if difference is not None:
        raise difference(f"The two structures differ. First: {_describe(nest1)}. Second: {_describe(nest2)}.")


def map_structure(func: Callable, *structures: Any, **kwargs: Any) -> Any:
    """Applies `func` to the corresponding leaves of `structures`, and returns the results in the same structure.

    Args:
        func: takes one leaf of each structure.
        structures: structures of one form.
        kwargs: `check_types=False` allows containers of different types; `expand_composites=True` applies `func` to
            the components of composite tensors.

    Example:
        >>> map_structure(lambda a, b: a + b, {"x": 1, "y": [2]}, {"x": 3, "y": [4]})
        {'x': 4, 'y': [6]}
    """
    expand = kwargs.pop("expand_composites", False)
    check_types = kwargs.pop("check_types", True)
    if kwargs:
        raise ValueError(f"tf.nest.map_structure: unknown keyword arguments {sorted(kwargs)}")
    if not structures:
        raise ValueError("tf.nest.map_structure: pass at least one structure")
    leaves, spec = _flattened(structures[0], expand)
    others = []
    for other in structures[1:]:
        assert_same_structure(structures[0], other, check_types=check_types, expand_composites=expand)
        others.append(_leaves_like(spec, other, expand))
    return unflatten(spec, [func(*group) for group in zip(leaves, *others, strict=True)])


def _leaves_like(spec: Any, structure: Any, expand: bool) -> list:
    """Returns the leaves in the order of another, equal structure; dicts of one kind and another may differ in it."""
    try:
        return spec.flatten_up_to(structure)
    except (TypeError, ValueError):
        return flatten(structure, expand)  # lists against tuples, where that is allowed


def _difference(first: Any, second: Any, check_types: bool, expand: bool) -> type[Exception] | None:
    """Returns the class of the error for two structures that differ: TypeError for containers of different types."""
    if not _is_container(first) or not _is_container(second):
        return _leaf_difference(first, second, expand)
    if isinstance(first, dict) and isinstance(second, dict):  # a dict is as good as an OrderedDict
        if first.keys() != second.keys():
            return ValueError
        pairs = [(first[key], second[key]) for key in first]
    elif type(first) is not type(second) and (
        check_types or isinstance(first, dict) or isinstance(second, dict)
    ):
        return TypeError
    elif len(first) != len(second):
        return ValueError
    else:
        pairs = list(zip(first, second, strict=True))
    found = (_difference(one, other, check_types, expand) for one, other in pairs)
    return next((difference for difference in found if difference is not None), None)


def _leaf_difference(first: Any, second: Any, expand: bool) -> type[Exception] | None:
    """Compares what is no plain container: leaves, composites (by their specs), containers that registered."""
    one, other = (getattr(value, "_type_spec", None) if expand else None for value in (first, second))
    if one is not None and other is not None:
        return None if one.most_specific_common_supertype([other]) is not None else TypeError
    same = _flattened(first, expand)[1] == _flattened(second, expand)[1]
    return None if same else ValueError


def _is_container(value: Any) -> bool:
    return isinstance(value, dict | list | tuple) and is_nested(value)


def _describe(structure: Any) -> str:
    return str(map_structure(lambda leaf: "*", structure)).replace("'*'", "*")


# ---- dataclasses that describe themselves -----------------------------------------------------------------------


def _describes_itself(kind: type) -> bool:
    return hasattr(kind, "__tf_flatten__") and hasattr(kind, "__tf_unflatten__")


class _Metadata:
    """What a dataclass says of itself besides its components; hashable whatever it holds."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Metadata) and bool(self.value == other.value)

    def __hash__(self) -> int:
        try:
            return hash(self.value)
        except TypeError:
            return 0  # equality decides


def _apart(value: Any) -> tuple:
    metadata, components = value.__tf_flatten__()
    return tuple(components), _Metadata(metadata)


def _together(kind: Any, metadata: _Metadata, components: tuple) -> Any:
    return kind.__tf_unflatten__(metadata.value, components)
