"""Projections of weights onto sets of allowed values."""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.base.settings import settings
from dovetail.base.told import Told
from dovetail.ops import arithmetic, math, reduction
from dovetail.ops.gather import gather_nd_
from dovetail.tensor.convert import convert_to_tensor

__all__ = [
    "Constraint",
    "MaxNorm",
    "MinMaxNorm",
    "NonNeg",
    "RadialConstraint",
    "UnitNorm",
    "max_norm",
    "maxnorm",
    "min_max_norm",
    "non_neg",
    "nonneg",
    "radial_constraint",
    "unit_norm",
    "unitnorm",
]


class Constraint(Told):
    """A function of a weight that gives an allowed weight.  Subclasses define `__call__(w)`."""

    _told_methods = ("__init__", "__call__")

    def __init__(self) -> None:
        """Takes no arguments."""

    def __call__(self, w: Any) -> Any:
        return w

    def get_config(self) -> dict:
        return {}

    @classmethod
    def from_config(cls, config: dict) -> Constraint:
        return cls(**config)


def _norms(w: Any, axis: Any) -> Any:
    return math.sqrt(reduction.reduce_sum(arithmetic.square(w), axis=axis, keepdims=True))


class MaxNorm(Constraint):
    """Scales vectors that are longer than `max_value` down to it.

    Args:
        max_value: the greatest norm.
        axis: the axes a vector runs along: 0 for the inputs of a Dense layer's units, [0, 1, 2] for those of Conv2D.
    """

    def __init__(self, max_value: float = 2, axis: Any = 0) -> None:
        self.max_value, self.axis = max_value, axis

    def __call__(self, w: Any) -> Any:
        w = convert_to_tensor(w)
        norms = _norms(w, self.axis)
        return w * (arithmetic.clip_by_value(norms, 0, self.max_value) / (settings.epsilon + norms))

    def get_config(self) -> dict:
        return {"max_value": self.max_value, "axis": self.axis}


class NonNeg(Constraint):
    """Replaces negative values by zero."""

    def __call__(self, w: Any) -> Any:
        return arithmetic.maximum(convert_to_tensor(w), 0)


class UnitNorm(Constraint):
    """Scales vectors to length 1.

    Args:
        axis: the axes a vector runs along.
    """

    def __init__(self, axis: Any = 0) -> None:
        self.axis = axis

    def __call__(self, w: Any) -> Any:
        w = convert_to_tensor(w)
        return w / (settings.epsilon + _norms(w, self.axis))

    def get_config(self) -> dict:
        return {"axis": self.axis}


class MinMaxNorm(Constraint):
    """Moves the norms of vectors towards [min_value, max_value].

    Args:
        min_value, max_value: the range of norms.
        rate: 1 enforces it at once; less moves part of the way at each update.
        axis: the axes a vector runs along.
    """

    def __init__(
        self, min_value: float = 0.0, max_value: float = 1.0, rate: float = 1.0, axis: Any = 0
    ) -> None:
        self.min_value, self.max_value, self.rate, self.axis = min_value, max_value, rate, axis

    def __call__(self, w: Any) -> Any:
        w = convert_to_tensor(w)
        norms = _norms(w, self.axis)
        clipped = arithmetic.clip_by_value(norms, self.min_value, self.max_value)
        return w * ((self.rate * clipped + (1 - self.rate) * norms) / (settings.epsilon + norms))

    def get_config(self) -> dict:
        return {
            "min_value": self.min_value,
            "max_value": self.max_value,
            "rate": self.rate,
            "axis": self.axis,
        }


class RadialConstraint(Constraint):
    """Makes the kernels of two-dimensional convolutions equal at equal distances from their middle.

    Each square ring takes the value of one element on the diagonal.  The kernels have shape (size, size, channels,
    outputs).
    """

    def __call__(self, w: Any) -> Any:
        w = convert_to_tensor(w)
        sizes = tuple(w.shape)
        if len(sizes) != 4 or sizes[0] != sizes[1]:
            raise ValueError(
                f"RadialConstraint: expected a kernel of shape (size, size, channels, outputs), received {sizes}"
                f"{at_user_location()}"
            )
        return gather_nd_(w, convert_to_tensor(_ring_values(sizes[0])))


def _ring_values(size: int) -> np.ndarray:
    """Returns, for each element of a square, the place on the diagonal whose value its ring takes: (size, size, 2)."""
    middle = size // 2
    place = np.arange(size)
    distance = (
        np.abs(place - middle) if size % 2 else np.where(place < middle, middle - 1 - place, place - middle)
    )
    ring = np.maximum(distance[:, None], distance[None, :])
    outward = middle + ring - (size % 2)
    chosen = np.where(ring == 0, max(middle - 1, 0), outward)
    return np.stack([chosen, chosen], axis=-1).astype(np.int32)


max_norm = maxnorm = MaxNorm
min_max_norm = MinMaxNorm
non_neg = nonneg = NonNeg
radial_constraint = RadialConstraint
unit_norm = unitnorm = UnitNorm
