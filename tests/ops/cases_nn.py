"""Rows for activations, softmax, losses, convolution, pooling, normalization and images."""

import itertools

import numpy as np

from tests.ops.case import Case, f32, i32, normal, uniform


def fixed(*values, **kinds):
    """Arguments: these values, whatever the generator."""
    return lambda rng: values


def away_from(points, *shape):
    """Arguments: a float32 tensor whose elements keep their distance from kinks of the function."""

    def make(rng):
        x = rng.normal(size=shape) * 2
        for point in points:
            near = np.abs(x - point) < 0.05
            x = np.where(near, point + 0.05 + np.abs(x - point), x)
        return (x.astype(np.float32),)

    return make


def distinct(*shape):
    """Arguments: a float32 tensor of distinct numbers, far enough apart for central differences."""
    return lambda rng: (rng.permutation(int(np.prod(shape))).reshape(shape).astype(np.float32) * 0.1,)


def probabilities(rng, *shape):
    p = rng.uniform(0.05, 1, shape)
    return (p / p.sum(-1, keepdims=True)).astype(np.float32)


def labels_and(kind, *shape):
    """Arguments: soft labels, then normal logits or probabilities."""

    def make(rng):
        labels = probabilities(rng, *shape)
        return labels, (
            rng.normal(size=shape).astype(np.float32) if kind == "logits" else probabilities(rng, *shape)
        )

    return make


def classes_and(kind, *shape, dtype=np.int32):
    """Arguments: class indices, then normal logits or probabilities."""

    def make(rng):
        labels = rng.integers(0, shape[-1], shape[:-1]).astype(dtype)
        return labels, (
            rng.normal(size=shape).astype(np.float32) if kind == "logits" else probabilities(rng, *shape)
        )

    return make


def sequences(blank):
    """Arguments: labels that are not the blank, one of them twice in a row; logits; how many of each count."""

    def make(rng):
        labels = rng.choice([label for label in range(5) if label != blank], (4, 3)).astype(np.int32)
        labels[1, :2] = labels[1, 0]
        logits = rng.normal(size=(4, 5, 5)).astype(np.float32)
        return labels, logits, i32(3, 3, 2, 1), i32(5, 5, 3, 2)

    return make


def ctc_oracle(labels, logits, label_length, logit_length, mask_index=0):
    """The sum over all alignments, one by one (TensorFlow's is in single precision whatever it is given)."""

    def stands_for(path):
        return [c for i, c in enumerate(path) if c != mask_index and (not i or c != path[i - 1])]

    costs = []
    for row, x, count, steps in zip(labels, logits, label_length, logit_length, strict=True):
        p = np.exp(x) / np.exp(x).sum(-1, keepdims=True)
        paths = itertools.product(range(x.shape[1]), repeat=int(steps))
        right = [path for path in paths if stands_for(path) == row[:count].tolist()]
        costs.append(-np.log(sum(np.prod(p[range(steps), path]) for path in right)))
    return np.array(costs, logits.dtype)


def steps():
    """Arguments: logits of sequences, and how many steps of each count."""
    return lambda rng: ((rng.normal(size=(4, 9, 5)) * 2).astype(np.float32), i32(9, 7, 5, 2))


def projected(x):
    """The projection onto the simplex by bisection; Keras' sparsemax leaves rows whose sum is not 1."""
    low, high = x.min(-1, keepdims=True) - 1, x.max(-1, keepdims=True)
    for _ in range(60):
        middle = (low + high) / 2
        above = np.maximum(x - middle, 0).sum(-1, keepdims=True) > 1
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    return np.maximum(x - low, 0).astype(np.float32)


def in_tensorflow(name):
    """TensorFlow's function as an oracle, where TensorFlow lacks the gradient (on the CPU, or in float64)."""

    def oracle(*args, **kwargs):
        import tensorflow as tf

        return np.asarray(getattr(tf.nn, name)(*args, **kwargs))

    return oracle


