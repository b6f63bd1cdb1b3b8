"""Python loops on tensors that `tf.function` converts: Collatz over a vector, and greedy decoding of a small RNN.

The same source text runs under both frameworks, with AutoGraph. A repeat calls the compiled function; the first call,
with conversion and compilation, is not timed.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.frameworks import Loaded
from benchmarks.kinds import Bar, BenchmarkError, Run, Side, Workload, loop

NUM_STARTS = 1_000
VOCABULARY, UNITS, LENGTH = 512, 128, 64


def collatz(fw: Loaded) -> Run:
    """Time a `while` with a choice in it over 1,000 numbers, until the last has come to 1."""
    tf = fw.tf

    @tf.function
    def longest(n: Any) -> Any:
        steps = tf.zeros_like(n)
        i = 0
        while tf.reduce_any(n != 1):
            steps += tf.cast(n != 1, tf.int32)
            n = tf.where(n == 1, 1, tf.where(n % 2 == 0, n // 2, 3 * n + 1))
            if tf.reduce_max(n) > 0:
                i += 1
        return tf.reduce_max(steps), i

    starts = tf.constant(np.arange(1, NUM_STARTS + 1, dtype=np.int32))
    return Run(loop(lambda: int(longest(starts)[0])), _is_178)


def _is_178(steps: int) -> None:
    if steps != 178:
        raise BenchmarkError(f"the longest way below 1,000 takes 178 steps, not {steps}")


def decoding(fw: Loaded) -> Run:
    """Time a greedy decoder: a `for` over `tf.range` with an early end, tokens in a TensorArray."""
    tf = fw.tf
    rng = np.random.default_rng(0)
    embed = tf.Variable(rng.normal(size=(VOCABULARY, UNITS)).astype("float32"))
    recur = tf.Variable(rng.normal(size=(UNITS, UNITS)).astype("float32") / 8)
    project = tf.Variable(rng.normal(size=(UNITS, VOCABULARY)).astype("float32"))

    @tf.function
    def greedy(token: Any, limit: Any) -> Any:
        tokens = tf.TensorArray(tf.int32, size=LENGTH, element_shape=[])
        state = tf.zeros([1, UNITS])
        for i in tf.range(limit):
            state = tf.tanh(tf.gather(embed, token)[tf.newaxis] + tf.matmul(state, recur))
            token = tf.argmax(tf.matmul(state, project)[0], output_type=tf.int32)
            tokens = tokens.write(i, token)
            if token < 0:
                break
        return tokens.stack()

    first, limit = tf.constant(1), tf.constant(LENGTH)
    return Run(loop(lambda: greedy(first, limit).numpy()), _are_tokens)


def _are_tokens(tokens: np.ndarray) -> None:
    if tokens.shape != (LENGTH,) or not tokens.any():
        raise BenchmarkError(f"expected {LENGTH} tokens, not {tokens}")


def _sides(build: Any) -> tuple[Side, ...]:
    return Side("dovetail", "dovetail", build), Side("tensorflow", "tensorflow", build)


_AS_FAST = (Bar("as fast as TensorFlow", than="tensorflow", at_least=1.0),)

WORKLOADS = (
    Workload("while_collatz", collatz.__doc__ or "", "ms", _sides(collatz), _AS_FAST),
    Workload("greedy_decoding", decoding.__doc__ or "", "ms", _sides(decoding), _AS_FAST),
)
