"""Penalties on weights."""

from __future__ import annotations

from math import isfinite
from typing import Any

from dovetail.base.errors import at_user_location
from dovetail.base.told import Told
from dovetail.ops import arithmetic, linalg, math, reduction
from dovetail.tensor.convert import convert_to_tensor

__all__ = [
    "L1",
    "L1L2",
    "L2",
    "OrthogonalRegularizer",
    "Regularizer",
    "l1",
    "l1_l2",
    "l2",
    "orthogonal_regularizer",
]


class Regularizer(Told):
    """A penalty: a function of a weight that gives a scalar.  Subclasses define `__call__(x)` and `get_config()`."""

    _told_methods = ("__init__", "__call__")

    def __call__(self, x: Any) -> Any:
        return 0.0

    def get_config(self) -> dict:
        raise NotImplementedError(
            f"{type(self).__name__} must define get_config(): the arguments of its __init__"
        )

    @classmethod
    def from_config(cls, config: dict) -> Regularizer:
        return cls(**config)


def _factor(name: str, value: Any, default: float) -> float:
    value = default if value is None else value
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = float("nan")
    if not (isfinite(number) and number >= 0):
        raise ValueError(
            f"regularizer: {name} must be a non-negative number, received {value!r}{at_user_location()}"
        )
    return number


def _sum_of_sizes(x: Any) -> Any:
    return reduction.reduce_sum(math.abs_(x))


def _sum_of_squares(x: Any) -> Any:
    return reduction.reduce_sum(arithmetic.square(x))


class L1L2(Regularizer):
    """`l1 * sum(abs(x)) + l2 * sum(square(x))`.

    Args:
        l1, l2: non-negative factors.
    """

    def __init__(self, l1: float = 0.0, l2: float = 0.0) -> None:
        self.l1, self.l2 = _factor("l1", l1, 0.0), _factor("l2", l2, 0.0)

    def __call__(self, x: Any) -> Any:
        x = convert_to_tensor(x)
        if self.l1 and self.l2:
            return self.l1 * _sum_of_sizes(x) + self.l2 * _sum_of_squares(x)
        if self.l1:
            return self.l1 * _sum_of_sizes(x)
        return self.l2 * _sum_of_squares(x)

    def get_config(self) -> dict:
        return {"l1": self.l1, "l2": self.l2}


class L1(Regularizer):
    """`l1 * sum(abs(x))`: drives weights to zero."""

    def __init__(self, l1: float = 0.01, l: float | None = None) -> None:  # noqa: E741 - the name of Keras 2
        self.l1 = _factor("l1", l1 if l is None else l, 0.01)

    def __call__(self, x: Any) -> Any:
        return self.l1 * _sum_of_sizes(convert_to_tensor(x))

    def get_config(self) -> dict:
        return {"l1": self.l1}


class L2(Regularizer):
    """`l2 * sum(square(x))`: keeps weights small."""

    def __init__(self, l2: float = 0.01, l: float | None = None) -> None:  # noqa: E741 - the name of Keras 2
        self.l2 = _factor("l2", l2 if l is None else l, 0.01)

    def __call__(self, x: Any) -> Any:
        return self.l2 * _sum_of_squares(convert_to_tensor(x))

    def get_config(self) -> dict:
        return {"l2": self.l2}


class OrthogonalRegularizer(Regularizer):
    """Keeps the rows (or columns) of a matrix orthogonal: `factor` times the mean size of their cosines.

    Args:
        factor: non-negative.
        mode: "rows" or "columns".
    """

    def __init__(self, factor: float = 0.01, mode: str = "rows") -> None:
        self.factor = _factor("factor", factor, 0.01)
        if mode not in ("rows", "columns"):
            raise ValueError(f"OrthogonalRegularizer: mode must be 'rows' or 'columns', received {mode!r}")
        self.mode = mode

    def __call__(self, inputs: Any) -> Any:
        x = convert_to_tensor(inputs)
        if len(x.shape) != 2:
            raise ValueError(
                f"OrthogonalRegularizer: expected a matrix, received shape {x.shape}{at_user_location()}"
            )
        rows = self.mode == "rows"
        axis, size = (1, x.shape[0]) if rows else (0, x.shape[1])
        squares = reduction.reduce_sum(arithmetic.square(x), axis=axis, keepdims=True)
        x = x / arithmetic.maximum(math.sqrt(squares), 1e-12)
        cosines = linalg.matmul(x, x, transpose_b=rows, transpose_a=not rows)
        # Each row has a cosine of 1 with itself, or of 0 when it is all zeros.
        own = reduction.reduce_sum(arithmetic.square(x))
        pairs = size * (size - 1) / 2
        return self.factor * 0.5 * (_sum_of_sizes(cosines) - own) / pairs

    def get_config(self) -> dict:
        return {"factor": self.factor, "mode": self.mode}


l1 = L1
l2 = L2
l1_l2 = L1L2
orthogonal_regularizer = OrthogonalRegularizer
