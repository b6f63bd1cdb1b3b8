"""Losses, metrics and steps in functions of unknown sizes give what they give where the sizes are known."""

import numpy as np
import pytest

import dovetail as tf
from dovetail import keras

X = np.random.default_rng(3).normal(size=(4, 3)).astype("float32")
CLASSES = np.float32([[1], [0], [1], [0]])
TABLE = np.random.default_rng(4).uniform(size=(4, 5)).astype("float32")
# Batches of several sizes: a mean over samples is not one over batches.
BATCHES = [slice(0, 4), slice(0, 1), slice(1, 4)]
UNKNOWN = [tf.TensorSpec([None, 3], tf.float32), tf.TensorSpec([None, 1], tf.float32)]


def model_with(units, activation, loss, **options):
    keras.utils.set_random_seed(0)
    regularizer = options.pop("activity_regularizer", None)
    layer = keras.layers.Dense(units, activation, activity_regularizer=regularizer)
    model = keras.Sequential([keras.Input((3,)), layer])
    model.compile("sgd", loss, **options)
    return model


def trained(model):
    return lambda x, y: model.train_step((x, y))


def evaluated(model):
    return lambda x, y: model.test_step((x, y))


def measured(kind, **options):
    def make():
        metric = getattr(keras.metrics, kind)(**options)

        def update(x, y):
            metric.update_state(y, tf.sigmoid(x[:, :1]))
            return metric.result()

        return update

    return make


def lost(call):
    return lambda: lambda x, y: call(x, y)


CASES = {
    "train_step": lambda: trained(model_with(1, "sigmoid", "binary_crossentropy", metrics=["accuracy"])),
    "test_step": lambda: evaluated(model_with(1, "sigmoid", "binary_crossentropy", metrics=["accuracy"])),
    "train_step, class labels": lambda: trained(
        model_with(2, "softmax", "sparse_categorical_crossentropy", weighted_metrics=["accuracy"])
    ),
    "test_step, class labels": lambda: evaluated(model_with(2, "softmax", "sparse_categorical_crossentropy")),
    "activity regularizer": lambda: trained(model_with(1, None, "mse", activity_regularizer="l2")),
    "a weight a sample": lost(
        lambda x, y: keras.losses.MeanSquaredError(reduction="sum")(
            tf.zeros_like(x)[:, None], x[:, None], sample_weight=y[:, 0] + 0.5
        )
    ),
    "a mask": lost(
        lambda x, y: keras.losses.SparseCategoricalCrossentropy(ignore_class=0)(y, tf.nn.softmax(x))
    ),
    **{
        kind: measured(kind) for kind in ("MeanSquaredError", "AUC", "Precision", "BinaryAccuracy", "R2Score")
    },
    "MeanIoU": measured("MeanIoU", num_classes=2),
}


@pytest.mark.parametrize("case", CASES)
def test_unknown_sizes_give_what_known_ones_give(case):
    known, unknown = tf.function(CASES[case]()), tf.function(CASES[case](), input_signature=UNKNOWN)
    for rows in BATCHES:
        given = tf.constant(X[rows]), tf.constant(CLASSES[rows])
        for ours, expected in zip(tf.nest.flatten(unknown(*given)), tf.nest.flatten(known(*given))):
            np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-6)


def test_weights_of_samples_whose_number_is_not_known():
    """One weight a sample, beside values of which the number of samples is known."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32)])
    def loss(weight):
        return keras.losses.MeanAbsoluteError(reduction="sum")(
            np.zeros((4, 4, 1)), TABLE[:, :4, None], weight
        )

    weight = np.float32([1.0, 0.0, 2.0, 3.0])
    np.testing.assert_allclose(loss(weight), np.sum(TABLE[:, :4] * weight[:, None]), rtol=1e-6)
