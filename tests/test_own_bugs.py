"""A bug of Dovetail's own comes out as what it is; only what is wrong with arguments is put into words."""

import functools
import traceback

import numpy as np
import pytest

import dovetail as tf
from dovetail import keras
from dovetail.base import wording
from dovetail.keras.layers.core.dense import Dense
from dovetail.ops.core import OPS

# A module of ours in which something that is taken for granted is not there.
SOURCE = """
def missing_key(self, inputs=None):
    return {}["no such key"]


def missing_attribute(self, inputs=None):
    return (1).no_such_attribute
"""
BUGS: dict = {}
exec(compile(SOURCE, wording.PACKAGE_DIR + "/planted.py", "exec"), BUGS)  # noqa: S102 - stands for a file of ours
KINDS = [("missing_key", KeyError, "no such key"), ("missing_attribute", AttributeError, "no_such_attribute")]
EACH = pytest.mark.parametrize(("name", "kind", "words"), KINDS, ids=[name for name, _, _ in KINDS])


def check(caught, name, kind, words):
    assert caught.type is kind and words in str(caught.value)
    frames = traceback.extract_tb(caught.value.__traceback__)
    assert frames[-1].name == name and frames[-1].filename.endswith("planted.py")


@EACH
@pytest.mark.parametrize("how", ["host", "traced"])
def test_in_the_body_of_an_op(monkeypatch, name, kind, words, how):
    bound = OPS["reduce_sum"].bind({"axis": 0})
    monkeypatch.setattr(bound, "host", BUGS[name])
    monkeypatch.setattr(bound, "_inline", BUGS[name])
    monkeypatch.setattr(bound, "_traced", None)  # made of the former
    body = functools.partial(tf.reduce_sum, axis=0)
    call = body if how == "host" else tf.function(lambda x: body(x))
    with pytest.raises(kind) as caught:
        call(tf.constant([1.0]))
    check(caught, name, kind, words)


@EACH
def test_in_a_layer_of_ours(monkeypatch, name, kind, words):
    monkeypatch.setattr(Dense, "call", BUGS[name])
    layer = keras.layers.Dense(2)
    with pytest.raises(kind) as caught:
        layer(np.ones((1, 3), "float32"))
    check(caught, name, kind, words)


@EACH
def test_in_fit(monkeypatch, name, kind, words):
    model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    monkeypatch.setattr(type(model), "train_step", BUGS[name])
    with pytest.raises(kind) as caught:
        model.fit(np.ones((2, 3), "float32"), np.ones((2, 1), "float32"), verbose=0)
    check(caught, name, kind, words)


def test_an_argument_without_the_attribute_is_no_bug_of_ours():
    for given in ("word", None, {}):
        with pytest.raises((TypeError, ValueError), match=r"keras\.backend\.bias_add|bias_add"):
            keras.backend.bias_add(given, tf.constant([1.0]))
