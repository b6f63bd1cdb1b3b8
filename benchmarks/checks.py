"""What a result must look like for its timing to count."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.kinds import BenchmarkError


def as_numpy(value: Any) -> np.ndarray:
    """Return any framework's tensor as an array in host memory, waiting for it where it is not ready."""
    return np.asarray(value.detach() if hasattr(value, "detach") else value)


class EqualTo:
    """Check that the last result of a repeat has the expected values."""

    def __init__(self, expected: Any, tolerance: float = 1e-4) -> None:
        self.expected = np.asarray(expected)
        self.tolerance = tolerance

    def __call__(self, result: Any) -> None:
        found = as_numpy(result)
        if found.shape != self.expected.shape:
            raise BenchmarkError(f"expected a result of shape {self.expected.shape}, received {found.shape}")
        if not np.allclose(found, self.expected, rtol=self.tolerance, atol=self.tolerance):
            worst = float(np.max(np.abs(found - self.expected)))
            raise BenchmarkError(f"wrong values: off by up to {worst:.3g}")


class LossFalls:
    """Check that losses are finite and that each is below the very first one."""

    def __init__(self) -> None:
        self.first: float | None = None

    def __call__(self, loss: Any) -> None:
        value = float(loss)
        if not np.isfinite(value):
            raise BenchmarkError(f"the loss is {value}")
        if self.first is None:
            self.first = value
        elif value >= self.first:
            raise BenchmarkError(f"the loss is {value:.4g} and began at {self.first:.4g}: nothing was learnt")


class LossMoves:
    """Check that losses are finite, that each differs from the one before, and that none is twice the first.

    For two networks that train against each other: a loss that falls would mean that one of them has lost.
    """

    def __init__(self) -> None:
        self.first: float | None = None
        self.last: float | None = None

    def __call__(self, loss: Any) -> None:
        value = float(loss)
        if not np.isfinite(value):
            raise BenchmarkError(f"the loss is {value}")
        if value == self.last:
            raise BenchmarkError(f"the loss stays at {value:.4g}: nothing was trained")
        if self.first is None:
            self.first = value
        elif value >= 2 * self.first:
            raise BenchmarkError(
                f"the loss is {value:.4g} and began at {self.first:.4g}: the training diverges"
            )
        self.last = value