_POINTS = (0.0,)
ACTIVATIONS = [
    Case("nn.relu", away_from(_POINTS, 3, 4), grad=(0,)),
    Case("nn.relu", fixed(i32(-2, 0, 3)), id="int"),
    Case("nn.relu", fixed(f32(np.nan, np.inf, -np.inf)), id="extreme"),
    Case("nn.relu6", lambda rng: (rng.uniform(-9, 9, (4, 5)).astype(np.float32),)),
    Case("nn.relu6", away_from((0.0, 6.0), 3, 4), grad=(0,), id="grad"),
    Case("nn.leaky_relu", away_from(_POINTS, 3, 4), grad=(0,)),
    Case("nn.leaky_relu", away_from(_POINTS, 3, 4), {"alpha": 0.05}, grad=(0,), id="alpha"),
    Case("ops.leaky_relu", away_from(_POINTS, 3, 4), {"negative_slope": 0.3}),
    Case("nn.elu", away_from(_POINTS, 3, 4), grad=(0,)),
    Case("ops.elu", away_from(_POINTS, 3, 4), {"alpha": 0.5}, grad=(0,), id="alpha"),
    Case("nn.selu", away_from(_POINTS, 3, 4), grad=(0,)),
    Case("sigmoid", normal((3, 4), scale=3), grad=(0,)),
    Case("sigmoid", fixed(f32(-200, -1, 0, 90)), id="extreme"),
    Case("tanh", normal((3, 4)), grad=(0,)),
    Case("nn.gelu", normal((3, 4)), grad=(0,)),
    Case("nn.gelu", normal((3, 4)), {"approximate": True}, grad=(0,), id="tanh"),
    Case("ops.gelu", normal((3, 4))),
    Case("nn.silu", normal((3, 4)), grad=(0,)),
    Case("nn.swish", normal((3, 4)), {"beta": 0.7}, grad=(0,), id="beta"),
    Case("ops.silu", normal((3, 4))),
    Case("nn.softplus", normal((3, 4), scale=10), grad=(0,), rtol=2e-5),
    Case("nn.softsign", normal((3, 4)), grad=(0,)),
    Case("math.log_sigmoid", normal((3, 4), scale=10), grad=(0,)),
    Case("mish", normal((3, 4)), oracle=lambda x: x * np.tanh(np.log1p(np.exp(x))), grad=(0,)),
    Case("ops.hard_sigmoid", away_from((-3.0, 3.0), 3, 4), grad=(0,)),
    Case("ops.hard_silu", away_from((-3.0, 3.0), 3, 4), grad=(0,)),
    Case("ops.hard_tanh", away_from((-1.0, 1.0), 3, 4), grad=(0,)),
    Case("K.hard_sigmoid", away_from((-2.5, 2.5), 3, 4), grad=(0,)),
    Case("K.relu", away_from(_POINTS, 3, 4), grad=(0,)),
    Case(
        "K.relu",
        away_from((0.0, 0.5, 1.5), 5, 4),
        {"alpha": 0.2, "max_value": 1.5, "threshold": 0.5},
        id="general",
    ),
    Case("ops.celu", away_from(_POINTS, 3, 4), {"alpha": 0.7}, grad=(0,)),
    Case("ops.threshold", away_from((0.5,), 3, 4), {"threshold": 0.5, "default_value": -1.0}, grad=(0,)),
    Case("ops.hard_shrink", away_from((-0.5, 0.5), 3, 4), grad=(0,)),
    Case("ops.soft_shrink", away_from((-0.5, 0.5), 3, 4), grad=(0,)),
    Case("ops.tanh_shrink", normal((3, 4)), grad=(0,), atol=1e-5),
    Case("ops.squareplus", normal((3, 4)), grad=(0,)),
    Case("ops.sparse_plus", away_from((-1.0, 1.0), 3, 4), grad=(0,)),
    Case("ops.sparse_sigmoid", away_from((-1.0, 1.0), 3, 4), grad=(0,)),
    Case("ops.glu", normal((3, 4)), grad=(0,)),
    Case("nn.crelu", away_from(_POINTS, 3, 4), grad=(0,)),
    Case("ops.sparsemax", normal((3, 5)), oracle=projected, grad=(0,)),
]

