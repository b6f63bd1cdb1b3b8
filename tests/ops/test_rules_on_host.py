"""Gradients and kernels that the host engine has rules of its own for: they give what JAX derives and XLA computes."""

import itertools

import numpy as np
import pytest

import dovetail as tf
from dovetail.engine import host, xla
from dovetail.ops import gather, losses, nn, segment
from dovetail.ops.attention import attention

RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, 6)).astype("float32") * 2
QUERY = RNG.normal(size=(2, 5, 4, 3)).astype("float32")
KEY, VALUE = (RNG.normal(size=(2, 6, 2, size)).astype("float32") for size in (3, 7))
BIAS = RNG.normal(size=(1, 4, 5, 6)).astype("float32")
MASK = RNG.random((2, 1, 5, 6)) > 0.4
MASK[0, 0, 1] = False  # a position that sees nothing

RULES = [
    (nn.celu, {"alpha": 1.3}, [X]),
    (nn.threshold, {"threshold": 0.3, "default_value": 7.0}, [X]),
    (nn.hard_shrink, {}, [X]),
    (nn.soft_shrink, {}, [X]),
    (nn.tanh_shrink, {}, [X]),
    (nn.squareplus, {}, [X]),
    (nn.sparse_plus, {}, [X]),
    (nn.sparse_sigmoid, {}, [X]),
    (nn._clipped, {"low": 0.0, "high": 1.0, "slope": 0.2, "offset": 0.5}, [X]),
    (nn.general_relu, {"alpha": 0.2, "max_value": 1.0, "threshold": 0.4}, [X]),
    (nn.general_relu, {}, [X]),
    (nn.crelu, {"axis": 0}, [X]),
    (nn.sparsemax, {}, [X]),
    (losses.weighted_cross_entropy_with_logits, {}, [X, X[:, ::-1], X[0, 0]]),
    (nn.glu, {}, [X]),
    (nn.glu, {"axis": 1}, [X]),
    (gather.take_along_axis_, {"axis": 1}, [X, RNG.integers(-6, 6, (3, 4)).astype("int32")]),
    (gather.take_along_axis_, {"axis": 0}, [X, RNG.integers(0, 3, (5, 1)).astype("int32")]),
    (segment.largest_entries, {"k": 2}, [X]),
    *(
        (attention, attributes, [QUERY, KEY, VALUE, bias, mask])
        for bias, mask, attributes in itertools.product(
            (None, BIAS), (None, MASK), ({}, {"is_causal": True, "soft_cap": 2.0, "scale": 0.3})
        )
    ),
]


def gradients(op, attributes, arrays):
    inputs = [None if array is None else tf.constant(array) for array in arrays]
    watched = [x for x in inputs if x is not None and x.dtype.is_floating]
    with tf.GradientTape() as tape:
        tape.watch(watched)
        y = op(*inputs, **attributes)
        y = y[0] if isinstance(y, tuple) else y
        factors = np.linspace(-1, 2, int(np.prod(y.shape)), dtype=np.float32).reshape(y.shape)
        loss = tf.reduce_sum(y * tf.constant(factors))
    return [np.asarray(g) for g in tape.gradient(loss, watched)]


@pytest.mark.parametrize("op, attributes, arrays", RULES, ids=lambda value: getattr(value, "name", None))
def test_rules_give_what_jax_derives(op, attributes, arrays, monkeypatch):
    ours = gradients(op, attributes, arrays)
    monkeypatch.setattr(op, "gradients", None)
    for one, derived in zip(ours, gradients(op, attributes, arrays), strict=True):
        assert one.dtype == derived.dtype and one.shape == derived.shape
        np.testing.assert_allclose(one, derived, rtol=1e-4, atol=1e-5)


LINES = [  # window, stride, padding, dilation, groups
    (1, 1, (0, 0), 1, 1),
    (3, 1, (1, 1), 1, 1),
    (3, 2, (0, 1), 1, 1),
    (2, 3, (0, 0), 1, 1),
    (3, 1, (4, 0), 2, 1),
    (5, 2, (3, 2), 2, 1),
    (3, 1, (1, 1), 1, 2),
]


SIZES = [  # length, channels, dtype, tolerance
    (11, 4, "float32", 1e-5),
    (1, 512, "float32", 1e-5),
    (11, 4, "float64", 1e-12),
    (11, 4, "bfloat16", 0.05),
]


@pytest.mark.parametrize(
    "line, size", [*((line, SIZES[0]) for line in LINES), *((LINES[1], size) for size in SIZES[1:])]
)
def test_convolution_along_a_line(line, size):
    window, stride, padding, dilation, groups = line
    length, channels, dtype, tolerance = size
    dtype = tf.as_dtype(dtype).as_numpy_dtype
    numbers = ((stride,), (padding,), (dilation,), groups)
    x = RNG.normal(size=(2, length, channels)).astype(dtype)
    kernel = RNG.normal(size=(window, channels // groups, 6)).astype(dtype)
    engine = xla()
    y = host.conv(x, kernel, *numbers)
    g = np.broadcast_to(RNG.normal(size=(1, 1, 6)).astype(dtype), y.shape)
    pairs = [
        (y, engine.conv(x, kernel, *numbers)),
        (
            host.conv_kernel_gradient(x, g, (window,), *numbers),
            engine.conv_kernel_gradient(x, g, (window,), *numbers),
        ),
        (
            host.conv_input_gradient(g, kernel, (length,), *numbers),
            engine.conv_input_gradient(g, kernel, (length,), *numbers),
        ),
    ]
    for ours, theirs in pairs:
        theirs = np.asarray(theirs)
        assert ours.dtype == theirs.dtype and ours.shape == theirs.shape
        scale = max(1.0, float(np.abs(theirs.astype("float64")).max()))
        np.testing.assert_allclose(
            ours.astype("float64") / scale, theirs.astype("float64") / scale, atol=tolerance
        )


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16", "int32", "uint8", "bool"])
@pytest.mark.parametrize("shape", [(), (4,), (3, 4)])
def test_keep_where(dtype, shape):
    x = RNG.integers(0, 2, shape) * 3
    x = np.asarray(x).astype(tf.as_dtype(dtype).as_numpy_dtype)
    keep = np.asarray(RNG.random(shape) > 0.5)
    kept = np.asarray(host.keep_where(keep, x))
    assert kept.dtype == x.dtype
    np.testing.assert_array_equal(kept.astype("float64"), np.where(keep, x.astype("float64"), 0))


def test_what_is_not_kept_may_be_nan():
    kept = host.keep_where(np.array([True, False, False]), np.array([1.5, np.nan, np.inf], np.float32))
    np.testing.assert_array_equal(kept, [1.5, 0, 0])
