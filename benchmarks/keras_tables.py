"""Models of tables, written once for Dovetail, tf_keras and Keras 3 on every backend."""

from __future__ import annotations

from typing import Any

from benchmarks import sizes


def two_towers(keras: Any) -> Any:
    """Build the recommender: a table of 1,000,000 users and one of items, a dense layer on each, their product."""
    layers, towers, inputs = keras.layers, [], []
    for rows in (sizes.NUM_USERS, sizes.NUM_ITEMS):
        ids = keras.Input(shape=(1,), dtype="int32")
        inputs.append(ids)
        rows_of_batch = layers.Flatten()(layers.Embedding(rows, sizes.FACTORS)(ids))
        towers.append(layers.Dense(sizes.FACTORS)(rows_of_batch))
    return keras.Model(inputs, layers.Dot(axes=1)(towers))


def tabular(keras: Any) -> Any:
    """Build the perceptron on all columns at once, one logit a row."""
    inputs = keras.Input(shape=(sizes.NUM_COLUMNS,))
    return keras.Model(inputs, _perceptron(keras.layers, inputs))


def columns(keras: Any) -> Any:
    """Build the same on an input a column, by its name: numbers beside embeddings of codes."""
    layers, inputs, parts = keras.layers, {}, []
    for number in range(sizes.NUM_MEASURES):
        name = f"measure_{number}"
        inputs[name] = keras.Input(shape=(1,), name=name)
        parts.append(inputs[name])
    for number in range(sizes.NUM_CODES):
        name = f"code_{number}"
        inputs[name] = keras.Input(shape=(1,), name=name, dtype="int32")
        parts.append(layers.Flatten()(layers.Embedding(sizes.CODES, sizes.CODE_WIDTH)(inputs[name])))
    return keras.Model(inputs, _perceptron(layers, layers.concatenate(parts)))


def _perceptron(layers: Any, x: Any) -> Any:
    for width in sizes.TABULAR_WIDTHS:
        x = layers.Dense(width, activation="relu")(x)
    return layers.Dense(1)(x)
