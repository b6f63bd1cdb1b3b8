"""Convolution on the CPU: every way to compute it agrees with NumPy's, and none makes XLA leave its fast paths."""

import jax
import numpy as np
import pytest

import dovetail as tf
from dovetail import keras
from dovetail.engine import host, jax_private_module, xla
from dovetail.keras.training import executor

RNG = np.random.default_rng(0)
SIZES = (7, 8)
NUMBERS = {
    "plain": ((1, 1), ((0, 0), (0, 0)), (1, 1)),
    "padded": ((1, 1), ((1, 1), (0, 2)), (1, 1)),
    "strided": ((2, 3), ((0, 0), (0, 0)), (1, 1)),
    "padded and strided": ((2, 1), ((1, 0), (1, 1)), (1, 1)),
    "dilated": ((1, 2), ((2, 1), (0, 1)), (2, 1)),
}
KERNELS = {
    "few products": (3, 3, 1, 4),
    "two channels": (3, 2, 2, 3),
    "few outputs": (3, 2, 4, 3),
    "many channels": (3, 2, 6, 5),
    "pointwise": (1, 1, 5, 3),
    "one by one": (1, 1, 1, 2),
}


def _arrays(shape, numbers):
    x, kernel = (RNG.normal(size=s).astype(np.float32) for s in ((3, *SIZES, shape[2]), shape))
    y = host.conv(x, kernel, *numbers, 1)
    return x, kernel, y, RNG.normal(size=y.shape).astype(np.float32)


@pytest.mark.parametrize("numbers", NUMBERS.values(), ids=NUMBERS)
@pytest.mark.parametrize("shape", KERNELS.values(), ids=KERNELS)
def test_engines_agree(shape, numbers):
    x, kernel, y, g = _arrays(shape, numbers)
    engine = xla("this test")
    pairs = [
        (engine.conv(x, kernel, *numbers, 1), y),
        (
            engine.conv_kernel_gradient(x, g, shape[:2], *numbers, 1),
            host.conv_kernel_gradient(x, g, shape[:2], *numbers, 1),
        ),
        (
            engine.conv_input_gradient(g, kernel, SIZES, *numbers, 1),
            host.conv_input_gradient(g, kernel, SIZES, *numbers, 1),
        ),
    ]
    for actual, expected in pairs:
        np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("numbers", NUMBERS.values(), ids=NUMBERS)
def test_every_form_is_fast_inside_a_loop(numbers):
    x, kernel, _, g = _arrays(KERNELS["many channels"], numbers)
    engine = xla("this test")

    def all_of_it(x, kernel, g):
        return (
            engine.conv(x, kernel, *numbers, 1),
            engine.conv_kernel_gradient(x, g, kernel.shape[:2], *numbers, 1),
            engine.conv_input_gradient(g, kernel, SIZES, *numbers, 1),
        )

    program = jax.make_jaxpr(all_of_it)(x, kernel, g)
    assert jax_private_module().convolves(program)
    assert not jax_private_module().convolves_badly_in_loops(program)


def test_other_convolutions_stay_out_of_loops():
    x, kernel = np.zeros((1, 5, 5, 4), np.float32), np.zeros((3, 3, 2, 4), np.float32)
    numbers = ((1, 1), ((0, 0), (0, 0)), (1, 1))
    private, engine = jax_private_module(), xla("this test")
    grouped = jax.make_jaxpr(lambda x: engine.conv(x, kernel, *numbers, 2))(x)
    wide = jax.make_jaxpr(lambda x: engine.conv(x, np.zeros((3, 3, 4, 8)), *numbers, 1))(x.astype(np.float64))
    assert private.convolves_badly_in_loops(grouped) and private.convolves_badly_in_loops(wide)
    assert not private.convolves(jax.make_jaxpr(lambda x: x + 1)(x))


def test_options_only_where_there_is_a_convolution():
    engine = xla("this test")
    assert engine.compiler_options(False) is None
    if engine.platform() == "cpu":
        assert set(engine.compiler_options(True) or {}) <= {"xla_cpu_experimental_ynn_fusion_type"}


def test_products_beside_a_convolution_are_right():
    """XLA's fusions of dots take a factor that is one number everywhere for something else."""
    x = tf.constant(RNG.normal(size=(2, 7, 7, 3)).astype(np.float32))
    kernel = tf.fill([2, 2, 3, 4], 0.5)

    def run(x):
        first = tf.nn.conv2d(x, kernel, [1, 2, 1, 1], "SAME")
        return first, tf.nn.conv2d(x, kernel, 1, "VALID", dilations=2), x @ tf.fill([3, 16], 0.5)

    for eager, compiled in zip(run(x), tf.function(run)(x), strict=True):
        np.testing.assert_allclose(compiled, eager, rtol=1e-5, atol=1e-5)


def test_a_compiled_convolution_inside_a_compiled_function():
    kernel = tf.constant(RNG.normal(size=(3, 3, 4, 5)).astype(np.float32))
    x = tf.constant(RNG.normal(size=(64, 16, 16, 4)).astype(np.float32))
    inner = tf.function(lambda x: tf.nn.conv2d(x, kernel, 1, "SAME"))
    outer = tf.function(lambda x: 2 * inner(x))
    np.testing.assert_allclose(outer(x), 2 * inner(x), rtol=1e-5)
    traced = jax.jit(lambda value: inner(tf.convert_to_tensor(value))._value)
    np.testing.assert_allclose(traced(x.numpy()), inner(x), rtol=1e-4, atol=1e-5)


def test_fit_runs_convolutions_in_one_loop(monkeypatch):
    found, original = [], executor.fits_a_loop
    monkeypatch.setattr(executor, "fits_a_loop", lambda program: found.append(original(program)) or found[-1])
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.layers.Conv2D(4, 3, activation="relu"),
            keras.layers.MaxPooling2D(2),
            keras.layers.Conv2D(6, 3, strides=2, padding="same"),
            keras.layers.Flatten(),
            keras.layers.Dense(2),
        ]
    )
    model.compile("sgd", "mse")
    x, y = RNG.normal(size=(16, 10, 10, 3)).astype(np.float32), np.zeros((16, 2), np.float32)
    model.fit(x, y, batch_size=4, epochs=1, verbose=0)
    assert found == [True]
