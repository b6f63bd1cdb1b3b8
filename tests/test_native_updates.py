"""Steps of Adam as parts of one native call: which ones are, and that they do what their formula says."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import dovetail as tf
from dovetail.base.settings import settings
from dovetail.engine import xla

engine = xla("native kernels")
from dovetail.engine import jax_private, kernels, native, xla_updates  # noqa: E402 - load JAX, see above
from dovetail.keras import layers, models, optimizers  # noqa: E402
from dovetail.keras.optimizers import adam  # noqa: E402

pytestmark = pytest.mark.skipif(native.library() is None, reason=native.state())
# rows, rows of the kernel, its columns: what is left over after blocks, less than a vector, more than one share
SIZES = [
    (32, 784, 128),
    (4, 65, 64),
    (33, 10, 130),
    (250, 129, 17),
    (7, 2048, 3),
    (255, 1, 70),
    (128, 512, 640),
]
NUMBERS = (0.1, 0.001, np.float32(0.03), 1e-7)


def _draw(*shape, seed=0):
    return np.random.default_rng(sum(shape) + seed).normal(size=shape).astype("float32")


def _state(*shape):
    return _draw(*shape), _draw(*shape, seed=1), np.square(_draw(*shape, seed=2))


def _moved(platform, gradient, state, numbers=NUMBERS):
    """Return one step of Adam by the row of a platform; "none" has none of its own."""
    given = (functools.partial(adam.moved, jnp), (gradient, *state, None, *numbers), {})
    return tuple(kernels.chosen("adam", platform, *given).run(*given))


def _product(platform, x, y):
    return kernels.chosen("product over rows", platform, x, y).run(jnp.asarray(x), jnp.asarray(y))


def _calls(closed):
    found = [jax_private.custom_call_of(equation) for equation in closed.jaxpr.eqns]
    return [each["target_name"] for each in found if each is not None]


def _run(function, *given):
    """Return what a function of a platform gives, as one call where that may be, what it should, and the calls."""
    closed = jax.make_jaxpr(functools.partial(function, "cpu"))(*given)
    as_one = engine.with_steps_as_one(closed)
    found = jax.jit(jax_private.as_function(as_one))(*jax.tree.leaves(given))
    expected = jax.jit(functools.partial(function, "none"))(*given)
    return found, jax.tree.leaves(expected), _calls(as_one)


def _agree(found, expected):
    for x, y in zip(found, expected, strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-5, atol=3e-6 * max(1.0, float(np.abs(y).max())))


@pytest.mark.parametrize("sizes", SIZES)
def test_gradients_that_are_sums_over_few_rows(sizes):
    rows, depth, width = sizes

    def step(platform, x, y, kernel, bias, free, gradient):
        of_kernel = _moved(platform, _product(platform, x, y), kernel)
        return *_moved(platform, gradient, free), *of_kernel, *_moved(platform, jnp.sum(y, axis=0), bias)

    given = (
        _draw(rows, depth),
        _draw(rows, width),
        _state(depth, width),
        _state(width),
        _state(3, 5),
        _draw(3, 5),
    )
    found, expected, calls = _run(step, *given)
    assert calls == ["dovetail_adam_of_rows"]
    _agree(found, expected)


def test_exact_roots_and_what_is_not_finite():
    x, y, kernel = _draw(32, 100), _draw(32, 70), _state(100, 70)
    x[3, 5], y[4, 6], kernel[2][:2, 0] = np.nan, np.inf, (0, np.inf)

    def step(platform, epsilon, x, y, kernel):
        return _moved(platform, _product(platform, x, y), kernel, (0.1, 0.001, np.float32(0.03), epsilon))

    for epsilon in (1e-7, 0.0):
        found, expected, calls = _run(
            lambda platform, *given, epsilon=epsilon: step(platform, epsilon, *given), x, y, kernel
        )
        assert calls == ["dovetail_adam_of_rows"]
        _agree(found, expected)


def _used_twice(platform, x, y, kernel, other):
    gradient = _product(platform, x, y)
    return *_moved(platform, gradient, kernel), jnp.sum(gradient)


def _one_after_another(platform, x, y, kernel, other):
    moved = _moved(platform, _product(platform, x, y), kernel)
    return _moved(platform, _product(platform, x, y * moved[0][0, 0]), moved)


def _large(platform, x, y, kernel, other):
    return _moved(platform, jnp.asarray(kernel[1]), kernel)


def _small(platform, x, y, kernel, other):
    return _moved(platform, jnp.asarray(other[1]), other)


def _sum_of_columns(platform, x, y, kernel, other):
    return _moved(platform, jnp.sum(x, axis=1)[:5], [each[0, :5] for each in kernel])


ONE, MANY, PRODUCT = "dovetail_adam", "dovetail_adam_of_rows", "dovetail_over_few_rows"
PROGRAMS = {
    "a gradient that is used twice": (_used_twice, [PRODUCT, ONE]),
    "a step after another": (_one_after_another, [MANY, MANY]),
    "a large variable by itself": (_large, [ONE]),
    "a small variable by itself": (_small, [ONE]),
    "a sum over the other axis": (_sum_of_columns, [ONE]),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_which_steps_are_one_call(name):
    function, expected_calls = PROGRAMS[name]
    found, expected, calls = _run(function, _draw(32, 100), _draw(32, 90), _state(100, 90), _state(7))
    assert calls == expected_calls
    _agree(found, expected)


def test_programs_without_steps_stay_what_they_are():
    closed = jax.make_jaxpr(functools.partial(_product, "cpu"))(_draw(32, 100), _draw(32, 90))
    assert xla_updates.with_steps_as_one(closed) is closed


def test_derivatives_and_batches_are_those_of_the_formula():
    x, y, kernel = _draw(32, 100), _draw(32, 30), _state(100, 30)

    def loss(platform, y):
        step = lambda y: _moved(platform, _product(platform, x, y), (kernel[0], kernel[1], kernel[2] + 1))
        if platform == "cpu":
            step = jax_private.as_function(xla_updates.with_steps_as_one(jax.make_jaxpr(step)(y)))
        return jnp.square(step(y)[0]).sum()

    for change in (jax.grad, jax.value_and_grad):
        _agree(*[jax.tree.leaves(change(functools.partial(loss, each))(y)) for each in ("cpu", "none")])
    many = np.stack([y, 2 * y])
    _agree(*[[jax.vmap(functools.partial(loss, each))(many)] for each in ("cpu", "none")])


def test_models_are_trained_as_without_native_kernels(monkeypatch):
    x, y = _draw(70, 90), np.arange(70) % 5
    found = []
    for native_too in (True, True, False):
        monkeypatch.setattr(settings, "native", native_too)
        tf.keras.utils.set_random_seed(3)
        model = models.Sequential([layers.Dense(70, activation="relu"), layers.Dense(5)])
        model.compile(optimizers.AdamW(0.01), tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        model.fit(x, y, batch_size=32, epochs=3, verbose=0)  # a loop over whole batches, and a step of 6 rows
        found.append([weight.numpy() for weight in model.weights])
    for first, again, without in zip(*found, strict=True):
        np.testing.assert_array_equal(first, again)
        np.testing.assert_allclose(first, without, rtol=1e-3, atol=2e-4)
