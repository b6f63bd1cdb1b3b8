"""Lambda layers, a layer with a weight of its own, and one that counts its calls."""

import tensorflow as tf
from tensorflow import keras


def limited(tensor, low, high):
    return tf.clip_by_value(tensor, low, high)


inputs = keras.layers.Input(shape=(10,))
clipped = keras.layers.Lambda(lambda x: limited(x, -1.0, 1.0))(inputs)
model = keras.Model(inputs=inputs, outputs=[clipped, keras.layers.Dense(1)(clipped)])
values, prediction = model(100.0 * tf.random.normal(shape=(1, 10)))
print("clipped", float(tf.reduce_max(tf.abs(values))), prediction.shape)


class Projection(keras.layers.Layer):
    def __init__(self, width, **kwargs):
        super(Projection, self).__init__(**kwargs)
        self.width = width
        self.kernel = None

    def build(self, input_shape):
        self.kernel = self.add_weight(
            name="kernel", shape=(input_shape[-1], self.width), initializer="glorot_uniform", trainable=True
        )
        super(Projection, self).build(input_shape)

    def call(self, inputs):
        return tf.matmul(inputs, self.kernel)


inputs = keras.layers.Input(shape=(5,))
projection = Projection(width=3)
model = keras.Model(inputs=inputs, outputs=keras.layers.Dense(1)(projection(inputs)))
print("projected", projection.kernel.shape, len(model.trainable_variables), model(tf.ones((1, 5))).shape)


class CallCounter(keras.layers.Layer):
    def __init__(self, **kwargs):
        super(CallCounter, self).__init__(**kwargs)
        self.count = None

    def build(self, input_shape):
        self.count = self.add_weight(name="count", initializer="zeros", dtype=tf.int32, trainable=False)
        super(CallCounter, self).build(input_shape)

    def call(self, inputs):
        self.count.assign_add(1)
        tf.print("calls so far:", self.count)
        return inputs


inputs = keras.layers.Input(shape=(5,))
counter = CallCounter()
model = keras.Model(inputs=inputs, outputs=keras.layers.Dense(1)(counter(inputs)))
for _ in range(3):
    model(tf.random.normal(shape=(1, 5)))
print("counted", int(counter.count))
