"""What the case tables do not cover of neural network ops: 16-bit floats, second derivatives, bad input."""

import numpy as np
import pytest

import dovetail as tf
from dovetail.keras import ops
from dovetail.ops import batch_normalization
from tests.ops.case import engine

ENGINES = ("host", "xla")
RNG = np.random.default_rng(0)
X = RNG.normal(size=(2, 6, 6, 4)).astype(np.float32)
KERNEL = (RNG.normal(size=(3, 3, 4, 4)) * 0.2).astype(np.float32)
LABELS = RNG.integers(0, 4, (2, 6, 6))
SOFT = np.eye(4, dtype=np.float32)[LABELS]

CALLS = {
    "relu": tf.nn.relu,
    "relu6": tf.nn.relu6,
    "leaky_relu": tf.nn.leaky_relu,
    "elu": tf.nn.elu,
    "selu": tf.nn.selu,
    "gelu": tf.nn.gelu,
    "silu": tf.nn.silu,
    "softplus": tf.nn.softplus,
    "softsign": tf.nn.softsign,
    "sigmoid": tf.nn.sigmoid,
    "tanh": tf.nn.tanh,
    "hard_silu": ops.hard_silu,
    "softmax": tf.nn.softmax,
    "log_softmax": tf.nn.log_softmax,
    "softmax_ce": lambda x: tf.nn.softmax_cross_entropy_with_logits(SOFT, x),
    "sparse_ce": lambda x: tf.nn.sparse_softmax_cross_entropy_with_logits(LABELS, x),
    "sigmoid_ce": lambda x: tf.nn.sigmoid_cross_entropy_with_logits(SOFT, x),
    "binary": lambda x: ops.binary_crossentropy(tf.cast(SOFT, x.dtype), x, from_logits=True),
    "categorical": lambda x: ops.categorical_crossentropy(tf.cast(SOFT, x.dtype), x, from_logits=True),
    "sparse_categorical": lambda x: ops.sparse_categorical_crossentropy(LABELS, x, from_logits=True),
    "conv": lambda x: tf.nn.conv2d(x, tf.cast(KERNEL, x.dtype), 1, "SAME"),
    "depthwise": lambda x: tf.nn.depthwise_conv2d(x, tf.cast(KERNEL, x.dtype), [1, 1, 1, 1], "SAME"),
    "max_pool": lambda x: tf.nn.max_pool2d(x, 3, 2, "SAME"),
    "avg_pool": lambda x: tf.nn.avg_pool2d(x, 3, 2, "SAME"),
    "layer_norm": lambda x: ops.layer_normalization(x, tf.ones([4]), tf.zeros([4]), epsilon=1e-3),
    "rms_norm": lambda x: ops.rms_normalization(x, tf.ones([4])),
    "batch_norm": lambda x: batch_normalization.batch_norm(x, axis=(0, 1, 2))[0],
    "l2_loss": lambda x: tf.nn.l2_loss(x * 0.1),
    "lrn": tf.nn.lrn,
    "attention": lambda x: ops.dot_product_attention(x, x, x),
}


def value_and_gradient(call, array, dtype):
    x = tf.constant(array, dtype)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = call(x)
        cube = y * y * y
    gradient = tape.gradient(cube, x)
    assert y.dtype == dtype and gradient.dtype == dtype
    return [np.asarray(tf.cast(one, "float32")) for one in (y, gradient)]


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_half_precision(call, dtype, name):
    """Values and gradients keep the dtype, and lie close to those of the same numbers in float32."""
    with engine(name):
        rounded = np.asarray(tf.cast(tf.constant(X, dtype), "float32"))
        expected = value_and_gradient(call, rounded, "float32")
        got = value_and_gradient(call, rounded, dtype)
    step = 1e-2 if dtype == "bfloat16" else 2e-3
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=8 * step, atol=8 * step * max(np.abs(b).max(), 1e-3))


SMOOTH = [
    "sigmoid",
    "tanh",
    "gelu",
    "softmax",
    "log_softmax",
    "softmax_ce",
    "sparse_ce",
    "layer_norm",
    "conv",
    "avg_pool",
]


