"""The models of the benchmarks, written once for Dovetail, tf_keras and Keras 3 on every backend."""

from __future__ import annotations

import importlib
import operator
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

from benchmarks import data, sizes
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


def gpt(keras: Any, size: sizes.Gpt = sizes.GPT) -> Any:
    """Build the GPT-2-like model: causal layers on tokens, logits a token."""
    layers = keras.layers
    ids = keras.Input(shape=(size.steps,), dtype="int32")
    x = _token_and_position(keras, size)(ids)
    for _ in range(size.layers):
        normed = layers.LayerNormalization(epsilon=1e-5)(x)
        attention = layers.MultiHeadAttention(size.heads, size.width // size.heads)
        x = layers.add([x, attention(normed, normed, use_causal_mask=True)])
        inner = layers.LayerNormalization(epsilon=1e-5)(x)
        inner = layers.Dense(4 * size.width, activation="gelu")(inner)
        x = layers.add([x, layers.Dense(size.width)(inner)])
    return keras.Model(ids, layers.Dense(size.vocabulary)(layers.LayerNormalization(epsilon=1e-5)(x)))


def _token_and_position(keras: Any, size: sizes.Gpt) -> Any:
    class TokenAndPosition(keras.layers.Layer):
        """The sum of the embeddings of a token and of its position."""

        def __init__(self) -> None:
            super().__init__()
            self.tokens = keras.layers.Embedding(size.vocabulary, size.width)
            self.positions = keras.layers.Embedding(size.steps, size.width)

        def call(self, ids: Any) -> Any:
            return self.tokens(ids) + self.positions(np.arange(size.steps, dtype=np.int32))

    return TokenAndPosition()


def recurrent(keras: Any, kind: str, size: sizes.Recurrent = sizes.RECURRENT) -> Any:
    """Build one recurrent layer on sequences below logits; "Bidirectional": an LSTM behind a mask."""
    layers, inputs = keras.layers, keras.Input(shape=(size.steps, size.features))
    if kind == "Bidirectional":
        x = layers.Bidirectional(layers.LSTM(size.units))(layers.Masking()(inputs))
    else:
        x = getattr(layers, kind)(size.units)(inputs)
    return keras.Model(inputs, layers.Dense(data.NUM_CLASSES)(x))


def bidirectional_gru(keras: Any) -> Any:
    """Build a GRU of 128 units in both directions on (64, 32) below logits."""
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input(shape=(64, 32)),
            layers.Bidirectional(layers.GRU(128)),
            layers.Dense(data.NUM_CLASSES),
        ]
    )


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


# name in keras.ops and its place under `tf`, both callable on symbolic tensors with positional arguments
RAW_OPS = {
    "matmul": "matmul",
    "transpose": "transpose",
    "reshape": "reshape",
    "softmax": "nn.softmax",
    "exp": "exp",
    "square": "square",
    "sum": "reduce_sum",
    "mean": "reduce_mean",
}


def raw_ops(fw: Loaded) -> SimpleNamespace:
    """Return tensor ops by name: `keras.ops` under Keras 3, elsewhere `tf.*` on symbolic tensors."""
    if fw.name.startswith("keras_"):
        ops = importlib.import_module("keras.ops")
        return SimpleNamespace(**{name: getattr(ops, name) for name in RAW_OPS})
    return SimpleNamespace(**{name: operator.attrgetter(place)(fw.tf) for name, place in RAW_OPS.items()})


# names as in by_hand_torch.LOSSES; the divergence of "evidence" comes from the model, by `add_loss`
LOSSES: dict[str, Callable[[Any], Any]] = {
    "cross_entropy": lambda keras: keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    "mean_squared": lambda keras: keras.losses.MeanSquaredError(),
    "binary": lambda keras: keras.losses.BinaryCrossentropy(from_logits=True),
    "evidence": lambda keras: keras.losses.BinaryCrossentropy(from_logits=True),
}
OPTIMIZERS: dict[str, Callable[[Any], Any]] = {
    "adam": lambda keras: keras.optimizers.Adam(learning_rate=1e-3),
    "adagrad": lambda keras: keras.optimizers.Adagrad(learning_rate=sizes.ADAGRAD_RATE),
}


def compiled(keras: Any, model: Any, loss: str = "cross_entropy", optimizer: str = "adam") -> Any:
    """Compile a model with an optimizer and a loss of the tables above, and return it."""
    model.compile(optimizer=OPTIMIZERS[optimizer](keras), loss=LOSSES[loss](keras))
    return model
