"""`enable_lora` and `quantize` beside Keras 3: outputs, gradients, weights, configs, files."""

import os

import numpy as np
import pytest

import dovetail as tf
from dovetail import keras

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, 4, 6)).astype("float32")
IDS = RNG.integers(0, 7, (3, 4)).astype("int32")
LAYERS = {
    "Dense": (("Dense", {"units": 5, "activation": "tanh"}), X),
    "EinsumDense": (
        ("EinsumDense", {"equation": "abc,cde->abde", "output_shape": (None, 2, 3), "bias_axes": "d"}),
        X,
    ),
    "EinsumDense of two": (("EinsumDense", {"equation": "abc,bcd->ad", "output_shape": (5,)}), X),
    "Embedding": (("Embedding", {"input_dim": 7, "output_dim": 5}), IDS),
    "ReversibleEmbedding": (("ReversibleEmbedding", {"input_dim": 7, "output_dim": 5}), IDS),
    "Conv1D": (("Conv1D", {"filters": 3, "kernel_size": 2}), X),
}
MODES = [
    ("Dense", "int8", {}),
    ("Dense", "int4", {}),
    ("Dense", "int4", {"block_size": 4}),
    ("Dense", "int4", {"block_size": None}),
    ("Dense", "float8", {}),
    ("EinsumDense", "int8", {}),
    ("EinsumDense of two", "int8", {}),
    ("EinsumDense", "float8", {}),
    ("Embedding", "int8", {}),
    ("Embedding", "int4", {"block_size": None}),
    ("ReversibleEmbedding", "int8", {}),
]


@pytest.fixture(scope="module")
def theirs():
    return pytest.importorskip("keras")


def close(ours, theirs, tolerance=1e-5):
    np.testing.assert_allclose(np.asarray(ours), np.asarray(theirs), rtol=tolerance, atol=tolerance)


def twins(name, theirs):
    (kind, arguments), x = LAYERS[name]
    ours, other = (getattr(module.layers, kind)(**arguments) for module in (keras, theirs))
    ours(x), other(x)
    values = [RNG.normal(size=w.shape).astype("float32") for w in ours.weights]
    ours.set_weights(values), other.set_weights(values)
    return ours, other, x


def same_weights(ours, other, order=True):
    facts = [
        [
            (w.name, tuple(w.shape), str(w.dtype if isinstance(w.dtype, str) else w.dtype.name))
            for w in layer.weights
        ]
        for layer in (ours, other)
    ]
    assert facts[0] == facts[1]
    for mine, their in zip(ours.get_weights(), other.get_weights(), strict=True):
        close(mine, their)


@pytest.mark.parametrize("name", LAYERS)
def test_low_rank_additions(name, theirs):
    ours, other, x = twins(name, theirs)
    before = ours(x)
    for layer in (ours, other):
        layer.enable_lora(2, lora_alpha=3)
    close(ours(x), before)
    values = [RNG.normal(size=w.shape).astype("float32") for w in ours.weights]
    ours.set_weights(values), other.set_weights(values)
    same_weights(ours, other)
    assert [w.name for w in ours.trainable_weights] == [w.name for w in other.trainable_weights]
    close(ours(x), other(x), 1e-4)
    tensorflow = pytest.importorskip("tensorflow")
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(ours(x) ** 2)
    with tensorflow.GradientTape() as tape_2:
        loss_2 = tensorflow.reduce_sum(other(x) ** 2)
    variables = [w.value for w in other.trainable_weights]
    for mine, their in zip(
        tape.gradient(loss, ours.trainable_weights), tape_2.gradient(loss_2, variables), strict=True
    ):
        close(tf.convert_to_tensor(mine), tensorflow.convert_to_tensor(their), 1e-3)
    assert {k: ours.get_config()[k] for k in ("lora_rank", "lora_alpha")} == {"lora_rank": 2, "lora_alpha": 3}
    again = type(ours).from_config(ours.get_config())
    again(x)
    assert again.lora_enabled and len(again.weights) == len(ours.weights)


def test_additions_are_merged_into_files(theirs, tmp_path):
    ours, _, x = twins("Dense", theirs)
    ours.enable_lora(2)
    ours.set_weights([RNG.normal(size=w.shape).astype("float32") for w in ours.weights])
    store: dict = {}
    ours.save_own_variables(store)
    assert sorted(store) == ["0", "1"]
    plain = keras.layers.Dense(5, activation="tanh")
    plain.build(X.shape)
    plain.load_own_variables(store)
    close(plain(x), ours(x))
    before = ours(x).numpy()
    ours.load_own_variables(store)
    close(ours(x), before)
    assert not np.any(ours.lora_kernel_b.numpy())


@pytest.mark.parametrize(("name", "mode", "options"), MODES, ids=lambda v: str(v))
def test_fewer_bits(name, mode, options, theirs):
    ours, other, x = twins(name, theirs)
    exact = ours(x).numpy()
    for layer, module in ((ours, keras), (other, theirs)):
        config = module.quantizers.Int4QuantizationConfig(**options) if options else None
        layer.quantize(mode, config=config)
    same_weights(ours, other)
    assert ours.quantization_mode == mode and ours.dtype_policy.name == other.dtype_policy.name
    outputs = ours(x).numpy()
    close(outputs, other(x), 1e-4)
    assert mode == "float8" or 0 < np.abs(outputs - exact).max() < 3
    compiled = tf.function(ours)
    close(compiled(x), outputs)
    i = keras.Input(x.shape[1:], dtype=str(x.dtype))
    close(keras.Model(i, ours(i)).predict(x, verbose=0), outputs)
    written = keras.layers.serialize(ours)
    again = keras.layers.deserialize(written)
    if not again.built:
        again.build(x.shape)
    again.set_weights(ours.get_weights())
    close(again(x), outputs)
    assert keras.layers.serialize(again) == written
    with pytest.raises(ValueError, match="is quantized"):
        ours.quantize(mode)
    if name == "ReversibleEmbedding":
        close(ours(ours(x), reverse=True), other(other(x), reverse=True), 1e-4)


