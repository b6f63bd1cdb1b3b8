"""Where Keras 2 and Keras 3 contradict each other, a program gets the one that it is written for; a row each."""

import re
from pathlib import Path

import keras as keras_3
import numpy as np
import pytest
import tf_keras

import dovetail as tf
from dovetail.base.settings import settings
from dovetail.cli.split import split_at_program

ONES = np.ones((4, 4), "float32")
ZEROS = np.zeros((4, 1), "float32")


def stack(keras):
    layers = keras.layers
    model = keras.Sequential(
        [layers.Dense(3, name="a"), layers.BatchNormalization(name="b"), layers.Dense(1, name="c")]
    )
    model.build((None, 4))
    return model


def trained(keras, **options):
    model = stack(keras)
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), "mse")
    return model, model.fit(ONES, ZEROS, verbose=0, **options)


def weight_names(keras):
    return [weight.name for weight in stack(keras).weights]


def names_in_subclasses(keras):
    class Outer(keras.layers.Layer):
        def __init__(self):
            super().__init__(name="outer")
            self.inner = keras.layers.Dense(2, name="inner")

        def call(self, x):
            return self.inner(x)

    outer = Outer()
    outer(ONES)
    return [weight.name for weight in outer.weights]


def names_in_wrappers(keras):
    layer = keras.layers
    wrapped = (layer.Dense(2), layer.LSTM(2), layer.TimeDistributed(layer.Dense(2)))
    models = [
        keras.Sequential([keras.Input((3,) * (2 + (k > 0))), layer.TimeDistributed(one, name=f"wrapper{k}")])
        for k, one in enumerate(wrapped)
    ]
    return [weight.name for model in models for weight in model.weights]


def states_of_recurrent_layers(keras):
    layer = keras.layers
    lstm, both = (
        layer.LSTM(2, return_state=True),
        layer.Bidirectional(layer.GRU(2, return_state=True), merge_mode=None),
    )
    inputs = keras.Input((2, 3))
    kinds = [type(made(x)) for made in (lstm, both) for x in (inputs, np.ones((1, 2, 3), "float32"))]
    return [kind.__name__ for kind in kinds]


def default_optimizer_name(keras):
    return keras.optimizers.RMSprop().name.rstrip("_0123456789")


def functional_name(keras):
    inputs = keras.Input((2,))
    return keras.Model(inputs, keras.layers.Dense(1)(inputs)).name.rstrip("_0123456789")


def input_name(keras):
    inputs = keras.Input((2,))
    return re.sub(r"_\d+$", "", keras.Model(inputs, keras.layers.Dense(1)(inputs)).layers[0].name)


def optimizer_variables(keras):
    model, _ = trained(keras)
    found = model.optimizer.variables
    # Keras 3 numbers the model, by what ran before: "sequential_3_a_kernel_momentum".
    return [re.sub(r"^sequential(_\d+)?_", "", variable.name) for variable in found]


def rate_in_logs(keras):
    _, history = trained(keras, callbacks=[keras.callbacks.LearningRateScheduler(lambda epoch: 0.1)])
    return sorted(history.history)


def binary_crossentropy(keras):
    loss = keras.losses.BinaryCrossentropy()
    pairs = (([[1.0, 0.0]], [[0.0, 0.2]]), ([[1.0, 0.0]], [[1e-4, 0.9]]))
    return [float(loss(np.float32(y), np.float32(p))) for y, p in pairs]


def variables_of_random_layers(keras):
    return [len(keras.layers.Dropout(rate).variables) for rate in (0.0, 0.5)]


def metrics_of_compile(keras):
    model = stack(keras)
    model.compile("sgd", "mse", metrics=["mae"])
    model.fit(ONES, ZEROS, verbose=0)
    return [metric.name for metric in model.metrics]


def conv_lstm_gates(keras):
    return keras.layers.ConvLSTM1D(2, 2).get_config()["recurrent_activation"]


def hard_sigmoid(keras):
    outputs = keras.layers.Activation("hard_sigmoid")(np.array([[-2.8, -1.0, 2.7]], "float32"))
    return [float(value) for value in np.asarray(outputs)[0]]


# What a row is about -> the program, and the generation that counts without a sign.
ROWS = {
    "names of weights": (weight_names, 3),
    "names of weights of inner layers": (names_in_subclasses, 3),
    "names of weights inside wrappers": (names_in_wrappers, 3),
    "a recurrent layer with `return_state` gives": (states_of_recurrent_layers, 3),
    "default name of an optimizer": (default_optimizer_name, 3),
    "default name of a functional model": (functional_name, 3),
    "default name of an input": (input_name, 3),
    "`optimizer.variables`": (optimizer_variables, 3),
    "learning rate in the logs": (rate_in_logs, 3),
    "epsilon of binary cross-entropy": (binary_crossentropy, 3),
    "random layers without a seed": (variables_of_random_layers, 3),
    "`model.metrics`": (metrics_of_compile, 3),
    "gates of a convolutional LSTM": (conv_lstm_gates, 3),
    "`hard_sigmoid`": (hard_sigmoid, 3),
}
ROOT = Path(__file__).resolve().parents[2]
LIVE = {2: tf_keras, 3: keras_3}


@pytest.fixture(scope="module")
def live():
    return {
        (row, generation): program(keras)
        for row, (program, _) in ROWS.items()
        for generation, keras in LIVE.items()
    }


@pytest.mark.parametrize("sign", [2, 3, None])
@pytest.mark.parametrize("row", ROWS)
def test_a_program_gets_its_keras(row, sign, live, monkeypatch):
    monkeypatch.setattr(settings, "keras", sign)
    program, default = ROWS[row]
    expected = live[row, sign or default]
    found = program(tf.keras)
    assert found == pytest.approx(expected, rel=2e-6) if isinstance(found[0], float) else found == expected


@pytest.mark.parametrize("row", ROWS)
def test_the_two_differ(row, live):
    assert live[row, 2] != live[row, 3]


def test_the_guide_has_every_row():
    guide = (ROOT / "docs" / "guides" / "keras-2-and-3.md").read_text()
    assert [row for row in ROWS if f"| {row} |" not in guide] == []


def test_the_options_value_is_not_the_program():
    assert split_at_program(["run", "--keras", "2", "train.py", "--help"]) == (
        ["run", "--keras", "2", "train.py"],
        ["--help"],
    )
