"""Layers on ragged and sparse inputs, by themselves and in functional models, beside Keras 2 on TensorFlow."""

import functools
import os

import numpy as np
import pytest

import dovetail as dv
from dovetail import keras

tf = pytest.importorskip("tensorflow")
tf_keras = pytest.importorskip("tf_keras")
pytestmark = pytest.mark.filterwarnings("ignore")


def _rows(values, lengths):
    return lambda lib: lib.RaggedTensor.from_row_lengths(lib.constant(values), lengths)


def _sparse(values, shape=(3, 4)):
    return lambda lib: lib.SparseTensor([[0, 1], [1, 0], [1, 2]], values, shape)


VECTORS = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
IMAGES = np.random.default_rng(0).normal(size=(6, 4, 4, 2)).astype(np.float32)
INPUTS = {
    "ids": lambda lib: lib.ragged.constant([[1, 2, 3], [4], [], [0, 5]], dtype=lib.int32),
    "deep": lambda lib: lib.ragged.constant([[[1, 2], [3]], [[4, 5, 6]]], dtype=lib.int32),
    "numbers": lambda lib: lib.ragged.constant([[1.0, 2.0, 3.0], [4.0], [0.0, 5.0]]),
    "words": lambda lib: lib.ragged.constant([["a", "b"], ["c"], []]),
    "vectors": _rows(VECTORS, [3, 1, 2]),
    "empty rows": _rows(VECTORS, [3, 0, 1, 2]),
    "images": _rows(IMAGES, [3, 1, 2]),
    "sparse": _sparse([1.0, 2.0, 3.0]),
    "sparse ids": _sparse([1, 2, 3]),
}


def layer(name, *args, **kwargs):
    return lambda lib: getattr(lib.layers, name)(*args, **kwargs)


def _around(name, *inner, **kwargs):
    return lambda lib: getattr(lib.layers, name)(*(make(lib) for make in inner), **kwargs)


def _of_cells(*cells, **kwargs):
    return lambda lib: lib.layers.RNN([make(lib) for make in cells], **kwargs)


GRU, LSTM = functools.partial(layer, "GRU", 3), functools.partial(layer, "LSTM", 4)
LAYERS = {  # inputs, layer
    "Embedding": ("ids", layer("Embedding", 6, 2)),
    "Embedding, deep": ("deep", layer("Embedding", 7, 2)),
    "Embedding with a mask": ("ids", layer("Embedding", 6, 2, mask_zero=True)),
    "Dense": ("vectors", layer("Dense", 4)),
    "Dense, softmax": ("empty rows", layer("Dense", 4, activation="softmax")),
    "LSTM": ("empty rows", LSTM()),
    "LSTM, all": ("vectors", LSTM(return_sequences=True)),
    "LSTM, all and states": ("vectors", LSTM(return_sequences=True, return_state=True)),
    "LSTM, backwards": ("vectors", LSTM(go_backwards=True)),
    "LSTM, all backwards": ("vectors", LSTM(go_backwards=True, return_sequences=True)),
    "GRU": ("vectors", GRU()),
    "GRU, all": ("empty rows", GRU(return_sequences=True)),
    "SimpleRNN": ("vectors", layer("SimpleRNN", 4, return_sequences=True)),
    "Bidirectional": ("vectors", _around("Bidirectional", LSTM())),
    "Bidirectional, all": ("vectors", _around("Bidirectional", GRU(return_sequences=True), merge_mode="sum")),
    "RNN of a cell": ("vectors", _around("RNN", layer("GRUCell", 3), return_sequences=True)),
    "RNN of cells": ("vectors", _of_cells(layer("LSTMCell", 3), layer("LSTMCell", 2))),
    "TimeDistributed": ("empty rows", _around("TimeDistributed", layer("Dense", 2))),
    "TimeDistributed images": ("images", _around("TimeDistributed", layer("Conv2D", 2, 3))),
    "GlobalAveragePooling1D": ("empty rows", layer("GlobalAveragePooling1D")),
    "GlobalAveragePooling1D, kept": ("vectors", layer("GlobalAveragePooling1D", keepdims=True)),
    "GlobalMaxPooling1D": ("vectors", layer("GlobalMaxPooling1D")),
    "Activation": ("vectors", layer("Activation", "relu")),
    "LeakyReLU": ("vectors", layer("LeakyReLU")),
    "ThresholdedReLU": ("vectors", layer("ThresholdedReLU", 0.5)),
    "PReLU": ("vectors", layer("PReLU", shared_axes=[1])),
    "Softmax": ("vectors", layer("Softmax")),
    "Dropout": ("vectors", layer("Dropout", 0.5)),
    "LayerNormalization": ("vectors", layer("LayerNormalization")),
    "Flatten": ("vectors", layer("Flatten")),
    "Reshape": ("vectors", layer("Reshape", (-1, 3))),
    "Masking": ("vectors", layer("Masking")),
    "Rescaling": ("vectors", layer("Rescaling", 2.0)),
    "Discretization": ("numbers", layer("Discretization", bin_boundaries=[1.5, 3.0])),
    "CategoryEncoding": ("ids", layer("CategoryEncoding", 6, output_mode="count")),
    "StringLookup": ("words", layer("StringLookup", vocabulary=["a", "b"])),
    "StringLookup, bags": ("words", layer("StringLookup", vocabulary=["a", "b"], output_mode="multi_hot")),
    "Hashing": ("words", layer("Hashing", 5)),
    "sparse Embedding": ("sparse ids", layer("Embedding", 6, 2)),
    "sparse Embedding of floats": ("sparse", layer("Embedding", 6, 2)),
    "sparse Dense": ("sparse", layer("Dense", 2, activation="relu")),
    "sparse Dense of integers": ("sparse ids", layer("Dense", 2)),
    "sparse Discretization": ("sparse", layer("Discretization", bin_boundaries=[1.5])),
    "sparse Dropout": ("sparse", layer("Dropout", 0.5)),
}
MERGES = ("Add", "Multiply", "Average", "Maximum", "Minimum", "Subtract", "Concatenate")
IN_MODELS = (
    *(
        "Embedding",
        "Embedding with a mask",
        "Dense",
        "LSTM, all and states",
        "GRU, all",
        "Bidirectional, all",
    ),
    *("TimeDistributed", "GlobalAveragePooling1D", "LayerNormalization", "Flatten", "Reshape", "Masking"),
    *("Discretization", "Rescaling", "sparse Embedding", "sparse Dense of integers", "sparse Discretization"),
)


