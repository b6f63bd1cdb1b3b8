"""The model of the digit examples: convolution layers, and a dot-product attention of raw tensor ops between them."""

from __future__ import annotations

import math

import dovetail as tf
from dovetail import keras

SIZE = 32


def attend(features: tf.Tensor) -> tf.Tensor:
    """Lets every place of a feature map look at every other one: softmax(Q K^T / sqrt(d)) V, in raw ops.

    Args:
        features: symbolic tensor (batch, height, width, channels).

    Returns:
        a tensor of the same shape.
    """
    _, height, width, channels = features.shape
    tokens = tf.reshape(features, (-1, height * width, channels))  # (batch, places, channels)
    query, key, value = (
        keras.layers.Dense(channels, name=name)(tokens) for name in ("query", "key", "value")
    )
    scores = tf.matmul(query, key, transpose_b=True) / math.sqrt(channels)  # (batch, places, places)
    mixed = tf.matmul(tf.nn.softmax(scores, axis=-1), value)
    return tf.reshape(tokens + mixed, (-1, height, width, channels))


def build(image_size: int) -> keras.Model:
    """Returns a classifier of grey images of 10 digits, `image_size` pixels wide, values 0 to 1."""
    images = keras.Input((image_size, image_size, 1), name="images")
    x = keras.layers.Conv2D(SIZE, 3, padding="same", activation="relu")(images * 2.0 - 1.0)
    x = keras.layers.Conv2D(SIZE, 3, padding="same", activation="relu")(x)
    x = keras.layers.MaxPooling2D(2)(x)
    if image_size > 16:
        x = keras.layers.Conv2D(2 * SIZE, 3, padding="same", activation="relu")(x)
        x = keras.layers.MaxPooling2D(2)(x)
    x = attend(x)
    x = tf.concat([tf.reduce_max(x, axis=[1, 2]), tf.reshape(x, (-1, math.prod(x.shape[1:])))], axis=-1)
    x = keras.layers.Dropout(0.3)(keras.layers.Dense(64, activation="relu")(x))
    return keras.Model(images, keras.layers.Dense(10, name="digit")(x), name="digits")
