"""Activations: values and gradients beside Keras, engines, symbolic tensors, names, errors."""

import os

import numpy as np
import pytest

import dovetail as tf
from dovetail.base.settings import settings
from dovetail.keras import activations

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

X = np.random.default_rng(3).normal(size=(5, 6)).astype("float32") * 3
# Function, arguments.  Every function has a row.
CASES = [
    ("linear", {}),
    ("relu", {}),
    ("relu", {"negative_slope": 0.1}),
    ("relu", {"max_value": 2.0}),
    ("relu", {"threshold": 0.5, "negative_slope": 0.2, "max_value": 1.5}),
    ("relu6", {}),
    ("leaky_relu", {}),
    ("leaky_relu", {"negative_slope": 0.3}),
    ("softmax", {}),
    ("softmax", {"axis": 0}),
    ("log_softmax", {}),
    ("sparsemax", {}),
    ("sigmoid", {}),
    ("log_sigmoid", {}),
    ("hard_sigmoid", {}),
    ("sparse_sigmoid", {}),
    ("tanh", {}),
    ("hard_tanh", {}),
    ("tanh_shrink", {}),
    ("softplus", {}),
    ("sparse_plus", {}),
    ("squareplus", {"b": 2}),
    ("softsign", {}),
    ("soft_shrink", {"threshold": 0.7}),
    ("hard_shrink", {}),
    ("threshold", {"threshold": 0.2, "default_value": -1.0}),
    ("elu", {"alpha": 0.5}),
    ("selu", {}),
    ("celu", {"alpha": 2.0}),
    ("gelu", {}),
    ("gelu", {"approximate": True}),
    ("silu", {}),
    ("hard_silu", {}),
    ("mish", {}),
    ("glu", {}),
    ("exponential", {}),
]
EVERY_CASE = pytest.mark.parametrize(("name", "arguments"), CASES)
# Keras computes these from a formula that cancels; both are compared at the absolute size of the terms.
CANCELLING = {"tanh_shrink", "log_sigmoid"}


@pytest.fixture(scope="module")
def keras():
    pytest.importorskip("tensorflow")
    return pytest.importorskip("keras")


def close(actual, expected, tolerance=1e-5, absolute=1e-6):
    np.testing.assert_allclose(np.asarray(actual), np.asarray(expected), rtol=tolerance, atol=absolute)


def test_every_function_has_a_case():
    functions = {
        value.__name__
        for value in vars(activations).values()
        if getattr(value, "__module__", "").endswith("activations.functions")
    }
    assert functions == {case[0] for case in CASES}


@EVERY_CASE
def test_value_and_gradient_are_those_of_keras(keras, name, arguments):
    import tensorflow

    theirs = tensorflow.Variable(X)
    with tensorflow.GradientTape() as tape:
        expected = getattr(keras.activations, name)(tensorflow.convert_to_tensor(theirs), **arguments)
        total = tensorflow.reduce_sum(expected * expected)
    ours = tf.Variable(X)
    with tf.GradientTape() as own_tape:
        value = getattr(activations, name)(tf.convert_to_tensor(ours), **arguments)
        own_total = tf.reduce_sum(value * value)
    absolute = 1e-5 if name in CANCELLING else 2e-6
    close(value, expected, absolute=absolute)
    close(own_tape.gradient(own_total, ours), tape.gradient(total, theirs), 2e-5, 2e-5)


@EVERY_CASE
def test_engines_and_compiled_code_agree(name, arguments):
    function, before, results = getattr(activations, name), settings.engine, []
    for engine in ("host", "xla"):
        settings.engine = engine
        try:
            results.append(np.asarray(function(X, **arguments)))
        finally:
            settings.engine = before
    results.append(np.asarray(tf.function(lambda x: function(x, **arguments))(tf.constant(X))))
    close(results[1], results[0])
    close(results[2], results[0])
    assert {result.dtype for result in results} == {np.dtype("float32")}


@EVERY_CASE
def test_16_bits_stay_16_bits(name, arguments):
    value = getattr(activations, name)(tf.cast(X, "float16"), **arguments)
    assert value.dtype == "float16"


def test_names_of_keras_are_all_there(keras):
    assert {name for name in dir(keras.activations) if name[0] != "_"} <= set(dir(activations))


@EVERY_CASE
def test_names_and_configs(keras, name, arguments):
    function = getattr(activations, name)
    assert (
        activations.serialize(function)
        == name
        == keras.activations.serialize(getattr(keras.activations, name))
    )
    assert activations.get(name) is activations.deserialize(name) is activations.get(function) is function
    config = {"module": "builtins", "class_name": "function", "config": name, "registered_name": "function"}
    assert activations.deserialize(config) is function


def test_other_spellings():
    assert activations.get(None) is activations.linear
    assert (
        activations.get("swish") is activations.silu
        and activations.get("hard_swish") is activations.hard_silu
    )
    close(activations.relu(X, alpha=0.1), activations.relu(X, negative_slope=0.1))
    assert activations.get(tf.nn.relu) is tf.nn.relu
    assert activations.serialize(tf.nn.relu) == "relu"


def test_users_own_functions():
    @tf.keras.utils.register_keras_serializable(package="tests")
    def doubled(x):
        return 2 * x

    config = activations.serialize(doubled)
    assert config["config"] == "tests>doubled" and activations.deserialize(config) is doubled
    assert activations.get("tests>doubled") is doubled


def test_unknown_names_show_the_nearest():
    with pytest.raises(ValueError, match="Did you mean 'softmax'"):
        activations.get("sofmax")
    with pytest.raises(ValueError, match="expected a activation|expected an activation"):
        activations.get(7)
    with pytest.warns(UserWarning, match="a lambda"):
        written = activations.serialize(lambda x: x)
    with pytest.raises(ValueError, match="lambda as bytecode"):
        activations.deserialize(written)
