"""Projections of weights onto sets of allowed values."""

from __future__ import annotations

from typing import Any

from dovetail.base.settings import settings
from dovetail.base.told import Told
from dovetail.ops import arithmetic, math, reduction
from dovetail.tensor.convert import convert_to_tensor

__all__ = [
    "Constraint",
    "MaxNorm",
    "MinMaxNorm",
    "NonNeg",
    "UnitNorm",
    "max_norm",
    "maxnorm",
    "min_max_norm",
    "non_neg",
    "nonneg",
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


max_norm = maxnorm = MaxNorm
min_max_norm = MinMaxNorm
non_neg = nonneg = NonNeg
unit_norm = unitnorm = UnitNorm
