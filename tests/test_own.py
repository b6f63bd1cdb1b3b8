"""Dovetail's own classes are told from those of users by a declared attribute, wherever their file lies."""

import subprocess
import sys

import pytest

import dovetail as tf
from dovetail import keras
from dovetail.base.own import is_own, is_own_method


@pytest.mark.parametrize(
    "kind",
    [
        *(keras.layers.Layer, keras.layers.Dense, keras.Model, keras.Sequential, keras.metrics.Mean),
        *(keras.losses.Loss, keras.optimizers.Adam, keras.callbacks.Callback, tf.GradientTape),
    ],
)
def test_ours_are_own_and_subclasses_of_users_are_not(kind):
    assert kind._is_own and is_own(kind)
    theirs = type("Theirs", (kind,), {"__module__": "their.program"})
    assert not theirs._is_own and not is_own(theirs)
    assert not type("Further", (theirs,), {"__module__": "dovetailed.program"})._is_own


def test_layers_of_ours_that_call_no_others_are_leaves():
    assert keras.layers.Dense._is_leaf
    for kind in (keras.layers.TimeDistributed, keras.Model, keras.Sequential):
        assert not kind._is_leaf
    assert not type("Theirs", (keras.layers.Dense,), {})._is_leaf


def test_things_without_a_module_are_not_ours():
    assert not is_own(None) and not is_own(type("", (), {"__module__": None}))
    assert is_own(tf.nn.relu) and not is_own(len)


def test_a_module_name_makes_nobody_ours():
    assert not type("Theirs", (keras.layers.Dense,), {"__module__": "dovetail.keras.layers"})._is_own
    assert not is_own(type("Theirs", (), {"__module__": "dovetail"}))


def test_methods_are_those_of_the_class_that_defines_them():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    assert is_own_method(model, "call") and is_own_method(type(model), "__call__")
    theirs = type("Theirs", (keras.Sequential,), {"call": lambda self, x: x})
    assert not is_own_method(theirs([keras.layers.Dense(1)]), "call")
    assert is_own_method(theirs, "__call__")
    mixin = type("Mixin", (), {"call": lambda self, x: x})
    assert not is_own_method(type("Mixed", (mixin, keras.Sequential), {}), "call")
    model.call = lambda x: x
    assert not is_own_method(model, "call")


UNDECLARED = """
import importlib, pkgutil
import dovetail
from dovetail.base.told import Told

def all_below(kind):
    for below in kind.__subclasses__():
        yield below
        yield from all_below(below)

for found in pkgutil.walk_packages(dovetail.__path__, "dovetail."):
    if found.name.split(".")[1] not in ("compat", "cli", "engine", "__main__"):
        importlib.import_module(found.name)
ours = {kind for kind in all_below(Told) if kind.__module__.startswith("dovetail.")}
print(len(ours) > 200, sorted(f"{kind.__module__}.{kind.__qualname__}" for kind in ours if not kind._is_own))
"""


def test_every_class_of_the_package_is_declared():
    """Where a class is not listed among public names, `declare` says that it is ours."""
    run = subprocess.run([sys.executable, "-c", UNDECLARED], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "True []"
