"""The same model in Dovetail and in Keras, with the same weights: what the parity tests of training start from."""

import os

import numpy as np
import pytest

from dovetail import keras as ours_keras

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

RTOL, ATOL = 2e-5, 2e-6


def peer():
    """Returns Keras; skips the test where it is not installed."""
    pytest.importorskip("tensorflow")
    return pytest.importorskip("keras")


def pair(build):
    """Returns `build(keras)` of both libraries, ours with the weights of theirs."""
    theirs, ours = build(peer()), build(ours_keras)
    ours.set_weights(theirs.get_weights())
    return ours, theirs


def close(ours, theirs, what="", rtol=RTOL, atol=ATOL):
    """Compares numbers, or structures of arrays."""
    if isinstance(theirs, dict):
        assert sorted(ours) == sorted(theirs), what
        for key, value in theirs.items():
            close(ours[key], value, f"{what}[{key!r}]", rtol, atol)
    elif isinstance(theirs, list | tuple):
        assert len(ours) == len(theirs), what
        for index, (own, value) in enumerate(zip(ours, theirs)):
            close(own, value, f"{what}[{index}]", rtol, atol)
    else:
        np.testing.assert_allclose(np.asarray(ours), np.asarray(theirs), rtol=rtol, atol=atol, err_msg=what)


def same_weights(ours, theirs, rtol=RTOL, atol=ATOL):
    close(ours.get_weights(), theirs.get_weights(), "weights", rtol, atol)


def mlp(k, units=1, activation=None, **options):
    """A model of two dense layers on four features."""
    layers = k.layers
    return k.Sequential(
        [
            k.Input((4,)),
            layers.Dense(8, activation="tanh", **options),
            layers.Dense(units, activation=activation),
        ]
    )


def regression(n=70, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 4)).astype("float32")
    return x, (x.sum(axis=1, keepdims=True) + rng.normal(size=(n, 1)) * 0.1).astype("float32")


def labels(n=70, classes=3, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 4)).astype("float32")
    return x, rng.integers(0, classes, size=n)


def one_hot(y, classes=3):
    return np.eye(classes, dtype="float32")[y]
