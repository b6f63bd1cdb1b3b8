"""`keras.utils.FeatureSpace` beside Keras, and models on columns of strings."""

import json
import os

import numpy as np
import pytest

import dovetail as tf
from dovetail import keras

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

TABLE = {
    "age": np.array([20.0, 31.0, 44.0, 50.0, 23.0], "float32"),
    "job": np.array(["cook", "smith", "cook", "baker", "cook"]),
    "code": np.array([7, 7, 9, 1, 3]),
}
FEATURES = {"age": "float_normalized", "job": "string_categorical", "code": "integer_hashed"}


def made(module, **more):
    space = module.utils.FeatureSpace(
        FEATURES, crosses=[("job", "code")], crossing_dim=6, hashing_dim=4, **more
    )
    space.adapt(module_data(module))
    return space


def module_data(module):
    if module is keras:
        return tf.data.Dataset.from_tensor_slices(TABLE)
    import tensorflow

    return tensorflow.data.Dataset.from_tensor_slices(TABLE)


def close(actual, expected, tolerance=1e-4):
    np.testing.assert_allclose(np.asarray(actual), np.asarray(expected), rtol=tolerance, atol=tolerance)


def test_vectors_are_those_of_keras():
    pytest.importorskip("tensorflow")
    theirs = pytest.importorskip("keras")
    close(made(keras)(TABLE), made(theirs)(TABLE))
    ours, other = (made(one, output_mode="dict")(TABLE) for one in (keras, theirs))
    assert list(ours) == list(other)
    for name in ours:
        close(ours[name], other[name])
    single = {name: values[0] for name, values in TABLE.items()}
    close(made(keras)(single), made(theirs)(single))


def test_models_train_on_raw_columns():
    space = made(keras)
    outputs = keras.layers.Dense(1)(space.get_encoded_features())
    model = keras.Model(space.get_inputs(), outputs)
    model.compile("sgd", "mse")
    columns = {name: values[:, None] for name, values in TABLE.items()}
    history = model.fit(columns, np.arange(5.0), epochs=3, verbose=0).history["loss"]
    assert history[-1] < history[0]
    encoded = keras.Model(space.get_encoded_features(), outputs)
    close(model.predict(columns, verbose=0), encoded.predict(np.asarray(space(TABLE)), verbose=0))
    batches = tf.data.Dataset.from_tensor_slices(TABLE).batch(2).map(space)
    close(np.concatenate([np.asarray(one) for one in batches]), space(TABLE))


def test_a_space_is_made_again():
    space = keras.utils.FeatureSpace(FEATURES, crosses=[("job", "code")])
    config = json.loads(json.dumps(space.get_config()))
    again = keras.utils.FeatureSpace.from_config(config)
    again.adapt(TABLE)
    space.adapt(TABLE)
    close(again(TABLE), space(TABLE))


def test_refusals():
    make = keras.utils.FeatureSpace
    for call, word in (
        (lambda: make({}), "at least one"),
        (lambda: make({"a": "double"}), "'double'"),
        (lambda: make({"a": "float"}, output_mode="list"), "output_mode"),
        (lambda: make({"a": "float"}, crosses=[("a", "b")]), r"\['b'\]"),
        (lambda: make({"a": "float_normalized"})({"a": [1.0]}), "adapt"),
        (lambda: make({"a": "float"})([1.0]), "dict of columns"),
        (lambda: make({"a": "float"})({"b": [1.0]}), r"\['a'\]"),
        (lambda: make({"a": make.integer_hashed(3, output_mode="int")})({"a": [1]}), "joined"),
        (lambda: make.feature("float32", None, "hot"), "output_mode"),
    ):
        with pytest.raises(ValueError, match=word):
            call()