LOSSES = [
    Case("nn.softmax", normal((3, 4), scale=3), grad=(0,)),
    Case("nn.softmax", normal((3, 4, 2)), {"axis": 1}, grad=(0,), id="axis"),
    Case("nn.softmax", fixed(f32([[1000, -1000, 3]])), id="extreme"),
    Case("ops.softmax", normal((3, 4, 2)), {"axis": (1, 2)}, grad=(0,), id="axes"),
    Case("nn.log_softmax", normal((3, 4), scale=3), grad=(0,)),
    Case("nn.log_softmax", normal((3, 4, 2)), {"axis": 1}, grad=(0,), id="axis"),
    Case("nn.sigmoid_cross_entropy_with_logits", labels_and("logits", 3, 4), grad=(0, 1)),
    Case(
        "nn.weighted_cross_entropy_with_logits",
        lambda rng: (*labels_and("logits", 3, 4)(rng), np.float32(2.5)),
        grad=(0, 1),
    ),
    Case("nn.softmax_cross_entropy_with_logits", labels_and("logits", 3, 4), grad=(1,)),
    Case("nn.softmax_cross_entropy_with_logits", labels_and("logits", 3, 4, 4), {"axis": 1}, id="axis"),
    Case("nn.sparse_softmax_cross_entropy_with_logits", classes_and("logits", 3, 4), grad=(1,)),
    Case(
        "nn.sparse_softmax_cross_entropy_with_logits",
        classes_and("logits", 2, 3, 4, dtype=np.int64),
        id="rank3",
    ),
    Case("ops.binary_crossentropy", labels_and("probabilities", 3, 4), grad=(1,)),
    Case(
        "ops.binary_crossentropy", labels_and("logits", 3, 4), {"from_logits": True}, grad=(1,), id="logits"
    ),
    Case("ops.binary_crossentropy", fixed(f32(0, 1, 0, 1), f32(0, 0, 1, 1)), id="clipped"),
    Case("ops.categorical_crossentropy", labels_and("probabilities", 3, 4), grad=(1,)),
    Case(
        "ops.categorical_crossentropy",
        labels_and("logits", 3, 4),
        {"from_logits": True},
        grad=(1,),
        id="logits",
    ),
    Case(
        "ops.categorical_crossentropy",
        labels_and("logits", 3, 4, 2),
        {"from_logits": True, "axis": 1},
        id="axis",
    ),
    Case("ops.sparse_categorical_crossentropy", classes_and("probabilities", 3, 4), grad=(1,)),
    Case(
        "ops.sparse_categorical_crossentropy",
        classes_and("logits", 3, 4),
        {"from_logits": True},
        grad=(1,),
        id="logits",
    ),
    Case(
        "K.sparse_categorical_crossentropy",
        fixed(i32(0, 2, 1), f32([[0.2, 0.3, 0.5], [1, 0, 0], [0.1, 0.8, 0.1]])),
        {"ignore_class": 1},
        tf="ops.sparse_categorical_crossentropy",
        oracle=lambda z, p, ignore_class: np.where(
            z == ignore_class,
            0,
            -np.log(np.clip(p, 1e-7, 1 - 1e-7)[range(3), z] / np.clip(p, 1e-7, 1 - 1e-7).sum(-1)),
        ).astype(np.float32),
        id="ignored",
    ),
    Case("nn.l2_loss", normal((3, 4)), grad=(0,)),
    Case("ops.ctc_loss", sequences(0), grad=(1,), oracle=ctc_oracle),
    Case("ops.ctc_loss", sequences(2), {"mask_index": 2}, grad=(1,), oracle=ctc_oracle, id="blank"),
    Case("ops.ctc_decode", steps(), check_dtype=False),
    Case("ops.ctc_decode", steps(), {"merge_repeated": False, "mask_index": 2}, id="repeats"),
    Case(
        "ops.ctc_decode",
        steps(),
        {"strategy": "beam_search", "beam_width": 60, "top_paths": 3, "mask_index": 1},
        rtol=2e-5,
        id="beams",
    ),
]


