"""Inference: `model(x)` and `model.predict(x)` of five networks, of one sample and of 256.

The samples are NumPy arrays. `predict` has one batch. PyTorch by hand runs its modules under `inference_mode`, and
ONNX Runtime runs the model that Dovetail exports; both have no `predict`, and stand beside it with what they have.
Models that have answered for some seconds are timed, as those of a server: see `SETTLING_S`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks import flops
from benchmarks.checks import as_numpy
from benchmarks.exported import FEW, IMAGE_SIZE, INPUTS, MODELS, exported
from benchmarks.frameworks import Loaded
from benchmarks.kinds import Bar, BenchmarkError, Run, Side, Workload, loop

BATCHES = (1, 256)
SETTLING_S = 5.0  # of calls before the first timed one: what compiles after some time has done so
FRAMEWORKS = ("tf_keras", "keras_tf", "keras_jax", "keras_torch", "torch")


@dataclass(frozen=True)
class Network:
    """A network that answers.

    Args:
        name: in `exported.MODELS`.
        torch_model: its builder in by_hand_torch.
        flops: operations of one sample.
        inward: order of the axes for PyTorch; None keeps the data's.
    """

    name: str
    torch_model: str
    flops: float
    inward: tuple[int, ...] | None = None


NETWORKS = (
    Network("mlp", "mlp", sum(flops.MLP_LAYERS)),
    Network("cnn", "cnn", sum(flops.CNN_LAYERS), (0, 3, 1, 2)),
    Network("resnet50", "ResNet50", flops.resnet50(IMAGE_SIZE), (0, 3, 1, 2)),
    Network("lstm", "lstm", flops.lstm()),
    Network("transformer", "Transformer", flops.transformer()),
)


class Answers:
    """Check that outputs are finite and not all the same, and the first ones what they should be, if that is known."""

    def __init__(self, rows: int, expected: np.ndarray | None = None) -> None:
        self.rows, self.expected = rows, expected

    def __call__(self, found: Any) -> None:
        array = as_numpy(found)
        if not np.isfinite(array).all() or array.std() == 0 or len(array) % self.rows:
            raise BenchmarkError(f"outputs of shape {array.shape} are not finite, all the same, or too few")
        if self.expected is not None:
            known = min(self.rows, FEW)
            if not np.allclose(array[:known], self.expected[:known], atol=1e-3):
                raise BenchmarkError("the outputs are not those of the model that was exported")


def settled(call: Callable[..., Any], *args: Any) -> Callable[[], Any]:
    """Return the call of a function after it has been called for some seconds."""
    begin = time.perf_counter()
    while time.perf_counter() - begin < SETTLING_S:
        as_numpy(call(*args))
    return lambda: call(*args)


def call_keras(network: Network, rows: int) -> Callable[[Loaded], Run]:
    """Time `model(x)` in any Keras."""

    def build(fw: Loaded) -> Run:
        call = loop(settled(MODELS[network.name](fw), INPUTS[network.name](rows)))
        return Run(call, Answers(rows), finish=as_numpy)

    return build


def predict_keras(network: Network, rows: int) -> Callable[[Loaded], Run]:
    """Time `model.predict(x, verbose=0)` in any Keras."""

    def build(fw: Loaded) -> Run:
        model, x = MODELS[network.name](fw), INPUTS[network.name](rows)
        return Run(loop(lambda: model.predict(x, batch_size=rows, verbose=0)), Answers(rows))

    return build


def call_torch(network: Network, rows: int) -> Callable[[Loaded], Run]:
    """Time the module of PyTorch."""

    def build(fw: Loaded) -> Run:
        torch, x = fw.torch, INPUTS[network.name](rows)
        if network.inward:
            x = np.ascontiguousarray(x.transpose(network.inward))
        model = getattr(fw.by_hand, network.torch_model)().eval()

        def call() -> Any:
            with torch.inference_mode():
                return model(torch.from_numpy(x))

        return Run(loop(call), Answers(rows))

    return build


def call_onnxruntime(network: Network, rows: int) -> Callable[[Loaded], Run]:
    """Time ONNX Runtime, with its default options, on the exported model."""

    def build(fw: Loaded) -> Run:
        model, expected = exported(network.name)
        session = fw.onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
        feed = {session.get_inputs()[0].name: INPUTS[network.name](rows)}
        return Run(loop(lambda: session.run(None, feed)[0]), Answers(rows, expected))

    return build


def workload(network: Network, rows: int, predict: bool) -> Workload:
    """Return the workload of a network, a way to ask it, and a number of samples."""
    ours = (predict_keras if predict else call_keras)(network, rows)
    words = "model.predict(x, verbose=0)" if predict else "model(x)"
    return Workload(
        name=f"{'predict' if predict else 'call'}_{network.name}_{rows}",
        about=f"{words} of the {network.name} on {rows} sample{'s' if rows > 1 else ''}",
        unit="samples/s",
        sides=(
            *(Side(name, name, ours) for name in ("dovetail", *FRAMEWORKS[:-1])),
            Side("torch", "torch", call_torch(network, rows)),
            Side("onnxruntime", "onnxruntime", call_onnxruntime(network, rows)),
        ),
        bars=(
            Bar("at least 1x the best framework", than=FRAMEWORKS, at_least=1.0),
            Bar("at least 0.7x ONNX Runtime", than="onnxruntime", at_least=0.7),
        ),
        flops=network.flops if rows > 1 else None,
    )


WORKLOADS = tuple(
    workload(network, rows, predict) for network in NETWORKS for predict in (False, True) for rows in BATCHES
)
