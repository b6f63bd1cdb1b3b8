"""One convolution with its two gradients, compiled: 3x3, 13x13x32 to 64 channels, batch 128, without padding.

The side of JAX is `lax.conv_general_dilated` with JAX's own derivatives, which is how XLA runs it when nothing is done
about it; see docs/design/0003-convolution-on-the-cpu.md.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.checks import EqualTo
from benchmarks.frameworks import Loaded
from benchmarks.kinds import Run, Side, Workload, loop

RNG = np.random.default_rng(0)
X = RNG.normal(size=(128, 13, 13, 32)).astype(np.float32)
KERNEL = RNG.normal(size=(3, 3, 32, 64)).astype(np.float32)
G = RNG.normal(size=(128, 11, 11, 64)).astype(np.float32)


class KernelGradient:
    """Check the gradient of the kernel, which stands last, against nine matrix products."""

    def __init__(self) -> None:
        taps = [
            X[:, i : i + 11, j : j + 11].reshape(-1, 32).T @ G.reshape(-1, 64)
            for i in range(3)
            for j in range(3)
        ]
        self.check = EqualTo(np.reshape(taps, KERNEL.shape), tolerance=1e-2)

    def __call__(self, results: Any) -> None:
        self.check(results[-1])


def under_tf(fw: Loaded) -> Run:
    """Time the convolution and its gradients in `tf.function`."""
    tf = fw.tf

    @tf.function
    def step(x: Any, kernel: Any, g: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch([x, kernel])
            y = tf.nn.conv2d(x, kernel, strides=1, padding="VALID")
        return y, *tape.gradient(y, [x, kernel], output_gradients=g)

    return Run(
        loop(step, *map(tf.constant, (X, KERNEL, G))),
        KernelGradient(),
        finish=lambda r: [np.asarray(t) for t in r],
    )


def under_jax(fw: Loaded) -> Run:
    """Time them under `jax.jit`."""
    jax = fw.jax

    def conv(x: Any, kernel: Any) -> Any:
        return jax.lax.conv_general_dilated(
            x, kernel, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )

    @jax.jit
    def step(x: Any, kernel: Any, g: Any) -> Any:
        y, pullback = jax.vjp(conv, x, kernel)
        return y, *pullback(g)

    return Run(
        loop(step, *map(jax.numpy.asarray, (X, KERNEL, G))), KernelGradient(), finish=jax.block_until_ready
    )


WORKLOADS = (
    Workload(
        name="convolution",
        about="one compiled 3x3 convolution of 13x13x32 to 64 channels, batch 128, with both gradients",
        unit="ms",
        sides=(
            Side("dovetail", "dovetail", under_tf),
            Side("tensorflow", "tensorflow", under_tf),
            Side("jax jitted", "jax", under_jax),
        ),
        bars=(),
    ),
)
