"""Loss curves of whole models over 50 steps, from equal weights, beside Keras."""

import os

import numpy as np
import pytest

from dovetail import keras

pytestmark = pytest.mark.code_of_users  # what differs in the last bit grows over 50 steps

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

RNG = np.random.default_rng(8)
STEPS, BATCH = 50, 8
IMAGES = RNG.normal(size=(STEPS * BATCH, 8, 8, 2)).astype("float32")
LABELS = (IMAGES.mean((1, 2, 3)) * 30).clip(-1.4, 1.4).round().astype("int32") + 1
ROWS = IMAGES.reshape(len(IMAGES), -1)[:, :20]
WORDS = RNG.integers(0, 12, (STEPS * BATCH, 6)).astype("int32")
COUNTS = ((WORDS > 5).sum(1) // 3).clip(0, 2).astype("int32")


def mlp(k):
    return k.Sequential(
        [
            k.Input((20,)),
            k.layers.Dense(16, activation="gelu", kernel_regularizer="l2"),
            k.layers.LayerNormalization(),
            k.layers.Dense(16, activation="tanh"),
            k.layers.Dense(3),
        ]
    )


def cnn(k):
    return k.Sequential(
        [
            k.Input((8, 8, 2)),
            k.layers.Conv2D(6, 3, padding="same", use_bias=False),
            k.layers.BatchNormalization(),
            k.layers.Activation("relu"),
            k.layers.MaxPooling2D(),
            k.layers.DepthwiseConv2D(3, padding="same"),
            k.layers.BatchNormalization(momentum=0.9),
            k.layers.GlobalAveragePooling2D(),
            k.layers.Dense(3),
        ]
    )


def transformer(k):
    words = k.Input((6,), dtype="int32")
    x = k.layers.Embedding(12, 8)(words)
    attended = k.layers.MultiHeadAttention(2, 4)(x, x, use_causal_mask=True)
    x = k.layers.LayerNormalization()(k.layers.Add()([x, attended]))
    hidden = k.layers.Dense(16, activation="relu")(x)
    x = k.layers.LayerNormalization()(k.layers.Add()([x, k.layers.Dense(8)(hidden)]))
    return k.Model(words, k.layers.Dense(3)(k.layers.GlobalAveragePooling1D()(x)))


def lstm(k):
    words = k.Input((6,), dtype="int32")
    x = k.layers.Embedding(12, 8, mask_zero=True)(words)
    x = k.layers.Bidirectional(k.layers.LSTM(6, return_sequences=True))(x)
    return k.Model(words, k.layers.Dense(3)(k.layers.LSTM(8)(x)))


MODELS = {
    "mlp": (mlp, ROWS, LABELS),
    "cnn": (cnn, IMAGES, LABELS),
    "lstm": (lstm, WORDS, COUNTS),
    "transformer": (transformer, WORDS, COUNTS),
}
# Keras on TensorFlow gives Adam the rows of an embedding's gradient without adding up those of one word first.
RULES = dict.fromkeys(("lstm", "transformer"), lambda k: k.optimizers.SGD(0.05, momentum=0.9))


def curve(k, model, x, y, rule):
    model.compile(rule(k), k.losses.SparseCategoricalCrossentropy(from_logits=True))
    batches = [(x[i : i + BATCH], y[i : i + BATCH]) for i in range(0, len(x), BATCH)]
    return [float(model.train_on_batch(*batch)) for batch in batches]


@pytest.mark.parametrize("name", MODELS)
def test_a_model_learns_as_in_keras(name):
    pytest.importorskip("tensorflow")
    peer = pytest.importorskip("keras")
    make, x, y = MODELS[name]
    theirs, ours = make(peer), make(keras)
    ours.set_weights(theirs.get_weights())
    rule = RULES.get(name, lambda k: k.optimizers.Adam(0.01))
    expected, found = curve(peer, theirs, x, y, rule), curve(keras, ours, x, y, rule)
    np.testing.assert_allclose(found, expected, rtol=1e-3)
    assert min(found[-10:]) < found[0]
