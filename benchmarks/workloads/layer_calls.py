"""Eager calls of layers, outside of any model, beside the modules of PyTorch, without gradients.

One workload a layer, on inputs of the size of a small batch: (16, 32, 128) for sequences, (16, 32, 32, 16) for images
(channels first in PyTorch).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.checks import as_numpy
from benchmarks.frameworks import Loaded
from benchmarks.kinds import Bar, BenchmarkError, Run, Side, Workload, loop

RNG = np.random.default_rng(0)
SEQUENCE = RNG.normal(size=(16, 32, 128)).astype("float32")
IMAGE = RNG.normal(size=(16, 32, 32, 16)).astype("float32")
IDS = RNG.integers(0, 1000, (16, 32)).astype("int32")


@dataclass(frozen=True)
class Pair:
    """A layer and its counterpart.

    Args:
        name: of the workload, after "layer_".
        ours: `f(keras.layers)` makes the layer.
        theirs: `f(torch.nn)` makes the module.
        x: the input.
        twice: the input is two arguments.
    """

    name: str
    ours: Callable[[Any], Any]
    theirs: Callable[[Any], Any]
    x: np.ndarray
    twice: bool = False


class Alive:
    """Check that a result is finite, and not the same everywhere."""

    def __call__(self, found: Any) -> None:
        array = as_numpy(found[0] if isinstance(found, tuple) else found)
        if not np.isfinite(array).all() or array.std() == 0:
            raise BenchmarkError("the outputs are not finite, or all the same")


PAIRS = (
    Pair(
        "dense",
        lambda k: k.Dense(128, activation="relu"),
        lambda n: n.Sequential(n.Linear(128, 128), n.ReLU()),
        SEQUENCE,
    ),
    Pair(
        "einsum_dense",
        lambda k: k.EinsumDense("abc,cde->abde", (None, 4, 32), bias_axes="de"),
        lambda n: n.Sequential(n.Linear(128, 128), n.Unflatten(-1, (4, 32))),
        SEQUENCE,
    ),
    Pair("conv2d", lambda k: k.Conv2D(16, 3), lambda n: n.Conv2d(16, 16, 3), IMAGE),
    Pair("embedding", lambda k: k.Embedding(1000, 128), lambda n: n.Embedding(1000, 128), IDS),
    Pair("layer_norm", lambda k: k.LayerNormalization(), lambda n: n.LayerNorm(128), SEQUENCE),
    Pair("group_norm", lambda k: k.GroupNormalization(4), lambda n: n.GroupNorm(4, 16), IMAGE),
    Pair("batch_norm", lambda k: k.BatchNormalization(), lambda n: n.BatchNorm2d(16).eval(), IMAGE),
    Pair("max_pooling", lambda k: k.MaxPooling2D(), lambda n: n.MaxPool2d(2), IMAGE),
    Pair("average_pooling", lambda k: k.AveragePooling2D(2), lambda n: n.AvgPool2d(2), IMAGE),
    Pair("global_pooling", lambda k: k.GlobalAveragePooling2D(), lambda n: n.AdaptiveAvgPool2d(1), IMAGE),
    Pair("softmax", lambda k: k.Softmax(), lambda n: n.Softmax(-1), SEQUENCE),
    Pair(
        "attention",
        lambda k: k.MultiHeadAttention(4, 32),
        lambda n: _Attention(n.MultiheadAttention(128, 4, batch_first=True)),
        SEQUENCE,
        twice=True,
    ),
)


class _Attention:
    """Calls PyTorch's module on a query and a value, without asking for the scores."""

    def __init__(self, module: Any) -> None:
        self.module = module

    def __call__(self, query: Any, value: Any) -> Any:
        return self.module(query, value, value, need_weights=False)[0]


def call_keras(pair: Pair) -> Callable[[Loaded], Run]:
    """Time a call of the layer on a tensor that is there already."""

    def build(fw: Loaded) -> Run:
        layer, x = pair.ours(fw.keras.layers), fw.tf.constant(pair.x)
        return Run(loop(layer, *((x, x) if pair.twice else (x,))), Alive(), finish=as_numpy)

    return build


def call_torch(pair: Pair) -> Callable[[Loaded], Run]:
    """Time a call of the module, without gradients."""

    def build(fw: Loaded) -> Run:
        fw.torch.set_grad_enabled(False)
        module, x = pair.theirs(fw.torch.nn), fw.torch.from_numpy(pair.x)
        x = x.long() if pair.x.dtype == np.int32 else x
        x = x.permute(0, 3, 1, 2).contiguous() if x.ndim == 4 else x
        return Run(loop(module, *((x, x) if pair.twice else (x,))), Alive())

    return build


def workload(pair: Pair) -> Workload:
    """Return the workload of one layer."""
    return Workload(
        name=f"layer_{pair.name}",
        about=f"one eager call of a layer ({pair.name}) on an input of shape {pair.x.shape}",
        unit="us",
        sides=(
            Side("dovetail", "dovetail", call_keras(pair)),
            Side("keras_tf", "tensorflow", call_keras(pair)),
            Side("torch", "torch", call_torch(pair)),
        ),
        bars=(Bar("an eager call takes at most twice PyTorch's time", than="torch", at_least=0.5),),
    )


WORKLOADS = tuple(workload(pair) for pair in PAIRS)
