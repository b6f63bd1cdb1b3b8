"""Loops, branches, maps and other constructs on symbolic tensors: each case, each way to use the model."""

import numpy as np
import pytest

import dovetail as tf
from dovetail import keras

DATA = np.array([[1.0, -2.0, 3.0], [4.0, 5.0, -6.0]], "float32")


@tf.custom_gradient
def _clipped(x):
    return x * x, lambda dy: dy * tf.clip_by_value(2 * x, -1.0, 1.0)


def _loop(x):
    return tf.while_loop(lambda k, a: k < 3, lambda k, a: (k + 1, a * 2.0 + x), (0, tf.zeros_like(x)))[1]


def _until(x):
    return tf.while_loop(lambda a: tf.reduce_sum(tf.abs(a)) < 100.0, lambda a: (a * 3.0,), (x,))[0]


def _nested(x):
    def inner(row):
        return tf.cond(tf.reduce_sum(row) > 2.5, lambda: row * row, lambda: -row * tf.reduce_sum(x))

    return tf.map_fn(inner, x)


CASES = {  # function, expected values on DATA
    "while": (_loop, 7 * DATA),
    "while until": (_until, 9 * DATA),
    "cond": (lambda x: tf.cond(tf.reduce_sum(x) > 0.0, lambda: x * x, lambda: -x), DATA**2),
    "case": (lambda x: tf.case([(tf.reduce_max(x) > 9.0, lambda: -x)], default=lambda: x * x), DATA**2),
    "switch": (
        lambda x: tf.switch_case(tf.shape(x)[0] - 1, [lambda: x, lambda: x * x * x, lambda: -x]),
        DATA**3,
    ),
    "map": (lambda x: tf.map_fn(lambda row: row * tf.reduce_sum(row), x), DATA * DATA.sum(1, keepdims=True)),
    "vectorized map": (lambda x: tf.vectorized_map(lambda row: row * row, x), DATA**2),
    "scan": (lambda x: tf.scan(lambda a, row: a * row, x), np.cumprod(DATA, 0)),
    "foldl": (lambda x: x * tf.foldl(lambda a, row: a * 0.5 + row, x), DATA * (DATA[0] * 0.5 + DATA[1])),
    "foldr": (lambda x: x * tf.foldr(lambda a, row: a * 0.5 + row, x), DATA * (DATA[1] * 0.5 + DATA[0])),
    "nested": (_nested, np.stack([-DATA[0] * DATA.sum(), DATA[1] ** 2 * (3 > 2.5)])),
    "custom gradient": (_clipped, DATA**2),
}


def _model(function):
    inputs = keras.Input((3,))
    return keras.Model(inputs, function(inputs))


@pytest.mark.parametrize("name", CASES)
def test_values_and_gradients(name):
    function, _ = CASES[name]
    model = _model(function)
    x = tf.constant(DATA)
    expected = function(x)
    assert model.output.shape.is_compatible_with(expected.shape)
    np.testing.assert_allclose(model(x), expected, rtol=1e-6)
    np.testing.assert_allclose(model.predict(DATA, verbose=0), expected, rtol=1e-5)
    for wanted, found in zip(_derivatives(function, x), _derivatives(model, x), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-5)


def _derivatives(function, x):
    with tf.GradientTape() as outer:
        outer.watch(x)
        with tf.GradientTape() as tape:
            tape.watch(x)
            total = tf.reduce_sum(function(x))
        first = tape.gradient(total, x)
    return first, outer.gradient(first, x, unconnected_gradients="zero")


@pytest.mark.parametrize("name", CASES)
def test_expected_values(name):
    function, expected = CASES[name]
    if name == "nested":
        expected = function(tf.constant(DATA))
    np.testing.assert_allclose(_model(function)(DATA), expected, rtol=1e-5)


@pytest.mark.parametrize("name", CASES)
def test_training_reaches_what_comes_before(name):
    inputs = keras.Input((3,))
    dense = keras.layers.Dense(3, kernel_initializer="identity")
    model = keras.Model(inputs, CASES[name][0](dense(inputs)))
    model.compile("sgd", "mse")
    before = dense.kernel.numpy()
    model.fit(DATA, np.zeros_like(DATA), epochs=1, verbose=0)
    assert np.isfinite(dense.kernel.numpy()).all() and not np.allclose(dense.kernel.numpy(), before)


def test_a_loop_carries_unknown_sizes_and_keeps_known_ones():
    x = keras.Input((3,))
    same = tf.while_loop(lambda k, a: k < 2, lambda k, a: (k + 1, a + 1.0), (0, x))
    grown = tf.while_loop(
        lambda k, a: k < 2,
        lambda k, a: (k + 1, tf.concat([a, a[:, :1]], 1)),
        (0, tf.ones((2, 3)) * x[:1, :1]),
    )
    assert same[1].shape == [None, 3] and grown[1].shape == [2, None]
    assert keras.Model(x, grown[1])(DATA).shape == [2, 5]


def test_branches_must_agree():
    x = keras.Input((3,))
    with pytest.raises(TypeError, match="branches return different things"):
        tf.cond(tf.reduce_sum(x) > 0.0, lambda: x, lambda: (x, x))


def test_variables_inside_are_weights_of_the_model():
    v = tf.Variable(2.0)
    model = _model(lambda x: tf.map_fn(lambda row: row * v, x))
    assert [w.ref() for w in model.trainable_weights] == [v.ref()]
    model.compile("sgd", "mse")
    model.fit(DATA, np.zeros_like(DATA), epochs=1, verbose=0)
    assert v.numpy() != 2.0


def test_python_code():
    tripled = _model(lambda x: tf.py_function(lambda a: a.numpy() * 3.0, [x], tf.float32))
    np.testing.assert_allclose(tripled(DATA), 3 * DATA)
    with pytest.warns(UserWarning, match="run op by op"):
        np.testing.assert_allclose(tripled.predict(DATA, verbose=0), 3 * DATA)
