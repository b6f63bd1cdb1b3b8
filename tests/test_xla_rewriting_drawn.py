"""Drawn programs and their gradients: with native kernels and rewriting as without, and the same bits again."""

import functools
import random

import numpy as np
import pytest

import dovetail as tf
from dovetail.base.settings import settings
from dovetail.engine import native
from dovetail.ops.batch_normalization import batch_norm
from dovetail.ops.normalization import layer_norm

pytestmark = pytest.mark.skipif(native.library() is None, reason=native.state())


def attention(x, w, d):
    def heads(t):
        return tf.transpose(tf.reshape(t, (d.batch, d.steps, d.heads, d.size)), (0, 2, 1, 3))

    q, k, v = heads(x @ w.square[0] + w.bias), heads(x @ w.square[1]), heads(x @ w.square[2])
    weights = tf.nn.softmax(tf.matmul(q, tf.transpose(k, (0, 1, 3, 2))) * 0.3)
    mixed = tf.transpose(tf.matmul(weights, v), (0, 2, 1, 3))
    return x + tf.reshape(mixed, x.shape) @ w.square[3], [weights]


def perceptron(x, w, d):
    return tf.nn.relu(x @ w.wide + w.wide_bias) @ w.back + w.bias, []


def perceptron_beside_itself(x, w, d):
    inner = tf.nn.relu(x @ w.wide) + w.wide_bias
    return tf.nn.relu(inner @ w.back) + x, [inner]


def sums(x, w, d):
    return x + (x @ w.square[0] + w.bias) + x @ w.square[1], [tf.reduce_sum(x, (0, 1)) * 0.1]


def layer_normed(x, w, d):
    return layer_norm(x, w.ones, w.bias, scale=True, center=True), []


def batch_normed(x, w, d):
    y, mean, _ = batch_norm(x, w.ones, w.bias, axis=(0, 1), scale=True, center=True)
    return tf.nn.relu(x + y), [mean]


def convolved(x, w, d):
    image = tf.reshape(x, (d.batch, d.steps, 1, d.width))
    y = tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(image, w.window, 1, "SAME"), w.bias)) + image
    return tf.reshape(y, x.shape), []


def contracted(x, w, d):
    return tf.einsum("btw,wk->btk", x, w.wide) @ w.back + tf.einsum("btw,vw->btv", x, w.square[3]), []


def gelus(x, w, d):
    return tf.nn.gelu(x @ w.wide + w.wide_bias, approximate=d.steps % 2 == 0) @ w.back, []


def of_itself(x, w, d):
    y = tf.matmul(tf.matmul(x, x, transpose_b=True), x) / d.steps
    return x + y * tf.nn.relu(y), []


PARTS = [attention, perceptron, perceptron_beside_itself, sums, layer_normed]
PARTS += [batch_normed, convolved, contracted, gelus, of_itself]


class Dims:
    def __init__(self, draw):
        self.batch, self.steps = draw.choice([1, 2, 8]), draw.choice([1, 5, 40])
        self.heads, self.size, self.wide = (
            draw.choice([1, 4]),
            draw.choice([4, 8, 24]),
            draw.choice([8, 33, 64]),
        )
        self.width = self.heads * self.size


class Weights:
    def __init__(self, arrays):
        *self.square, self.wide, self.wide_bias, self.back, self.bias, self.ones, self.window = arrays


def _arrays(d, seed):
    draw = np.random.default_rng(seed)
    shapes = [
        *[(d.width, d.width)] * 4,
        (d.width, d.wide),
        (d.wide,),
        (d.wide, d.width),
        (d.width,),
        (d.width,),
    ]
    shapes += [(3, 3, d.width, d.width), (d.batch, d.steps, d.width)]
    *weights, x = [(draw.normal(size=s) / np.sqrt(max(s[0], 4))).astype("float32") for s in shapes]
    return [x * 2, *weights]


def _step(plan, dims, x, *arrays):
    weights, more = Weights(arrays), []
    with tf.GradientTape() as tape:
        tape.watch([x, *arrays])
        y = x
        for part in plan:
            y, extra = part(y, weights, dims)
            more += extra
        loss = tf.reduce_mean(y * y) + sum([tf.reduce_mean(each * each) for each in more], 0.0)
    return [y, *more, *tape.gradient(loss, [x, *arrays], unconnected_gradients="zero")]


@pytest.mark.parametrize("seed", range(12))
def test_drawn_programs(seed):
    draw = random.Random(seed)
    dims, plan = Dims(draw), draw.sample(PARTS, 3)
    arrays, results = [tf.constant(each) for each in _arrays(dims, seed)], []
    for native_too in (True, True, False):
        settings.native = native_too
        try:
            function = tf.function(functools.partial(_step, plan, dims))
            results.append([np.asarray(each) for each in function(*arrays)])
        finally:
            settings.native = True
    for one, again, plain in zip(*results, strict=True):
        np.testing.assert_array_equal(one, again)
        np.testing.assert_allclose(one, plain, rtol=2e-3, atol=2e-3 * max(1e-3, np.abs(plain).max()))
