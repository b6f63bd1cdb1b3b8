"""Every dense op that TensorFlow dispatches on ragged tensors, on drawn ones, beside TensorFlow."""

from __future__ import annotations

import re

import numpy as np
import pytest

import dovetail as dv
from tests.cases_ragged_dispatch import ROWS, found

tf = pytest.importorskip("tensorflow")
SEEDS = range(3)
TAKEN_HERE = {"tf.math.bincount", "tf.sparse.bincount"}  # TensorFlow refuses row splits of int32


class _Shape(tuple):
    """A static shape, of which less may be known to TensorFlow."""

    __slots__ = ()


def _parts(lib, value):
    """Returns a value as what can be compared."""
    if isinstance(value, lib.RaggedTensor):
        return [
            _Shape(value.shape.as_list()),
            value.row_splits.dtype.name,
            *_parts(lib, [value.flat_values, *value.nested_row_splits]),
        ]
    if isinstance(value, lib.SparseTensor):
        return ["sparse", *_parts(lib, [value.indices, value.values, value.dense_shape])]
    if isinstance(value, list | tuple):
        return [_parts(lib, item) for item in value]
    return np.asarray(value) if hasattr(value, "dtype") else value


def _assert_same(mine, theirs):
    assert type(mine) is type(theirs), f"{mine!r} beside {theirs!r}"
    if isinstance(theirs, _Shape):
        assert len(mine) == len(theirs)
        assert all(b in (a, None) for a, b in zip(mine, theirs, strict=True)), f"{mine} beside {theirs}"
    elif isinstance(theirs, list):
        assert len(mine) == len(theirs), f"{mine!r} beside {theirs!r}"
        for a, b in zip(mine, theirs, strict=True):
            _assert_same(a, b)
    elif isinstance(theirs, np.ndarray):
        assert (mine.dtype, mine.shape) == (theirs.dtype, theirs.shape)
        if theirs.dtype.kind in "fc":
            np.testing.assert_allclose(mine, theirs, rtol=2e-4, atol=1e-5)
        else:
            np.testing.assert_array_equal(mine, theirs)
    else:
        assert mine == theirs


def _dispatched():
    """Returns the names that TensorFlow lists for its documentation."""
    listed = __import__("tensorflow.python.ops.ragged.ragged_dispatch", fromlist=["x"]).ragged_op_list()
    return set(re.findall(r"^\* `(tf\.[\w.]+)`", listed, re.MULTILINE))


def test_every_op_that_tensorflow_dispatches_has_a_row():
    assert _dispatched() - set(ROWS) == set()


@pytest.mark.parametrize("name", ROWS)
def test_values(name):
    try:
        found(dv, name)
    except AttributeError:
        pytest.skip("the dense op is not there yet")
    for seed in SEEDS:
        try:
            theirs = _parts(tf, ROWS[name].run(tf, name, seed))
        except (ValueError, TypeError, IndexError, tf.errors.OpError, NotImplementedError) as error:
            theirs = error
        if isinstance(theirs, Exception) and name in TAKEN_HERE:
            continue
        if isinstance(theirs, Exception):
            with pytest.raises(
                (ValueError, TypeError, IndexError, NotImplementedError, dv.errors.OpError, AttributeError)
            ):
                ROWS[name].run(dv, name, seed)
            continue
        _assert_same(_parts(dv, ROWS[name].run(dv, name, seed)), theirs)
