"""`model(x)` and `model.predict(x)` of the MLP on one sample: what a single request costs.

The sample is a NumPy array of shape (1, 784). PyTorch by hand converts it and runs under `inference_mode`;
it has no `predict`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks import data, keras_models
from benchmarks.checks import as_numpy
from benchmarks.frameworks import Loaded
from benchmarks.kinds import Bar, BenchmarkError, Run, Side, Workload, loop

X = data.digits(2)[0][:1]


class LogitsOf:
    """Check logits against the perceptron computed in NumPy from the model's own weights."""

    def __init__(self, weights: list[Any]) -> None:
        kernel_1, bias_1, kernel_2, bias_2 = (as_numpy(weight) for weight in weights)
        self.expected = np.maximum(X @ kernel_1 + bias_1, 0) @ kernel_2 + bias_2

    def __call__(self, logits: Any) -> None:
        found = as_numpy(logits)
        if found.shape != self.expected.shape or not np.allclose(found, self.expected, atol=1e-4):
            raise BenchmarkError("wrong logits")


def call_keras(fw: Loaded) -> Run:
    """Time `model(x)` in any Keras."""
    model = keras_models.mlp(fw.keras)
    return Run(loop(model, X), LogitsOf(model.get_weights()), finish=as_numpy)


def predict_keras(fw: Loaded) -> Run:
    """Time `model.predict(x, verbose=0)` in any Keras."""
    model = keras_models.compiled(fw.keras, keras_models.mlp(fw.keras))
    return Run(loop(lambda: model.predict(X, verbose=0)), LogitsOf(model.get_weights()))


def call_torch(fw: Loaded) -> Run:
    """Time the module on one sample."""
    torch = fw.torch
    model = fw.by_hand.mlp().eval()

    def call() -> Any:
        with torch.inference_mode():
            return model(torch.from_numpy(X))

    weights = [p.detach().t() for p in model.parameters()]
    return Run(loop(call), LogitsOf(weights))


KERAS_SIDES = ("dovetail", "tf_keras", "keras_tf", "keras_jax", "keras_torch")

WORKLOADS = (
    Workload(
        name="call_one",
        about="model(x) on one sample of the MLP, a NumPy array",
        unit="ms",
        sides=(
            *(Side(name, name, call_keras) for name in KERAS_SIDES),
            Side("torch", "torch", call_torch),
        ),
        bars=(
            Bar("model(x) of one sample at most 0.25 ms", at_most=0.25),
            Bar("model(x) faster than each peer", than="*", at_least=1.0),
        ),
    ),
    Workload(
        name="predict_one",
        about="model.predict(x, verbose=0) on one sample of the MLP",
        unit="ms",
        sides=tuple(Side(name, name, predict_keras) for name in KERAS_SIDES),
        bars=(
            Bar("predict(x) of one sample at most 0.4 ms", at_most=0.4),
            Bar("predict(x) faster than each peer", than="*", at_least=1.0),
        ),
    ),
)
