"""Masks of attention beside Keras: given, taken from the inputs, causal, with and without scores."""

import os

import numpy as np
import pytest

import dovetail as tf
from dovetail import keras

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

RNG = np.random.default_rng(0)
QUERY = RNG.normal(size=(2, 4, 6)).astype("float32")
VALUE = RNG.normal(size=(2, 5, 6)).astype("float32")
QUERY_MASK = np.array([[1, 1, 0, 0], [1, 1, 1, 0]], bool)
VALUE_MASK = np.array([[1, 1, 0, 0, 0], [1, 1, 1, 1, 0]], bool)
PAIRS = RNG.random((2, 4, 5)) > 0.3
LAYERS = {
    "MultiHeadAttention": {"num_heads": 2, "key_dim": 3},
    "GroupQueryAttention": {"head_dim": 3, "num_query_heads": 4, "num_key_value_heads": 2},
}
CALLS = {
    "value mask": {"value_mask": VALUE_MASK},
    "key mask": {"key_mask": VALUE_MASK},
    "query mask": {"query_mask": QUERY_MASK},
    "pairs": {"attention_mask": PAIRS},
    "numbers": {"attention_mask": PAIRS.astype("float32")},
    "an axis for heads": {"attention_mask": PAIRS[:, None]},
    "causal": {"use_causal_mask": True},
    "all": {"value_mask": VALUE_MASK, "attention_mask": PAIRS, "use_causal_mask": True},
}


def twins(kind, **more):
    theirs = getattr(pytest.importorskip("keras").layers, kind)(**LAYERS[kind], **more)
    ours = getattr(keras.layers, kind)(**LAYERS[kind], **more)
    theirs(QUERY, VALUE)
    ours(QUERY, VALUE)
    assert [w.path.split("/", 1)[1] for w in ours.weights] == [
        w.path.split("/", 1)[1] for w in theirs.weights
    ]
    ours.set_weights(theirs.get_weights())
    return ours, theirs


