"""Bodies of ops whose equations are copied into later traces give what they give when they run."""

import jax
import numpy as np
import pytest

import dovetail as tf
from dovetail.engine import jax_private_module, xla
from dovetail.ops.core import OPS

MANY = 6  # more traces than there are before equations are copied
X = np.linspace(-1, 1, 12, dtype=np.float32).reshape(4, 3)
kernel = tf.Variable(np.linspace(0, 1, 9, dtype=np.float32).reshape(3, 3))


def step(x):
    with tf.GradientTape() as tape:
        hidden = tf.nn.softmax(tf.matmul(tf.tanh(x), kernel) * 2.0 + 1.0)
        loss = tf.reduce_mean(tf.square(hidden - x)) + 0.5 * tf.reduce_sum(tf.abs(kernel))
    return loss, tape.gradient(loss, kernel), tf.transpose(hidden)[:, ::2], tf.nn.top_k(x, 2)


def shaped(x):
    rows = tf.shape(x)[0] * 2
    return tf.reshape(tf.concat([x, x], 0), [rows, -1]) + tf.cast(tf.range(rows), tf.float32)[:, None]


def looped(x):
    for _ in tf.range(3):
        x = tf.where(x > 0, tf.sin(x), x * 2.0) + tf.reduce_max(x)
    return tf.cumsum(x, axis=1)


def mapped(x):
    return tf.vectorized_map(lambda row: tf.tanh(row) * tf.reduce_sum(row), x)


def checked(x):
    tf.debugging.assert_less(x, 5.0)
    return tf.gather(x, [2, 0]) + tf.cast(x[:2] > 0, x.dtype)


def copies():
    """Returns how many bodies' equations are kept."""
    found = (
        bound for op in OPS.values() for bound in (op._default, *op._bound.values(), *op._given.values())
    )
    bodies = [bound._traced for bound in found if bound is not None and bound._traced is not None]
    return sum(type(kept) is not int and kept is not None for body in bodies for kept in body._found.values())


@pytest.mark.parametrize(
    "function", [step, shaped, looped, mapped, checked], ids=lambda function: function.__name__
)
def test_every_trace_has_the_equations_and_the_values_of_the_first(function):
    for op in OPS.values():
        op._bound.clear(), op._given.clear()
        op._default = None
    texts, results = [], []
    for _ in range(MANY):
        traced = tf.function(function).get_concrete_function(tf.constant(X))
        texts.append(str(traced.trace.closed))
        results.append(tf.nest.flatten(traced(tf.constant(X))))
    assert copies() > 3
    if function is not checked:  # the text of a check tells its address
        assert set(texts) == {texts[0]}
    for result in results[1:]:
        for found, first in zip(result, results[0], strict=True):
            np.testing.assert_array_equal(found, first)


def test_constants_are_told_apart():
    for _ in range(MANY):
        for factor in (2.0, 3.0, -0.0, 0.0):
            found = tf.function(lambda x, factor=factor: x * tf.constant(factor))(tf.constant(X))
            np.testing.assert_array_equal(np.signbit(found), np.signbit(X * np.float32(factor)))
            np.testing.assert_array_equal(found, X * np.float32(factor))


def test_what_is_known_stays_known():
    def double(x):
        size = tf.shape(tf.tanh(x))[1] + 1
        return tf.zeros([size, 2]) + tf.cast(size, tf.float32)

    for _ in range(MANY):
        assert tf.function(double)(tf.constant(X)).shape == (4, 2)


def test_a_failed_check_raises_in_every_trace():
    for _ in range(MANY):
        with pytest.raises(tf.errors.InvalidArgumentError):
            tf.function(checked)(tf.constant(X * 9))


def test_settings_of_the_compiler_are_seen():
    def product(x):
        return tf.matmul(x, x, transpose_b=True)

    def text():
        return str(tf.function(product).get_concrete_function(tf.constant(X)).trace.closed)

    before = {text() for _ in range(MANY)}
    with jax.default_matmul_precision("float32"):
        inside = {text() for _ in range(MANY)}
    assert len(before) == len(inside) == 1 and before != inside


