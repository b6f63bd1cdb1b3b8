"""`keras.quantizers` beside Keras 3."""

import os

import numpy as np
import pytest

import dovetail as tf
from dovetail.keras import quantizers

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(6, 5)).astype("float32")
INT4 = RNG.integers(-8, 8, (5, 3, 4)).astype("int8")


@pytest.fixture(scope="module")
def theirs():
    return pytest.importorskip("keras").quantizers


def close(ours, theirs):
    for mine, other in zip(tf.nest.flatten(ours), tf.nest.flatten(theirs), strict=True):
        mine, other = np.asarray(mine), np.asarray(other)
        assert mine.dtype == other.dtype
        np.testing.assert_allclose(mine.astype("float64"), other.astype("float64"), rtol=1e-5, atol=1e-6)


CALLS = {
    "abs_max": ("abs_max_quantize", (X, -1), {}),
    "abs_max over both": ("abs_max_quantize", (X, (0, 1)), {"value_range": (-8, 7)}),
    "blocks": ("abs_max_quantize_grouped_with_zero_point", (X, 4), {"to_numpy": True}),
    "pack": ("pack_int4", (INT4,), {}),
    "pack the last": ("pack_int4", (INT4,), {"axis": -1}),
    "pack unsigned": ("pack_int4", ((INT4 + 8).astype("uint8"), 1), {"dtype": "uint8"}),
    "float8": ("quantize_and_dequantize", (X * 100, 0.7, "float8_e4m3fn", "float32"), {}),
    "float8 of gradients": ("quantize_and_dequantize", (X, 0.01, "float8_e5m2", "float32"), {}),
    "scale": ("compute_float8_scale", (np.float32(3), np.float32(2), np.float32(448)), {}),
    "scale of nothing": (
        "compute_float8_scale",
        (np.float32(0), np.float32(2), np.float32(448)),
        {"margin": 1},
    ),
    "history": ("compute_float8_amax_history", (X, np.arange(5, dtype="float32")), {}),
    "fake": ("fake_quant_with_min_max_vars", (X, np.float32(-1), np.float32(1.3)), {}),
    "fake narrow": ("fake_quant_with_min_max_vars", (X, -0.5, 2.0), {"num_bits": 4, "narrow_range": True}),
    "fake by channel": (
        "fake_quant_with_min_max_vars",
        (X, -np.linspace(0.5, 1, 5, dtype="float32"), np.linspace(0.6, 2, 5, dtype="float32")),
        {"axis": 1},
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_functions_as_in_keras(name, theirs):
    function, args, kwargs = CALLS[name]
    close(getattr(quantizers, function)(*args, **kwargs), getattr(theirs, function)(*args, **kwargs))


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_what_is_packed_is_unpacked(axis, theirs):
    packed, shape, length = quantizers.pack_int4(INT4, axis)
    assert shape == packed.shape and length == INT4.shape[axis]
    assert np.array_equal(quantizers.unpack_int4(packed, length, axis), INT4)
    close(
        quantizers.unpack_int4(packed, length, axis, "uint8"),
        theirs.unpack_int4(np.asarray(packed), length, axis, "uint8"),
    )
    compiled = tf.function(lambda p: quantizers.unpack_int4(p, length, axis))
    assert np.array_equal(compiled(packed), INT4)


def test_gradients_of_fake_quantization(theirs):
    tensorflow = pytest.importorskip("tensorflow")
    found = []
    for module, quantize in ((tf, quantizers), (tensorflow, theirs)):
        sources = [module.constant(X), module.constant(-0.5), module.constant(0.8)]
        with module.GradientTape() as tape:
            tape.watch(sources)
            out = quantize.fake_quant_with_min_max_vars(*sources) * module.constant(X[::-1].copy())
        found.append(tape.gradient(out, sources))
    close(*found)


def test_objects_as_in_keras(theirs):
    quantizer = quantizers.AbsMaxQuantizer(axis=0)
    close(quantizer(X), theirs.AbsMaxQuantizer(axis=0)(X))
    close(quantizers.AbsMaxQuantizer()(X, axis=(0, 1)), theirs.AbsMaxQuantizer()(X, axis=(0, 1)))
    again = quantizers.get(quantizers.serialize(quantizer))
    assert type(again) is quantizers.AbsMaxQuantizer and again.get_config() == quantizer.get_config()
    assert quantizers.get("AbsMaxQuantizer", axis=1).axis == (1,) and quantizers.get(None) is None
    for config in (
        quantizers.Int8QuantizationConfig(),
        quantizers.Int4QuantizationConfig(block_size=4),
        quantizers.Float8QuantizationConfig(),
    ):
        written = quantizers.serialize(config)
        other = quantizers.deserialize(written)
        assert type(other) is type(config) and quantizers.serialize(other) == written


@pytest.mark.parametrize(
    ("call", "part"),
    [
        (lambda: quantizers.AbsMaxQuantizer(value_range=(-200, 200)), "[-128, 127]"),
        (lambda: quantizers.pack_int4(X), "float32"),
        (lambda: quantizers.pack_int4(INT4, dtype="int16"), "'int16'"),
        (lambda: quantizers.Int4QuantizationConfig(block_size=0), "block_size"),
        (lambda: quantizers.QuantizationConfig(), "Int8QuantizationConfig"),
        (lambda: quantizers.Int4QuantizationConfig(quantizers.AbsMaxQuantizer()), "block_size=None"),
    ],
)
def test_errors(call, part):
    with pytest.raises((ValueError, TypeError, NotImplementedError)) as caught:
        call()
    assert part in str(caught.value)
