"""`keras.tree`: nested structures of lists, tuples, named tuples, deques and dicts, walked in one order.

Dicts are walked in the order of their sorted keys, `OrderedDict` in its own; `None` is a leaf.  What is registered as a
container for `tf.nest` is one here too; sparse and ragged tensors are leaves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from dovetail.base import nest
from dovetail.base.errors import at_user_location
from dovetail.base.told import told_function

__all__ = [
    "MAP_TO_NONE",
    "assert_same_paths",
    "assert_same_structure",
    "flatten",
    "flatten_with_path",
    "is_nested",
    "lists_to_tuples",
    "map_shape_structure",
    "map_structure",
    "map_structure_up_to",
    "pack_sequence_as",
    "traverse",
]


class MAP_TO_NONE:
    """What the function of `traverse` returns for a part that is to become None."""


def is_nested(structure: Any) -> bool:
    """Returns whether a value is a container: a list, tuple, named tuple, dict, ..."""
    return nest.is_nested(structure)


def flatten(structure: Any) -> list:
    """Returns the leaves of a structure, in order.

    Example:
        >>> keras.tree.flatten({"b": [1, 2], "a": None})
        [None, 1, 2]
    """
    return nest.flatten(structure)


@told_function("keras.tree.pack_sequence_as")
def pack_sequence_as(structure: Any, flat_sequence: Iterable) -> Any:
    """Returns a structure with other leaves: `flat_sequence`, in the order of `flatten`."""
    if not nest.is_nested(flat_sequence) or isinstance(flat_sequence, Mapping):
        raise TypeError(
            f"keras.tree.pack_sequence_as: flat_sequence must be a sequence, received {type(flat_sequence).__name__}"
            f"{at_user_location()}"
        )
    return nest.pack_sequence_as(structure, flat_sequence)


# ---- paths -----------------------------------------------------------------------------------------------------------


def flatten_with_path(structure: Any) -> list[tuple[tuple, Any]]:
    """Returns the leaves with their paths, tuples of indices and keys.

    Example:
        >>> keras.tree.flatten_with_path([{"a": 42}])
        [((0, 'a'), 42)]
    """
    return list(_with_path(structure, ()))


def _with_path(structure: Any, path: tuple) -> Iterable[tuple[tuple, Any]]:
    if not nest.is_nested(structure):
        yield path, structure
        return
    children, keys, _ = nest.one_level(structure)
    for key, child in zip(keys, children, strict=True):
        yield from _with_path(child, (*path, key))


@told_function("keras.tree.assert_same_paths")
def assert_same_paths(a: Any, b: Any) -> None:
    """Raises ValueError when the leaves of two structures have other paths; lists and tuples are alike."""
    first, second = ({path for path, _ in _with_path(structure, ())} for structure in (a, b))
    if first != second:
        raise ValueError(
            f"the paths of the two structures differ: only in the first {sorted(first - second, key=str)[:5]}, only in "
            f"the second {sorted(second - first, key=str)[:5]}{at_user_location()}"
        )


@told_function("keras.tree.assert_same_structure")
def assert_same_structure(a: Any, b: Any, check_types: Any = None) -> None:
    """Raises ValueError when two structures are not nested in the same way.

    Args:
        a, b: structures; kinds of dicts are alike, lists, tuples and named tuples are not.
        check_types: has no effect, as in Keras; `assert_same_paths` is the looser check.
    """
    _same_level(a, b, deeper=False)


def _same_level(a: Any, b: Any, deeper: bool) -> tuple[list, list, Any] | None:
    """Returns the children of two structures, None for leaves; checks them to the bottom unless `deeper` is allowed."""
    if not nest.is_nested(a):
        if nest.is_nested(b) and not deeper:
            raise ValueError(f"a leaf stands against {_shown(b)}{at_user_location()}")
        return None
    if not nest.is_nested(b):
        raise ValueError(f"{_shown(a)} stands against a leaf, {_shown(b)}{at_user_location()}")
    (own, keys, spec), (others, other_keys, _) = nest.one_level(a), nest.one_level(b)
    same_kind = isinstance(a, Mapping) and isinstance(b, Mapping) or type(a) is type(b)
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        found = dict(zip(other_keys, others, strict=True))
        same_kind = found.keys() == set(keys)
        others = [found.get(key) for key in keys]
    if not same_kind or len(own) != len(others):
        raise ValueError(
            f"the two structures are not nested in the same way: {_shown(a)} and {_shown(b)}{at_user_location()}"
        )
    if not deeper:
        for first, second in zip(own, others, strict=True):
            _same_level(first, second, deeper)
    return own, others, spec


def _shown(structure: Any) -> str:
    return f"{type(structure).__name__} {structure!r:.60}"


# ---- mapping ---------------------------------------------------------------------------------------------------------


@told_function("keras.tree.map_structure")
def map_structure(func: Callable, *structures: Any, none_is_leaf: bool = True) -> Any:
    """Applies a function to the corresponding leaves of structures, and returns the results in the same structure.

    Args:
        func: takes one leaf of each structure.
        structures: nested in the same way.
        none_is_leaf: False leaves None as it is.
    """
    _check(func, structures)
    for other in structures[1:]:
        _same_level(structures[0], other, deeper=False)
    return _mapped(structures[0], func, structures, none_is_leaf)


@told_function("keras.tree.map_structure_up_to")
def map_structure_up_to(shallow_structure: Any, func: Callable, *structures: Any) -> Any:
    """Applies a function to what stands in structures where `shallow_structure` has leaves.

    Example:
        >>> keras.tree.map_structure_up_to([None, None], len, [[1, 1], [2, 2, 2]])
        [2, 3]
    """
    _check(func, structures)
    return _mapped(shallow_structure, func, structures, True)


def _check(func: Callable, structures: tuple) -> None:
    if not callable(func):
        raise TypeError(f"func must be callable, received {func!r:.60}{at_user_location()}")
    if not structures:
        raise TypeError(f"pass at least one structure{at_user_location()}")


def _mapped(shallow: Any, func: Callable, structures: tuple, none_is_leaf: bool) -> Any:
    if not nest.is_nested(shallow):
        if not none_is_leaf and shallow is None:
            return None
        return func(*structures)
    levels = [_same_level(shallow, structure, deeper=True) for structure in structures]
    columns = zip(*(level[1] for level in levels if level is not None), strict=True)
    own, _, spec = nest.one_level(shallow)
    results = [_mapped(child, func, row, none_is_leaf) for child, row in zip(own, columns, strict=True)]
    return nest.unflatten(spec, results)


@told_function("keras.tree.map_shape_structure")
def map_shape_structure(func: Callable, structure: Any) -> Any:
    """Applies a function to the shapes in a structure (tuples and lists of integers and None), and to other leaves."""
    if not callable(func):
        raise TypeError(f"func must be callable, received {func!r:.60}{at_user_location()}")
    if _is_shape(structure) or not nest.is_nested(structure):
        return func(structure)
    children, _, spec = nest.one_level(structure)
    return nest.unflatten(spec, [map_shape_structure(func, child) for child in children])


def _is_shape(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(size, int | None) for size in value)


@told_function("keras.tree.traverse")
def traverse(func: Callable, structure: Any, top_down: bool = True) -> Any:
    """Calls a function with a structure and with every part of it, and returns the structure with what it gives.

    Args:
        func: returns None to leave a part as it is, `MAP_TO_NONE` to make it None, or what replaces it; replaced from
            above, the part's own parts are not visited.
        structure: a structure.
        top_down: a container comes before its parts; otherwise after them.
    """
    if not callable(func):
        raise TypeError(f"func must be callable, received {func!r:.60}{at_user_location()}")
    return _traversed(func, structure, top_down)


def _traversed(func: Callable, structure: Any, top_down: bool) -> Any:
    if top_down and (replaced := func(structure)) is not None:
        return None if replaced is MAP_TO_NONE else replaced
    if nest.is_nested(structure):
        children, _, spec = nest.one_level(structure)
        structure = nest.unflatten(spec, [_traversed(func, child, top_down) for child in children])
    if not top_down and (replaced := func(structure)) is not None:
        return None if replaced is MAP_TO_NONE else replaced
    return structure


def lists_to_tuples(structure: Any) -> Any:
    """Returns a structure with its lists as tuples."""
    return traverse(lambda part: tuple(part) if type(part) is list else None, structure, top_down=False)
