"""`tf.GradientTape` and custom gradients: parity with TensorFlow, and what is Dovetail's own."""

import inspect

import numpy as np
import pytest

import dovetail as tf
from tests import cases_tape
from tests.support import parity

CASES = [value for name, value in vars(cases_tape).items() if inspect.isfunction(value)]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_same_as_tensorflow(case):
    parity.check(case)


def test_second_call_says_persistent():
    x = tf.Variable(3.0)
    with tf.GradientTape() as tape:
        y = x * x
    tape.gradient(y, x)
    with pytest.raises(RuntimeError, match="persistent=True"):
        tape.gradient(y, x)


def test_watching_an_integer_warns():
    with tf.GradientTape() as tape, pytest.warns(UserWarning, match="int32"):
        tape.watch(tf.constant(3))


def test_jacobian_rows_by_loop_and_by_program_agree():
    x = tf.Variable(np.random.default_rng(0).normal(size=(4, 5)).astype("float32"))
    with tf.GradientTape(persistent=True) as tape:
        y = tf.tanh(tf.matmul(x, x, transpose_b=True))
    by_program = tape.jacobian(y, x)
    by_loop = tape.jacobian(y, x, experimental_use_pfor=False)
    np.testing.assert_allclose(by_program, by_loop, rtol=1e-5, atol=1e-6)


def test_a_gradient_can_be_compiled_and_eager():
    x = tf.Variable([0.3, -1.2])

    def slope():
        with tf.GradientTape() as tape:
            y = tf.reduce_sum(tf.sin(x) * tf.exp(x))
        return tape.gradient(y, x)

    np.testing.assert_allclose(slope(), tf.function(slope)(), rtol=1e-6)


def test_prints_once_when_differentiated(capfd):
    @tf.function
    def square(x):
        tf.print("squaring", x)
        return tf.math.erf(x) * x

    x = tf.Variable(3.0)
    with tf.GradientTape() as tape:
        y = square(x)
    tape.gradient(y, x)
    assert capfd.readouterr().err == "squaring 3\n"


def test_jacobian_of_a_function_that_prints(capfd):
    @tf.function
    def square(x):
        tf.print("squaring")
        return x**2

    x = tf.Variable(tf.ones(12))
    with tf.GradientTape() as tape:
        y = square(x)
    np.testing.assert_allclose(tape.jacobian(y, x), 2 * np.eye(12))
    assert capfd.readouterr().err == "squaring\n"


def test_a_long_record():
    x = tf.Variable(1.0, dtype=tf.float64)
    with tf.GradientTape() as tape:
        y = x
        for _ in range(20000):
            y = y * 1.0001
    np.testing.assert_allclose(tape.gradient(y, x), 1.0001**20000, rtol=1e-9)


def test_custom_gradient_counts_its_gradients():
    @tf.custom_gradient
    def identity(x):
        return x * 1, lambda dy: (dy, dy)

    x = tf.Variable(1.0)
    with tf.GradientTape() as tape:
        y = identity(x)
    with pytest.raises(ValueError, match="2 gradients for 1 inputs"):
        tape.gradient(y, x)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_derivatives_of_compiled_branches(order):
    """d/dx of x**4 inside tf.cond, of any order."""

    @tf.function
    def derivative(x, flag):
        def of(level):
            if level == 0:
                return tf.cond(flag, lambda: x**4, lambda: x)
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = of(level - 1)
            return tape.gradient(y, x)

        return of(order)

    expected = {1: 4 * 8.0, 2: 12 * 4.0, 3: 24 * 2.0}[order]
    np.testing.assert_allclose(derivative(tf.constant(2.0), tf.constant(True)), expected, rtol=1e-5)


@pytest.mark.parametrize("steps", [0, 1, 63, 64, 65, 200, 1000])
def test_gradient_of_a_compiled_loop_with_checkpoints(steps):
    """The loop keeps 64 checkpoints; the gradient of a**n through n steps is n * a**(n - 1) whatever n is."""
    a = tf.Variable(1.001, dtype=tf.float64)

    @tf.function
    def run(n):
        with tf.GradientTape() as tape:
            y = tf.while_loop(lambda i, x: i < n, lambda i, x: (i + 1, x * a), (0, tf.ones((), tf.float64)))[
                1
            ]
        return y, tape.gradient(y, a)

    y, gradient = run(tf.constant(steps))
    np.testing.assert_allclose(y, 1.001**steps, rtol=1e-12)
    expected = steps * 1.001 ** (steps - 1) if steps else 0.0
    np.testing.assert_allclose(gradient, expected, rtol=1e-10)


def test_tape_memory_is_released():
    """A tape that was used keeps no record."""
    x = tf.Variable(tf.ones(10))
    with tf.GradientTape() as tape:
        y = x * x
    tape.gradient(y, x)
    assert tape._entries == []
