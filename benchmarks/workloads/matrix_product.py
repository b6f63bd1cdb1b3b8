"""One product of two large matrices: what the machine can do, which compute-bound workloads are held against.

And a dense layer with its gradients, which is three of them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks import flops
from benchmarks.checks import EqualTo, as_numpy
from benchmarks.frameworks import Loaded
from benchmarks.kinds import Bar, Run, Side, Workload, loop

SIZE = 2048
ROWS, WIDTH = 512, 1024
GIGA = 1e9


def _matrices() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    a, b = (rng.normal(size=(SIZE, SIZE)).astype(np.float32) for _ in range(2))
    return a, b


def _run(call: Any, a: Any, b: Any) -> Run:
    x, y = _matrices()
    expected = x[:2] @ y
    check = EqualTo(expected, tolerance=1e-3 * float(np.abs(expected).max()))
    return Run(
        lambda _: np.asarray(call(a, b))[:2],
        check,
        units=int(flops.product(SIZE, SIZE, SIZE) / GIGA),
        warmups=3,
    )


def under_tf(fw: Loaded) -> Run:
    """Time `tf.matmul` in a compiled function."""
    return _run(fw.tf.function(fw.tf.matmul), *map(fw.tf.constant, _matrices()))


def under_torch(fw: Loaded) -> Run:
    """Time PyTorch's product, by MKL or OpenBLAS."""
    return _run(fw.torch.matmul, *map(fw.torch.from_numpy, _matrices()))


def under_jax(fw: Loaded) -> Run:
    """Time the jitted product."""
    return _run(fw.jax.jit(fw.jax.numpy.matmul), *map(fw.jax.numpy.asarray, _matrices()))


def dense_tf(fw: Loaded) -> Run:
    """Time a dense layer and its gradients in `tf.function`."""
    tf = fw.tf
    layer = fw.keras.layers.Dense(WIDTH)
    x, g = map(tf.constant, _dense_arrays())
    layer.build(x.shape)

    @tf.function
    def step(x: Any, g: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x)
        return tape.gradient(y, [x, *layer.trainable_variables], output_gradients=g)

    return Run(loop(step, x, g), DenseGradients(np.asarray(layer.kernel)), finish=_read)


def dense_torch(fw: Loaded) -> Run:
    """Time the same in PyTorch."""
    torch = fw.torch
    layer = torch.nn.Linear(WIDTH, WIDTH)
    x, g = map(torch.from_numpy, _dense_arrays())
    x.requires_grad_()

    def step() -> Any:
        return torch.autograd.grad(layer(x), [x, layer.weight, layer.bias], g)

    kernel = layer.weight.detach().numpy().T
    return Run(loop(step), DenseGradients(kernel, turned=True))


def dense_jax(fw: Loaded) -> Run:
    """Time the same under `jax.jit`."""
    jax = fw.jax
    x, g = map(jax.numpy.asarray, _dense_arrays())
    kernel = np.random.default_rng(1).normal(size=(WIDTH, WIDTH)).astype(np.float32)

    @jax.jit
    def step(x: Any, kernel: Any, bias: Any, g: Any) -> Any:
        return jax.vjp(lambda x, kernel, bias: x @ kernel + bias, x, kernel, bias)[1](g)

    arguments = x, jax.numpy.asarray(kernel), jax.numpy.zeros(WIDTH), g
    return Run(loop(step, *arguments), DenseGradients(kernel), finish=jax.block_until_ready)


def _dense_arrays() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x, g = (rng.normal(size=(ROWS, WIDTH)).astype(np.float32) for _ in range(2))
    return x, g


def _read(tensors: Any) -> list[np.ndarray]:
    return [np.asarray(tensor) for tensor in tensors]


class DenseGradients:
    """Check rows of the gradients of the input and of the kernel, which can be `turned`, against NumPy's."""

    def __init__(self, kernel: np.ndarray, turned: bool = False) -> None:
        x, g = _dense_arrays()
        self.turned = turned
        self.of_input = EqualTo(g[:2] @ kernel.T, tolerance=1e-1)
        self.of_kernel = EqualTo(x.T[:2] @ g, tolerance=1e-1)

    def __call__(self, found: Any) -> None:
        inputs, kernel = map(as_numpy, found[:2])
        self.of_input(inputs[:2])
        self.of_kernel((kernel.T if self.turned else kernel)[:2])


WORKLOADS = (
    Workload(
        name="matrix_product",
        about=f"one product of two float32 matrices ({SIZE}, {SIZE})",
        unit="GFLOP/s",
        sides=(
            Side("dovetail", "dovetail", under_tf),
            Side("tensorflow", "tensorflow", under_tf),
            Side("torch", "torch", under_torch),
            Side("jax jitted", "jax", under_jax),
        ),
        bars=(Bar("at least 0.9x each peer", than="*", at_least=0.9),),
    ),
    Workload(
        name="dense_step",
        about=f"one compiled dense layer of {WIDTH} units on ({ROWS}, {WIDTH}), with its gradients",
        unit="ms",
        sides=(
            Side("dovetail", "dovetail", dense_tf),
            Side("tensorflow", "tensorflow", dense_tf),
            Side("torch", "torch", dense_torch),
            Side("jax jitted", "jax", dense_jax),
        ),
        bars=(Bar("at least 70% of the machine's peak", peak_share=0.7),),
        flops=3 * flops.product(ROWS, WIDTH, WIDTH),
    ),
)