def _plain(value):
    """Returns arrays, of composites their parts, with the kind in front."""
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "nested_row_splits"):
        return ["ragged", *_plain([value.flat_values, *value.nested_row_splits])]
    if hasattr(value, "dense_shape"):
        return ["sparse", *_plain([value.indices, value.values, value.dense_shape])]
    return np.asarray(value)


def _assert_same(mine, theirs):
    assert type(mine) is type(theirs)
    if isinstance(theirs, list):
        assert len(mine) == len(theirs)
        for a, b in zip(mine, theirs, strict=True):
            _assert_same(a, b)
    elif isinstance(theirs, str):
        assert mine == theirs
    else:
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-5)


@pytest.fixture(autouse=True)
def _keras_2(monkeypatch):
    monkeypatch.setitem(os.environ, "TF_USE_LEGACY_KERAS", "1")


def _result(lib, keras_lib, inputs, make, in_model, weights):
    x, made = INPUTS[inputs](lib), make(keras_lib)
    if in_model:
        kind = {"ragged": True} if hasattr(x, "nested_row_splits") else {"sparse": True}
        given = keras_lib.Input(tuple(x.shape)[1:], dtype=x.dtype, **kind)
        call = keras_lib.Model(given, made(given))
    else:
        made(x)
        call = made
    if made.weights:
        weights = weights or [
            np.random.default_rng(i).normal(size=w.shape) for i, w in enumerate(made.weights)
        ]
        made.set_weights(weights)
    found = call(x)
    if in_model and lib is dv:
        described, given = call.output, found
        if isinstance(found, list | tuple):
            described, given = described[0], found[0]
        assert isinstance(described, dv.RaggedTensor) == isinstance(given, dv.RaggedTensor)
    return _plain(found), weights


@pytest.mark.parametrize(
    ("name", "in_model"), [*((name, False) for name in LAYERS), *((name, True) for name in IN_MODELS)]
)
def test_layers(name, in_model):
    inputs, make = LAYERS[name]
    theirs, weights = _result(tf, tf_keras, inputs, make, in_model, None)
    _assert_same(_result(dv, keras, inputs, make, in_model, weights)[0], theirs)


@pytest.mark.parametrize("name", MERGES)
def test_merges(name):
    x = {lib: INPUTS["vectors"](lib) for lib in (tf, dv)}
    theirs = getattr(tf_keras.layers, name)()([x[tf], x[tf] * 2.0])
    _assert_same(_plain(getattr(keras.layers, name)()([x[dv], x[dv] * 2.0])), _plain(theirs))


@pytest.mark.parametrize("beside", ["sparse", "dense"])
def test_sparse_inputs_are_joined(beside):
    parts = {lib: INPUTS["sparse"](lib) for lib in (tf, dv)}
    other = {lib: parts[lib] if beside == "sparse" else lib.ones((3, 4)) for lib in (tf, dv)}
    mine, theirs = (
        k.layers.Concatenate()([parts[lib], other[lib]]) for lib, k in ((dv, keras), (tf, tf_keras))
    )
    _assert_same(_plain(mine), _plain(theirs))


@pytest.mark.slow
def test_a_model_of_several_ragged_inputs_predicts_and_trains():
    a, b = (keras.Input((None, 3), ragged=True) for _ in range(2))
    joined = keras.layers.Concatenate()([a, b])
    steps = keras.layers.LSTM(4, return_sequences=True)(joined)
    model = keras.Model([a, b], keras.layers.Dense(1)(keras.layers.GlobalAveragePooling1D()(steps)))
    x = INPUTS["vectors"](dv)
    np.testing.assert_allclose(model.predict([x, x * 2.0], verbose=0), model([x, x * 2.0]), rtol=1e-5)
    model.compile("adam", "mse")
    history = model.fit([x, x * 2.0], np.ones((3, 1)), epochs=3, verbose=0).history["loss"]
    assert history[-1] < history[0]
