"""`tf.nest`, side by side with TensorFlow: order, structures that agree, and the errors for those that do not."""

from collections import OrderedDict, defaultdict, namedtuple

import pytest

from tests.support import parity

Pair = namedtuple("Pair", "x y")
Other = namedtuple("Other", "x y")
DEFAULT = defaultdict(list, {"z": 1, "y": 2})

CASES = {
    "flatten": lambda nest: nest.flatten({"b": [1, (2, 3)], "a": {2: 4, 1: 5}, "c": None}),
    "leaves": lambda nest: [nest.flatten(x) for x in (1, None, "ab", [], [[[]]], Pair(1, [2]))],
    "is_nested": lambda nest: [nest.is_nested(x) for x in ({}, [], (), Pair(1, 2), {1}, "a", None)],
    "map two": lambda nest: nest.map_structure(lambda a, b: a + b, [1, (2,)], [3, (4,)]),
    "map a dict and an OrderedDict": lambda nest: nest.map_structure(
        lambda a, b: a - b, {"b": 1, "a": 2}, OrderedDict([("b", 5), ("a", 7)])
    ),
    "map OrderedDicts in two orders": lambda nest: dict(
        nest.map_structure(
            lambda a, b: a - b, OrderedDict([("a", 7), ("b", 5)]), OrderedDict([("b", 5), ("a", 9)])
        )
    ),
    "map a defaultdict": lambda nest: nest.map_structure(lambda a, b: a - b, {"z": 1, "y": 5}, DEFAULT),
    "lists and tuples": lambda nest: nest.map_structure(lambda a, b: a + b, [1], (2,)),
    "lists and tuples, types unchecked": lambda nest: nest.map_structure(
        lambda a, b: a + b, [1], (2,), check_types=False
    ),
    "namedtuples of two names": lambda nest: nest.assert_same_structure(Pair(1, 2), Other(1, 2)),
    "a namedtuple and a tuple": lambda nest: nest.assert_same_structure(Pair(1, 2), (1, 2)),
    "a list and a dict": lambda nest: nest.assert_same_structure([1], {"a": 1}),
    "a list and a leaf": lambda nest: nest.assert_same_structure([1], 1),
    "one level more": lambda nest: nest.assert_same_structure([[1]], [1]),
    "other keys": lambda nest: nest.assert_same_structure({"a": 1}, {"b": 1}),
    "more keys": lambda nest: nest.assert_same_structure({"a": 1}, {"a": 1, "b": 1}),
    "other lengths": lambda nest: nest.assert_same_structure([1, 2], [1]),
    "the same": lambda nest: nest.assert_same_structure({"a": (1, [2])}, {"a": (3, [4])}),
    "pack": lambda nest: nest.pack_sequence_as({"b": 1, "a": (2, 3)}, [10, 20, 30]),
    "pack too many": lambda nest: nest.pack_sequence_as([1], [1, 2]),
}


@pytest.mark.parametrize("name", CASES)
def test_like_tensorflow(name):
    parity.check(lambda tf: CASES[name](tf.nest))
    kind, expected = parity.outcome(parity.reference(), lambda tf: CASES[name](tf.nest))
    if kind == "error":
        with pytest.raises(type(expected)):
            from dovetail import nest

            CASES[name](nest)


def test_tensor_arrays_are_leaves():
    def run(tf):
        array = tf.TensorArray(tf.float32, size=2, element_shape=[]).unstack([1.0, 2.0])
        nest, structure = tf.nest, {"a": array, "b": [3]}
        mapped = nest.map_structure(lambda leaf: leaf, structure)
        packed = nest.pack_sequence_as([1, {"x": 2}], [array, array])
        nest.assert_same_structure(array, 1)
        kinds = [type(leaf).__name__ for leaf in nest.flatten(structure)]
        inside = tf.function(lambda x: nest.flatten([array, x])[0].stack() * x)
        return kinds, mapped["a"] is array, packed[1]["x"] is array, nest.is_nested(array), inside(2.0)

    parity.check(run)
