"""`tf.autodiff.ForwardAccumulator`: against central differences, and in all combinations with tapes."""

import numpy as np
import pytest

import dovetail as tf

Accumulator = tf.autodiff.ForwardAccumulator
X, DIRECTION = np.array([0.5, 1.5]), np.array([1.0, -2.0])


@tf.custom_gradient
def _seven(x):
    return x * 1.0, lambda up: up * 7.0 * x


FUNCTIONS = {
    "rules": lambda x: tf.exp(x) * x,
    "vjp": lambda x: tf.math.erf(x) + x,
    "matmul": lambda x: tf.matmul(x[None], x[:, None]),
    "gather": lambda x: tf.gather(x, [0, 0, 1]) ** 2,
    "several inputs": lambda x: tf.concat([x, x * x], 0),
    "several outputs": lambda x: tf.split(x * x, 2)[1],
    "function": tf.function(lambda x: tf.sin(x) * x),
    "cond": lambda x: tf.cond(x[0] > 0, lambda: x**3, lambda: x),
    "while": lambda x: tf.while_loop(lambda i, y: i < 3, lambda i, y: (i + 1, y * x), (0, x))[1],
}


@pytest.mark.parametrize("wrap", [lambda f: f, tf.function], ids=["eager", "function"])
@pytest.mark.parametrize("f", FUNCTIONS.values(), ids=FUNCTIONS)
def test_central_differences(f, wrap):
    def product(x):
        with Accumulator(x, tf.constant(DIRECTION)) as forward:
            y = f(x)
        return forward.jvp(y)

    step = 1e-5
    ahead, behind = (f(tf.constant(X + s * DIRECTION)).numpy() for s in (step, -step))
    np.testing.assert_allclose(wrap(product)(tf.constant(X)), (ahead - behind) / (2 * step), rtol=1e-7)


def test_outside_of_a_compiled_loop():
    f = tf.function(FUNCTIONS["while"])
    x = tf.constant(X)
    with Accumulator(x, tf.constant(DIRECTION)) as forward:
        y = f(x)
    np.testing.assert_allclose(forward.jvp(y), 4 * X**3 * DIRECTION)


def test_the_users_gradient_counts():
    x = tf.constant(2.0)
    with Accumulator(x, tf.constant(1.0)) as forward:
        y = _seven(x)
    assert float(forward.jvp(y)) == 14.0


def test_forward_over_forward():
    x = tf.constant(2.0)
    with Accumulator(x, tf.constant(1.0)) as outer, Accumulator(x, tf.constant(1.0)) as inner:
        y = x**4
        slope = inner.jvp(y)
    np.testing.assert_allclose([slope, outer.jvp(slope)], [32.0, 48.0], rtol=1e-6)


def test_reverse_over_forward():
    x = tf.constant(2.0)
    with tf.GradientTape() as tape:
        tape.watch(x)
        with Accumulator(x, tf.constant(1.0)) as forward:
            y = x**4
        slope = forward.jvp(y)
    np.testing.assert_allclose(tape.gradient(slope, x), 48.0, rtol=1e-6)


def test_forward_over_reverse_of_rows():
    table = tf.Variable([1.0, 2.0])
    with Accumulator(table, tf.constant([1.0, 0.0])) as forward:
        with tf.GradientTape() as tape:
            y = tf.reduce_sum(tf.gather(table, [0, 1, 0]) ** 3)
        gradient = tape.gradient(y, table)
    found = forward.jvp(gradient)
    assert isinstance(found, tf.IndexedSlices)
    np.testing.assert_allclose(tf.convert_to_tensor(found), [12.0, 0.0], rtol=1e-6)


def test_what_has_no_tangent():
    x = tf.constant(3.0)
    with Accumulator(x, tf.constant(1.0)) as forward:
        y = x * 2
        with_integers = tf.cast(y, tf.int32)
    after = y * 2
    assert forward.jvp([after, with_integers, {"y": y}])[:2] == [None, None]
    assert float(forward.jvp(after, unconnected_gradients="zero")) == 0.0
    assert float(forward.jvp(x)) == 1.0


def test_bad_arguments():
    x = tf.constant([1.0, 2.0])
    with pytest.raises(ValueError, match="twice"):
        Accumulator([x, x], [x, x])
    with pytest.raises(ValueError, match="shape"):
        Accumulator(x, tf.constant(1.0))
    with pytest.raises(TypeError, match="tensors or variables"):
        Accumulator(1.0, tf.constant(1.0))
    with Accumulator(x, x) as forward, pytest.raises(ValueError, match="already recording"), forward:
        pass
