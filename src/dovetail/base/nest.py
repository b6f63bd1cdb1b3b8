"""Nested structures (`tf.nest`): lists, tuples, named tuples and dicts of leaves, walked in one order.

Dicts are walked in sorted key order and `None` is a leaf, as in TensorFlow.  The walking itself is `optree`'s.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import optree

_NAMESPACE = "dovetail"


def is_nested(structure: Any) -> bool:
    """True for a list, tuple, dict or other registered container."""
    return not optree.tree_is_leaf(structure, none_is_leaf=True, namespace=_NAMESPACE)


def flatten(structure: Any, expand_composites: bool = False) -> list:
    """Returns the leaves as a list.  `expand_composites` has no effect on dense tensors."""
    return optree.tree_leaves(structure, none_is_leaf=True, namespace=_NAMESPACE)


def flatten_spec(structure: Any) -> tuple[list, Any]:
    """Returns `(leaves, treespec)`; the treespec is hashable, comparable and rebuilds with `unflatten`."""
    return optree.tree_flatten(structure, none_is_leaf=True, namespace=_NAMESPACE)


def unflatten(spec: Any, leaves: Any) -> Any:
    """Rebuilds the structure of `spec` around `leaves`."""
    return optree.tree_unflatten(spec, leaves)


def pack_sequence_as(structure: Any, flat_sequence: Any, expand_composites: bool = False) -> Any:
    """Returns `structure` with its leaves replaced by `flat_sequence`, in order."""
    leaves, spec = flatten_spec(structure)
    flat = list(flat_sequence)
    if len(flat) != len(leaves):
        raise ValueError(
            f"tf.nest.pack_sequence_as: the structure has {len(leaves)} leaves, flat_sequence has {len(flat)}. "
            f"Structure: {structure}"
        )
    return unflatten(spec, flat)


def assert_same_structure(
    nest1: Any, nest2: Any, check_types: bool = True, expand_composites: bool = False
) -> None:
    """Raises ValueError when the two structures differ, TypeError when the types of their containers do."""
    if flatten_spec(nest1)[1] == flatten_spec(nest2)[1]:
        return
    difference = _difference(nest1, nest2, check_types)
    if difference is not None:
        raise difference(f"The two structures differ. First: {_describe(nest1)}. Second: {_describe(nest2)}.")


def map_structure(func: Callable, *structures: Any, **kwargs: Any) -> Any:
    """Applies `func` to the corresponding leaves of `structures`, and returns the results in the same structure.

    Example:
        >>> map_structure(lambda a, b: a + b, {"x": 1, "y": [2]}, {"x": 3, "y": [4]})
        {'x': 4, 'y': [6]}
    """
    kwargs.pop("expand_composites", None)
    check_types = kwargs.pop("check_types", True)
    if kwargs:
        raise ValueError(f"tf.nest.map_structure: unknown keyword arguments {sorted(kwargs)}")
    if not structures:
        raise ValueError("tf.nest.map_structure: pass at least one structure")
    leaves, spec = flatten_spec(structures[0])
    others = []
    for other in structures[1:]:
        assert_same_structure(structures[0], other, check_types=check_types)
        others.append(_leaves_like(spec, other))
    return unflatten(spec, [func(*group) for group in zip(leaves, *others, strict=True)])


def _leaves_like(spec: Any, structure: Any) -> list:
    """Returns the leaves in the order of another, equal structure; dicts of one kind and another may differ in it."""
    try:
        return spec.flatten_up_to(structure)
    except (TypeError, ValueError):
        return flatten(structure)  # lists against tuples, where that is allowed


def _difference(first: Any, second: Any, check_types: bool) -> type[Exception] | None:
    """Returns the class of the error for two structures that differ: TypeError for containers of different types."""
    if not _is_container(first) or not _is_container(second):
        same = flatten_spec(first)[1] == flatten_spec(second)[1]
        return None if same else ValueError
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
    found = (_difference(one, other, check_types) for one, other in pairs)
    return next((difference for difference in found if difference is not None), None)


def _is_container(value: Any) -> bool:
    return isinstance(value, dict | list | tuple) and is_nested(value)


def _describe(structure: Any) -> str:
    return str(map_structure(lambda leaf: "*", structure)).replace("'*'", "*")
