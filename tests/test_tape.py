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


def _derivatives(f, at, order):
    """Return f's derivatives at a scalar, of every order up to `order`."""
    found = []

    def of(level):
        if level == 0:
            return f(at)
        with tf.GradientTape() as tape:
            tape.watch(at)
            y = of(level - 1)
        found.append(tape.gradient(y, at))
        return found[-1]

    of(order)
    return [float(g) for g in found]


@tf.custom_gradient
def _exponential(x):
    e = tf.exp(x)
    return e, lambda up: up * e


@pytest.mark.parametrize("wrap", [lambda f: f, tf.function], ids=["eager", "function"])
@pytest.mark.parametrize(
    "f",
    [
        _exponential,
        tf.recompute_grad(lambda x: tf.exp(x)),
        lambda x: tf.cond(x > 0, lambda: _exponential(x), lambda: x),
        lambda x: tf.while_loop(lambda i, y: i < 1, lambda i, y: (i + 1, _exponential(y)), (0, x))[1],
        lambda x: tf.function(_exponential)(x),
    ],
    ids=["custom", "recompute", "cond", "while", "inner function"],
)
def test_three_derivatives_of_whatever_replaces_a_tape(f, wrap):
    np.testing.assert_allclose(_derivatives(wrap(f), tf.constant(0.5), 3), [np.exp(0.5)] * 3, rtol=1e-5)


@pytest.mark.parametrize("wrap", [lambda f: f, tf.function], ids=["eager", "function"])
@pytest.mark.parametrize("at", [tf.constant(2.0), tf.Variable(2.0)], ids=["constant", "variable"])
@pytest.mark.parametrize(
    "f",
    [
        tf.custom_gradient(lambda a, b: (a + 3 * b, lambda up: (up, 3 * up))),
        tf.recompute_grad(lambda a, b: a + 3 * b),
        lambda a, b: tf.cond(a > 0, lambda: a + 3 * b, lambda: a),
        lambda a, b: tf.while_loop(lambda i, c, d: i < 1, lambda i, c, d: (i + 1, c + 3 * d, d), (0, a, b))[
            1
        ],
        lambda a, b: tf.scan(lambda s, r: s + 3 * r, tf.stack([b, 0.0]), initializer=a)[0],
    ],
    ids=["custom", "recompute", "cond", "while", "scan"],
)
def test_one_tensor_in_two_places(f, at, wrap):
    with tf.GradientTape() as tape:
        tape.watch(at)
        y = wrap(f)(at, at)
    assert float(tape.gradient(y, at)) == 4.0


def test_the_users_gradient_counts_in_a_function_differentiated_from_outside():
    x = tf.constant(1.4)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = 3 * tf.function(tf.grad_pass_through(tf.round))(x)
    assert float(tape.gradient(y, x)) == 3.0


def test_what_the_forward_function_does_not_survive_stays_out_of_a_compiled_gradient():
    """The gradient of log(1 + exp(x)) at 100 is 1; through the ops of the function it would be NaN."""

    @tf.function
    @tf.custom_gradient
    def log1pexp(x):
        e = tf.exp(x)
        return tf.math.log(1 + e), lambda up: up * (1 - 1 / (1 + e))

    x = tf.constant(100.0)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = log1pexp(x)
    assert float(tape.gradient(y, x)) == 1.0


def test_custom_gradient_of_variables_must_take_them():
    v = tf.Variable(2.0)
    f = tf.custom_gradient(lambda x: (x * v, lambda up: up * v))
    with tf.GradientTape(), pytest.raises(TypeError, match="variables"):
        f(tf.constant(1.0))


@pytest.mark.parametrize("steps", [0, 1, 70])
@pytest.mark.parametrize("order", [2, 3])
def test_higher_derivatives_of_nested_compiled_loops(steps, order):
    """(x**2)**n by a loop in a loop."""

    def power(x, n):
        return tf.while_loop(lambda i, y: i < n, lambda i, y: (i + 1, y * x), (0, tf.ones_like(x)))[1]

    @tf.function
    def derivative(x, n):
        def of(level):
            if level == 0:
                square = power(x, tf.constant(2))
                return power(square, n)
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = of(level - 1)
            return tape.gradient(y, x)

        return of(order)

    degree = 2 * steps
    factor = np.prod([degree - k for k in range(order)], dtype=float)
    expected = factor * 1.1 ** (degree - order) if degree >= order else 0.0
    found = derivative(tf.constant(1.1, tf.float64), tf.constant(steps))
    np.testing.assert_allclose(found, expected, rtol=1e-9)


@pytest.mark.parametrize("method", ["gradient", "jacobian", "batch_jacobian"])
def test_a_tape_may_be_used_in_a_branch_that_is_traced_more_than_once(method):
    @tf.function
    def run(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = x * x
        derivative = getattr(tape, method)
        return tf.cond(tf.reduce_sum(x) > 0.0, lambda: derivative(y, x), lambda: 2.0 * derivative(y, x))

    x = tf.constant([[1.0, 2.0], [3.0, 4.0]])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = x * x
    np.testing.assert_allclose(run(x), getattr(tape, method)(y, x))


@pytest.mark.parametrize("second", ["gradient", "jacobian", "batch_jacobian"])
@pytest.mark.parametrize("first", ["gradient", "jacobian", "batch_jacobian"])
def test_a_tape_that_has_served_its_call_holds_nothing_and_says_so(first, second):
    x = tf.constant([[1.0, 2.0]])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = x * x
    getattr(tape, first)(y, x)
    assert not tape._entries
    with pytest.raises(RuntimeError, match=f"{second} was called a second time"):
        getattr(tape, second)(y, x)


@pytest.mark.parametrize("compiled", [False, True])
def test_any_reading_of_a_variable_is_a_source(compiled):
    v = tf.Variable([1.0, 2.0])

    def gradients():
        with tf.GradientTape() as tape:
            inside = v.value
            loss = tf.reduce_sum(v.value**2 * inside)
        return tape.gradient(loss, [v.value, inside, v, v.value()])

    later, inside, own, plain = tf.function(gradients)() if compiled else gradients()
    for found in (later, inside, own):
        np.testing.assert_allclose(found, [3.0, 12.0])
    v.assign([5.0, 5.0])
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(v * v)
        v.assign([6.0, 6.0])
    np.testing.assert_allclose(tape.gradient(loss, v.value) or [0.0, 0.0], [0.0, 0.0])
