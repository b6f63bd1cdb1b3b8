"""Eager ops on small tensors: what one dispatch costs.

`eager_add` adds two float32 vectors of 8 elements; the `_xla` workloads force Dovetail's engine to XLA, and
compare with a bare call of a `jax.jit` function on arrays that are there already. `layer_norm`, `softmax`
and `gelu` on (32, 128) are ten or so operations each: at most twice one jitted call means that they went
out as one dispatch.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from benchmarks import data
from benchmarks.checks import EqualTo
from benchmarks.frameworks import Loaded
from benchmarks.kinds import Bar, Run, Side, Workload, loop

A: np.ndarray = np.arange(8, dtype=np.float32)
B = np.linspace(-1, 1, 8, dtype=np.float32)
X = np.random.default_rng(0).normal(size=(32, data.WIDTH)).astype(np.float32)


def add_tf(fw: Loaded) -> Run:
    """Time `tf.add`."""
    a, b = fw.tf.constant(A), fw.tf.constant(B)
    return Run(loop(fw.tf.add, a, b), EqualTo(A + B))


def add_torch(fw: Loaded) -> Run:
    """Time `torch.add`."""
    a, b = fw.torch.from_numpy(A), fw.torch.from_numpy(B)
    return Run(loop(fw.torch.add, a, b), EqualTo(A + B))


def add_jax(fw: Loaded) -> Run:
    """Time a bare call of a jitted add."""
    a, b = fw.jax.numpy.asarray(A), fw.jax.numpy.asarray(B)
    return Run(loop(fw.jax.jit(fw.jax.numpy.add), a, b), EqualTo(A + B), finish=fw.jax.block_until_ready)


def expected(name: str) -> np.ndarray:
    """Return what the composite op gives on X, computed in float64."""
    x = X.astype(np.float64)
    if name == "layer_norm":
        return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
    if name == "softmax":
        powers = np.exp(x - x.max(-1, keepdims=True))
        return powers / powers.sum(-1, keepdims=True)
    return x * 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


def composite_tf(name: str) -> Callable[[Loaded], Run]:
    """Time the composite op under TensorFlow's API; layer_norm is a call of the Keras layer."""

    def build(fw: Loaded) -> Run:
        tf = fw.tf
        fn = {
            "layer_norm": lambda: fw.keras.layers.LayerNormalization(epsilon=1e-5),
            "softmax": lambda: tf.nn.softmax,
            "gelu": lambda: tf.nn.gelu,
        }[name]()
        return Run(loop(fn, tf.constant(X)), EqualTo(expected(name)))

    return build


def composite_torch(name: str) -> Callable[[Loaded], Run]:
    """Time the composite op in PyTorch, without gradients."""

    def build(fw: Loaded) -> Run:
        fw.torch.set_grad_enabled(False)
        return Run(loop(fw.by_hand.composite(name), fw.torch.from_numpy(X)), EqualTo(expected(name)))

    return build


def composite_jax(name: str) -> Callable[[Loaded], Run]:
    """Time a bare call of the jitted composite."""

    def build(fw: Loaded) -> Run:
        repeat = loop(fw.by_hand.composite(name), fw.jax.numpy.asarray(X))
        return Run(repeat, EqualTo(expected(name)), finish=fw.jax.block_until_ready)

    return build


def composite(name: str) -> Workload:
    """Return the workload of one composite op."""
    return Workload(
        name=f"eager_{name}",
        about=f"one eager {name} on (32, 128) float32",
        unit="us",
        sides=(
            Side("dovetail", "dovetail", composite_tf(name)),
            Side("dovetail xla", "dovetail_xla", composite_tf(name)),
            Side("tensorflow", "tensorflow", composite_tf(name)),
            Side("torch", "torch", composite_torch(name)),
            Side("jax jitted", "jax", composite_jax(name)),
        ),
        bars=(
            Bar(
                f"{name} is one dispatch: at most 2x a bare jitted JAX call",
                than="jax jitted",
                at_least=0.5,
                ours="dovetail xla",
            ),
        ),
    )


WORKLOADS = (
    Workload(
        name="eager_add",
        about="one eager add of two float32 vectors of 8 elements, on the engine that Dovetail picks",
        unit="us",
        sides=(
            Side("dovetail", "dovetail", add_tf),
            Side("tensorflow", "tensorflow", add_tf),
            Side("torch", "torch", add_torch),
        ),
        bars=(
            Bar("add on small tensors at least 3x faster than TensorFlow", than="tensorflow", at_least=3.0),
        ),
    ),
    Workload(
        name="eager_add_xla",
        about="the same add with Dovetail's engine forced to XLA, against a bare jitted JAX call",
        unit="us",
        sides=(Side("dovetail xla", "dovetail_xla", add_tf), Side("jax jitted", "jax", add_jax)),
        bars=(
            Bar(
                "add through XLA at most 2x a bare jitted JAX call",
                than="jax jitted",
                at_least=0.5,
                ours="dovetail xla",
            ),
        ),
    ),
    *(composite(name) for name in ("layer_norm", "softmax", "gelu")),
)
