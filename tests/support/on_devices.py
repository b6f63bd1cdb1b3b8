"""Trains a model on one device and on several; prints what differs, as JSON.

    python tests/support/on_devices.py MODEL LAYOUT DEVICES

Run in a process of its own: JAX is told how many devices there are before it starts.
"""

import contextlib
import json
import sys

import numpy as np

import dovetail as tf
from dovetail import keras
from dovetail.keras import layers

STEPS, BATCH = 50, 16


def mlp():
    model = keras.Sequential(
        [
            keras.Input((16,)),
            layers.Dense(32, activation="relu"),
            layers.Dropout(0.3),
            layers.Dense(8, activation="softmax"),
        ]
    )
    return model, (16,)


def cnn():
    model = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.Conv2D(8, 3, padding="same", name="conv"),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.GlobalAveragePooling2D(),
            layers.Dense(8, activation="softmax"),
        ]
    )
    return model, (8, 8, 3)


class Block(layers.Layer):
    """A transformer block written in raw ops."""

    def __init__(self, size, heads, **kwargs):
        super().__init__(**kwargs)
        self.heads = heads
        self.q, self.k, self.v, self.o = (layers.Dense(size, name=name) for name in "qkvo")
        self.first, self.second = layers.LayerNormalization(), layers.LayerNormalization()
        self.up = layers.Dense(4 * size, activation="gelu", name="up")
        self.down = layers.Dense(size, name="down")

    def split(self, x):
        shape = tf.shape(x)
        return tf.transpose(tf.reshape(x, [shape[0], shape[1], self.heads, -1]), [0, 2, 1, 3])

    def call(self, x):
        y = self.first(x)
        scores = tf.matmul(self.split(self.q(y)), self.split(self.k(y)), transpose_b=True) / 2.0
        mixed = tf.matmul(tf.nn.softmax(scores), self.split(self.v(y)))
        x = x + self.o(tf.reshape(tf.transpose(mixed, [0, 2, 1, 3]), tf.shape(x)))
        return x + self.down(self.up(self.second(x)))


def transformer():
    inputs = keras.Input((12, 16))
    x = layers.GlobalAveragePooling1D()(Block(16, 4, name="block")(inputs))
    return keras.Model(inputs, layers.Dense(8, activation="softmax", name="head")(x)), (12, 16)


def names(devices):
    return [f"cpu:{i}" for i in range(devices)]


def mirrored(devices):
    return tf.distribute.MirroredStrategy(names(devices)).scope()


def data_parallel(devices):
    return keras.distribution.DataParallel(devices=names(devices)).scope()


def tensor_parallel(devices):
    """Divides wide weights by columns, and those after them by rows, over all devices but one axis of two."""
    shape = (max(devices // 4, 1), min(devices, 4))
    layouts = keras.distribution.LayoutMap(
        keras.distribution.DeviceMesh(shape, ["batch", "model"], names(devices))
    )
    layouts["/(up|q|k|v)/kernel"] = (None, "model")
    layouts["/(up|q|k|v)/bias"] = ("model",)
    layouts["(down|/o)/kernel"] = ("model", None)
    layouts["dense.*kernel"] = (None, "model")
    layouts["conv/kernel"] = (None, None, None, "model")
    return keras.distribution.ModelParallel(layout_map=layouts, batch_dim_name="batch").scope()


def train(model_of, scope):
    """Returns the model after 50 steps, its history and its outputs."""
    keras.utils.set_random_seed(3)
    with scope:
        model, shape = model_of()
        model.compile(
            keras.optimizers.SGD(0.05, momentum=0.9), "sparse_categorical_crossentropy", ["accuracy"]
        )
    rng = np.random.default_rng(0)
    x = rng.normal(size=(STEPS * BATCH // 2, *shape)).astype("float32")
    y = rng.integers(0, 8, len(x))
    history = model.fit(x, y, batch_size=BATCH, epochs=2, verbose=0).history
    return model, history, model.predict(x[: BATCH + 3], verbose=0), model.evaluate(x[:40], y[:40], verbose=0)


def furthest(first, second):
    return float(max(np.abs(np.asarray(a) - np.asarray(b)).max() for a, b in zip(first, second, strict=True)))


def main(model_name, layout, devices):
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * devices)
    model_of, scope_of = globals()[model_name], globals()[layout]
    one = train(model_of, contextlib.nullcontext())
    many, again = train(model_of, scope_of(devices)), train(model_of, scope_of(devices))
    weights, others = many[0].get_weights(), again[0].get_weights()
    found = {
        "weights": furthest(one[0].get_weights(), weights),
        "history": furthest(one[1].values(), many[1].values()),
        "predictions": furthest([one[2]], [many[2]]),
        "evaluation": furthest([one[3]], [many[3]]),
        "equal": all((a == b).all() for a, b in zip(weights, others, strict=True)),
        "devices": [v.value._value.sharding.num_devices for v in many[0].weights],
        "divided": sum(not v.value._value.sharding.is_fully_replicated for v in many[0].weights),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
