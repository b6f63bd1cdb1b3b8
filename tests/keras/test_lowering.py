"""What `fit` would run on a GPU or a TPU, lowered where there is none: products in 16 bits, no kernel of this CPU."""

import re

import numpy as np
import pytest

import dovetail as tf
from dovetail import keras
from dovetail.engine import native
from dovetail.keras.training.lowering import lowered_fit

layers = keras.layers
VOCABULARY = 50


def resnet():
    inputs = keras.Input((16, 16, 3))
    x = layers.Conv2D(16, 3, padding="same", use_bias=False)(inputs)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    inner = layers.BatchNormalization()(layers.Conv2D(16, 3, padding="same", use_bias=False)(x))
    x = layers.MaxPooling2D()(layers.ReLU()(layers.add([x, inner])))
    x = layers.DepthwiseConv2D(3, strides=2)(x)
    return keras.Model(inputs, layers.Dense(4)(layers.GlobalAveragePooling2D()(x)))


def gpt():
    ids = keras.Input((8,), dtype="int32")
    x = layers.Embedding(VOCABULARY, 32)(ids)
    normed = layers.LayerNormalization()(x)
    x = layers.add([x, layers.MultiHeadAttention(4, 8)(normed, normed, use_causal_mask=True)])
    inner = layers.Dense(64, activation="gelu")(layers.LayerNormalization()(x))
    return keras.Model(ids, layers.Dense(VOCABULARY)(layers.add([x, layers.Dense(32)(inner)])))


def lstm():
    inputs = keras.Input((12, 8))
    return keras.Model(inputs, layers.Dense(4)(layers.LSTM(16)(inputs)))


# The products of a recurrent kernel, and those of attention.
IN_FLOAT32 = {resnet: 0, lstm: 3, gpt: 7}


def batches(model, num_samples=64):
    rng = np.random.default_rng(0)
    shape = (num_samples, *model.input_shape[1:])
    if model.input.dtype == "int32":
        ids = rng.integers(0, VOCABULARY, shape).astype("int32")
        return ids, (ids + 1) % VOCABULARY
    return rng.normal(size=shape).astype("float32"), rng.integers(0, 4, num_samples).astype("int32")


def compiled(build, policy):
    keras.utils.set_random_seed(1)
    before = keras.mixed_precision.global_policy()
    keras.mixed_precision.set_global_policy(policy)
    try:
        model = build()
    finally:
        keras.mixed_precision.set_global_policy(before)
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


@pytest.fixture(scope="module", autouse=True)
def library():
    native.state()  # there, where it can be: nothing of it may come into a program for elsewhere


@pytest.mark.parametrize("platform", ["cuda", "tpu"])
@pytest.mark.parametrize("build", [resnet, gpt, lstm])
def test_products_in_16_bits_and_no_kernel_of_this_machine(build, platform):
    model = compiled(build, "mixed_bfloat16")
    text = lowered_fit(model, *batches(model), batch_size=16, platform=platform).as_text()
    assert "custom_call" not in text
    assert "stablehlo.while" in text  # many steps a dispatch
    products = re.findall(r"stablehlo\.(?:convolution|dot_general).*-> tensor<[^>]*x(\w+)>", text)
    assert len(products) >= 6
    assert products.count("bf16") == len(products) - IN_FLOAT32[build]
    assert not re.search(r"tensor<\d[^>]*f64>", text)


@pytest.mark.parametrize("build", [resnet, gpt, lstm])
def test_lowering_for_elsewhere_changes_nothing_here(build):
    results = []
    for lowers in (False, True):
        model = compiled(build, "float32")
        data = batches(model)
        if lowers:
            lowered_fit(model, *data, batch_size=16)
        history = model.fit(*data, batch_size=16, epochs=2, shuffle=False, verbose=0).history["loss"]
        results.append((history, model.get_weights()))
    assert results[0][0] == results[1][0]
    for one, other in zip(results[0][1], results[1][1], strict=True):
        np.testing.assert_array_equal(one, other)


def test_programs_for_this_platform_have_its_kernels():
    model = compiled(resnet, "float32")
    lowered = lowered_fit(model, *batches(model), batch_size=16, platform="cpu")
    assert ("custom_call" in lowered.as_text()) == (native.library() is not None)
    assert lowered.cost_analysis()["flops"] > 0


def test_a_step_that_runs_op_by_op_is_refused():
    model = compiled(lstm, "float32")

    class Counting(keras.Model):
        def train_step(self, data):
            x, y = data
            chosen = tf.boolean_mask(x, y > 1)
            if int(tf.size(chosen)) > 0:
                return {"loss": 0.0}
            return {"loss": 1.0}

    counting = Counting(model.input, model.output)
    counting.compile("adam", "mse")
    with pytest.raises(Exception, match="value|shape"):
        lowered_fit(counting, *batches(model), batch_size=16)
