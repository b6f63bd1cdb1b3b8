"""The three ways to a model, and a custom layer with an experimental optimizer."""

import numpy as np
import tensorflow as tf

rng = np.random.default_rng(0)
tf.keras.utils.set_random_seed(1)
labels = rng.integers(0, 10, 512)
x_train = (rng.normal(size=(10, 784))[labels] + rng.normal(size=(512, 784))).astype("float32")
y_train = np.eye(10)[labels]


def report(name, model):
    history = model.fit(x_train, y_train, epochs=5, verbose=0).history
    print(name, model.count_params(), history["loss"][-1] < history["loss"][0])


model = tf.keras.Sequential(
    [
        tf.keras.layers.Dense(128, activation="relu", input_shape=(784,)),
        tf.keras.layers.Dense(10, activation="softmax"),
    ]
)
model.compile(optimizer="adam", loss="categorical_crossentropy", metrics=["accuracy"])
report("sequential", model)

inputs = tf.keras.Input(shape=(784,))
hidden = tf.keras.layers.Dense(64, activation="relu")(inputs)
hidden = tf.keras.layers.Dropout(0.2)(hidden)
hidden = tf.keras.layers.Dense(128, activation="relu")(hidden)
model = tf.keras.Model(inputs=inputs, outputs=tf.keras.layers.Dense(10, activation="softmax")(hidden))
model.compile(optimizer="adam", loss="categorical_crossentropy", metrics=["accuracy"])
report("functional", model)


class Projection(tf.keras.layers.Layer):
    def __init__(self, units):
        super(Projection, self).__init__()
        self.units = units

    def build(self, input_shape):
        self.kernel = self.add_weight(shape=(input_shape[-1], self.units), initializer="glorot_uniform")

    def call(self, inputs):
        return tf.keras.activations.relu(tf.matmul(inputs, self.kernel))


model = tf.keras.Sequential([Projection(64), tf.keras.layers.Dense(10, activation="softmax")])
optimizer = tf.keras.optimizers.experimental.AdamW(learning_rate=0.001, weight_decay=0.01)
model.compile(optimizer=optimizer, loss="categorical_crossentropy", metrics=["accuracy"])
report("custom", model)
