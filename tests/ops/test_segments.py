"""Segments of rows that are infinite, of integers and without rows: as TensorFlow has them, eager and compiled."""

import numpy as np
import pytest

import dovetail as tf
from dovetail import errors

INF = np.inf
ROWS = {
    "negative": [[-INF, 1, -INF], [-INF, -INF, -INF], [3, -INF, -INF], [-INF, 2, -INF]],
    "positive": [[INF, 1, INF], [INF, INF, -INF], [3, INF, INF], [INF, 2, INF]],
}
IDS = {"gap": [0, 0, 3, 3], "late": [2, 2, 2, 2], "each": [0, 1, 2, 3]}
SORTED = [f"segment_{how}" for how in ("max", "min", "sum", "prod", "mean")]
UNSORTED = [f"unsorted_segment_{how}" for how in ("max", "min", "sum", "prod", "mean", "sqrt_n")]


def data(rows, dtype):
    if np.dtype(dtype).kind == "f":
        return np.array(ROWS[rows], dtype)
    limits = np.iinfo(dtype)
    return np.clip(np.array(ROWS[rows]), max(limits.min, -9), 7).astype(dtype)


@pytest.mark.parametrize(
    ("dtype", "rows"), [("float32", "negative"), ("float64", "positive"), ("int8", "negative")]
)
@pytest.mark.parametrize("name", SORTED + UNSORTED)
def test_segments_are_tensorflows(name, dtype, rows):
    reference = pytest.importorskip("tensorflow")
    if name.endswith("sqrt_n") and dtype[0] != "f":
        pytest.skip("TensorFlow has it of floats alone")
    x = data(rows, dtype)
    for label, ids in IDS.items():
        more = [5] if name in UNSORTED else []
        want = getattr(reference.math, name)(x, ids, *more)

        def ours(x, ids=tuple(ids), more=more):
            return getattr(tf.math, name)(x, list(ids), *more)

        for run in (ours, tf.function(ours), tf.function(ours, jit_compile=True))[
            : 3 if label == "gap" else 1
        ]:
            found = run(tf.constant(x))
            assert found.dtype.name == want.dtype.name
            np.testing.assert_array_equal(found, want)


@pytest.mark.parametrize("how", ["max", "min"])
def test_the_extreme_of_infinite_rows_has_gradients(how):
    reference = pytest.importorskip("tensorflow")
    x, found = np.array(ROWS["negative"], "float32"), []
    for framework in (reference, tf):
        with framework.GradientTape() as tape:
            tape.watch(held := framework.constant(x))
            y = getattr(framework.math, f"segment_{how}")(held, [0, 0, 2, 2])
        found.append(np.asarray(tape.gradient(y, held)))
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize("ids", [[1, 0, 2], [-1, 0, 1]])
@pytest.mark.parametrize("name", SORTED)
def test_ids_that_do_not_ascend_are_refused(name, ids):
    reference = pytest.importorskip("tensorflow")
    with pytest.raises(reference.errors.InvalidArgumentError):
        getattr(reference.math, name)([1.0, 2.0, 3.0], ids)
    with pytest.raises(errors.InvalidArgumentError, match=f"tf.math.unsorted_{name}"):
        getattr(tf.math, name)([1.0, 2.0, 3.0], ids)


@pytest.mark.parametrize("name", SORTED)
def test_no_rows_have_no_segments(name):
    assert getattr(tf.math, name)(np.zeros((0, 3), "float32"), np.zeros(0, "int32")).shape == (0, 3)
