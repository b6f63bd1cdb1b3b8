"""Dovetail's own classes are told from those of users by a declared attribute, wherever their file lies."""

import pytest

import dovetail as tf
from dovetail import keras
from dovetail.base.own import is_own


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
