"""Attention whose weights (batch, 50, 30) do not fit the values (batch, 50, 128)."""

import tensorflow as tf
from tensorflow import keras

keys, queries = keras.Input(shape=(50, 128)), keras.Input(shape=(30, 128))


def attention(query, key_value):
    weights = tf.matmul(key_value, tf.transpose(query, perm=[0, 2, 1]))
    weights = tf.nn.softmax(weights, axis=1)
    return tf.matmul(weights, key_value)


print("building")
model = keras.Model(inputs=[keys, queries], outputs=keras.layers.Dense(10)(attention(queries, keys)))
print("built")
