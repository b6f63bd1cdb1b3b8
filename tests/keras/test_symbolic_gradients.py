"""Gradients as part of functional models: values, saliency maps, configs, copies, training."""

import copy
import json
import pickle

import numpy as np
import pytest

import dovetail as tf
from dovetail import keras
from dovetail.keras import backend as K

DATA = np.array([[1.0, -2.0, 3.0], [4.0, 5.0, -6.0]], "float32")
IMAGES = np.random.default_rng(0).normal(size=(2, 6, 6, 1)).astype("float32")


def _with_penalty():
    """Returns a model of a critic's score, its slope in the input, and the slope's own in it."""
    inputs = keras.Input((3,))
    hidden = keras.layers.Dense(4, activation="tanh", name="hidden")(inputs)
    score = keras.layers.Dense(1, name="score")(hidden)
    slope = tf.gradients(score, inputs)[0]
    norm = tf.reduce_sum(slope * slope)
    second, of_kernel = K.gradients(norm, [inputs, keras.Model(inputs, hidden).get_layer("hidden").kernel])
    return keras.Model(inputs, [score, slope, second, of_kernel])


def _expected(model, data):
    hidden, score = model.get_layer("hidden"), model.get_layer("score")
    x = tf.constant(data)
    with tf.GradientTape() as outer:
        outer.watch(x)
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = score(hidden(x))
        slope = tape.gradient(value, x)
        norm = tf.reduce_sum(slope * slope)
    return [value, slope, *outer.gradient(norm, [x, hidden.kernel])]


def _rebuilt(model):
    return keras.Model.from_config(json.loads(json.dumps(model.get_config())))


WAYS = {
    "itself": lambda model: model,
    "config": _rebuilt,
    "clone": keras.models.clone_model,
    "pickle": lambda model: pickle.loads(pickle.dumps(model)),
    "deepcopy": copy.deepcopy,
    "twice": lambda model: _rebuilt(keras.models.clone_model(model)),
    "called": lambda model: keras.Model(model.inputs, model(model.inputs)),
}


@pytest.mark.parametrize("way", WAYS)
def test_values_in_each_copy(way):
    keras.utils.set_random_seed(0)
    model = _with_penalty()
    made = WAYS[way](model)
    if way != "called":
        made.set_weights(model.get_weights())
        assert [layer.name for layer in made.layers] == [layer.name for layer in model.layers]
    expected = _expected(model if way == "called" else made, DATA)
    assert [tuple(t.shape) for t in made.outputs] == [(None, 1), (None, 3), (None, 3), (3, 4)]
    for found in (made(DATA), made.predict_on_batch(DATA)):
        for ours, theirs in zip(found, expected, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def test_it_is_listed_and_drawn(tmp_path):
    model = _with_penalty()
    assert [layer.name for layer in model.layers if "gradients" in layer.name] == [
        "tf.gradients",
        "tf.gradients_1",
    ]
    assert len(model.weights) == 4
    lines = []
    model.summary(print_fn=lines.append)
    assert "tf.gradients_1" in "\n".join(lines)
    pytest.importorskip("matplotlib")
    keras.utils.plot_model(model, tmp_path / "model.png", show_shapes=True)
    assert (tmp_path / "model.png").stat().st_size > 0


def test_a_saliency_map():
    model = keras.Sequential(
        [
            keras.Input((6, 6, 1)),
            keras.layers.Conv2D(2, 3, activation="relu", name="conv"),
            keras.layers.Dropout(0.5),
            keras.layers.Flatten(),
            keras.layers.Dense(3),
        ]
    )
    conv = model.get_layer("conv").output
    loss = K.max(model.output, axis=1)
    found = K.function([model.input], [conv, *K.gradients(loss, [conv, model.input])])([IMAGES])
    x = tf.constant(IMAGES)
    with tf.GradientTape() as tape:
        tape.watch(x)
        middle = model.get_layer("conv")(x)
        tape.watch(middle)
        top = tf.reduce_max(model.layers[-1](model.layers[-2](middle)), axis=1)
    for ours, theirs in zip(found, [middle, *tape.gradient(top, [middle, x])], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


def test_what_a_layer_returns_unchanged_is_a_source_of_its_own():
    inputs = keras.Input((3,))
    same = keras.layers.Dropout(0.5)(inputs)  # the very tensor, out of training
    both = K.gradients(inputs * same, [inputs, same])
    for ours, theirs in zip(K.function(inputs, both)(DATA), [2 * DATA, DATA], strict=True):
        np.testing.assert_allclose(ours, theirs)


def test_random_layers_and_statistics_run_once_in_training():
    inputs = keras.Input((3,))
    norm = keras.layers.BatchNormalization(momentum=0.5, scale=False)
    dropped = keras.layers.Dropout(0.5)(inputs)
    out = norm(dropped)
    model = keras.Model(inputs, [dropped, K.gradients(dropped, inputs)[0], K.gradients(out, inputs)[0]])
    value, slope, _ = model(np.ones((64, 3), "float32"), training=True)
    np.testing.assert_allclose(value, slope)
    np.testing.assert_allclose(norm.moving_mean, 0.5 * np.mean(value, axis=0), rtol=1e-5)


def test_a_penalty_trains():
    model = _with_penalty()
    score, slope = model.outputs[:2]
    critic = keras.Model(model.inputs, score)
    critic.add_loss(tf.reduce_mean((tf.norm(slope, axis=1) - 1.0) ** 2))
    critic.compile("adam", "mse")
    before = critic.get_weights()
    history = critic.fit(DATA, np.zeros((2, 1)), epochs=30, verbose=0).history["loss"]
    assert history[-1] < history[0] and not np.allclose(before[0], critic.get_weights()[0])


def test_in_a_lambda_layer():
    inputs = keras.Input((3,))
    outputs = keras.layers.Lambda(lambda x: K.gradients(K.sum(x**2), x)[0])(inputs)
    np.testing.assert_allclose(keras.Model(inputs, outputs).predict(DATA, verbose=0), 2 * DATA)
