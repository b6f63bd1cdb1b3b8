"""Regularizers and constraints: values and gradients beside Keras, names, configs, errors."""

import os

import numpy as np
import pytest

import dovetail as tf
from dovetail.keras import constraints, regularizers

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

W = np.random.default_rng(5).normal(size=(4, 6)).astype("float32") * 2
# Class, arguments.  Every class has a row.
REGULARIZERS = [
    ("L1", {}),
    ("L1", {"l1": 0.3}),
    ("L2", {"l2": 0.2}),
    ("L1L2", {"l1": 0.1, "l2": 0.4}),
    ("L1L2", {"l2": 0.4}),
    ("L1L2", {}),
    ("OrthogonalRegularizer", {"factor": 0.5}),
    ("OrthogonalRegularizer", {"factor": 0.5, "mode": "columns"}),
]
CONSTRAINTS = [
    ("MaxNorm", {}),
    ("MaxNorm", {"max_value": 0.5, "axis": [0, 1]}),
    ("NonNeg", {}),
    ("UnitNorm", {}),
    ("UnitNorm", {"axis": 1}),
    ("MinMaxNorm", {"min_value": 1.0, "max_value": 2.0, "rate": 0.7}),
]


@pytest.fixture(scope="module")
def keras():
    pytest.importorskip("tensorflow")
    return pytest.importorskip("keras")


def close(actual, expected, tolerance=1e-5):
    np.testing.assert_allclose(np.asarray(actual), np.asarray(expected), rtol=tolerance, atol=1e-6)


def classes(module, base):
    return {
        value.__name__
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, base)
    } - {base.__name__}


def test_every_class_has_a_case():
    assert classes(regularizers, regularizers.Regularizer) == {case[0] for case in REGULARIZERS}
    assert classes(constraints, constraints.Constraint) - {"RadialConstraint"} == {
        case[0] for case in CONSTRAINTS
    }


@pytest.mark.parametrize(("kind", "arguments"), REGULARIZERS)
def test_penalties_are_those_of_keras(keras, kind, arguments):
    import tensorflow

    theirs, ours = tensorflow.Variable(W), tf.Variable(W)
    with tensorflow.GradientTape() as tape:
        expected = getattr(keras.regularizers, kind)(**arguments)(tensorflow.convert_to_tensor(theirs))
    with tf.GradientTape() as own_tape:
        value = getattr(regularizers, kind)(**arguments)(ours)
    close(value, expected)
    gradient, wanted = own_tape.gradient(value, ours), tape.gradient(expected, theirs)
    close(
        np.zeros_like(W) if gradient is None else gradient,
        np.zeros_like(W) if wanted is None else wanted,
        2e-5,
    )


@pytest.mark.parametrize(("kind", "arguments"), CONSTRAINTS)
def test_projections_are_those_of_keras(keras, kind, arguments):
    expected = getattr(keras.constraints, kind)(**arguments)(W)
    constraint = getattr(constraints, kind)(**arguments)
    close(constraint(tf.Variable(W)), expected)
    close(tf.function(lambda w: constraint(w))(tf.constant(W)), expected)


@pytest.mark.parametrize(
    ("module", "kind", "arguments"),
    [("regularizers", *case) for case in REGULARIZERS] + [("constraints", *case) for case in CONSTRAINTS],
)
def test_configs(keras, module, kind, arguments):
    own = {"regularizers": regularizers, "constraints": constraints}[module]
    ours, theirs = getattr(own, kind)(**arguments), getattr(getattr(keras, module), kind)(**arguments)
    config, expected = own.serialize(ours), getattr(keras, module).serialize(theirs)
    assert {**config, "config": None} == {**expected, "config": None}
    assert list(config["config"]) == list(expected["config"])
    for value, wanted in zip(config["config"].values(), expected["config"].values()):
        assert value == wanted or value == pytest.approx(wanted)
    for again in (
        own.deserialize(expected),
        own.get(config),
        own.get({"class_name": kind, "config": arguments}),
    ):
        assert type(again) is type(ours) and list(again.get_config()) == list(ours.get_config())


def test_names(keras):
    for module, own in (("regularizers", regularizers), ("constraints", constraints)):
        assert {name for name in dir(getattr(keras, module)) if name[0] != "_"} <= set(dir(own))
    assert regularizers.get("l2").get_config() == {"l2": 0.01} and regularizers.get(None) is None
    assert isinstance(constraints.get("max_norm"), constraints.MaxNorm)
    assert regularizers.l2(0.1).l2 == 0.1 and regularizers.l2(l=0.1).l2 == 0.1
    assert regularizers.l1_l2(l1=0.1, l2=0.2).get_config() == {"l1": 0.1, "l2": 0.2}


def test_a_function_is_a_regularizer_too():
    def smooth(w):
        return tf.reduce_sum(w * w)

    assert regularizers.get(smooth) is smooth


def test_errors_say_what_is_wrong():
    with pytest.raises(ValueError, match="non-negative"):
        regularizers.L2(-0.1)
    with pytest.raises(ValueError, match="non-negative"):
        regularizers.L1("much")
    with pytest.raises(ValueError, match="expected a matrix"):
        regularizers.OrthogonalRegularizer()(np.ones(3, "float32"))
    with pytest.raises(ValueError, match="Did you mean"):
        constraints.get("maxnrm")


@pytest.mark.parametrize("size", [2, 3, 4, 5, 6])
def test_radial_constraint(size):
    """Keras 2's constraint makes kernels the same in all directions; Keras 3 has none."""
    theirs = pytest.importorskip("tf_keras").constraints.RadialConstraint()
    w = np.random.default_rng(size).normal(size=(size, size, 2, 3)).astype(np.float32)
    close(constraints.get("radial_constraint")(w), theirs(pytest.importorskip("tensorflow").constant(w)))
    with pytest.raises(ValueError, match="expected a kernel of shape"):
        constraints.RadialConstraint()(w[0])
