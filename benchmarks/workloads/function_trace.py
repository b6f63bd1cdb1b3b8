"""A `tf.function` without control flow: what a trace costs, and what the first call costs in all.

A step of a small network with gradients and assignments, written with `tf` as a global as users write it.
`function_trace` times another trace of a step that has been traced before: a new `tf.function` of the same Python
function. `function_first_call` times the first call of a step whose code the process has not seen before: what
AutoGraph finds out, the trace, the compilation, and the run.
"""

from __future__ import annotations

import itertools
import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from benchmarks.checks import as_numpy
from benchmarks.frameworks import Loaded
from benchmarks.kinds import Bar, BenchmarkError, Run, Side, Workload

WIDTH = 8
RATE = 0.1
X = np.linspace(-1, 1, 4 * WIDTH, dtype=np.float32).reshape(4, WIDTH)
KERNEL = np.random.default_rng(0).normal(size=(WIDTH, WIDTH)).astype(np.float32)

# What the step sees in their place belongs to the framework that is measured.
tf: Any = None
kernel: Any = None
bias: Any = None


def hidden(x: Any) -> Any:
    """Return a dense layer."""
    return tf.tanh(tf.matmul(x, kernel) + bias)


def step(x: Any) -> Any:
    """Take one step downhill and return the loss before it."""
    with tf.GradientTape() as tape:
        outputs = hidden(hidden(x))
        loss = tf.reduce_mean(tf.square(outputs - x)) + 0.01 * tf.reduce_sum(tf.abs(kernel))
    kernel_gradient, bias_gradient = tape.gradient(loss, [kernel, bias])
    kernel.assign_sub(RATE * kernel_gradient)
    bias.assign_sub(RATE * bias_gradient)
    return loss


def expected() -> float:
    """Return the loss before the first step, computed in NumPy."""
    outputs = np.tanh(np.tanh(X @ KERNEL) @ KERNEL)
    return float(np.mean((outputs - X) ** 2) + 0.01 * np.sum(np.abs(KERNEL)))


def steps(framework: Any) -> Iterator[Callable]:
    """Yield steps that have code and variables of their own, and call layers of which the same is true."""
    for number in itertools.count():
        names = {**globals(), "tf": framework}
        names["kernel"] = framework.Variable(KERNEL)
        names["bias"] = framework.Variable(np.zeros(WIDTH, np.float32))
        for function in (hidden, step):
            code = function.__code__
            code = code.replace(co_consts=(*code.co_consts, number))  # no equal code was there before
            names[function.__name__] = types.FunctionType(code, names, function.__name__)
        yield names["step"]


def trace_tf(fw: Loaded) -> Run:
    """Time the trace under TensorFlow's API; the calls that check it are not timed."""
    one, x = next(steps(fw.tf)), fw.tf.constant(X)
    first = float(as_numpy(one(x)))

    def repeat(n: int) -> Any:
        traced = None
        for _ in range(n):
            traced = fw.tf.function(one).get_concrete_function(x)
        return traced

    return Run(repeat, lambda traced: check(first, traced(x)))


def first_call_tf(fw: Loaded) -> Run:
    """Time the first call under TensorFlow's API, until the loss is there."""
    new, x = steps(fw.tf), fw.tf.constant(X)

    def repeat(n: int) -> Any:
        for _ in range(n):
            function = fw.tf.function(next(new))
            loss = float(as_numpy(function(x)))
        return loss, function

    return Run(repeat, lambda found: check(found[0], found[1](x)))


def check(first: Any, second: Any) -> None:
    """Judge the losses of a step and of a later one."""
    if not np.isclose(as_numpy(first), expected(), rtol=1e-4) or as_numpy(second) >= as_numpy(first):
        raise BenchmarkError(f"the steps gave the losses {first} and {second}, the first is {expected()}")


def workload(name: str, about: str, build: Callable[[Loaded], Run], *bars: Bar) -> Workload:
    """Return one of the two workloads."""
    sides = Side("dovetail", "dovetail", build), Side("tensorflow", "tensorflow", build)
    return Workload(name, about, "ms", sides, bars)


WORKLOADS = (
    workload(
        "function_trace",
        "another trace of a tf.function without control flow: a step with gradients and assignments",
        trace_tf,
        Bar("tracing no slower than TensorFlow", than="tensorflow", at_least=1.0),
    ),
    workload(
        "function_first_call",
        "the first call of such a function with code never seen before: conversion, trace, compilation, run",
        first_call_tf,
    ),
)