def test_tensors_of_another_trace_are_not_kept():
    body = xla("test").TracedBody

    def outer(x):
        inner = body(lambda y: y + x._value)
        return [inner(jax.numpy.tanh(x._value)) for _ in range(MANY)][-1]

    for _ in range(2):
        closed = jax_private_module().trace(
            lambda x: [outer(tf.Tensor(x))], [jax.ShapeDtypeStruct((3,), "float32")]
        )
        np.testing.assert_allclose(
            jax_private_module().as_function(closed)(X[0])[0], X[0] + np.tanh(X[0]), rtol=1e-6
        )


def test_what_is_kept_is_bounded():
    body = xla("test").TracedBody(lambda x: x * 2)
    for size in range(1, 60):
        for _ in range(MANY):
            jax.make_jaxpr(body)(np.zeros(size, np.float32))
    assert 0 < len(body._found) <= body._found.limit < 60


def program(x, y):
    """A program of two arrays, with a constant, a nested function and an argument that is a result."""
    inner = jax.jit(lambda z: jax.numpy.sin(z) * 2.0)
    return [inner(x) + CONSTANT, x, jax.lax.fori_loop(0, 2, lambda _, z: z * y, y)]


CONSTANT = np.linspace(0, 1, 6, dtype=np.float32).reshape(2, 3)
PAIR = (CONSTANT - 0.5, np.float32(1.5))


def run_of(function, examples=PAIR):
    private = jax_private_module()
    return private.as_function(private.trace(function, list(examples)))


@pytest.mark.parametrize(
    "around",
    [
        lambda run: run,
        lambda run: jax.jit(run),
        lambda run: jax.jit(lambda x, y: run(x, np.float32(1.5))),  # an array that the trace knows
        lambda run: jax.jit(lambda x, y: jax.lax.cond(y > 0, lambda: run(x, y), lambda: [x, x, y])),
        lambda run: jax.jit(lambda x, y: [each[0] for each in jax.vmap(run, (0, None))(x[None], y)]),
        lambda run: jax.jit(lambda x, y: list(jax.jvp(run, (x, y), (x * 0, y * 0))[0])),
        lambda run: jax.jit(lambda x, y: jax.lax.map(lambda row: run(row, y), x[None])),
    ],
    ids=["eager", "jit", "known", "branch", "vmap", "jvp", "map"],
)
def test_a_program_gives_the_same_wherever_it_is_called(around):
    expected = program(*PAIR)
    for got, like in zip(around(run_of(program))(*PAIR), expected, strict=True):
        np.testing.assert_allclose(np.reshape(got, np.shape(like)), like, rtol=1e-6)


def test_a_trace_has_the_equations_of_a_program_themselves():
    private = jax_private_module()
    closed = private.trace(program, list(PAIR))
    again = jax.make_jaxpr(private.as_function(closed))(*PAIR)
    assert str(again) == str(closed)
    assert all(new.params is old.params for new, old in zip(again.eqns, closed.eqns, strict=True))


def test_a_program_that_prints_does_so_in_a_trace(capfd):
    def printing(x, y):
        jax.debug.print("sum {}", x.sum() + y)
        return [x + y]

    run = run_of(printing)
    jax.block_until_ready(jax.jit(run)(*PAIR))
    jax.effects_barrier()
    assert "sum 1.5" in capfd.readouterr().out


def test_gradients_go_through_a_program():
    x, y = PAIR
    run = run_of(program)
    got = jax.jit(jax.grad(lambda x, y: sum(each.sum() for each in run(x, y)), (0, 1)))(x, y)
    expected = jax.grad(lambda x, y: sum(each.sum() for each in program(x, y)), (0, 1))(x, y)
    for one, other in zip(got, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)
