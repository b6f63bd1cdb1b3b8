"""The state of training as nested dicts, beside Keras."""

import os

import numpy as np
import pytest

from dovetail import keras

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

X = np.ones((4, 3), "float32")


def trained(k):
    model = k.Sequential(
        [
            k.Input((3,)),
            k.layers.Dense(2, name="one", kernel_initializer="ones"),
            k.layers.BatchNormalization(name="two"),
        ],
        name="net",
    )
    model.compile(k.optimizers.Adam(0.1, name="adam"), "mse", metrics=["mae"])
    model.fit(X, X[:, :2] * 2, verbose=0)
    return model


def flat(tree, prefix=""):
    for name, value in tree.items():
        yield from flat(value, f"{prefix}{name}/") if isinstance(value, dict) else [(prefix + name, value)]


def test_the_tree_is_that_of_keras():
    theirs = dict(flat(trained(pytest.importorskip("keras")).get_state_tree("numpy_array")))
    ours = dict(flat(trained(keras).get_state_tree("numpy_array")))
    short = {name.replace("net/", "").replace("net_", ""): value for name, value in theirs.items()}
    own = {name.replace("net/", "").replace("net_", ""): value for name, value in ours.items()}
    for name, value in short.items():
        if not name.startswith("metrics"):
            np.testing.assert_allclose(own[name], value, rtol=1e-4, atol=1e-5, err_msg=name)


def test_it_is_assigned_as_a_whole_or_in_part():
    model, other = trained(keras), trained(keras)
    other.fit(X, X[:, :2], verbose=0)
    other.set_state_tree(model.get_state_tree())
    for a, b in zip(
        model.variables + model.optimizer.variables, other.variables + other.optimizer.variables, strict=True
    ):
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b))
    tree = model.get_state_tree("numpy_array")["trainable_variables"]
    other.set_state_tree({"trainable_variables": tree})
    with pytest.raises(ValueError, match="Did you mean 'trainable_variables'"):
        other.set_state_tree({"trainable_variable": tree})
    with pytest.raises(ValueError, match="no variable among trainable_variables"):
        other.set_state_tree({"trainable_variables": {"one": {"kernels": 0.0}}})
    with pytest.raises(ValueError, match="value_format"):
        other.get_state_tree("list")
