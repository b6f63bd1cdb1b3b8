"""Layers whose arguments are rows, and names that are written once."""

import importlib
import inspect
import pkgutil

import numpy as np
import pytest

import dovetail as tf
from dovetail import keras
from dovetail.keras.layers.machinery.declared import Argument, Declared, Weight, weights


class Scale(Declared):
    """A layer with an argument and a weight."""

    _arguments = (
        Argument("by", hint="float"),
        Argument("shift", 0.0, lambda layer, name, value: float(value)),
        Argument("note", None, kept=False),
        *weights(Weight("gamma", "ones"), Weight("mean", "zeros", penalized=False), activity=True),
    )

    def _begin(self):
        self.begun = (self.by, self.shift)

    def build(self, input_shape):
        self.gamma = self._add("gamma", input_shape[-1:])
        self.mean = self._add("mean", input_shape[-1:], name="average", trainable=False)

    def call(self, inputs):
        return (inputs - self.mean) * self.gamma * self.by + self.shift


def test_constructor_attributes_weights_and_config_follow_from_the_rows():
    layer = Scale(2.0, shift=1, gamma_initializer="zeros", gamma_regularizer="l2", name="scale", note="seen")
    assert layer.begun == (2.0, 1.0) and not hasattr(layer, "note")
    np.testing.assert_array_equal(layer(tf.ones((1, 3))), np.ones((1, 3)))
    assert [w.name.removesuffix(":0") for w in layer.weights] == ["gamma", "average"]
    assert len(layer.trainable_weights) == len(layer.losses) == 1
    config = layer.get_config()
    assert config["by"] == 2.0 and config["gamma_regularizer"]["class_name"] == "L2"
    assert "mean_regularizer" not in config
    again = Scale.from_config(config)
    assert again.get_config() == config and again.name == "scale"


def test_the_signature_is_that_of_the_rows():
    assert str(inspect.signature(Scale)) == (
        "(by: 'float', shift: 'Any' = 0.0, note: 'Any' = None, gamma_initializer: 'Any' = 'ones', "
        "mean_initializer: 'Any' = 'zeros', gamma_regularizer: 'Any' = None, activity_regularizer: 'Any' = None, "
        "gamma_constraint: 'Any' = None, **kwargs: 'Any') -> 'None'"
    )


def test_signatures_are_those_of_keras():
    reference = pytest.importorskip("keras").layers
    for kind in ("Dense", "Conv1D", "Conv2DTranspose", "DepthwiseConv2D", "SeparableConv1D", "PReLU"):
        theirs = inspect.signature(getattr(reference, kind)).parameters
        ours = inspect.signature(getattr(keras.layers, kind)).parameters
        common = [name for name in theirs if name in ours]
        assert [name for name in ours if name in theirs] == common, kind
        defaults = {name: ours[name].default for name in common}
        assert len(common) >= min(len(theirs), 4)
        for name in common:
            assert defaults[name] == theirs[name].default or {defaults[name], theirs[name].default} <= {
                1, (1, 1), None, "zeros", "Zeros",
            }, (kind, name)  # fmt: skip


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: keras.layers.Dense(), "Dense: missing the argument 'units'"),
        (lambda: keras.layers.Conv2D(3), "Conv2D: missing the argument 'kernel_size'"),
        (lambda: keras.layers.Dense(1, units=2), "multiple values for argument 'units'"),
        (lambda: keras.layers.Dense(1, unit=2), "unknown argument 'unit'. Did you mean 'units'"),
        (lambda: keras.layers.PReLU(*range(9)), "positional arguments"),
        (lambda: keras.layers.Dense(2, use_bias=3), "use_bias must be True or False"),
    ],
)
def test_what_does_not_fit_is_refused(call, message):
    with pytest.raises((TypeError, ValueError), match="test_declared.py") as caught:
        call()
    assert message in str(caught.value)


def test_users_derive_from_declared_layers():
    class Mine(keras.layers.Conv1D):
        def __init__(self, extra, **kwargs):
            super().__init__(4, 3, padding="causal", **kwargs)
            self.extra = extra

    class Plain(keras.layers.Dense):
        pass

    layer = Mine(7, activation="relu")
    assert layer(tf.ones((1, 5, 2))).shape == (1, 5, 4) and layer.padding == "causal" and layer.extra == 7
    assert layer.get_config()["extra"] == 7
    assert Plain.from_config(Plain(3).get_config()).units == 3


KINDS = (
    "activations",
    "callbacks",
    "constraints",
    "initializers",
    "layers",
    "losses",
    "metrics",
    "optimizers",
    "regularizers",
)


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_file_names_is_shown_by_its_kind(kind):
    """A class that is written and named in `__all__` of its file needs nothing else."""
    package = importlib.import_module(f"dovetail.keras.{kind}")
    found = 0
    for info in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if (
            info.ispkg
            or ".machinery." in info.name
            or info.name.rpartition(".")[2] in ("experimental", "legacy")
        ):
            continue
        if ".schedules." in info.name or ".layers.experimental." in info.name:
            continue
        for name in getattr(importlib.import_module(info.name), "__all__", ()):
            shown = [*package.__all__, *getattr(getattr(package, "experimental", None), "__all__", ())]
            assert name in shown, f"{name} of {info.name}"
            found += 1
    assert found > 4


def test_exchanges_take_the_names_that_users_know():
    losses, metrics = keras.losses, keras.metrics
    assert losses.deserialize(name="mse") is losses.mean_squared_error
    assert metrics.deserialize(config="MeanSquaredError", custom_objects=None).name == "mean_squared_error"
    assert losses.serialize(loss=losses.mean_squared_error) == losses.serialize(losses.mean_squared_error)
    with pytest.raises(TypeError):
        losses.deserialize(config="mse")
