"""The ops of `benchmarks/operations_table.py` one by one, eagerly: on small tensors, and on some of 4 million elements.

A figure is the geometric mean of the times of all ops; ratios are means of the ratios of single ops, whose bars
look at the worst.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.checks import as_numpy
from benchmarks.frameworks import Loaded
from benchmarks.kinds import Bar, BenchmarkError, Parts, Run, Side, Workload, loop
from benchmarks.operations import Input, Operation
from benchmarks.operations_table import OPERATIONS

SEED = 0
TOLERANCE = 2e-3
ALIKE = 0.2


class Same:
    """Check that a result, or each of several, is what NumPy's way gives; made when first wanted."""

    def __init__(self, op: Operation, large: bool) -> None:
        self.op, self.large = op, large
        self.right = False

    def __call__(self, result: Any) -> None:
        if self.right:
            return
        found, expected = _listed(result), _listed(self.op.numpy(*arrays_of(self.op, self.large)))
        if len(found) != len(expected):
            raise BenchmarkError(f"{self.op.name}: {len(expected)} results expected, {len(found)} received")
        for one, other in zip(map(as_numpy, found), map(np.asarray, expected), strict=True):
            self._compare(one, other)
        self.right = True

    def _compare(self, found: np.ndarray, expected: np.ndarray) -> None:
        if found.shape != expected.shape:
            raise BenchmarkError(f"{self.op.name}: shape {expected.shape} expected, {found.shape} received")
        if self.op.drawn:
            same = abs(found.mean() - expected.mean()) < ALIKE and abs(found.std() - expected.std()) < ALIKE
        else:
            same = np.allclose(found, expected, rtol=TOLERANCE, atol=TOLERANCE)
        if not same:
            raise BenchmarkError(f"{self.op.name}: the values differ from NumPy's")


def _listed(result: Any) -> list:
    return list(result) if isinstance(result, list | tuple) else [result]


def parts(large: bool, converted: Callable[[Loaded], tuple]) -> Callable[[Loaded], Parts]:
    """Return what builds a side.

    Args:
        large: measure large tensors.
        converted: `f(loaded)` gives what makes a tensor of an array, what makes the call of an op with arguments, and
            what waits for a result.
    """

    def build(fw: Loaded) -> Parts:
        tensor, bound, wait = converted(fw)
        runs = {}
        for op in OPERATIONS:
            if not (large and op.views):
                check = Same(op, large)
                runs[op.name] = functools.partial(_run, op, large, check, tensor, bound, wait)
        return Parts(runs)

    return build


@functools.cache
def _drawn(draw: Input, number: int, large: bool) -> Any:
    """Return an array that ops share."""
    return draw(np.random.default_rng(SEED + number), large)


def arrays_of(op: Operation, large: bool) -> list:
    """Return what an op is given."""
    return [_drawn(draw, number, large) for number, draw in enumerate(op.inputs)]


def _run(
    op: Operation, large: bool, check: Same, tensor: Callable, bound: Callable, wait: Callable | None
) -> Run:
    arrays = arrays_of(op, large)
    given = [tensor(x) if isinstance(x, np.ndarray) and not op.raw else x for x in arrays]
    call = bound(op, given)
    if not large or wait is None:
        return Run(loop(call), check, finish=wait)
    return Run(loop(lambda: wait(call())), check)


def _by_tf(fw: Loaded) -> tuple:
    wait = (
        (lambda result: [x.__array__() for x in _listed(result)] and result)
        if fw.name == "dovetail"
        else None
    )
    return fw.tf.constant, lambda op, given: functools.partial(op.tf, fw.tf, *given), wait


def _by_torch(fw: Loaded) -> tuple:
    fw.torch.set_grad_enabled(False)

    def tensor(x: np.ndarray) -> Any:
        return fw.torch.from_numpy(x.astype(np.int64) if x.dtype == np.int32 else x)

    return tensor, lambda op, given: functools.partial(op.torch, fw.torch, *given), None


def _by_numpy(fw: Loaded) -> tuple:
    return np.asarray, lambda op, given: functools.partial(op.numpy, *given), None


def sides(large: bool) -> tuple[Side, ...]:
    """Return the frameworks; NumPy takes part where tensors are large."""
    found = [
        Side("dovetail", "dovetail", parts(large, _by_tf)),
        Side("tensorflow", "tensorflow", parts(large, _by_tf)),
        Side("torch", "torch", parts(large, _by_torch)),
    ]
    return (*found, Side("numpy", "numpy", parts(large, _by_numpy))) if large else tuple(found)


WORKLOADS = (
    Workload(
        name="operations_small",
        about="the 100 ops that programs use most, one eager call each on a few thousand elements; geometric means",
        unit="us",
        sides=sides(large=False),
        bars=(
            Bar("the mean of the ratios is at least 5x TensorFlow", than="tensorflow", at_least=5.0),
            Bar("the mean of the ratios is at least 1x PyTorch", than="torch", at_least=1.0),
            Bar("no op is below 0.5x PyTorch", than="torch", each_at_least=0.5),
        ),
    ),
    Workload(
        name="operations_large",
        about="those of them that compute, one eager call each on 4 million elements; geometric means",
        unit="ms",
        sides=sides(large=True),
        bars=(Bar("no op is below 0.9x the fastest of the peers", than="*", each_at_least=0.9),),
    ),
)