@pytest.mark.parametrize("name", ["Dense", "EinsumDense"])
def test_gradients_pass_through_integers(name, theirs):
    ours, other, x = twins(name, theirs)
    found = []
    for layer, module in ((ours, tf), (other, pytest.importorskip("tensorflow"))):
        layer.quantize("int8")
        layer.enable_lora(2)
        layer.lora_kernel_b.assign(np.ones(layer.lora_kernel_b.shape, "float32"))
        layer.lora_kernel_a.assign(np.ones(layer.lora_kernel_a.shape, "float32"))
        x_ = module.constant(x)
        with module.GradientTape() as tape:
            tape.watch(x_)
            outputs = layer(x_)
            loss = module.reduce_sum(outputs)
        found.append((outputs, tape.gradient(loss, x_)))
    for mine, their in zip(*found, strict=True):
        close(mine, their, 1e-4)


def test_float8_moves_its_scales_in_training(theirs):
    ours, other, x = twins("Dense", theirs)
    models = []
    for layer, module in ((ours, keras), (other, theirs)):
        layer.quantize("float8")
        model = module.Sequential([module.Input(x.shape[1:]), layer])
        model.compile(module.optimizers.SGD(0.01), "mse")
        models.append(model)
    y = RNG.normal(size=(3, 4, 5)).astype("float32")
    for _ in range(3):
        losses = [model.train_on_batch(x, y) for model in models]
        close(losses[0], losses[1], 2e-3)
    for mine, their in zip(ours.weights[:-2], other.weights[:-2], strict=True):  # the last are of gradients
        close(mine, their, 2e-3)


def test_models_are_quantized_layer_by_layer():
    inputs = keras.Input((4, 6))
    y = keras.layers.MultiHeadAttention(2, 3)(inputs, inputs)
    y = keras.layers.Dense(5, name="middle")(y)
    model = keras.Model(inputs, keras.layers.Dense(2, name="last")(y))
    exact = model.predict(X, verbose=0)
    model.quantize("int8", filters="middle")
    assert [layer.quantization_mode for layer in model.layers if isinstance(layer, keras.layers.Dense)] == [
        "int8",
        None,
    ]
    model.quantize("int8", filters=lambda layer: layer.quantization_mode is None)
    modes = {layer.name: layer.quantization_mode for layer in model._flatten_layers() if layer.weights}
    assert {modes[name] for name in ("query", "key", "value", "attention_output", "middle", "last")} == {
        "int8"
    }
    close(model.predict(X, verbose=0), exact, 0.2)
    with pytest.raises(ValueError, match="mode"):
        model.quantize("int3")


def test_policies(theirs):
    policies = keras.dtype_policies
    for name in ("int8_from_float32", "int4/128_from_mixed_bfloat16", "float8_from_float32"):
        ours, other = policies.get(name), theirs.dtype_policies.get(name)
        facts = ("name", "compute_dtype", "variable_dtype", "quantization_mode")
        assert [getattr(ours, f) for f in facts] == [getattr(other, f) for f in facts]
        assert ours.get_config() == other.get_config()
        assert (
            policies.get(policies.serialize(ours)) == ours == policies.deserialize(policies.serialize(ours))
        )
    found = policies.DTypePolicyMap("float32", {"block/.*": "mixed_bfloat16", "last": "float64"})
    assert (
        found["block/dense"].name == "mixed_bfloat16" and found["other"].name == "float32" and len(found) == 2
    )
    assert policies.deserialize(policies.serialize(found)) == found
    layer = keras.layers.MultiHeadAttention(
        2, 3, name="block", dtype=policies.DTypePolicyMap("float32", {"block/query": "float64"})
    )
    layer.build((2, 3, 4), (2, 3, 4))
    assert [w.dtype.name for w in layer.weights[:3]] == ["float64", "float64", "float32"]
    for bad in (lambda: policies.QuantizedDTypePolicy("int3"), lambda: policies.Int4DTypePolicy("int4")):
        with pytest.raises(ValueError, match="mode"):
            bad()
    with pytest.raises(NotImplementedError, match="gptq"):
        policies.get("gptq/4/128_from_float32")


def test_errors():
    layer = keras.layers.Dense(2, kernel_constraint="non_neg")
    with pytest.raises(ValueError, match="not built"):
        layer.enable_lora(2)
    layer.build((1, 3))
    with pytest.raises(ValueError, match="kernel_constraint"):
        layer.enable_lora(2)
    with pytest.raises(NotImplementedError, match="Conv1D"):
        conv = keras.layers.Conv1D(2, 2)
        conv.build((1, 4, 3))
        conv.quantize("int8")
    with pytest.raises(NotImplementedError, match="ReLU"):
        keras.layers.ReLU().quantize("int8")
    with pytest.raises(NotImplementedError, match="gptq"):
        layer.quantize("gptq")
