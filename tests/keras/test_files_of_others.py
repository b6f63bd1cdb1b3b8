"""Every file that TensorFlow 2.21, Keras 3.15 and tf_keras 2.21 wrote into ../shared/data/models."""

from pathlib import Path

import numpy as np
import pytest

import dovetail as tf
from dovetail import keras
from tests.keras.pairs import close

MODELS = Path(__file__).resolve().parents[3] / "shared" / "data" / "models"
pytestmark = pytest.mark.skipif(not MODELS.is_dir(), reason="the folder ../shared/data is not here")


class Scale(keras.layers.Layer):
    """The layer of k3_subclassed.keras."""

    def __init__(self, start=1.0, **kwargs):
        super().__init__(**kwargs)
        self.start = start

    def build(self, shape):
        initial = keras.initializers.Constant(self.start)
        self.scale = self.add_weight(shape=(shape[-1],), initializer=initial, name="scale")

    def call(self, x):
        return x * self.scale

    def get_config(self):
        return {**super().get_config(), "start": self.start}


class Gated(keras.Model):
    """The model of k3_subclassed.keras."""

    def __init__(self, units, classes, **kwargs):
        super().__init__(**kwargs)
        self.units, self.classes = units, classes
        self.left = keras.layers.Dense(units)
        self.gate = keras.layers.Dense(units, activation="sigmoid")
        self.scale = Scale(2.0)
        self.head = keras.layers.Dense(classes)

    def call(self, x):
        return self.head(self.scale(self.left(x)) * self.gate(x))

    def get_config(self):
        return {**super().get_config(), "units": self.units, "classes": self.classes}


OWN = {"files>Scale": Scale, "files>Gated": Gated}
COMPILED = ("k2_compiled_adam.h5", "k3_compiled_adam.keras")
WHOLE = (
    *("k2_functional_cnn.h5", "k2_lambda.h5", "k2_sequential_rnn.h5", "k2_sequential_rnn.keras"),
    *("k2_tfoplambda.h5", "k3_functional.keras", "k3_mixed_float16.keras", "k3_nested.keras", "k3_ops.keras"),
    *(
        "k3_preprocessing.keras",
        "k3_sequential_cnn.keras",
        "k3_subclassed.keras",
        *COMPILED,
        "k2_saved_model",
    ),
)
WEIGHTS = ("k2_cnn.weights.h5", "k2_cnn_weights.h5", "k2_tf_weights/cnn", "k3_sequential_cnn.weights.h5")
# The steps that `next_...` beside the compiled files tells of, and the files of other tests.
ELSEWHERE = {"k3_exported", "module_saved_model"}  # tests/test_saved_model.py
CHECKPOINTS = {"k2_checkpoint", "tf1_checkpoint"}


def test_no_file_is_left_out():
    tested = {name.partition("/")[0] for name in (*WHOLE, *WEIGHTS)} | ELSEWHERE | CHECKPOINTS
    others = {"README.md", "make_files.py"}
    assert {path.name for path in MODELS.iterdir() if path.suffix != ".npz"} - others == tested


def beside(name):
    """Returns the values beside a file: the inputs, the outputs, the weights, and all of it."""
    stem = name.partition("/")[0].removesuffix(".weights.h5").removesuffix(".h5").removesuffix(".keras")
    stem = "k2_cnn_weights" if stem == "k2_cnn" else stem
    facts = dict(np.load(MODELS / f"{stem}.npz", allow_pickle=False))
    inputs = {key[3:]: value for key, value in facts.items() if key.startswith("in_") and key != "in_y"}
    outputs = [facts[key] for key in sorted(facts) if key == "out" or key.startswith("out_")]
    weights = [facts[f"w_{i}"] for i in range(sum(key.startswith("w_") for key in facts))]
    return inputs, outputs, weights, facts


def load(name):
    return keras.models.load_model(MODELS / name, custom_objects=OWN, safe_mode=name != "k2_lambda.h5")


def gives(model, name, inputs, outputs):
    fed = {key: tf.constant(value) for key, value in inputs.items()}
    found = tf.nest.flatten(model(fed if len(fed) > 1 else next(iter(fed.values())), training=False))
    rtol = 2e-2 if "float16" in name else 1e-4
    close([np.asarray(value) for value in found], outputs, name, rtol=rtol, atol=rtol / 10)


@pytest.mark.parametrize("name", WHOLE)
def test_whole_models(name):
    model = load(name)
    inputs, outputs, weights, _ = beside(name)
    numbers = [value for value in model.get_weights() if value.dtype.kind in "fiu"]
    close(numbers, weights, name)
    gives(model, name, inputs, outputs)


@pytest.mark.parametrize("name", COMPILED)
def test_training_goes_on(name):
    model = load(name)
    _, _, _, facts = beside(name)
    logs = model.evaluate(facts["in_x"], facts["in_y"], verbose=0, return_dict=True)
    close([logs["loss"], logs["mae"]], [facts["loss"], facts["mae"]], rtol=1e-4)
    model.train_on_batch(facts["in_x"], facts["in_y"])
    close(model.get_weights(), [facts[f"next_{i}"] for i in range(4)], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", WEIGHTS)
def test_weights_alone(name):
    model = load("k3_sequential_cnn.keras" if name.startswith("k3") else "k2_functional_cnn.h5")
    model.set_weights([np.zeros_like(value) for value in model.get_weights()])
    model.load_weights(MODELS / name)
    inputs, outputs, _, _ = beside(name)
    gives(model, name, inputs, outputs)


def test_the_checkpoint_of_objects():
    facts = np.load(MODELS / "k2_checkpoint.npz")
    first = keras.layers.Dense(8, activation="tanh", name="hidden")
    model = keras.Sequential(
        [keras.Input((4,)), first, keras.layers.Dense(1, name="answer")], name="regression"
    )
    optimizer, step = keras.optimizers.Adam(0.5), tf.Variable(0, dtype=tf.int64, trainable=False)
    checkpoint = tf.train.Checkpoint(model=model, optimizer=optimizer, step=step)
    checkpoint.restore(tf.train.latest_checkpoint(MODELS / "k2_checkpoint"))
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean((model(facts["in_x"], training=True) - facts["in_y"]) ** 2)
    variables = model.trainable_variables
    optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
    close(float(loss), facts["next_loss"], rtol=1e-4)
    close(model.get_weights(), [facts[f"next_{i}"] for i in range(4)], rtol=1e-4, atol=1e-5)
    assert int(step) == facts["step"]


def test_the_checkpoint_of_names():
    facts = np.load(MODELS / "tf1_checkpoint.npz")
    reader = tf.train.load_checkpoint(MODELS / "tf1_checkpoint")
    close(reader.get_tensor("layer1/kernel"), facts["kernel"])
    close(reader.get_tensor("layer1/bias"), facts["bias"])
    assert reader.get_tensor("global_step") == 77
