"""`tf.TensorShape` is a sequence of sizes, as programs use it."""

import copy
import pickle

import numpy as np
import pytest

import dovetail as tf
from dovetail.tensor.dimension import Dimension

SHAPE = tf.TensorShape([None, 3])
KNOWN = tf.zeros((2, 3)).shape


def test_it_is_formatted_like_a_value():
    assert "%s" % KNOWN == f"{KNOWN}" == str(KNOWN) == "(2, 3)"  # noqa: UP031 - what programs write
    assert "%s, %d" % (SHAPE, 1) == "(None, 3), 1"  # noqa: UP031
    assert str(tf.TensorShape(None)) == "<unknown>" and repr(SHAPE) == "TensorShape([None, 3])"
    assert str(SHAPE[1:]) == "(3,)"


def test_it_goes_where_tuples_and_lists_go():
    pair = [2, 3]
    assert tuple(pair) == KNOWN and pair == KNOWN and KNOWN != (3, 2)
    assert {KNOWN: 1}[(2, 3)] == 1 and {(2, 3): 2}[KNOWN] == 2
    for other in ((1,), [1], tf.TensorShape(1)):
        assert other + KNOWN == (1, 2, 3) and KNOWN + other == (2, 3, 1)
    assert np.zeros(KNOWN).shape == (2, 3) and np.ones(6).reshape(KNOWN).shape == (2, 3)
    assert tf.reshape(tf.zeros(6), KNOWN).shape == tf.random.normal(KNOWN).shape == KNOWN
    np.testing.assert_array_equal(tf.stack([KNOWN, KNOWN]), [[2, 3], [2, 3]])
    assert max(KNOWN) == 3 and KNOWN.index(3) == 1 and 3 in KNOWN and list(reversed(KNOWN)) == [3, 2]
    assert tf.nest.flatten({"s": KNOWN}) == [KNOWN]


def test_copies_and_pickles_are_equal():
    for shape in (KNOWN, SHAPE, tf.TensorShape(None)):
        for twin in (copy.copy(shape), copy.deepcopy(shape), pickle.loads(pickle.dumps(shape))):
            assert twin == shape and twin.rank == shape.rank


def test_an_unknown_rank_has_no_length_and_no_sizes():
    unknown = tf.TensorShape(None)
    assert unknown.rank is None and unknown.dims is None and not unknown and unknown[0] is None
    for refused in (len, list, tuple, tf.TensorShape.as_list):
        with pytest.raises(ValueError, match="unknown rank"):
            refused(unknown)


def test_dimensions_know_their_value():
    assert [d.value for d in SHAPE.dims] == [None, 3]
    rows, columns = SHAPE.dims
    assert columns == 3 and columns * 2 == 6 and int(columns) == 3 and 7 // columns == 2 and columns > 2
    assert (rows + 1).value is None and (rows == 3) is None and rows.is_compatible_with(5)
    assert tf.TensorShape([rows, columns]) == SHAPE and rows.merge_with(4) == Dimension(4)
    with pytest.raises(ValueError, match="not compatible"):
        columns.assert_is_compatible_with(4)
    with pytest.raises(TypeError, match="unknown"):
        int(rows)
