"""Every layer beside Keras: values, gradients, shapes, engines, compiled code, dtypes, configs, errors."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

import dovetail as tf
from dovetail import keras
from dovetail.keras import layers
from dovetail.keras.serialization import custom_object_scope
from tests.keras.layer_rows import CASES, preprocessing
from tests.keras.layer_rows.first import half_plus_one
from tests.ops.case import engine

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

EVERY = pytest.mark.parametrize("case", CASES, ids=lambda case: case.label)
# Cells take states beside their inputs: tests/keras/test_recurrent.py has them.
WITHOUT_ROW = {
    *("Layer", "InputLayer", "TFOpLambda", "SlicingOpLambda", "Wrapper"),
    *("JaxLayer", "FlaxLayer", "TorchModuleWrapper"),  # test_foreign_layers.py
    "TFSMLayer",  # test_saved_model.py
    *("AbstractRNNCell", "GRUCell", "LSTMCell", "SimpleRNNCell", "StackedRNNCells"),
    *preprocessing.APART,
}


@pytest.fixture(scope="module")
def reference():
    pytest.importorskip("tensorflow")
    pytest.importorskip("keras")
    return Reference


class Reference:
    """The same layer in Keras, with the same weights."""

    def __init__(self, case, ours):
        import keras as keras_3
        import tensorflow

        self.case = case
        self.tf = tensorflow
        if case.tf_keras:
            import tf_keras as keras_3
        # TensorFlow convolves channels last only on the CPU.
        self.turned = "Conv" in case.kind and case.kwargs.get("data_format") == "channels_first"
        self.layer = case.make(keras_3.layers, **{"data_format": "channels_last"} if self.turned else {})
        self(self.arrays(case.inputs()), **self.masked(case))
        names = [weight.name for weight in ours.weights]
        found = [weight.name.split("/")[-1].removesuffix(":0") for weight in self.layer.weights]
        assert found == names
        self.layer.set_weights(ours.get_weights())

    def __call__(self, inputs, **more):
        if not self.turned:
            return self.case.call(self.layer, inputs, **more)
        outputs = self.layer(self.tf.experimental.numpy.moveaxis(inputs, 1, -1), **more)
        return self.tf.experimental.numpy.moveaxis(outputs, -1, 1)

    def arrays(self, inputs):
        if isinstance(inputs, list):
            return [self.tf.constant(one) for one in inputs]
        return self.tf.constant(inputs)

    def masked(self, case):
        mask = case.mask_value()
        return {} if mask is None else {"mask": self.tf.constant(mask)}

    def gradients(self, case, training):
        inputs = self.arrays(case.inputs())
        with self.tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = self(inputs, **self.masked(case), **training)
            loss = self.tf.reduce_sum(outputs * self.tf.constant(factors(outputs)))
        weights = self.layer.trainable_weights
        variables = weights if case.tf_keras else [weight.value for weight in weights]
        sources = [*sources_of(case, inputs), *variables]
        return [self.tf.convert_to_tensor(g).numpy() for g in tape.gradient(loss, sources)]


def made(case, **more):
    """Returns the layer, built, with random weights."""
    layer = case.make(layers, **more)
    case.call(layer, tensors(case), **masked(case))
    rng = np.random.default_rng(5)
    layer.set_weights([(rng.random(value.shape) + 0.2).astype(value.dtype) for value in layer.get_weights()])
    return layer


def tensors(case):
    inputs = case.inputs()
    return [tf.constant(one) for one in inputs] if isinstance(inputs, list) else tf.constant(inputs)


def masked(case):
    mask = case.mask_value()
    return {} if mask is None else {"mask": tf.constant(mask)}


def sources_of(case, inputs):
    return [] if case.dtype.startswith("int") else inputs if isinstance(inputs, list) else [inputs]


def factors(outputs):
    return np.random.default_rng(9).normal(size=tuple(outputs.shape)).astype("float32")


def takes_training(layer):
    return "training" in type(layer).call.__code__.co_varnames


def flags(case, layer):
    if not takes_training(layer):
        return [{}]
    return [{"training": False}] if case.random else [{"training": False}, {"training": True}]


def close(actual, expected, tolerance=1e-5):
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.dtype == expected.dtype and actual.shape == expected.shape
    np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance)


def test_every_layer_has_a_row():
    public = {getattr(layers, name) for name in layers.__all__}
    kinds = {value for value in public if isinstance(value, type) and issubclass(value, layers.Layer)}
    rows = {getattr(layers, case.kind) for case in CASES}
    assert {kind.__name__ for kind in kinds - rows} == WITHOUT_ROW


@EVERY
def test_values_and_gradients(case, reference):
    ours = made(case)
    assert tuple(weight.name for weight in ours.weights) == case.weights
    theirs = reference(case, ours)
    for training in flags(case, ours):
        expected = theirs(theirs.arrays(case.inputs()), **theirs.masked(case), **training)
        close(case.call(ours, tensors(case), **masked(case), **training), expected)
        for mine, other in zip(ours.get_weights(), theirs.layer.get_weights(), strict=True):
            close(mine, other)
        if case.gradients:
            for mine, other in zip(
                gradients(ours, case, training), theirs.gradients(case, training), strict=True
            ):
                close(mine, other, 5e-5)


def gradients(layer, case, training):
    inputs = tensors(case)
    with tf.GradientTape() as tape:
        for source in sources_of(case, inputs):
            tape.watch(source)
        outputs = case.call(layer, inputs, **masked(case), **training)
        loss = tf.reduce_sum(outputs * tf.constant(factors(outputs)))
    sources = [*sources_of(case, inputs), *layer.trainable_weights]
    return [tf.convert_to_tensor(g).numpy() for g in tape.gradient(loss, sources)]


@EVERY
def test_engines_and_compiled_code_agree(case):
    layer = made(case)
    for training in flags(case, layer):
        state = layer.get_weights()
        results = []
        for name in ("host", "xla"):
            layer.set_weights(state)
            with engine(name):
                results.append(
                    (case.call(layer, tensors(case), **masked(case), **training), layer.get_weights())
                )
        layer.set_weights(state)
        compiled = tf.function(lambda inputs, more: case.call(layer, inputs, **more, **training))  # noqa: B023 - called here
        results.append((compiled(tensors(case), masked(case)), layer.get_weights()))
        for outputs, weights in results[1:]:
            close(outputs, results[0][0])
            for one, other in zip(weights, results[0][1], strict=True):
                close(one, other)


@EVERY
def test_batches_without_rows(case):
    layer = made(case)
    if getattr(layer, "stateful", False):
        return  # whose states have the rows of one batch size
    whole = case.call(layer, tensors(case), **masked(case))
    inputs, more = tf.nest.map_structure(lambda one: one[:0], (tensors(case), masked(case)))
    found = case.call(layer, inputs, **more)
    sizes = [(0, *one.shape[1:]) for one in tf.nest.flatten(whole)]
    assert [tuple(one.shape) for one in tf.nest.flatten(found)] == sizes


@EVERY
def test_symbolic_shapes(case):
    layer = made(case)
    outputs = case.call(layer, tensors(case), **masked(case))
    shapes = case.shape if isinstance(case.shape, list) else [case.shape]
    inputs = [keras.Input(shape[1:], dtype=case.dtype) for shape in shapes]
    symbolic = case.call(layer, inputs if isinstance(case.shape, list) else inputs[0])
    assert tuple(symbolic.shape) == (None, *outputs.shape[1:])
    assert symbolic.dtype == outputs.dtype
    if case.mask is None:
        model = keras.Model(inputs, symbolic)
        close(model(tensors(case)), outputs)
    if case.unknown is not None:
        shapes = case.unknown if isinstance(case.unknown, list) else [case.unknown]
        inputs = [keras.Input(batch_shape=shape, dtype=case.dtype) for shape in shapes]
        inputs = inputs if isinstance(case.unknown, list) else inputs[0]
        unknown = case.call(case.make(layers), inputs)
        assert len(unknown.shape) == len(outputs.shape)
        assert all(size in (None, known) for size, known in zip(unknown.shape, outputs.shape, strict=True))
        model = keras.Model(inputs, unknown)
        model.layers[-1].set_weights(layer.get_weights())
        if case.mask is None:
            close(model(tensors(case)), outputs)


@EVERY
def test_mixed_precision(case):
    full = made(case)
    keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        layer = made(case)
    finally:
        keras.mixed_precision.set_global_policy(None)
    assert all(weight.dtype == "float32" for weight in layer.weights)
    for training in flags(case, layer):
        outputs = case.call(layer, tensors(case), **masked(case), **training)
        expected = case.call(full, tensors(case), **masked(case), **training).numpy()
        is_float = expected.dtype.kind == "f"
        if is_float and (case.dtype == "float32" or case.kind in ("Embedding", "Rescaling")):
            assert outputs.dtype == "float16"
        np.testing.assert_allclose(outputs.numpy().astype("float32"), expected, rtol=0.05, atol=0.05)


@EVERY
def test_config_round_trip(case):
    layer = made(case)
    config = layer.get_config()
    again = type(layer).from_config(config)
    case.call(again, tensors(case), **masked(case))
    again.set_weights(layer.get_weights())
    close(case.call(again, tensors(case), **masked(case)), case.call(layer, tensors(case), **masked(case)))
    assert again.get_config() == config
    with custom_object_scope({"half_plus_one": half_plus_one}):
        written = json.loads(json.dumps(layers.serialize(layer)))
        rebuilt = layers.deserialize(written)
    assert type(rebuilt) is type(layer)
    assert json.dumps(layers.serialize(rebuilt), sort_keys=True) == json.dumps(written, sort_keys=True)


@EVERY
def test_configs_of_keras_are_read(case, reference):
    if case.kind == "Lambda":
        return  # holds a function, which Keras writes as bytecode
    theirs = reference(case, made(case)).layer
    ours = getattr(layers, case.kind).from_config(theirs.get_config())
    missing = set(theirs.get_config()) - set(ours.get_config())
    assert missing <= {
        *("activity_regularizer", "renorm", "renorm_clipping", "renorm_momentum"),
        "rms_scaling",
    }
    same = {"name", *vars(theirs)} & set(ours.get_config()) & set(theirs.get_config()) - {"layer", "dtype"}
    for key in same:
        mine, other = (json.dumps(one.get_config()[key], sort_keys=True) for one in (ours, theirs))
        if "module" not in mine:
            assert mine == other, key


@pytest.mark.parametrize("case", [c for c in CASES if c.bad], ids=lambda case: case.label)
def test_wrong_shapes_are_refused(case):
    layer = made(case)
    bad = case.bad if isinstance(case.bad, list) else [case.bad]
    arrays = [tf.zeros(shape, case.dtype) for shape in bad]
    with pytest.raises(ValueError, match=rf"(?s){layer.name}|[Ii]ncompatible|broadcast") as error:
        case.call(layer, arrays if isinstance(case.bad, list) else arrays[0])
    assert any(str(size) in str(error.value) for size in bad[0])
    close(*[case.call(layer, tensors(case)) for _ in range(2)])


@pytest.mark.parametrize("case", [c for c in CASES if c.random], ids=lambda case: case.label)
def test_noise_acts_in_training_only_and_repeats_with_the_seed(case):
    layer = made(case)
    x = tf.constant(np.random.default_rng(2).normal(size=(64, *case.shape[1:])), tf.float32)
    close(layer(x), x)
    close(layer(x, training=False), x)
    draws = []
    for _ in range(2):
        keras.utils.set_random_seed(3)
        fresh = made(case)
        draws.append(fresh(x, training=True).numpy())
        assert not np.array_equal(fresh(x, training=True), draws[-1])
    assert np.array_equal(*draws)
    assert abs(draws[0].mean() - x.numpy().mean()) < 0.2
    compiled = tf.function(lambda x: layer(x, training=True))
    assert not np.array_equal(compiled(x), compiled(x))


def test_functional_forms_of_the_joining_layers():
    a, b = tf.constant([[1.0, 2.0]]), tf.constant([[3.0, 5.0]])
    expected = {
        "add": [[4.0, 7.0]],
        "subtract": [[-2.0, -3.0]],
        "multiply": [[3.0, 10.0]],
        "average": [[2.0, 3.5]],
        "maximum": [[3.0, 5.0]],
        "minimum": [[1.0, 2.0]],
        "concatenate": [[1.0, 2.0, 3.0, 5.0]],
        "dot": [[13.0]],
    }
    for name, values in expected.items():
        assert getattr(layers, name)([a, b]).numpy().tolist() == values, name


WITHOUT_JAX = """
import sys
sys.modules["jax"] = None
import dovetail as tf
from dovetail.base.settings import settings
from dovetail.keras import layers
from tests.keras.layer_rows import CASES, preprocessing
settings.engine = "host"
for case in CASES:
    inputs, mask = case.inputs(), case.mask_value()
    inputs = [tf.constant(one) for one in inputs] if isinstance(inputs, list) else tf.constant(inputs)
    case.call(case.make(layers), inputs, **({} if mask is None else {"mask": tf.constant(mask)}))
"""


def test_inference_needs_no_jax():
    subprocess.run([sys.executable, "-c", WITHOUT_JAX], check=True, timeout=300)