@pytest.mark.parametrize("name", SMOOTH)
def test_second_derivative(name):
    call = CALLS[name]
    x = tf.constant(X.astype(np.float64))
    direction = tf.constant(RNG.normal(size=X.shape))

    def slope(at):
        with tf.GradientTape() as tape:
            tape.watch(at)
            y = tf.reduce_sum(tf.square(call(at)))
        return tape.gradient(y, at)

    with tf.GradientTape() as outer:
        outer.watch(x)
        along = tf.reduce_sum(slope(x) * direction)
    second = np.asarray(outer.gradient(along, x))
    step = 1e-5
    difference = (np.asarray(slope(x + step * direction)) - np.asarray(slope(x - step * direction))) / (
        2 * step
    )
    np.testing.assert_allclose(second, difference, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: tf.nn.conv2d(X, KERNEL[:, :, :3], 1, "SAME"), "multiple"),
        (lambda: tf.nn.conv2d(X, KERNEL, 1, "sane"), "padding"),
        (lambda: tf.nn.conv2d(X, KERNEL, [2, 1, 1, 1], "SAME"), "batch and channels"),
        (lambda: tf.nn.conv2d(X, KERNEL, 1, "SAME", data_format="NCW"), "data_format"),
        (lambda: tf.nn.conv2d(X, KERNEL, 0, "SAME"), "positive"),
        (lambda: tf.nn.conv2d(X[:, :2], KERNEL, 1, "VALID"), "fit"),
        (lambda: tf.nn.max_pool2d(X, 9, 1, "VALID"), "fit"),
        (lambda: tf.nn.avg_pool2d(X.astype(np.int32), 2, 2, "VALID"), "floating"),
        (lambda: tf.nn.pool(X, [2, 2], "MEAN"), "pooling_type"),
        (lambda: tf.nn.bias_add(X, [1.0, 2.0]), "channels"),
        (lambda: tf.nn.softmax(tf.constant([1, 2])), "floating"),
        (lambda: tf.nn.gelu(tf.constant([1, 2])), "floating"),
        (lambda: tf.nn.softmax(1.0), "rank 1"),
        (
            lambda: tf.nn.sparse_softmax_cross_entropy_with_logits([0, 4], tf.zeros([2, 4])),
            "label value of 4",
        ),
        (lambda: tf.nn.sparse_softmax_cross_entropy_with_logits([0, 1, 2], tf.zeros([2, 4])), "shape"),
        (lambda: tf.nn.sparse_softmax_cross_entropy_with_logits([0.0, 1.0], tf.zeros([2, 4])), "integers"),
        (lambda: tf.nn.sigmoid_cross_entropy_with_logits([0.0], tf.zeros([2, 4])), "same shape"),
        (lambda: ops.sparse_categorical_crossentropy([0, -1], tf.zeros([2, 4])), "label value of -1"),
        (lambda: ops.glu(tf.zeros([2, 3])), "odd size"),
        (lambda: ops.dot_product_attention(tf.zeros([2, 3, 4]), X, X), "query"),
        (lambda: tf.image.resize(X, [0, 4]), "positive"),
        (lambda: tf.image.resize(X, [4, 4], method="best"), "method"),
        (lambda: tf.image.crop_to_bounding_box(X, 3, 3, 4, 4), "window"),
        (lambda: tf.image.rgb_to_hsv(X), "3 channels"),
        (lambda: tf.nn.conv2d_transpose(X, KERNEL, [2, 9, 12, 4], 2), "makes 5 of 9"),
    ],
)
def test_errors(call, message):
    with pytest.raises((ValueError, TypeError, tf.errors.InvalidArgumentError), match=message):
        call()


def test_labels_out_of_range_are_nan_when_compiled():
    with engine("xla"):
        loss = tf.nn.sparse_softmax_cross_entropy_with_logits([0, 4, -1], tf.zeros([3, 4]))
    np.testing.assert_allclose(np.asarray(loss), [np.log(4), np.nan, np.nan], rtol=1e-6)


def test_max_pooling_sends_ties_to_the_first():
    x = tf.zeros([1, 4, 4, 1])
    for name in ENGINES:
        with engine(name), tf.GradientTape() as tape:
            tape.watch(x)
            y = tf.nn.max_pool2d(x, 2, 2, "VALID")
        gradient = np.asarray(tape.gradient(y, x))[0, :, :, 0]
        np.testing.assert_array_equal(gradient, np.kron(np.ones((2, 2)), [[1, 0], [0, 0]]))


def test_channels_first_equals_channels_last():
    first = np.moveaxis(X, -1, 1)
    pairs = [
        (
            tf.nn.conv2d(X, KERNEL, 2, "SAME"),
            tf.nn.conv2d(first, KERNEL, [1, 1, 2, 2], "SAME", data_format="NCHW"),
        ),
        (tf.nn.max_pool2d(X, 2, 2, "SAME"), tf.nn.max_pool2d(first, 2, 2, "SAME", data_format="NCHW")),
        (tf.nn.avg_pool2d(X, 3, 2, "SAME"), tf.nn.avg_pool2d(first, 3, 2, "SAME", data_format="NCHW")),
        (
            ops.depthwise_conv(X, KERNEL, padding="same"),
            ops.depthwise_conv(first, KERNEL, padding="same", data_format="channels_first"),
        ),
        (
            ops.conv_transpose(X, KERNEL, strides=2),
            ops.conv_transpose(first, KERNEL, strides=2, data_format="channels_first"),
        ),
    ]
    for last, moved in pairs:
        np.testing.assert_allclose(
            np.asarray(last), np.moveaxis(np.asarray(moved), 1, -1), rtol=1e-4, atol=1e-5
        )


def test_batch_norm_gradients_of_the_statistics():
    """Mean and variance are outputs too: their gradients reach the input."""
    x = tf.constant(X.astype(np.float64))
    weights = RNG.normal(size=(3, 4))

    def loss(at):
        _, mean, variance = batch_normalization.batch_norm(at, axis=(0, 1, 2))
        return tf.reduce_sum(mean * weights[0] + variance * weights[1])

    with tf.GradientTape() as tape:
        tape.watch(x)
        y = loss(x)
    gradient = np.asarray(tape.gradient(y, x))
    direction = RNG.normal(size=X.shape)
    step = 1e-6
    slope = (float(loss(x + step * direction)) - float(loss(x - step * direction))) / (2 * step)
    np.testing.assert_allclose((gradient * direction).sum(), slope, rtol=1e-6)
