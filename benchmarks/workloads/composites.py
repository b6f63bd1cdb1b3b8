"""Reductions of ragged and sparse tensors beside TensorFlow, eagerly and in a compiled function.

Each workload is four reductions, one after the other, of 32 rows, as a program has them in a loop, or of 5,000 rows of
up to 39 numbers (for sparse ones, of 100 columns, a tenth of them filled), as a batch of texts has them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.checks import as_numpy
from benchmarks.frameworks import Loaded
from benchmarks.kinds import Bar, BenchmarkError, Run, Side, Workload, loop

FEW, MANY = 32, 5000
COLUMNS, UNITS = 100, 32


@dataclass(frozen=True)
class Reduction:
    """A reduction, and what it should give.

    Args:
        kind: "ragged" or "sparse".
        call: `f(tf, x)`.
        expected: `f(dense, mask)` of the same values padded with zeros -> what the call gives.
    """

    kind: str
    call: Callable[[Any, Any], Any]
    expected: Callable[[np.ndarray, np.ndarray], np.ndarray]


def _mean(dense: np.ndarray, mask: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return dense.sum(1) / mask.sum(1)


def _largest(dense: np.ndarray, mask: np.ndarray) -> np.ndarray:
    lowest = np.finfo(np.float32).min if not mask.all() else 0
    return np.where(mask, dense, lowest).max(1)


def _largest_entry(dense: np.ndarray, mask: np.ndarray) -> np.ndarray:
    return np.where(mask.any(1), np.where(mask, dense, -np.inf).max(1), 0)


_WEIGHTS = np.random.default_rng(2).normal(size=(COLUMNS, UNITS)).astype(np.float32)


REDUCTIONS = (
    Reduction("ragged", lambda tf, x: tf.reduce_sum(x, axis=1), lambda d, m: d.sum(1)),
    Reduction("ragged", lambda tf, x: tf.reduce_sum(x, axis=0), lambda d, m: d.sum(0)),
    Reduction("ragged", lambda tf, x: tf.reduce_mean(x, axis=1), _mean),
    Reduction("ragged", lambda tf, x: tf.reduce_max(x, axis=1), _largest),
    Reduction("sparse", lambda tf, x: tf.sparse.reduce_sum(x, axis=1), lambda d, m: d.sum(1)),
    Reduction("sparse", lambda tf, x: tf.sparse.reduce_sum(x, axis=0), lambda d, m: d.sum(0)),
    Reduction("sparse", lambda tf, x: tf.sparse.reduce_max(x, axis=1), _largest_entry),
    Reduction(
        "sparse",
        lambda tf, x: tf.sparse.sparse_dense_matmul(x, tf.constant(_WEIGHTS)),
        lambda d, m: d @ _WEIGHTS,
    ),
)


def _values(kind: str, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the values as a dense array, zeros where there are none, and where they are."""
    rng = np.random.default_rng(rows)
    if kind == "sparse":
        mask = rng.random((rows, COLUMNS)) < 0.1
    else:
        lengths = rng.integers(0, 40, rows)
        lengths[0] = 39
        mask = np.arange(39) < lengths[:, None]
    return np.where(mask, rng.normal(size=mask.shape), 0).astype(np.float32), mask


def _made(tf: Any, kind: str, dense: np.ndarray, mask: np.ndarray) -> Any:
    if kind == "sparse":
        return tf.SparseTensor(np.argwhere(mask), tf.constant(dense[mask]), dense.shape)
    return tf.RaggedTensor.from_row_lengths(tf.constant(dense[mask]), tf.constant(mask.sum(1)))


class Close:
    """Check results against NumPy's."""

    def __init__(self, expected: list[np.ndarray]) -> None:
        self.expected = expected

    def __call__(self, found: Any) -> None:
        for one, expected in zip(found, self.expected, strict=True):
            array = as_numpy(one)
            close = array.shape == expected.shape and np.allclose(
                array, expected, rtol=1e-3, atol=1e-3, equal_nan=True
            )
            if not close:
                raise BenchmarkError("a reduction gave something else than NumPy's")


def reduce_with(kind: str, rows: int, compiled: bool) -> Callable[[Loaded], Run]:
    """Time the reductions of a tensor that is there already."""
    reductions = [each for each in REDUCTIONS if each.kind == kind]

    def build(fw: Loaded) -> Run:
        dense, mask = _values(kind, rows)

        def call(x: Any) -> list:
            return [each.call(fw.tf, x) for each in reductions]

        return Run(
            loop(fw.tf.function(call) if compiled else call, _made(fw.tf, kind, dense, mask)),
            Close([each.expected(dense, mask) for each in reductions]),
            finish=lambda found: [as_numpy(one) for one in found],
        )

    return build


def workload(kind: str, rows: int, compiled: bool) -> Workload:
    """Return the workload of the reductions of a kind of tensor."""
    how = "in a compiled function" if compiled else "eagerly"
    build = reduce_with(kind, rows, compiled)
    return Workload(
        name=f"{kind}_reductions_{rows}{'_function' if compiled else ''}",
        about=f"four reductions of a {kind} tensor of {rows} rows, {how}",
        unit="us",
        sides=(Side("dovetail", "dovetail", build), Side("tensorflow", "tensorflow", build)),
        bars=(Bar("no slower than TensorFlow", than="tensorflow", at_least=1.0),),
    )


WORKLOADS = tuple(
    workload(kind, rows, compiled)
    for kind in ("ragged", "sparse")
    for rows in (FEW, MANY)
    for compiled in (False, True)
)
