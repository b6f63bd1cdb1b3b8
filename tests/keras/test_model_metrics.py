"""`Model.metrics` is found once and kept until a layer changes; what it gives is never stale."""

import copy
import pickle

import numpy as np
import pytest

from dovetail import keras
from dovetail.keras import layers
from dovetail.keras.training import compiling

X, Y = np.ones((4, 2), "float32"), np.ones((4, 1), "float32")


class Holds(layers.Layer):
    """A layer with metrics in several places."""

    def __init__(self):
        super().__init__()
        self.single = keras.metrics.Mean(name="single")
        self.listed = [keras.metrics.Mean(name="first"), [keras.metrics.Mean(name="inner")]]
        self.named = {"one": keras.metrics.Mean(name="named")}
        self.sub = None

    def call(self, x):
        return x


def made():
    layer = Holds()
    model = keras.Sequential([keras.Input((2,)), layer, layers.Dense(1)])
    model.compile("sgd", "mse", metrics=["mae"])
    model.fit(X, Y, verbose=0)
    return model, layer


def names(model):
    return sorted(metric.name for metric in model.metrics)


ALL = ["compile_metrics", "first", "inner", "loss", "named", "single"]
CHANGES = {
    "attribute set": (lambda layer: setattr(layer, "other", keras.metrics.Mean(name="new")), [*ALL, "new"]),
    "attribute replaced": (
        lambda layer: setattr(layer, "single", keras.metrics.Mean(name="new")),
        [*ALL[:-1], "new"],
    ),
    "attribute set to None": (lambda layer: setattr(layer, "single", None), ALL[:-1]),
    "attribute deleted": (lambda layer: delattr(layer, "single"), ALL[:-1]),
    "appended": (lambda layer: layer.listed.append(keras.metrics.Mean(name="new")), [*ALL, "new"]),
    "appended inside": (lambda layer: layer.listed[1].append(keras.metrics.Mean(name="new")), [*ALL, "new"]),
    "item replaced": (
        lambda layer: layer.listed.__setitem__(0, keras.metrics.Mean(name="new")),
        ["compile_metrics", "inner", "loss", "named", "new", "single"],
    ),
    "dict item replaced": (
        lambda layer: layer.named.update(one=keras.metrics.Mean(name="new")),
        ["compile_metrics", "first", "inner", "loss", "new", "single"],
    ),
    "layer added": (lambda layer: setattr(layer, "sub", Holds()), sorted([*ALL, *ALL[1:3], *ALL[4:]])),
}


@pytest.mark.parametrize("change", CHANGES)
def test_changes_show_at_once(change):
    model, layer = made()
    assert names(model) == ALL and names(model) == ALL
    do, expected = CHANGES[change]
    do(layer)
    assert names(model) == sorted(expected)


def test_layers_are_walked_once(monkeypatch):
    model, _ = made()
    assert names(model) == ALL
    walks = []
    monkeypatch.setattr(compiling, "held", lambda *args: walks.append(args) or [])
    for _ in range(5):
        assert names(model) == ALL
    assert not walks


def test_compiling_again_shows():
    model, _ = made()
    before = model.metrics
    model.compile("sgd", "mse")
    assert names(model) == ["first", "inner", "loss", "named", "single"]
    assert not any(metric is before[0] for metric in model.metrics)


def test_a_removed_layer_takes_its_weights_along():
    layer = Holds()
    layer.sub = layers.Dense(3)
    layer.sub.build((None, 2))
    assert len(layer.trainable_weights) == 2
    layer.sub = None
    assert layer.trainable_weights == []


def test_copies_have_metrics_of_their_own():
    model, _ = made()
    mine = {id(metric) for metric in model.metrics}
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert names(other) == ALL and not mine & {id(metric) for metric in other.metrics}