def image_and_kernel(image, kernel):
    return lambda rng: (
        rng.normal(size=image).astype(np.float32),
        (rng.normal(size=kernel) * 0.3).astype(np.float32),
    )


def then(make, *more):
    """Arguments: those of `make`, and more."""
    return lambda rng: (*make(rng), *more)


_IMAGE = image_and_kernel((2, 7, 6, 3), (3, 2, 3, 4))
_LOOSE = {"rtol": 1e-4, "atol": 1e-5}
CONVOLUTIONS = [
    Case("nn.conv2d", then(_IMAGE, 1, "VALID"), grad=(0, 1), **_LOOSE),
    Case("nn.conv2d", then(_IMAGE, 1, "SAME"), grad=(0, 1), id="same", **_LOOSE),
    Case("nn.conv2d", then(_IMAGE, [1, 2, 3, 1], "SAME"), grad=(0, 1), id="strides", **_LOOSE),
    Case("nn.conv2d", then(_IMAGE, (2, 1), "VALID"), {"dilations": (1, 2)}, id="dilations", **_LOOSE),
    Case(
        "nn.conv2d",
        then(_IMAGE, 1, "SAME"),
        {"dilations": 2},
        grad=(0, 1),
        id="same_dilated",
        oracle=in_tensorflow("conv2d"),
        **_LOOSE,
    ),
    Case(
        "nn.conv2d", then(_IMAGE, 2, [[0, 0], [1, 2], [0, 3], [0, 0]]), grad=(0, 1), id="explicit", **_LOOSE
    ),
    Case(
        "nn.conv2d",
        then(image_and_kernel((2, 5, 5, 4), (3, 3, 2, 6)), 1, "SAME"),
        grad=(0, 1),
        id="groups",
        oracle=in_tensorflow("conv2d"),
        **_LOOSE,
    ),
    Case(
        "nn.conv2d", then(image_and_kernel((2, 3, 5, 5, 2), (3, 3, 2, 4)), 1, "SAME"), id="batches", **_LOOSE
    ),
    Case(
        "nn.conv2d",
        then(image_and_kernel((2, 4, 4, 3), (1, 1, 3, 5)), 1, "VALID"),
        grad=(0, 1),
        id="1x1",
        **_LOOSE,
    ),
    Case("nn.conv1d", then(image_and_kernel((2, 9, 3), (3, 3, 4)), 2, "SAME"), grad=(0, 1), **_LOOSE),
    Case(
        "nn.conv1d",
        then(image_and_kernel((2, 9, 3), (3, 3, 4)), 1, "VALID"),
        {"dilations": 2},
        id="dilated",
        **_LOOSE,
    ),
    Case(
        "nn.conv3d",
        then(image_and_kernel((1, 4, 5, 6, 2), (2, 3, 2, 2, 3)), [1, 1, 2, 1, 1], "SAME"),
        grad=(0, 1),
        **_LOOSE,
    ),
    Case("nn.convolution", then(_IMAGE, 2, "SAME"), **_LOOSE),
    Case(
        "nn.depthwise_conv2d",
        then(image_and_kernel((2, 6, 5, 3), (3, 2, 3, 2)), [1, 1, 1, 1], "SAME"),
        grad=(0, 1),
        **_LOOSE,
    ),
    Case(
        "nn.depthwise_conv2d",
        then(image_and_kernel((2, 6, 6, 3), (3, 3, 3, 1)), [1, 2, 2, 1], "VALID"),
        grad=(0, 1),
        id="strides",
        **_LOOSE,
    ),
    Case(
        "nn.separable_conv2d",
        lambda rng: (
            rng.normal(size=(2, 5, 5, 3)).astype(np.float32),
            rng.normal(size=(3, 3, 3, 2)).astype(np.float32),
            rng.normal(size=(1, 1, 6, 4)).astype(np.float32),
            [1, 1, 1, 1],
            "SAME",
        ),
        **_LOOSE,
    ),
    Case(
        "nn.conv2d_transpose",
        then(image_and_kernel((2, 3, 4, 4), (3, 3, 5, 4)), [2, 6, 8, 5], 2),
        grad=(0, 1),
        **_LOOSE,
    ),
    Case(
        "nn.conv2d_transpose",
        then(image_and_kernel((2, 3, 4, 4), (3, 3, 5, 4)), [2, 7, 9, 5], 2, "VALID"),
        id="valid",
        **_LOOSE,
    ),
    Case(
        "nn.conv1d_transpose",
        then(image_and_kernel((2, 4, 3), (3, 2, 3)), [2, 8, 2], 2),
        **_LOOSE,
    ),
    Case("nn.atrous_conv2d", then(_IMAGE, 2, "SAME"), **_LOOSE),
    Case("ops.conv", _IMAGE, {"strides": 2, "padding": "same"}, **_LOOSE),
    Case("ops.depthwise_conv", image_and_kernel((2, 6, 5, 3), (3, 2, 3, 2)), {"padding": "same"}, **_LOOSE),
    Case(
        "ops.separable_conv",
        lambda rng: (
            rng.normal(size=(2, 5, 5, 3)).astype(np.float32),
            rng.normal(size=(3, 3, 3, 2)).astype(np.float32),
            rng.normal(size=(1, 1, 6, 4)).astype(np.float32),
        ),
        **_LOOSE,
    ),
    Case(
        "ops.conv_transpose",
        image_and_kernel((2, 3, 4, 4), (3, 3, 5, 4)),
        {"strides": 2},
        grad=(0, 1),
        **_LOOSE,
    ),
    Case(
        "ops.conv_transpose",
        image_and_kernel((2, 3, 4, 4), (3, 3, 5, 4)),
        {"strides": 2, "padding": "same"},
        id="same",
        **_LOOSE,
    ),
    Case("ops.conv_transpose", image_and_kernel((2, 3, 4), (2, 5, 4)), {"strides": 3}, id="gaps", **_LOOSE),
    Case("K.conv2d", _IMAGE, {"padding": "same"}, **_LOOSE),
    Case(
        "K.conv1d",
        image_and_kernel((2, 9, 3), (3, 3, 4)),
        {"padding": "causal", "dilation_rate": 2},
        **_LOOSE,
    ),
    Case("K.conv3d", image_and_kernel((1, 4, 5, 6, 2), (2, 3, 2, 2, 3)), **_LOOSE),
    Case("K.depthwise_conv2d", image_and_kernel((2, 6, 5, 3), (3, 2, 3, 2)), **_LOOSE),
    Case(
        "K.conv2d_transpose",
        then(image_and_kernel((2, 3, 4, 4), (3, 3, 5, 4)), (2, 6, 8, 5)),
        {"strides": (2, 2), "padding": "same"},
        **_LOOSE,
    ),
]

