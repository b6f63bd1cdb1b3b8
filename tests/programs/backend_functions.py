"""The Keras backend: tensors, choices, gradients, a loss, a layer, a compiled loop, mixed precision."""

import numpy as np
import tensorflow as tf
import tensorflow.keras.backend as K
from tensorflow.keras.layers import Dense, Layer
from tensorflow.keras.mixed_precision import set_global_policy
from tensorflow.keras.models import Sequential

rng = np.random.default_rng(0)
tf.keras.utils.set_random_seed(1)

a, b = K.constant([[1, 2], [3, 4]]), K.constant([[5, 6], [7, 8]])
print("Sum:", K.eval(K.sum(a + b)))
print("Product:", K.eval(K.prod(a * b)))
print("Reshaped:", K.eval(K.reshape(a, (4,))))

x = K.constant([1.0, 2.0, 3.0, 4.0])
print("Mean:", K.eval(K.mean(x)), "Variance:", K.eval(K.var(x)))

x = K.constant(5.0)
print("Chosen:", K.eval(K.switch(K.greater(x, 0.0), K.square(x), K.abs(x))))

x = tf.Variable(3.0)
with tf.GradientTape() as tape:
    y = K.square(x)
print("Gradient:", tape.gradient(y, x).numpy())


def huber(y_true, y_pred, delta=1.0):
    error = y_true - y_pred
    small = K.abs(error) <= delta
    return K.mean(K.switch(small, 0.5 * K.square(error), delta * K.abs(error) - 0.5 * delta**2), axis=-1)


class Scaling(Layer):
    def __init__(self, **kwargs):
        super(Scaling, self).__init__(**kwargs)

    def build(self, input_shape):
        self.scale = self.add_weight(name="scale", shape=(1,), initializer="ones", trainable=True)
        super(Scaling, self).build(input_shape)

    def call(self, inputs):
        return K.multiply(inputs, self.scale)

    def compute_output_shape(self, input_shape):
        return input_shape


points = rng.normal(size=(64, 10)).astype("float32")
model = Sequential([Scaling(input_shape=(10,))])
model.compile(optimizer="adam", loss=huber)
losses = model.fit(points, 3 * points, epochs=5, verbose=0).history["loss"]
print("Scaling learns:", losses[-1] < losses[0], model.output_shape)

centers = rng.normal(size=(3, 8)) * 3
labels = rng.integers(0, 3, 256)
samples = (centers[labels] + rng.normal(size=(256, 8))).astype("float32")
train_dataset = tf.data.Dataset.from_tensor_slices((samples, labels)).shuffle(256).batch(64)
model = Sequential([Dense(16, activation="relu", input_shape=(8,)), Dense(3, activation="softmax")])
optimizer = tf.keras.optimizers.Adam()
loss_fn = tf.keras.losses.SparseCategoricalCrossentropy()


@tf.function
def train_step(x, y):
    with tf.GradientTape() as tape:
        predictions = model(x, training=True)
        loss = loss_fn(y, predictions)
    gradients = tape.gradient(loss, model.trainable_variables)
    optimizer.apply_gradients(zip(gradients, model.trainable_variables))
    return loss


losses = [float(train_step(x, y)) for _ in range(10) for x, y in train_dataset]
print("Compiled loop learns:", losses[-1] < losses[0])

set_global_policy("mixed_float16")
model = Sequential(
    [Dense(16, activation="relu", input_shape=(8,)), Dense(3, activation="softmax", dtype="float32")]
)
model.compile(optimizer="adam", loss="sparse_categorical_crossentropy")
losses = model.fit(samples, labels, epochs=5, verbose=0).history["loss"]
print("Mixed precision:", model.layers[0].compute_dtype, losses[-1] < losses[0])
set_global_policy("float32")
