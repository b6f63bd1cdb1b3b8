"""Convolutions by native kernels agree with XLA's, and so do their derivatives, batches and fallbacks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import dovetail as tf
from dovetail.base.settings import settings
from dovetail.engine import xla

xla("native kernels")
from dovetail.engine import kernels, native, native_conv, xla_conv  # noqa: E402 - load JAX, which is wanted
from dovetail.keras import layers, models, optimizers  # noqa: E402

pytestmark = pytest.mark.skipif(native.library() is None, reason=native.state())

# input, kernel, strides, padding, dilations
CASES = {
    "valid": ((2, 9, 8, 16), (3, 3, 16, 16), (1, 1), ((0, 0), (0, 0)), (1, 1)),
    "same": ((3, 8, 17, 5), (3, 5, 5, 40), (1, 1), ((1, 1), (2, 2)), (1, 1)),
    "strides": ((2, 13, 15, 8), (3, 3, 8, 70), (2, 2), ((1, 1), (0, 1)), (1, 1)),
    "more strides than taps": ((2, 12, 13, 9), (2, 2, 9, 33), (3, 3), ((0, 0), (0, 0)), (1, 1)),
    "gaps": ((2, 11, 12, 8), (3, 3, 8, 24), (1, 1), ((2, 2), (2, 2)), (2, 2)),
    "gaps and strides": ((1, 14, 23, 8), (2, 3, 8, 9), (2, 3), ((1, 0), (4, 3)), (3, 2)),
    "padding wider than images": ((2, 3, 3, 8), (5, 5, 8, 8), (1, 1), ((4, 4), (4, 4)), (1, 1)),
    "one axis": ((4, 50, 12), (4, 12, 20), (1,), ((3, 0),), (1,)),
    "three axes": ((2, 5, 6, 9, 8), (2, 3, 3, 8, 10), (1, 2, 1), ((1, 0), (1, 1), (1, 1)), (1, 1, 1)),
    "rows of 43 pixels": ((1, 2, 43, 16), (1, 3, 16, 65), (1, 1), ((0, 0), (1, 1)), (1, 1)),
    "many channels": ((2, 5, 5, 200), (3, 3, 200, 300), (1, 1), ((1, 1), (1, 1)), (1, 1)),
    "few pixels, many outputs": ((2, 4, 4, 8), (3, 3, 8, 130), (1, 1), ((1, 1), (1, 1)), (1, 1)),
    "one pixel": ((7, 1, 1, 8), (3, 3, 8, 40), (1, 1), ((1, 1), (1, 1)), (1, 1)),
    "small pictures together": ((70, 2, 3, 24), (3, 3, 24, 72), (1, 1), ((1, 1), (1, 1)), (1, 1)),
    "small films together": (
        (40, 2, 3, 3, 9),
        (2, 2, 2, 9, 33),
        (1, 1, 1),
        ((0, 1), (1, 0), (1, 1)),
        (1, 1, 1),
    ),
    "few places": ((2, 3, 3, 80), (3, 3, 80, 72), (1, 1), ((1, 1), (1, 1)), (1, 1)),
    "few places, strides": ((1, 7, 6, 130), (3, 2, 130, 67), (2, 2), ((1, 0), (0, 1)), (1, 1)),
    "few places, gaps": ((1, 4, 5, 96), (3, 3, 96, 100), (1, 1), ((2, 2), (1, 1)), (2, 2)),
    "few places, three axes": (
        (1, 2, 3, 2, 64),
        (2, 3, 2, 64, 90),
        (1, 1, 1),
        ((1, 0), (1, 1), (0, 0)),
        (1, 1, 1),
    ),
    "few places, one axis": ((3, 5, 64), (3, 64, 80), (1,), ((2, 0),), (1,)),
    "few places, many channels": ((1, 5, 5, 300), (3, 3, 300, 260), (1, 1), ((1, 1), (1, 1)), (1, 1)),
    "places that no tap sees": ((2, 1, 1, 64), (1, 3, 64, 64), (4, 1), ((4, 4), (1, 1)), (1, 1)),
    "one picture": ((1, 40, 31, 8), (3, 3, 8, 16), (1, 1), ((1, 1), (1, 1)), (1, 1)),
}


def _draw(*shape):
    return np.random.default_rng(sum(shape)).normal(size=shape).astype("float32")


def _calls(name):
    """Yield the three primitives with their arguments."""
    shape, window, strides, padding, dilations = CASES[name]
    x, kernel = _draw(*shape), _draw(*window)
    outer = native_conv.outer_sizes(shape[1:-1], window[:-2], strides, padding, dilations)
    g, numbers = _draw(shape[0], *outer, window[-1]), (strides, padding, dilations, 1)
    yield "convolution", (x, kernel, *numbers)
    yield "convolution, kernel's gradient", (x, g, window[:-2], *numbers)
    yield "convolution, input's gradient", (g, kernel, shape[1:-1], *numbers)


@pytest.mark.parametrize("name", CASES)
def test_rows_agree_and_give_the_same_bits_again(name):
    served = 0
    for primitive, arguments in _calls(name):
        row = kernels.chosen(primitive, "cpu", *arguments)
        if not row.why.startswith("0023"):
            continue
        served += 1
        found = np.asarray(row.run(*arguments))
        expected = np.asarray(kernels.chosen(primitive, "none", *arguments).run(*arguments))
        assert np.abs(found - expected).max() <= 2e-6 * np.abs(expected).max() * np.sqrt(arguments[1].size), (
            primitive
        )
        np.testing.assert_array_equal(found, row.run(*arguments))
    assert served


@pytest.mark.parametrize(
    "case", ["float64", "bfloat16", "groups", "no examples", "no pixels", "cropped", "many taps"]
)
def test_others_are_left_to_xla(case):
    x, kernel, padding, groups = _draw(2, 9, 9, 8), _draw(3, 3, 8, 16), ((1, 1), (1, 1)), 1
    if case in ("float64", "bfloat16"):
        x, kernel = x.astype(jnp.dtype(case)), kernel.astype(jnp.dtype(case))
    elif case == "groups":
        kernel, groups = kernel[:, :, :4], 2
    elif case == "no examples":
        x = x[:0]
    elif case == "no pixels":
        kernel, padding = _draw(11, 11, 8, 16), ((0, 0), (0, 0))
    elif case == "cropped":
        padding = ((-1, 1), (1, 1))
    else:
        x, kernel = _draw(1, 20, 40, 8), _draw(1, 33, 8, 16)
    row = kernels.chosen("convolution", "cpu", x, kernel, (1, 1), padding, (1, 1), groups)
    assert row.run is xla_conv.convolved


def test_the_setting_turns_them_off(monkeypatch):
    _, arguments = next(_calls("valid"))
    monkeypatch.setattr(settings, "native", False)
    assert kernels.chosen("convolution", "cpu", *arguments).run is xla_conv.convolved


def test_derivatives_of_any_order_and_batches_are_those_of_xla():
    for primitive, arguments in _calls("same"):
        first, second, *numbers = arguments
        both = [kernels.chosen(primitive, platform, *arguments).run for platform in ("cpu", "none")]

        def loss(run, a, b, numbers=numbers):
            return (run(a, b, *numbers) ** 2).mean()

        found, expected = [
            (
                jax.grad(loss, (1, 2))(run, first, second),
                jax.grad(lambda a: jax.grad(loss, 2)(run, a, second).sum())(first),  # noqa: B023 - called here
                jax.vmap(lambda a: run(a, second, *numbers))(jnp.stack([first, 2 * first])),  # noqa: B023
            )
            for run in both
        ]
        for x, y in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
            np.testing.assert_allclose(x, y, atol=2e-4 * float(np.abs(y).max()))


def test_gradients_of_gradients_on_tapes(monkeypatch):
    x, kernel = tf.constant(_draw(2, 8, 9, 8)), tf.constant(_draw(3, 3, 8, 9))

    def second(x, kernel):
        with tf.GradientTape() as outer:
            outer.watch([x, kernel])
            with tf.GradientTape() as inner:
                inner.watch([x, kernel])
                loss = tf.reduce_mean(tf.nn.conv2d(x, kernel, [1, 2, 2, 1], "SAME") ** 3)
            total = sum(tf.reduce_sum(g**2) for g in inner.gradient(loss, [x, kernel]))
        return outer.gradient(total, [x, kernel])

    found, compiled = second(x, kernel), tf.function(second)(x, kernel)
    monkeypatch.setattr(settings, "native", False)
    for mine, traced, expected in zip(found, compiled, second(x, kernel), strict=True):
        np.testing.assert_allclose(
            mine, expected, rtol=1e-3, atol=1e-4 * float(tf.reduce_max(tf.abs(expected)))
        )
        np.testing.assert_allclose(
            traced, mine, rtol=1e-3, atol=1e-4 * float(tf.reduce_max(tf.abs(expected)))
        )


def test_fit_follows_the_fit_of_xla(monkeypatch):
    x, y = _draw(64, 12, 12, 3), np.arange(64) % 4

    def trained():
        tf.keras.utils.set_random_seed(0)
        model = models.Sequential(
            [
                layers.Conv2D(16, 3, activation="relu", padding="same"),
                layers.Conv2D(24, 3, strides=2, activation="relu"),
                layers.Conv2DTranspose(8, 3, strides=2),
                layers.SeparableConv2D(8, 3),
                layers.GlobalAveragePooling2D(),
                layers.Dense(4, activation="softmax"),
            ]
        )
        model.compile(optimizers.SGD(0.1), "sparse_categorical_crossentropy")
        return model.fit(x, y, batch_size=16, epochs=3, shuffle=False, verbose=0).history["loss"]

    found = trained()
    monkeypatch.setattr(settings, "native", False)
    np.testing.assert_allclose(found, trained(), rtol=1e-4)
