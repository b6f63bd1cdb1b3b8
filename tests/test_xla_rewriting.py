"""What is done with a traced program: the same results, with fewer passes over memory."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dovetail import keras
from dovetail.engine import xla

engine = xla("native kernels")
from dovetail.engine import jax_private, native, native_batched, xla_native  # noqa: E402 - load JAX
from dovetail.ops import batch_normalization  # noqa: E402

pytestmark = pytest.mark.skipif(native.library() is None, reason=native.state())


def _draw(*shape):
    return np.random.default_rng(sum(shape)).normal(size=shape).astype("float32")


X, Y, BIAS, OTHER = _draw(300, 64), _draw(64, 48), _draw(48), _draw(3, 100, 48)


def dense(x, y, bias, other):
    return jnp.maximum(xla_native.product(x, y).reshape(3, 100, 48) + bias, 0)


def residual(x, y, bias, other):
    return other + (xla_native.product(x, y).reshape(3, 100, 48) + bias.reshape(1, 1, 48))


def without_bias(x, y, bias, other):
    return xla_native.product(x, y).reshape(3, 100, 48) + other


def bias_of_heads(x, y, bias, other):
    return xla_native.product(x, y).reshape(3, 100, 4, 12) + bias.reshape(4, 12)


def bias_of_each_head(x, y, bias, other):
    return xla_native.product(x, y).reshape(3, 100, 4, 12) + bias[:12]


def sums_of_heads(x, y, bias, other):
    g = other.reshape(3, 100, 4, 12)
    return xla_native.product_over_rows(x, g.reshape(300, 48)), g.sum((0, 1))


def sums_of_each_head(x, y, bias, other):
    g = other.reshape(3, 100, 4, 12)
    return xla_native.product_over_rows(x, g.reshape(300, 48)), g.sum((0, 1, 2))


def of_two_products(x, y, bias, other):
    return xla_native.product(x, y) + xla_native.product(2 * x, y)


def two_biases(x, y, bias, other):
    return xla_native.product(x, y) + bias + 2 * bias


def used_twice(x, y, bias, other):
    product = xla_native.product(x, y)
    return product + bias, product


def doubled(x, y, bias, other):
    product = xla_native.product(x, y)
    return product + product


def floor_of_one(x, y, bias, other):
    return jnp.maximum(xla_native.product(x, y), 1)


def turned(x, y, bias, other):
    return jnp.maximum(xla_native.product_with_rows(x, y.T) + bias, 0)


def kept_where_positive(x, y, bias, other):
    made = xla_native.product_with_rows(x, y.T).reshape(3, 100, 48)
    return engine.keep_where(other > 0, made + bias)


def kept_elsewhere(x, y, bias, other):
    made = xla_native.product(x, y).reshape(3, 100, 48)
    return engine.keep_where(other < 0, made), engine.keep_where(other > 1, made)


def over_rows(x, y, bias, other):
    flat = other.reshape(300, 48)
    return xla_native.product_over_rows(x, flat), other.sum((0, 1))


def over_rows_and_used_before(x, y, bias, other):
    sums = other.sum((0, 1))
    scaled = jnp.sin(sums)
    return xla_native.product_over_rows(x * scaled[0], other.reshape(300, 48)), sums


def sums_of_others(x, y, bias, other):
    return xla_native.product_over_rows(x, other.reshape(300, 48)), other.sum((0, 2)), x.sum(0)


def heads(x, y, bias, other):
    q = x.reshape(3, 100, 4, 16).transpose(0, 2, 1, 3)
    scores = native_batched.batched_product(q, q.transpose(0, 1, 3, 2)) * 0.25
    return native_batched.batched_product(scores, q).transpose(0, 2, 1, 3)


def heads_with_turned_results(x, y, bias, other):
    q = x.reshape(3, 100, 4, 16).transpose(0, 2, 1, 3)
    scores = native_batched.batched_product(q, q, transpose_b=True)
    return scores.transpose(0, 1, 3, 2), native_batched.batched_product(
        q, scores, transpose_a=True
    ).transpose(0, 3, 1, 2)


NAMES = {"axis": (0, 1), "epsilon": 1e-3, "scale": True, "center": True}


def _normed(x, bias):
    formula = functools.partial(batch_normalization._batch_norm, engine)
    return engine.by_kernel("batch_norm", formula, (x, bias, 2 * bias), NAMES)


def normalized(x, y, bias, other):
    made, mean, variance = _normed(other, bias)
    moved = mean * 0.1  # as averages are, before what follows
    return jnp.maximum(made, 0), moved, variance


def normalized_beside_a_shortcut(x, y, bias, other):
    made, mean, variance = _normed(2 * other, bias)
    return jnp.maximum(other + made, 0), mean, variance


def normalized_twice(x, y, bias, other):
    (one, *_), (two, mean, _) = _normed(other, bias), _normed(other + 1, bias)
    return jnp.maximum(one + two, 0), mean


def normalized_and_used(x, y, bias, other):
    made, *_ = _normed(other, bias)
    return jnp.maximum(made, 0) + made


IMAGES, WINDOWS = _draw(3, 9, 8, 8), _draw(3, 3, 8, 24)
PLAIN = (1, 1), ((1, 1), (1, 1)), (1, 1)


def _convolved(x):
    return engine.conv(x, WINDOWS, *PLAIN, 1)


def convolved(x, y, bias, other):
    return jnp.maximum(_convolved(IMAGES + x[0, 0]) + bias[:24], 0)


def convolved_strided(x, y, bias, other):
    made = engine.conv(IMAGES + x[0, 0], WINDOWS, (2, 2), ((1, 0), (0, 1)), (1, 1), 1)
    return jnp.maximum(made + bias[:24], 0) + 1


def convolved_beside_a_shortcut(x, y, bias, other):
    images = IMAGES + x[0, 0]
    return jnp.tile(images, (1, 1, 1, 3)) + (_convolved(images) + bias[:24])


def convolved_back(x, y, bias, other):
    g = jnp.tile(IMAGES, (1, 1, 1, 3)) * x[0, 0]
    back = IMAGES + engine.conv_input_gradient(g, WINDOWS, (9, 8), *PLAIN, 1)
    return engine.keep_where(IMAGES + x[1, 1] > 0, back)


def _known(x, bias):
    given = x, jnp.sin(bias), jnp.cos(bias) ** 2, bias, 2 * bias
    return batch_normalization._batch_normalization(engine, *given, variance_epsilon=1e-3)


def convolved_and_normalized(x, y, bias, other):
    images = IMAGES + x[0, 0]
    return jnp.maximum(jnp.tile(images, (1, 1, 1, 3)) + _known(_convolved(images) + bias[:24], bias[:24]), 0)


def multiplied_and_normalized(x, y, bias, other):
    return jnp.maximum(_known(xla_native.product(x, y).reshape(3, 100, 48), bias), 0)


def scaled_twice(x, y, bias, other):
    return (xla_native.product(x, y) * bias + bias) * jnp.cos(bias) + bias


def scaled_by_a_number(x, y, bias, other):
    return xla_native.product(x, y) * 2 + bias


def normalized_and_scaled(x, y, bias, other):
    made, *_ = _normed(other, bias)
    return made * bias + bias


SMALL, WIDE = _draw(2, 2, 3, 48), _draw(3, 3, 48, 48)


def convolved_in_few_places(x, y, bias, other):
    images = SMALL + x[0, 0]
    return jnp.maximum(images + (engine.conv(images, WIDE, *PLAIN, 1) + bias), 0)


def convolved_where_nothing_is_seen(x, y, bias, other):
    images = SMALL[:, :1, :1] * x[0, 0]
    return jnp.maximum(engine.conv(images, WIDE, (4, 4), ((4, 0), (4, 0)), (1, 1), 1) + bias, 0)


# how many equations are left of which kinds: (name of a primitive or of a custom call, count)
PROGRAMS = {
    dense: ("dovetail_dense", 1, {"max", "add"}),
    residual: ("dovetail_dense", 1, {"add"}),
    without_bias: ("dovetail_dense", 1, {"add"}),
    of_two_products: ("dovetail_dense", 1, {"add"}),
    bias_of_heads: ("dovetail_dense", 1, {"add"}),
    bias_of_each_head: ("dovetail_many_rows", 1, set()),
    sums_of_heads: ("dovetail_over_rows_and_sums", 1, {"reduce_sum"}),
    sums_of_each_head: ("dovetail_over_rows", 1, set()),
    two_biases: ("dovetail_dense", 1, set()),
    used_twice: ("dovetail_many_rows", 1, set()),
    doubled: ("dovetail_many_rows", 1, set()),
    floor_of_one: ("dovetail_many_rows", 1, set()),
    turned: ("dovetail_dense", 1, {"max", "add"}),
    kept_where_positive: ("dovetail_dense", 1, {"add"}),
    kept_elsewhere: ("dovetail_many_rows", 1, set()),
    over_rows: ("dovetail_over_rows_and_sums", 1, {"reduce_sum"}),
    over_rows_and_used_before: ("dovetail_over_rows", 1, set()),
    sums_of_others: ("dovetail_over_rows", 1, set()),
    heads: ("dovetail_batched_product", 2, {"mul"}),
    heads_with_turned_results: ("dovetail_batched_product", 2, set()),
    normalized: ("dovetail_batch_norm", 1, {"max"}),
    convolved: ("dovetail_conv_followed", 1, {"max"}),
    convolved_strided: ("dovetail_conv_followed", 1, {"max"}),
    convolved_beside_a_shortcut: ("dovetail_conv_followed", 1, set()),
    convolved_and_normalized: ("dovetail_conv_followed", 1, {"max"}),
    multiplied_and_normalized: ("dovetail_dense", 1, {"max"}),
    scaled_twice: ("dovetail_dense", 1, set()),
    scaled_by_a_number: ("dovetail_many_rows", 1, set()),
    normalized_and_scaled: ("dovetail_batch_norm", 1, set()),
    convolved_in_few_places: ("dovetail_conv_followed", 1, {"max"}),
    convolved_where_nothing_is_seen: ("dovetail_conv_followed", 1, {"max"}),
    convolved_back: ("dovetail_conv_followed", 1, set()),
    normalized_beside_a_shortcut: ("dovetail_batch_norm", 1, {"max", "add"}),
    normalized_twice: ("dovetail_batch_norm", 2, {"max"}),
    normalized_and_used: ("dovetail_batch_norm", 1, set()),
}


@pytest.mark.parametrize("program", PROGRAMS)
def test_programs_give_the_same_in_fewer_passes(program):
    target, count, gone = PROGRAMS[program]
    arguments = X, Y, BIAS, OTHER
    closed = jax.make_jaxpr(lambda *a: jax.tree.leaves(program(*a)))(*arguments)
    rewritten = engine.rewritten(closed)
    equations = rewritten.jaxpr.eqns
    calls = [(jax_private.custom_call_of(e) or {}).get("target_name") for e in equations]
    assert calls.count(target) == count
    assert not gone & {e.primitive.name for e in equations}
    found = jax.jit(jax_private.as_function(rewritten))(*arguments)
    for one, other in zip(found, jax.tree.leaves(program(*arguments)), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-4)
    # Derivatives of any order are those of the program as it was.
    loss = lambda function: lambda x: sum((y**2).sum() for y in function(x, Y, BIAS, OTHER))
    gradient = jax.grad(loss(jax_private.as_function(rewritten)))(X)
    expected = jax.grad(loss(lambda *a: jax.tree.leaves(program(*a))))(X)
    np.testing.assert_allclose(gradient, expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max())


def test_transposes_are_read_and_written_in_place():
    closed = jax.make_jaxpr(heads)(X, Y, BIAS, OTHER)
    used = _used(engine.rewritten(closed))
    assert "transpose" not in used
    closed = jax.make_jaxpr(lambda *a: list(heads_with_turned_results(*a)))(X, Y, BIAS, OTHER)
    assert (
        _used(engine.rewritten(closed)).count("transpose") <= 1
    )  # one gives rows that the kernel does not write


def _used(closed):
    """Returns the primitives of the equations whose results are used."""
    wanted, names = set(closed.jaxpr.outvars), []
    for equation in reversed(closed.jaxpr.eqns):
        if wanted.intersection(equation.outvars):
            names.append(equation.primitive.name)
            wanted.update(jax_private.variables(equation.invars))
    return names


def _copies(layers):
    """Returns how many arrays of a kernel's size the loop of `fit` copies."""
    from dovetail.keras.training.lowering import lowered_fit

    model = keras.Sequential([keras.Input((128,)), *(keras.layers.Dense(128) for _ in range(layers))])
    model.compile("adam", "mse")
    x = np.zeros((1024, 128), "float32")
    text = lowered_fit(model, x, x, batch_size=512, platform="cpu").compile().as_text()
    return sum(
        "f32[128,128]" in line and " copy(" in line for line in text.splitlines() if "ENTRY" not in line
    )


def test_no_kernel_is_copied_for_its_step():
    assert _copies(4) <= _copies(1) + 3  # what the program copies before and behind its loop
