"""The models of the benchmarks, written once for Dovetail, tf_keras and Keras 3 on every backend."""

from __future__ import annotations

import importlib
from types import SimpleNamespace
from typing import Any

from benchmarks import data
from benchmarks.frameworks import Loaded

NUM_LAYERS = 4
NUM_HEADS = 4
INNER = 512
HEAD = data.WIDTH // NUM_HEADS


def mlp(keras: Any) -> Any:
    """Build the 784-128-10 perceptron that returns logits."""
    layers = keras.layers
    return keras.Sequential(
        [keras.Input(shape=(784,)), layers.Dense(128, activation="relu"), layers.Dense(data.NUM_CLASSES)]
    )


def cnn(keras: Any) -> Any:
    """Build the network of two convolutions on (28, 28, 1) that returns logits."""
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input(shape=(28, 28, 1)),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(data.NUM_CLASSES),
        ]
    )


def transformer(fw: Loaded) -> Any:
    """Build the pre-norm transformer, 128 tokens, width 128: raw ops between layers, logits a token."""
    keras, ops = fw.keras, raw_ops(fw)
    layers = keras.layers
    ids = keras.Input(shape=(data.NUM_STEPS,), dtype="int32")
    x = layers.Embedding(data.VOCABULARY, data.WIDTH)(ids) + data.position_table()
    for _ in range(NUM_LAYERS):
        x = x + _attention(layers, ops, layers.LayerNormalization(epsilon=1e-5)(x))
        inner = layers.Dense(INNER, activation="relu")(layers.LayerNormalization(epsilon=1e-5)(x))
        x = x + layers.Dense(data.WIDTH)(inner)
    logits = layers.Dense(data.VOCABULARY)(layers.LayerNormalization(epsilon=1e-5)(x))
    return keras.Model(ids, logits)


def _attention(layers: Any, ops: SimpleNamespace, x: Any) -> Any:
    query, key, value = (_split_heads(ops, layers.Dense(data.WIDTH)(x)) for _ in range(3))
    scores = ops.matmul(query, ops.transpose(key, (0, 1, 3, 2))) * (HEAD**-0.5)  # (batch, head, step, step)
    mixed = ops.transpose(ops.matmul(ops.softmax(scores), value), (0, 2, 1, 3))
    return layers.Dense(data.WIDTH)(ops.reshape(mixed, (-1, data.NUM_STEPS, data.WIDTH)))


def _split_heads(ops: SimpleNamespace, x: Any) -> Any:
    split = ops.reshape(x, (-1, data.NUM_STEPS, NUM_HEADS, HEAD))
    return ops.transpose(split, (0, 2, 1, 3))  # (batch, head, step, width of a head)


def recurrent(keras: Any, kind: str) -> Any:
    """Build one recurrent layer of 128 units on (64, 32) below logits; "Bidirectional": an LSTM behind a mask."""
    layers, inputs = keras.layers, keras.Input(shape=(64, 32))
    if kind == "Bidirectional":
        x = layers.Bidirectional(layers.LSTM(128))(layers.Masking()(inputs))
    else:
        x = getattr(layers, kind)(128)(inputs)
    return keras.Model(inputs, layers.Dense(data.NUM_CLASSES)(x))


def conv_lstm(keras: Any) -> Any:
    """Build two convolutional LSTM layers on (8, 16, 16, 4) below logits."""
    layers = keras.layers
    gate = {"recurrent_activation": "sigmoid"}  # where the Keras differ
    return keras.Sequential(
        [
            keras.Input(shape=(8, 16, 16, 4)),
            layers.ConvLSTM2D(8, 3, padding="same", return_sequences=True, **gate),
            layers.ConvLSTM2D(8, 3, padding="same", **gate),
            layers.Flatten(),
            layers.Dense(data.NUM_CLASSES),
        ]
    )


def raw_ops(fw: Loaded) -> SimpleNamespace:
    """Return the tensor ops of attention: `keras.ops` under Keras 3, elsewhere `tf.*` on symbolic tensors."""
    if fw.name.startswith("keras_"):
        ops = importlib.import_module("keras.ops")
        return SimpleNamespace(
            matmul=ops.matmul, transpose=ops.transpose, reshape=ops.reshape, softmax=ops.softmax
        )
    tf = fw.tf
    return SimpleNamespace(
        matmul=tf.matmul, transpose=tf.transpose, reshape=tf.reshape, softmax=tf.nn.softmax
    )


def compiled(keras: Any, model: Any) -> Any:
    """Compile a model with Adam and cross-entropy from logits, and return it."""
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=keras.optimizers.Adam(learning_rate=1e-3), loss=loss)
    return model
