"""`keras.experimental` and other names of Keras 2, beside tf_keras."""

import numpy as np
import pytest
import tf_keras

import dovetail as tf

X = np.random.default_rng(0).random((16, 4), "float32")
Y = X[:, :2].sum(1, keepdims=True)


def wide(keras):
    return keras.experimental.LinearModel(1, kernel_initializer="ones", name="wide")


def deep(keras):
    return keras.Sequential([keras.layers.Dense(1, kernel_initializer="ones", name="deep")])


def trained(keras, optimizer, pair):
    model = keras.experimental.WideDeepModel(wide(keras), deep(keras), activation="tanh")
    model.compile(optimizer(keras), "mse")
    x = [X, X[:, :2]] if pair else X
    losses = model.fit(x, Y, batch_size=8, epochs=3, shuffle=False, verbose=0).history["loss"]
    return losses, model.predict(x, verbose=0)


OPTIMIZERS = {
    "one": lambda keras: keras.optimizers.SGD(0.1),
    "two": lambda keras: [keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.01)],
}


@pytest.mark.parametrize("pair", [False, True])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_wide_and_deep_train_as_in_keras(optimizer, pair):
    found, expected = (trained(keras, OPTIMIZERS[optimizer], pair) for keras in (tf.keras, tf_keras))
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-5)
    np.testing.assert_allclose(found[1], expected[1], rtol=1e-5)


def test_a_linear_model_adds_its_inputs():
    model, theirs = wide(tf.keras), wide(tf_keras)
    inputs = [X, X[:, :3]]
    np.testing.assert_allclose(model(inputs), theirs(inputs), rtol=1e-6)
    again = tf.keras.experimental.LinearModel.from_config(model.get_config())
    assert (again.name, again.units) == ("wide", 1)


def test_a_model_comes_back_from_its_config():
    model = tf.keras.Sequential([tf.keras.Input((4,)), tf.keras.layers.Dense(2, name="only")])
    config = tf.keras.legacy.saving.serialize_keras_object(model)
    assert "module" not in config
    assert tf.keras.models.model_from_config(config).get_layer("only").units == 2
    with pytest.raises(TypeError, match="received a list"):
        tf.keras.models.model_from_config([config])


def test_wrong_numbers_of_optimizers():
    model = tf.keras.experimental.WideDeepModel(wide(tf.keras), deep(tf.keras))
    with pytest.raises(ValueError, match="one optimizer or two, received 3"):
        model.compile(["sgd"] * 3, "mse")
