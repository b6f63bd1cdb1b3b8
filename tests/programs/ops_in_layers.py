"""Raw ops inside a layer, inside a loss and in a training loop of one's own."""

import numpy as np
import tensorflow as tf
from tensorflow import keras

rng = np.random.default_rng(0)
keras.utils.set_random_seed(1)


class BlockMean(keras.layers.Layer):
    def __init__(self, block, **kwargs):
        super(BlockMean, self).__init__(**kwargs)
        self.block = block

    def call(self, inputs):
        window = [1, self.block, self.block, 1]
        return tf.nn.avg_pool(inputs, ksize=window, strides=window, padding="SAME")


images, labels = rng.random((64, 12, 12, 1)), rng.integers(0, 4, 64)
model = keras.Sequential(
    [
        keras.layers.InputLayer(input_shape=(12, 12, 1)),
        BlockMean(block=2),
        keras.layers.Flatten(),
        keras.layers.Dense(4, activation="softmax"),
    ]
)
model.compile(optimizer="adam", loss="categorical_crossentropy", metrics=["accuracy"])
history = model.fit(images, np.eye(4)[labels], epochs=3, batch_size=16, verbose=0).history
print("pooled", model.layers[0](images[:2]).shape, "output", model.output_shape)
print("fit", sorted(history), history["loss"][-1] < history["loss"][0])


def loss_of_positives(y_true, y_pred):
    distance = tf.abs(y_true - y_pred)
    return tf.reduce_mean(tf.multiply(distance, tf.cast(y_true > 0.5, tf.float32)))


points = rng.normal(size=(128, 10)).astype("float32")
model = keras.Sequential(
    [keras.layers.InputLayer(input_shape=(10,)), keras.layers.Dense(1, activation="sigmoid")]
)
model.compile(optimizer="adam", loss=loss_of_positives)
losses = model.fit(points, (points[:, :1] > 0).astype("float32"), epochs=5, verbose=0).history["loss"]
print("loss from ops", losses[-1] < losses[0])

targets = points @ rng.normal(size=(10, 1)).astype("float32")
dataset = tf.data.Dataset.from_tensor_slices((points, targets)).batch(32)
model = keras.Sequential([keras.layers.InputLayer(input_shape=(10,)), keras.layers.Dense(1)])
optimizer = tf.keras.optimizers.Adam(learning_rate=0.05)


def training_step(inputs, wanted):
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.square(model(inputs) - wanted))
    gradients = tape.gradient(loss, model.trainable_variables)
    optimizer.apply_gradients(zip(gradients, model.trainable_variables))
    return float(loss)


losses = []
for _epoch in range(40):
    for inputs, wanted in dataset:
        losses.append(training_step(inputs, wanted))
print("own loop", losses[-1] < 0.2 * losses[0])
