"""A layer that uses a weight which it never makes."""

import numpy as np
import tensorflow as tf


class Projection(tf.keras.layers.Layer):
    def __init__(self, units):
        super(Projection, self).__init__()
        self.units = units

    def call(self, inputs):
        return tf.keras.activations.relu(tf.matmul(inputs, self.kernel))


model = tf.keras.Sequential([Projection(64), tf.keras.layers.Dense(10, activation="softmax")])
optimizer = tf.keras.optimizers.experimental.AdamW(learning_rate=0.001, weight_decay=0.01)
model.compile(optimizer=optimizer, loss="categorical_crossentropy", metrics=["accuracy"])
print("compiled")
model.fit(np.zeros((32, 784)), np.eye(10)[np.zeros(32, int)], epochs=1, verbose=0)
print("trained")
