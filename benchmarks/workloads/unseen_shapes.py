"""An eager loop whose tensors have a new length in every step: the cost of a shape that was never seen.

A step is five ops, `mean(square(relu(x * 2 + b)))`; the second workload records them on a tape and takes
the gradients with respect to `x` and `b`. Lengths start at 8 and grow by one a step through the whole life
of the process. The tensors are made before the clock starts. JAX compiles for every new shape, so it gets
few steps per repeat.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.checks import as_numpy
from benchmarks.frameworks import Loaded
from benchmarks.kinds import Bar, BenchmarkError, Run, Side, Workload

SHORTEST = 8
NUM_STEPS = 100
NUM_STEPS_JAX = 2
SHIFT = 0.5


class Lengths:
    """Inputs of lengths that never come twice; `prepare`, `repeat` and `check` of a Run."""

    def __init__(self, convert: Callable[[np.ndarray], Any], step: Callable[[Any], Any]) -> None:
        self.convert = convert
        self.step = step
        self.next_length = SHORTEST
        self.arrays: list[np.ndarray] = []
        self.inputs: list[Any] = []

    def prepare(self, n: int) -> None:
        """Make `n` inputs."""
        lengths = range(self.next_length, self.next_length + n)
        self.arrays = [np.linspace(-1, 1, length, dtype=np.float32) for length in lengths]
        self.inputs = [self.convert(array) for array in self.arrays]
        self.next_length += n

    def repeat(self, n: int) -> Any:
        """Run the step on every input."""
        result = None
        for x in self.inputs:
            result = self.step(x)
        return result

    def check(self, result: Any) -> None:
        """Compare the value, and the gradients where there are any, with NumPy's on the last input."""
        x = self.arrays[-1]
        inner = np.maximum(x * 2 + SHIFT, 0)
        expected = [np.mean(np.square(inner)), 4 * inner / len(x), np.sum(2 * inner) / len(x)]
        found = result if isinstance(result, tuple) else (result,)
        for want, have in zip(expected, found, strict=False):
            if not np.allclose(as_numpy(have), want, rtol=1e-3, atol=1e-5):
                raise BenchmarkError(
                    f"wrong result on a shape not seen before: expected {want}, received {have}"
                )

    def run(self, units: int, finish: Callable[[Any], Any] | None = None) -> Run:
        """Return the Run of `units` steps per repeat."""
        return Run(self.repeat, self.check, units, prepare=self.prepare, finish=finish)


def forward_tf(fw: Loaded) -> Run:
    """Time the five ops under TensorFlow's API."""
    tf = fw.tf
    b = tf.constant(SHIFT)

    def step(x: Any) -> Any:
        return tf.reduce_mean(tf.square(tf.nn.relu(x * 2.0 + b)))

    return Lengths(tf.constant, step).run(NUM_STEPS)


def tape_tf(fw: Loaded) -> Run:
    """Time the five ops and their gradients under a GradientTape."""
    tf = fw.tf
    b = tf.Variable(SHIFT)

    def step(x: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = tf.reduce_mean(tf.square(tf.nn.relu(x * 2.0 + b)))
        return (y, *tape.gradient(y, [x, b]))

    return Lengths(tf.constant, step).run(NUM_STEPS)


def forward_torch(fw: Loaded) -> Run:
    """Time the five ops in PyTorch."""
    torch = fw.torch
    b = torch.tensor(SHIFT)

    def step(x: Any) -> Any:
        return torch.mean(torch.square(torch.relu(x * 2.0 + b)))

    return Lengths(torch.from_numpy, step).run(NUM_STEPS)


def tape_torch(fw: Loaded) -> Run:
    """Time the five ops and their gradients in PyTorch."""
    torch = fw.torch
    b = torch.tensor(SHIFT, requires_grad=True)

    def step(x: Any) -> Any:
        y = torch.mean(torch.square(torch.relu(x * 2.0 + b)))
        return (y, *torch.autograd.grad(y, [x, b]))

    return Lengths(lambda array: torch.from_numpy(array).requires_grad_(), step).run(NUM_STEPS)


def _loss_jax(jax: Any) -> Callable[[Any, Any], Any]:
    jnp = jax.numpy
    return lambda x, b: jnp.mean(jnp.square(jax.nn.relu(x * 2.0 + b)))


def forward_jax(fw: Loaded) -> Run:
    """Time the five ops in eager JAX."""
    loss, b = _loss_jax(fw.jax), fw.jax.numpy.float32(SHIFT)
    lengths = Lengths(fw.jax.numpy.asarray, lambda x: loss(x, b))
    return lengths.run(NUM_STEPS_JAX, finish=fw.jax.block_until_ready)


def tape_jax(fw: Loaded) -> Run:
    """Time the five ops and their gradients in eager JAX."""
    grad, b = fw.jax.value_and_grad(_loss_jax(fw.jax), (0, 1)), fw.jax.numpy.float32(SHIFT)

    def step(x: Any) -> Any:
        y, grads = grad(x, b)
        return (y, *grads)

    lengths = Lengths(fw.jax.numpy.asarray, step)
    return lengths.run(NUM_STEPS_JAX, finish=fw.jax.block_until_ready)


WORKLOADS = (
    Workload(
        name="unseen_shapes",
        about="five small eager ops on a length never seen before, per step",
        unit="ms",
        sides=(
            Side("dovetail", "dovetail", forward_tf),
            Side("tensorflow", "tensorflow", forward_tf),
            Side("torch", "torch", forward_torch),
            Side("jax", "jax", forward_jax),
        ),
        bars=(
            Bar("eager loop over unseen shapes no slower than TensorFlow", than="tensorflow", at_least=1.0),
        ),
    ),
    Workload(
        name="unseen_shapes_tape",
        about="the same five ops on a tape, with gradients, per step",
        unit="ms",
        sides=(
            Side("dovetail", "dovetail", tape_tf),
            Side("tensorflow", "tensorflow", tape_tf),
            Side("torch", "torch", tape_torch),
            Side("jax", "jax", tape_jax),
        ),
        bars=(Bar("the same under a tape no slower than TensorFlow", than="tensorflow", at_least=1.0),),
    ),
)
