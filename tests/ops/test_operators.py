"""Python's operators on tensors, and what ops say about arguments that do not fit."""

from __future__ import annotations

import operator

import numpy as np
import pytest

import dovetail as tf
from tests.ops.case import engine, f32, i32
from tests.support import parity

FLOATS, INTS, BOOLS = f32(1.5, -2.0, 3.0), i32(7, -7, 2), np.array([True, False, True])
OPERATORS = ["add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "lt", "le", "gt", "ge", "eq", "ne"]


@pytest.mark.parametrize("name", OPERATORS)
@pytest.mark.parametrize("other", [2, 2.0, FLOATS + 5, "tensor"], ids=["int", "float", "array", "tensor"])
def test_operators_on_floats(name, other):
    """Both ways round, the result is NumPy's in float32."""
    function = getattr(operator, name)
    x = abs(FLOATS)
    y = FLOATS + 5 if isinstance(other, str) else other
    given = tf.constant(y) if isinstance(other, str) else other
    for ours, theirs in (
        (function(tf.constant(x), given), function(x, np.float32(y))),
        (function(given, tf.constant(x)), function(np.float32(y), x)),
    ):
        assert ours.dtype == theirs.dtype
        np.testing.assert_allclose(ours.numpy(), theirs, rtol=1e-6)


def test_operators_on_integers():
    x = tf.constant(INTS)
    assert (x // 2).numpy().tolist() == [3, -4, 1]
    assert (x % 4).numpy().tolist() == [3, 1, 2]
    assert (x / 2).dtype == tf.float64
    assert (x**2).numpy().tolist() == [49, 49, 4]
    assert (2 ** tf.constant([1, 3])).numpy().tolist() == [2, 8]
    assert (-x).numpy().tolist() == [-7, 7, -2]
    assert abs(x).numpy().tolist() == [7, 7, 2]
    assert ((x & 3).numpy().tolist(), (x | 1).numpy().tolist(), (x ^ 1).numpy().tolist()) == (
        [3, 1, 2],
        [7, -7, 3],
        [6, -8, 3],
    )
    assert (~x).numpy().tolist() == [-8, 6, -3]


def test_operators_on_booleans():
    b = tf.constant(BOOLS)
    assert (~b).numpy().tolist() == [False, True, False]
    assert (b & True).numpy().tolist() == BOOLS.tolist()
    assert (False | b).numpy().tolist() == BOOLS.tolist()
    assert (b ^ b).numpy().tolist() == [False] * 3
    assert (tf.constant([1.0]) + True).numpy().tolist() == [2.0]


def test_equality():
    x = tf.constant(FLOATS)
    assert (x == None) is False  # noqa: E711
    assert (x != None) is True  # noqa: E711
    assert (x == [1.5, 0.0, 3.0]).numpy().tolist() == [True, False, True]
    assert bool(x == [1.0, 2.0]) is False
    assert bool(x != tf.zeros((4, 2))) is True
    with pytest.raises(tf.errors.InvalidArgumentError):
        operator.eq(x, tf.constant(INTS))


def test_tensors_are_not_hashable():
    with pytest.raises(TypeError, match="unhashable"):
        hash(tf.constant(1.0))
    x = tf.constant(1.0)
    assert x.ref() in {x.ref()}
    assert tf.constant(1.0).ref() not in {x.ref()}


def test_variables_have_operators():
    v = tf.Variable([1.0, 2.0])
    assert (v + 1).numpy().tolist() == [2.0, 3.0]
    assert (1 - v).numpy().tolist() == [0.0, -1.0]
    assert (v * v).numpy().tolist() == [1.0, 4.0]
    assert (v > 1.5).numpy().tolist() == [False, True]


REFUSED = [
    (lambda: tf.add(tf.constant(1.0), tf.constant(1)), "different dtypes: float32, int32.*tf.cast"),
    (lambda: tf.constant([1, 2]) + 1.5, "int32"),
    (lambda: tf.constant([True]) + tf.constant([True]), "booleans have no arithmetic"),
    (lambda: tf.sqrt(tf.constant([1])), "floating-point.*tf.cast"),
    (lambda: tf.reduce_sum(tf.constant([True])), "booleans"),
    (lambda: tf.reduce_any(tf.constant([1])), "expected booleans"),
    (lambda: tf.reduce_sum(tf.constant([1.0]), axis=2), "axis"),
    (lambda: tf.math.reduce_variance(tf.constant([1])), "int32"),
    (lambda: tf.matmul(tf.ones((2, 3)), tf.ones((2, 3))), "inner sizes differ"),
    (lambda: tf.matmul(tf.ones((2,)), tf.ones((2,))), "rank 2"),
    (lambda: tf.constant([1]) // 0, "division by zero"),
    (lambda: tf.pow(tf.constant([2]), -1), "negative integer powers"),
    (lambda: tf.constant([1.0, 2.0]) + tf.ones((3,)), "broadcast"),
    (lambda: tf.logical_and(tf.constant([1]), tf.constant([1])), "expected booleans"),
    (lambda: tf.einsum("ij,jk->ik", tf.ones((2, 3))), "names 2 tensors, 1 were given"),
    (lambda: tf.linalg.inv(tf.zeros((2, 2))), "[Ss]ingular"),
    (lambda: tf.linalg.cholesky(-tf.eye(2)), "positive definite"),
    (lambda: tf.math.unsorted_segment_sum([1.0, 2.0], [0, 5], 2), "out of range"),
    (lambda: tf.nn.top_k([1.0, 2.0], 3), "only 2"),
    (lambda: tf.reduce_sum(tf.ones((2,)), axes=0), "unknown argument 'axes'.*axis"),
    (lambda: tf.constant(1.0) + None, "None"),
]


@pytest.mark.parametrize("call, message", REFUSED, ids=[message for _, message in REFUSED])
def test_refused(call, message):
    """The error names the op, what it was given, and this file."""
    with engine("host"), pytest.raises((ValueError, TypeError), match=f"(?s){message}"):
        call()


def test_errors_name_the_users_line():
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"test_operators\.py:\d+"):
        tf.matmul(tf.ones((2, 3)), tf.ones((2, 3)))


def test_cholesky_gradient_in_a_composition():
    """Symmetric inputs only: the gradient with respect to the factor of the input."""
    reference = pytest.importorskip("tensorflow")
    a = np.random.default_rng(0).normal(size=(3, 3))

    def gradient(t):
        x = t.constant(a)
        with t.GradientTape() as tape:
            tape.watch(x)
            y = t.reduce_sum(
                t.linalg.cholesky(t.matmul(x, x, transpose_b=True) + t.eye(3, dtype=t.float64)) ** 3
            )
        return tape.gradient(y, x).numpy()

    np.testing.assert_allclose(gradient(tf), gradient(reference), rtol=1e-6)


@pytest.mark.parametrize("name", ["lt", "le", "gt", "ge"])
def test_complex_numbers_have_no_order(name):
    with pytest.raises(tf.errors.InvalidArgumentError, match="no order"):
        getattr(operator, name)(tf.constant(1j), tf.constant(2j))


def test_strings_add_and_compare_and_nothing_else():
    parity.check(lambda tf: ["a" + tf.constant("b"), tf.constant(["a", "b"]) + "c", tf.add("a", "b")])
    parity.check(lambda tf: [tf.constant(["a", "b"]) == "a", tf.constant("a") != "b"])
    for operate in (operator.sub, operator.mul, operator.truediv):
        parity.check(lambda tf, operate=operate: operate(tf.constant("a"), tf.constant("b")))


def test_many_strings_stay_on_the_host():
    words = tf.constant([str(number) for number in range(100_000)])
    assert tf.gather(tf.reshape(words, [2, -1]), 1)[0].numpy() == b"50000"
    assert (words + "!")[99_999].numpy() == b"99999!"
