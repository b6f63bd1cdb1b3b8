"""A `tf.function` that is called with 200 different lengths: what changing shapes cost in all.

Every repeat makes a new function of a dense layer and a sum of squares and calls it on 200 lengths that the
process has not seen before, so that nothing compiled for an earlier repeat helps. TensorFlow traces for
each length, XLA would compile for each.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.checks import as_numpy
from benchmarks.frameworks import Loaded
from benchmarks.kinds import Bar, BenchmarkError, Run, Side, Workload

NUM_LENGTHS = 200
WIDTH = 8
KERNEL = np.random.default_rng(0).normal(size=(WIDTH, WIDTH)).astype(np.float32)


class FreshFunctions:
    """`prepare`, `repeat` and `check` of the Run."""

    def __init__(self, tf: Any) -> None:
        self.tf = tf
        self.kernel = tf.Variable(KERNEL)
        self.bias = tf.Variable(np.full(WIDTH, 0.1, np.float32))
        self.next_length = 1
        self.arrays: list[np.ndarray] = []
        self.inputs: list[Any] = []

    def prepare(self, _: int) -> None:
        """Make 200 inputs of new lengths."""
        lengths = range(self.next_length, self.next_length + NUM_LENGTHS)
        self.arrays = [np.linspace(-1, 1, n * WIDTH, dtype=np.float32).reshape(n, WIDTH) for n in lengths]
        self.inputs = [self.tf.constant(array) for array in self.arrays]
        self.next_length += NUM_LENGTHS

    def repeat(self, _: int) -> list[float]:
        """Call a new function on every input and return all results."""
        tf, kernel, bias = self.tf, self.kernel, self.bias

        @tf.function
        def sum_of_squares(x: Any) -> Any:
            hidden = tf.tanh(tf.matmul(x, kernel) + bias)
            return tf.reduce_sum(hidden * hidden)

        return [float(as_numpy(sum_of_squares(x))) for x in self.inputs]

    def check(self, results: list[float]) -> None:
        """Compare every result with NumPy's."""
        expected: list[Any] = [
            np.sum(np.tanh(array @ KERNEL + np.float32(0.1)) ** 2) for array in self.arrays
        ]
        if not np.allclose(results, expected, rtol=1e-3):
            raise BenchmarkError("wrong results on some lengths")


def lengths_tf(fw: Loaded) -> Run:
    """Time 200 lengths under TensorFlow's API."""
    functions = FreshFunctions(fw.tf)
    return Run(functions.repeat, functions.check, units=1, prepare=functions.prepare, warmups=1)


WORKLOADS = (
    Workload(
        name="function_200_lengths",
        about="a new tf.function called with 200 different lengths, in all",
        unit="s",
        sides=(Side("dovetail", "dovetail", lengths_tf), Side("tensorflow", "tensorflow", lengths_tf)),
        bars=(Bar("total time at most 2x TensorFlow's", than="tensorflow", at_least=0.5),),
    ),
)
