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
    """Raises ValueError when the two structures differ, TypeError when only their container types do."""
    first, second = flatten_spec(nest1)[1], flatten_spec(nest2)[1]
    if first == second:
        return
    if not check_types and _shape_only(nest1) == _shape_only(nest2):
        return
    kind = TypeError if _shape_only(nest1) == _shape_only(nest2) else ValueError
    raise kind(f"The two structures differ. First: {_describe(nest1)}. Second: {_describe(nest2)}.")


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
        others.append(flatten(other))
    return unflatten(spec, [func(*group) for group in zip(leaves, *others, strict=True)])


def _shape_only(structure: Any) -> Any:
    if isinstance(structure, dict):
        return tuple((key, _shape_only(structure[key])) for key in sorted(structure, key=str))
    if isinstance(structure, list | tuple):
        return tuple(_shape_only(item) for item in structure)
    return None


def _describe(structure: Any) -> str:
    return str(map_structure(lambda leaf: "*", structure)).replace("'*'", "*")