POOLING = [
    Case("nn.max_pool2d", then(distinct(2, 6, 4, 3), 2, 2, "VALID"), grad=(0,)),
    Case("nn.max_pool2d", then(distinct(2, 7, 5, 3), 2, 2, "SAME"), grad=(0,), id="same"),
    Case(
        "nn.max_pool2d",
        then(distinct(2, 7, 6, 2), [1, 3, 2, 1], [1, 2, 1, 1], "SAME"),
        grad=(0,),
        id="overlap",
    ),
    Case("nn.max_pool2d", then(distinct(2, 9, 9, 2), 7, 2, "VALID"), grad=(0,), id="large"),
    Case("nn.max_pool2d", then(distinct(2, 7, 6, 2), 3, 2, [[0, 0], [1, 0], [0, 1], [0, 0]]), id="explicit"),
    Case("nn.max_pool2d", then(fixed(np.zeros((1, 4, 4, 1), np.float32)), 2, 2, "VALID"), grad=(), id="ties"),
    Case("nn.max_pool2d", then(distinct(2, 8, 16, 2), 8, 8, "VALID"), grad=(0,), id="large_tiles"),
    Case("nn.max_pool", then(distinct(2, 6, 4, 3), 2, 2, "VALID")),
    Case("nn.max_pool1d", then(distinct(2, 9, 3), 3, 2, "SAME"), grad=(0,)),
    Case(
        "nn.max_pool3d",
        oracle=in_tensorflow("max_pool3d"),
        args=then(distinct(1, 4, 4, 6, 2), 2, 2, "VALID"),
        grad=(0,),
    ),
    Case("nn.avg_pool2d", then(normal((2, 6, 4, 3)), 2, 2, "VALID"), grad=(0,)),
    Case("nn.avg_pool2d", then(normal((2, 7, 5, 3)), 3, 2, "SAME"), grad=(0,), id="same"),
    Case("nn.avg_pool2d", then(normal((2, 9, 9, 2)), 7, 1, "SAME"), grad=(0,), id="large"),
    Case("nn.max_pool2d", then(distinct(2, 7, 5, 3), 2, 2, "VALID"), grad=(0,), id="remainder"),
    Case("nn.max_pool2d", then(distinct(1, 15, 9, 1), 7, 7, "SAME"), grad=(0,), id="large_same"),
    Case("nn.avg_pool2d", then(normal((2, 7, 5, 3)), 2, 2, "VALID"), grad=(0,), id="remainder"),
    Case("nn.avg_pool2d", then(normal((2, 7, 5, 3)), 2, 2, "SAME"), grad=(0,), id="same_tiles"),
    Case("nn.avg_pool2d", then(normal((1, 15, 9, 1)), 7, 7, "SAME"), grad=(0,), id="large_same"),
    Case("nn.avg_pool", then(normal((2, 6, 4, 3)), 2, 2, "VALID")),
    Case("nn.avg_pool1d", then(normal((2, 9, 3)), 3, 2, "SAME"), grad=(0,)),
    Case(
        "nn.avg_pool3d",
        oracle=in_tensorflow("avg_pool3d"),
        args=then(normal((1, 4, 4, 6, 2)), 2, 2, "VALID"),
        grad=(0,),
    ),
    Case("nn.pool", then(normal((2, 6, 4, 3)), [2, 2], "MAX", [2, 1], "SAME")),
    Case("nn.pool", then(normal((2, 6, 4, 3)), [2, 2], "AVG"), id="avg"),
    Case("ops.max_pool", then(normal((2, 6, 4, 3)), 2)),
    Case("ops.average_pool", then(normal((2, 6, 5, 3)), (2, 3)), {"strides": 1, "padding": "same"}),
    Case("K.pool2d", then(normal((2, 6, 4, 3)), (2, 2)), {"strides": (2, 2)}),
    Case("K.pool3d", then(normal((1, 4, 4, 6, 2)), (2, 2, 2)), {"pool_mode": "avg"}),
]


