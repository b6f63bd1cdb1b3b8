"""Convolutions with their gradients, compiled: those of the CNN, of residual networks and of MobileNet.

The side of JAX is `lax.conv_general_dilated` with JAX's own derivatives, which is how XLA runs it when nothing is done
about it; see docs/design/0003-convolution-on-the-cpu.md and 0023-native-convolutions.md.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks import flops
from benchmarks.checks import EqualTo
from benchmarks.frameworks import Loaded
from benchmarks.kinds import Bar, Run, Side, Workload, loop


@dataclass(frozen=True)
class Case:
    """A convolution without gaps.

    Args:
        name: of the workload.
        about: what it is.
        x: the input's shape, channels last.
        kernel: the kernel's shape; with `depthwise`, (*window, channels, 1).
        stride: of all axes.
        same: whether the padding is "SAME", which is symmetric here.
        depthwise: each channel by itself.
        inputs_too: whether the input's gradient is wanted, which that of a first layer is not.
    """

    name: str
    about: str
    x: tuple[int, ...]
    kernel: tuple[int, ...]
    stride: int = 1
    same: bool = True
    depthwise: bool = False
    inputs_too: bool = True

    @property
    def padding(self) -> str:
        return "SAME" if self.same else "VALID"

    @property
    def rank(self) -> int:
        return len(self.x) - 2

    @property
    def flops(self) -> float:
        """Operations of the convolution and of its gradients."""
        positions = math.prod(self.arrays[2].shape[:-1])
        once = flops.convolution(positions, self.kernel, self.depthwise)
        return flops.trained(0, once) if self.inputs_too else flops.trained(once, 0)

    @functools.cached_property
    def arrays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The input, the kernel, and the gradient of the output."""
        rng = np.random.default_rng(0)
        window = self.kernel[:-2]
        sizes = [
            -(-n // self.stride) if self.same else (n - k) // self.stride + 1
            for n, k in zip(self.x[1:-1], window, strict=True)
        ]
        outputs = self.x[-1] if self.depthwise else self.kernel[-1]
        shapes = self.x, self.kernel, (self.x[0], *sizes, outputs)
        x, kernel, g = (rng.normal(size=shape).astype(np.float32) for shape in shapes)
        return x, kernel, g


CASES = (
    Case(
        "convolution",
        "3x3 convolution of 13x13x32 to 64 channels, batch 128",
        (128, 13, 13, 32),
        (3, 3, 32, 64),
        same=False,
    ),
    Case(
        "convolution_64",
        "3x3 convolution of 32x32x64 to 64 channels, batch 32",
        (32, 32, 32, 64),
        (3, 3, 64, 64),
    ),
    Case(
        "convolution_256",
        "3x3 convolution of 14x14x256 to 256 channels, batch 16",
        (16, 14, 14, 256),
        (3, 3, 256, 256),
    ),
    Case(
        "convolution_first",
        "7x7 convolution of 113x113x3 to 64 channels, every second pixel, batch 16",
        (16, 113, 113, 3),
        (7, 7, 3, 64),
        stride=2,
        inputs_too=False,
    ),
    Case(
        "convolution_of_few",
        "3x3 convolution of 2x2x512 to 512 channels, batch 16",
        (16, 2, 2, 512),
        (3, 3, 512, 512),
    ),
    Case(
        "convolution_depthwise",
        "3x3 depthwise convolution of 28x28x144, batch 32",
        (32, 28, 28, 144),
        (3, 3, 144, 1),
        depthwise=True,
    ),
    Case(
        "convolution_1d",
        "convolution over 3 of 128 steps, 64 to 64 channels, batch 64",
        (64, 128, 64),
        (3, 64, 64),
    ),
    Case(
        "convolution_3d",
        "3x3x3 convolution of 16x16x16x16 to 32 channels, batch 4",
        (4, 16, 16, 16, 16),
        (3, 3, 3, 16, 32),
    ),
)


class KernelGradient:
    """Check the gradient of the kernel, which stands last, against a product of matrices a tap."""

    def __init__(self, case: Case) -> None:
        x, _, g = case.arrays
        window, axes = case.kernel[:-2], tuple(range(case.rank + 1))
        around = [
            ((n - 1) * case.stride + k - size if case.same else 0)
            for n, k, size in zip(g.shape[1:-1], window, x.shape[1:-1], strict=True)
        ]
        padded = np.pad(x, ((0, 0), *((n // 2, n - n // 2) for n in around), (0, 0)))
        taps = []
        for tap in itertools.product(*map(range, window)):
            ends = [t + (n - 1) * case.stride + 1 for t, n in zip(tap, g.shape[1:-1], strict=True)]
            seen = padded[
                (slice(None), *(slice(t, end, case.stride) for t, end in zip(tap, ends, strict=True)))
            ]
            taps.append((seen * g).sum(axes) if case.depthwise else np.tensordot(seen, g, (axes, axes)))
        expected = np.reshape(taps, case.kernel)
        self.check = EqualTo(expected, tolerance=1e-3 * float(np.abs(expected).max()))

    def __call__(self, results: Any) -> None:
        self.check(results[-1])


def under_tf(case: Case) -> Callable[[Loaded], Run]:
    """Time the convolution and its gradients in `tf.function`."""

    def build(fw: Loaded) -> Run:
        tf = fw.tf
        strides = [1, *(case.stride,) * case.rank, 1]

        def convolved(x: Any, kernel: Any) -> Any:
            if case.depthwise:
                return tf.nn.depthwise_conv2d(x, kernel, strides, case.padding)
            return tf.nn.convolution(x, kernel, strides[1:-1], case.padding)

        @tf.function
        def step(x: Any, kernel: Any, g: Any) -> Any:
            sources = [x, kernel] if case.inputs_too else [kernel]
            with tf.GradientTape() as tape:
                tape.watch(sources)
                y = convolved(x, kernel)
            return y, *tape.gradient(y, sources, output_gradients=g)

        return Run(
            loop(step, *map(tf.constant, case.arrays)),
            KernelGradient(case),
            finish=lambda r: [np.asarray(t) for t in r],
        )

    return build


def under_jax(case: Case) -> Callable[[Loaded], Run]:
    """Time them under `jax.jit`."""

    def build(fw: Loaded) -> Run:
        jax = fw.jax
        letters = "DHW"[3 - case.rank :]

        def conv(x: Any, kernel: Any) -> Any:
            return jax.lax.conv_general_dilated(
                x,
                kernel.reshape(*case.kernel[:-2], 1, -1) if case.depthwise else kernel,
                (case.stride,) * case.rank,
                case.padding,
                dimension_numbers=(f"N{letters}C", f"{letters}IO", f"N{letters}C"),
                feature_group_count=case.x[-1] if case.depthwise else 1,
            )

        @jax.jit
        def step(x: Any, kernel: Any, g: Any) -> Any:
            if case.inputs_too:
                y, pullback = jax.vjp(conv, x, kernel)
            else:
                y, pullback = jax.vjp(lambda kernel: conv(x, kernel), kernel)
            return y, *pullback(g)

        return Run(
            loop(step, *map(jax.numpy.asarray, case.arrays)),
            KernelGradient(case),
            finish=jax.block_until_ready,
        )

    return build


def under_torch(case: Case) -> Callable[[Loaded], Run]:
    """Time them in PyTorch, in its channels-last memory format where it has one."""

    def build(fw: Loaded) -> Run:
        torch, rank = fw.torch, case.rank
        x, kernel, g = map(torch.from_numpy, case.arrays)
        layout = {2: torch.channels_last, 3: torch.channels_last_3d}.get(rank, torch.contiguous_format)
        inward = (0, rank + 1, *range(1, rank + 1))
        x, g = (array.permute(inward).contiguous(memory_format=layout) for array in (x, g))
        turned = (rank, rank + 1, *range(rank)) if case.depthwise else (rank + 1, rank, *range(rank))
        kernel = kernel.permute(turned).contiguous(memory_format=layout).requires_grad_()
        x.requires_grad_(case.inputs_too)
        function = getattr(torch.nn.functional, f"conv{rank}d")
        padding = tuple(k // 2 if case.same else 0 for k in case.kernel[:-2])
        groups = case.x[-1] if case.depthwise else 1

        def step() -> Any:
            y = function(x, kernel, None, case.stride, padding, 1, groups)
            sources = [x, kernel] if case.inputs_too else [kernel]
            return y, *torch.autograd.grad(y, sources, g)

        back = [turned.index(axis) for axis in range(rank + 2)]
        check = KernelGradient(case)
        return Run(loop(step), lambda results: check([results[-1].permute(back)]))

    return build


def workload(case: Case) -> Workload:
    """Return the workload of one convolution."""
    gradients = "both gradients" if case.inputs_too else "the gradient of its kernel"
    return Workload(
        name=case.name,
        about=f"one compiled {case.about}, with {gradients}",
        unit="ms",
        sides=(
            Side("dovetail", "dovetail", under_tf(case)),
            Side("tensorflow", "tensorflow", under_tf(case)),
            Side("torch", "torch", under_torch(case)),
            Side("jax jitted", "jax", under_jax(case)),
        ),
        bars=() if case.depthwise else (Bar("at least 70% of the machine's peak", peak_share=0.7),),
        flops=case.flops,
    )


WORKLOADS = tuple(map(workload, CASES))
