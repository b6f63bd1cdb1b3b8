"""Raw ops on the outputs of layers: a threshold, a change of shape, attention."""

import numpy as np
import tensorflow as tf
from tensorflow import keras


def step_function(tensor, threshold):
    return tf.where(tensor > threshold, tf.ones_like(tensor), tf.zeros_like(tensor))


inputs = keras.Input(shape=(10,))
hidden = keras.layers.Dense(16, activation="relu")(inputs)
outputs = keras.layers.Dense(2, activation="softmax")(step_function(hidden, 0.5))
model = keras.Model(inputs=inputs, outputs=outputs)
model.summary()
print("rows sum to 1", np.allclose(model.predict(np.ones((3, 10)), verbose=0).sum(-1), 1))

inputs = keras.Input(shape=(28, 28, 3))
features = keras.layers.Conv2D(32, (3, 3), activation="relu")(inputs)
flat = tf.reshape(features, (-1, 26 * 26 * 32))
model = keras.Model(inputs=inputs, outputs=keras.layers.Dense(10, activation="softmax")(flat))
model.summary()
print("reshaped", flat.shape, model(tf.zeros((2, 28, 28, 3))).shape)

keys, queries = keras.Input(shape=(50, 128)), keras.Input(shape=(30, 128))


def attention(query, key_value):
    scores = tf.matmul(query, tf.transpose(key_value, perm=[0, 2, 1]))  # (batch, 30, 50)
    return tf.matmul(tf.nn.softmax(scores, axis=-1), key_value)  # (batch, 30, 128)


output = keras.layers.Dense(10)(attention(queries, keys))
model = keras.Model(inputs=[keys, queries], outputs=output)
model.summary()
print("attended", model([tf.ones((2, 50, 128)), tf.ones((2, 30, 128))]).shape)