def moved(x, mean, scale):
    return (x - mean) / scale


def dense_oracle(x, kernel, bias=0.0, summed=1, activation="linear"):
    y = np.tensordot(x, kernel, summed) + bias
    known = {"relu": lambda y: np.maximum(y, 0), "tanh": np.tanh, "sigmoid": lambda y: 1 / (1 + np.exp(-y))}
    return y if activation == "linear" else known[activation](y)


def layer_oracle(x, *parameters, axis=-1, epsilon=1e-3, scale=False, center=False, rms=False):
    x = x.astype(np.float64)
    centered = x if rms else x - x.mean(axis, keepdims=True)
    y = centered / np.sqrt((centered**2).mean(axis, keepdims=True) + epsilon)
    y = y * parameters[0] if scale else y
    return (y + parameters[-1] if center else y).astype(np.float32)


def batch_oracle(x, *parameters, axis=None, epsilon=1e-3, scale=False, center=False):
    mean, variance = x.mean(axis), x.var(axis)
    y = (x - mean) / np.sqrt(variance + epsilon)
    y = y * parameters[0] if scale else y
    return [y + parameters[-1] if center else y, mean, variance]


def group_oracle(x, gamma=None, beta=None, *, groups, epsilon=1e-3):
    split = x.astype(np.float64).reshape(x.shape[0], -1, groups, x.shape[-1] // groups)
    mean, variance = split.mean((1, 3), keepdims=True), split.var((1, 3), keepdims=True)
    y = ((split - mean) / np.sqrt(variance + epsilon)).reshape(x.shape)
    return (y * (1 if gamma is None else gamma) + (0 if beta is None else beta)).astype(np.float32)


def masked_softmax_oracle(x, mask, axis=-1, zero_hidden=True):
    x = np.where(mask > 0.5, x, x - 1e9)
    weights = np.exp(x - x.max(axis, keepdims=True))
    weights = weights / weights.sum(axis, keepdims=True)
    return np.where(mask > 0.5, weights, 0).astype(np.float32) if zero_hidden else weights


def logits_and_mask(kind):
    def make(rng):
        mask = rng.random((2, 1, 4)) > 0.4
        mask[..., 0] = True
        return rng.normal(size=(2, 3, 4)).astype(np.float32), mask.astype(kind)

    return make


def additive_oracle(query, key, scale=1):
    return (np.tanh(query[..., :, None, :] + key[..., None, :, :]) * scale).sum(-1)


NORMALIZATION = [
    Case("additive_scores", normal((2, 3, 4), (2, 5, 4)), oracle=additive_oracle, grad=(0, 1), atol=1e-5),
    Case(
        "additive_scores",
        normal((2, 3, 4), (2, 5, 4), (4,)),
        oracle=additive_oracle,
        grad=(0, 1, 2),
        id="scale",
        atol=1e-5,
    ),
    Case("group_norm", normal((3, 5, 4)), {"groups": 2}, oracle=group_oracle, grad=(0,), atol=1e-5),
    Case(
        "group_norm",
        normal((3, 5, 2, 6), (6,), (6,)),
        {"groups": 3, "epsilon": 0.1},
        oracle=group_oracle,
        grad=(0, 1, 2),
        id="affine",
        atol=1e-5,
    ),
    Case("masked_softmax", logits_and_mask(bool), oracle=masked_softmax_oracle, grad=(0,)),
    Case(
        "masked_softmax",
        logits_and_mask("float32"),
        {"axis": (1, 2), "zero_hidden": False},
        oracle=masked_softmax_oracle,
        grad=(0,),
        id="axes",
    ),
    Case("dense", normal((3, 5), (5, 4)), oracle=dense_oracle, grad=(0, 1)),
    Case(
        "dense",
        normal((3, 2, 5), (5, 4), (4,)),
        {"activation": "relu"},
        oracle=dense_oracle,
        grad=(0, 1, 2),
        id="relu",
    ),
    Case(
        "dense",
        normal((3, 2, 5), (2, 5, 4, 3), (4, 3)),
        {"activation": "tanh", "summed": 2},
        oracle=dense_oracle,
        grad=(0, 1, 2),
        id="axes",
    ),
    Case(
        "dense",
        normal((3, 5), (5, 2), (2,)),
        {"activation": "sigmoid"},
        oracle=dense_oracle,
        grad=(0, 1, 2),
        id="sigmoid",
    ),
    Case("layer_norm", normal((3, 5)), oracle=layer_oracle, grad=(0,)),
    Case(
        "layer_norm",
        normal((3, 5), (5,), (5,)),
        {"scale": True, "center": True},
        oracle=layer_oracle,
        grad=(0, 1, 2),
        id="affine",
    ),
    Case(
        "layer_norm",
        normal((3, 5), (5,)),
        {"scale": True, "rms": True},
        oracle=layer_oracle,
        grad=(0, 1),
        id="rms",
    ),
    Case("ops.layer_normalization", normal((3, 4, 5), (5,), (5,)), {"epsilon": 1e-3}, atol=1e-5),
    Case("ops.rms_normalization", normal((3, 4, 5), (5,)), atol=1e-5),
    Case("batch_norm", normal((6, 5), shift=2), {"axis": 0}, oracle=batch_oracle, atol=1e-5),
    Case(
        "batch_norm",
        normal((4, 3, 3, 2), (2,), (2,)),
        {"axis": (0, 1, 2), "scale": True, "center": True},
        oracle=batch_oracle,
        grad=(0, 1, 2),
        atol=1e-5,
        id="affine",
    ),
    Case(
        "nn.batch_normalization",
        lambda rng: (*normal((4, 3), (3,))(rng), *uniform(0.5, 2, (3,))(rng), *normal((3,), (3,))(rng), 1e-3),
        grad=(0, 1, 2, 3, 4),
        atol=1e-5,
    ),
    Case(
        "nn.batch_normalization",
        lambda rng: (*normal((4, 3), (3,))(rng), *uniform(0.5, 2, (3,))(rng), None, None, 1e-3),
        grad=(0, 1, 2),
        atol=1e-5,
        id="plain",
    ),
    Case(
        "ops.batch_normalization",
        lambda rng: (*normal((4, 3, 2), (3,))(rng), *uniform(0.5, 2, (3,))(rng), 1),
        atol=1e-5,
    ),
    Case("nn.bias_add", normal((2, 3, 4), (4,)), grad=(0, 1)),
    Case("nn.bias_add", normal((2, 3, 4, 5), (3,)), {"data_format": "NCHW"}, grad=(0, 1), id="first"),
    Case("K.bias_add", normal((2, 3, 4), (3, 4)), id="full"),
    Case("K.bias_add", normal((2, 3, 4), (4,))),
    Case(
        "nn.local_response_normalization",
        normal((2, 3, 3, 7)),
        oracle=in_tensorflow("local_response_normalization"),
        kwargs={"depth_radius": 2, "bias": 1.5, "alpha": 0.3, "beta": 0.6},
        grad=(0,),
    ),
    Case("nn.lrn", normal((2, 3, 3, 7))),
]

BACKEND = [
    Case(
        "K.batch_normalization",
        lambda rng: (*normal((4, 3), (3,))(rng), *uniform(0.5, 2, (3,))(rng), *normal((3,), (3,))(rng)),
        atol=1e-5,
    ),
    Case(
        "K.normalize_batch_in_training",
        normal((4, 3), (3,), (3,)),
        {"reduction_axes": [0]},
        rtol=1e-4,
        atol=1e-5,
    ),
    Case(
        "K.separable_conv2d",
        lambda rng: (*normal((2, 5, 5, 3), (3, 3, 3, 2), (1, 1, 6, 4))(rng),),
        rtol=1e-4,
        atol=1e-5,
    ),
    Case(
        "K.resize_images",
        normal((2, 3, 4, 2)),
        {"height_factor": 2, "width_factor": 3, "data_format": "channels_last"},
    ),
    Case(
        "K.resize_images",
        normal((2, 3, 4, 2)),
        {"height_factor": 2, "width_factor": 2, "data_format": "channels_last", "interpolation": "bilinear"},
        id="bilinear",
    ),
]

_MASK = np.array([[True, False, True, True], [True, True, True, False], [False, True, True, True]])
ATTENTION = [
    Case("ops.dot_product_attention", normal((2, 3, 4, 5), (2, 6, 4, 5), (2, 6, 4, 7)), rtol=1e-4, atol=1e-5),
    Case(
        "ops.dot_product_attention",
        normal((2, 4, 4, 5), (2, 4, 2, 5), (2, 4, 2, 5)),
        {"is_causal": True},
        rtol=1e-4,
        atol=1e-5,
        id="causal_groups",
    ),
    Case(
        "ops.dot_product_attention",
        lambda rng: (*normal((2, 3, 2, 5), (2, 4, 2, 5), (2, 4, 2, 5), (1, 2, 3, 4))(rng), _MASK[None, None]),
        {"scale": 0.3},
        rtol=1e-4,
        atol=1e-5,
        id="bias_mask",
    ),
    Case("nn.compute_average_loss", normal((6,), (6,)), {"global_batch_size": 8}),
    Case("nn.compute_average_loss", normal((6,)), id="own_size"),
    Case("nn.scale_regularization_loss", normal((6,))),
]

CASES = [*ACTIVATIONS, *LOSSES, *CONVOLUTIONS, *POOLING, *NORMALIZATION, *ATTENTION, *BACKEND]
