"""`keras.tree` against live Keras: the same calls give the same values, or both raise."""

from __future__ import annotations

import collections
from typing import Any

import pytest

from dovetail.keras import tree

keras = pytest.importorskip("keras")
Point = collections.namedtuple("Point", ["x", "y"])
STRUCTURES = [
    42,
    None,
    [],
    (),
    {},
    [1, (2, 3), {"b": 4, "a": [5, None]}],
    Point(1, [2, 3]),
    collections.OrderedDict([("b", 1), ("a", (2,))]),
    collections.deque([1, [2]]),
    [[1, 2], [3, 4]],
    {"a": (1, 2), "b": Point(3, 4)},
    (None, None),
    [(2, 3), {"x": (None, 4)}],
]
CALLS = {
    "is_nested": lambda t, s: t.is_nested(s),
    "flatten": lambda t, s: t.flatten(s),
    "flatten_with_path": lambda t, s: t.flatten_with_path(s),
    "lists_to_tuples": lambda t, s: t.lists_to_tuples(s),
    "map_structure": lambda t, s: t.map_structure(lambda x: (x, "leaf"), s),
    "map_two": lambda t, s: t.map_structure(lambda x, y: f"{x} {y}", s, s),
    "map_no_none": lambda t, s: t.map_structure(lambda x: x + 1, s, none_is_leaf=False),
    "map_shapes": lambda t, s: t.map_shape_structure(lambda shape: ("shape", shape), s),
    "up_to_leaf": lambda t, s: t.map_structure_up_to(0, str, s),
    "up_to_pair": lambda t, s: t.map_structure_up_to([0, 0], str, s),
    "up_to_itself": lambda t, s: t.map_structure_up_to(_whole(s), lambda a, b: (a, b), _whole(s), s),
    "pack": lambda t, s: t.pack_sequence_as(s, list(range(len(t.flatten(s))))),
    "pack_too_few": lambda t, s: t.pack_sequence_as(s, [1]),
    "pack_no_list": lambda t, s: t.pack_sequence_as(s, 3),
    "top_down": lambda t, s: _visits(t, s, True),
    "bottom_up": lambda t, s: _visits(t, s, False),
    "replaced": lambda t, s: t.traverse(lambda x: "list" if isinstance(x, list) else None, s),
    "to_none": lambda t, s: t.traverse(lambda x: t.MAP_TO_NONE if x == 2 else None, s),
    "to_none_up": lambda t, s: t.traverse(lambda x: t.MAP_TO_NONE if x == 2 else None, s, top_down=False),
}


def _visits(t: Any, structure: Any, top_down: bool) -> tuple:
    seen: list = []
    result = t.traverse(lambda part: seen.append(repr(part)), structure, top_down=top_down)
    return result, seen


def _whole(structure: Any) -> Any:
    """Returns a structure without None, which live Keras takes for no leaf where it is to map up to it."""
    return keras.tree.map_structure(lambda leaf: 0 if leaf is None else leaf, structure)


def _outcome(call: Any, *args: Any) -> Any:
    try:
        return call(*args)
    except (TypeError, ValueError):
        return "an error"


@pytest.mark.parametrize("name", CALLS)
def test_calls(name: str) -> None:
    for structure in STRUCTURES:
        ours, theirs = (_outcome(CALLS[name], t, structure) for t in (tree, keras.tree))
        assert ours == theirs and type(ours) is type(theirs), structure


@pytest.mark.parametrize("check", ["assert_same_structure", "assert_same_paths"])
def test_comparisons(check: str) -> None:
    """Every pair of structures is accepted by both, or by none."""
    for first in STRUCTURES:
        for second in (*STRUCTURES, {"b": 1, "a": (2,)}, [1, [2, 3], {"b": 4, "a": [5, None]}]):
            ours, theirs = (_outcome(getattr(t, check), first, second) for t in (tree, keras.tree))
            assert ours == theirs, (first, second)


def test_none_in_shallow_structures_is_a_leaf() -> None:
    """As Keras documents it."""
    assert tree.map_structure_up_to([None, [None, None]], str, [[1, 1], [2, 2]]) == ["[1, 1]", ["2", "2"]]


def test_functions_are_checked() -> None:
    for call in (tree.map_structure, tree.traverse, tree.map_shape_structure):
        with pytest.raises(TypeError, match="must be callable"):
            call(3, [1])
    with pytest.raises(TypeError, match="at least one structure"):
        tree.map_structure(str)
