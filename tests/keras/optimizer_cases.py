"""Variables, gradients and training loops that the tests of optimizers share."""

import numpy as np

from dovetail import Variable
from dovetail.keras import optimizers
from dovetail.tensor import Tensor

SHAPES = {"kernel": (4, 3), "bias": (3,), "filters": (2, 2, 3, 2), "scale": ()}
STEPS = 5


def values(seed=0):
    rng = np.random.default_rng(seed)
    return [np.asarray(rng.normal(size=shape), np.float32) for shape in SHAPES.values()]


def gradients():
    return [values(seed) for seed in range(1, STEPS + 1)]


def variables():
    return [Variable(value, name=name) for value, name in zip(values(), SHAPES)]


def make(kind, arguments):
    return getattr(optimizers, kind)(**arguments)


def train(optimizer, own, steps=None):
    for step in gradients() if steps is None else steps:
        optimizer.apply_gradients(zip([Tensor(g) for g in step], own))
    return [np.asarray(v) for v in own]


def close(actual, expected, tolerance=1e-5):
    assert len(actual) == len(expected)
    for a, e in zip(actual, expected):
        np.testing.assert_allclose(a, e, rtol=tolerance, atol=1e-6)