def close(ours, theirs):
    np.testing.assert_allclose(np.asarray(ours), np.asarray(theirs), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", LAYERS)
def test_masks_as_in_keras(kind):
    for options in ({}, {"sliding_window": 2}, {"dropout": 0.5}):
        ours, theirs = twins(kind, **options)
        for name, masks in CALLS.items():
            if name == "query mask":
                continue  # Keras leaves it alone when the tensor has none
            close(ours(QUERY, VALUE, **masks), theirs(QUERY, VALUE, **masks))
            both = [layer(QUERY, VALUE, return_attention_scores=True, **masks) for layer in (ours, theirs)]
            for mine, other in zip(*both, strict=True):
                close(mine, other)


@pytest.mark.parametrize("kind", LAYERS)
def test_each_argument_brings_its_mask(kind):
    ours, _ = twins(kind)
    query, value, key = (tf.constant(x) for x in (QUERY, VALUE, VALUE[:, ::-1]))
    plain = ours(query, value, key, query_mask=QUERY_MASK, value_mask=VALUE_MASK)
    query._keras_mask, value._keras_mask = tf.constant(QUERY_MASK), tf.constant(VALUE_MASK)
    outputs = ours(query, value, key)
    close(outputs, plain)
    close(outputs._keras_mask, QUERY_MASK)
    close(ours(query, value, key=key), plain)
    key._keras_mask = tf.constant(VALUE_MASK[:, ::-1])
    assert np.abs(ours(query, value, key).numpy() - plain.numpy()).max() > 1e-3
    other = ours(query, value, key, value_mask=np.ones((2, 5), bool), key_mask=np.ones((2, 5), bool))
    close(other, ours(QUERY, VALUE, VALUE[:, ::-1], query_mask=QUERY_MASK))
    outputs, scores = ours(query, value, return_attention_scores=True)
    assert hasattr(outputs, "_keras_mask") and not hasattr(scores, "_keras_mask")


def test_masks_through_a_model_as_in_keras():
    theirs = pytest.importorskip("keras")

    def build(module):
        source, target = module.Input((None,), dtype="int32"), module.Input((None,), dtype="int32")
        embed = module.layers.Embedding(7, 6, mask_zero=True)
        # Keras takes the masks off tensors that it gives to MultiHeadAttention: each is used once.
        x = module.layers.MultiHeadAttention(2, 3)(embed(target), embed(source), use_causal_mask=True)
        y = module.layers.Attention()([x, embed(source)])
        z = module.layers.AdditiveAttention()([embed(target), y])
        return module.Model([source, target], module.layers.GlobalAveragePooling1D()(z))

    mine, other = build(keras), build(theirs)
    mine.set_weights(other.get_weights())
    source, target = (
        np.array(rows, "int32") for rows in ([[1, 2, 3, 0], [4, 0, 0, 0]], [[5, 6, 0], [1, 2, 3]])
    )
    expected = other.predict([source, target], verbose=0)
    for _ in range(3):  # the third is a plan's, where there is one
        close(mine([source, target]), expected)
    close(mine.predict([source, target], verbose=0), expected)


@pytest.mark.parametrize("kind", ["Attention", "AdditiveAttention"])
def test_lists_of_masks_as_in_keras(kind):
    ours, theirs = (getattr(m.layers, kind)() for m in (keras, pytest.importorskip("keras")))
    inputs = [QUERY, VALUE]
    theirs(inputs), ours(inputs)
    ours.set_weights(theirs.get_weights())
    for mask in (None, [QUERY_MASK, VALUE_MASK], [None, VALUE_MASK], [QUERY_MASK, None]):
        for causal in (False, True):
            more = {"mask": mask, "use_causal_mask": causal, "return_attention_scores": True}
            for mine, other in zip(ours(inputs, **more), theirs(inputs, **more), strict=True):
                close(mine, other)
    legacy = getattr(keras.layers, kind)(causal=True)
    legacy(inputs)
    legacy.set_weights(ours.get_weights())
    close(legacy(inputs), ours(inputs, use_causal_mask=True))


def test_a_layer_of_ones_own_gets_the_mask_of_each_argument():
    seen = {}

    class Pick(keras.layers.Layer):
        def call(self, left, right, left_mask=None, right_mask=None, other_mask=None):
            seen.update(left=left_mask, right=right_mask, other=other_mask)
            return left + right

    embed = keras.layers.Embedding(5, 2, mask_zero=True)
    masked = embed(np.array([[1, 0]]))
    Pick()(tf.ones((1, 2, 2)), masked)
    assert (
        seen["left"] is None and seen["other"] is None and seen["right"].numpy().tolist() == [[True, False]]
    )
    Pick()(left=masked, right=[tf.ones((1, 2, 2)), masked][1], right_mask=tf.constant([[False, True]]))
    assert seen["left"].numpy().tolist() == [[True, False]] and seen["right"].numpy().tolist() == [
        [False, True]
    ]


def test_dropout_falls_on_the_weights_in_training():
    layer = keras.layers.MultiHeadAttention(2, 3, dropout=0.5, seed=1)
    still = layer(QUERY, VALUE, training=False)
    outputs, scores = layer(QUERY, VALUE, training=True, return_attention_scores=True)
    assert np.abs(outputs.numpy() - still.numpy()).max() > 1e-3
    close(scores.numpy().sum(-1), np.ones((2, 2, 4)))  # those without dropout, as in Keras
    assert len(layer.weights) == 8


def test_a_subclass_may_compute_attention_itself():
    class Uniform(keras.layers.MultiHeadAttention):
        def _compute_attention(self, query, key, value, attention_mask=None, training=None, *scores):
            mean = tf.reduce_mean(value, axis=1, keepdims=True)
            return tf.broadcast_to(mean, tf.shape(query)), None

    out = Uniform(2, 3)(QUERY, VALUE)
    close(out, np.broadcast_to(np.asarray(out)[:, :1], out.shape))


@pytest.mark.parametrize(
    ("make", "parts"),
    [
        (lambda: keras.layers.GroupQueryAttention(4, 6, 4), ["num_query_heads", "6", "4"]),
        (lambda: keras.layers.MultiHeadAttention(2, 3, sliding_window=0), ["sliding_window", "0"]),
        (
            lambda: keras.layers.MultiHeadAttention(2, 3, flash_attention=True, dropout=0.1),
            ["flash_attention"],
        ),
        (
            lambda: keras.layers.MultiHeadAttention(2, 3)(QUERY, VALUE, VALUE[:, :2]),
            ["(2, 5, 6)", "(2, 2, 6)"],
        ),
        (lambda: keras.layers.Attention()(QUERY), ["[query, value]"]),
        (lambda: keras.layers.Attention(score_mode="dots"), ["score_mode", "'dots'"]),
        (lambda: keras.layers.EinsumDense("ab->b", 3), ["'ab->b'", "ab,bc->ac"]),
        (lambda: keras.layers.EinsumDense("abc,cd->abd", 3)(QUERY), ["output_shape (3,)", "b, d"]),
        (lambda: keras.layers.EinsumDense("ab,bc->ac", 3, bias_axes="z")(QUERY[0]), ["bias_axes 'z'"]),
    ],
    ids=lambda value: "" if callable(value) else value[0],
)
def test_errors(make, parts):
    with pytest.raises(ValueError) as caught:
        result = make()
        result(QUERY) if isinstance(result, keras.layers.Layer) else None
    for part in parts:
        assert part in str(caught.value)
