"""The random functions of Keras' backend, in its default dtype."""

from __future__ import annotations

from typing import Any

from dovetail.base.settings import settings
from dovetail.ops.random import draw_bernoulli, normal, truncated_normal, uniform
from dovetail.ops.views import export
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.variable import Variable


def _floatx(dtype: Any) -> Any:
    return settings.floatx if dtype is None else dtype


@export("K.random_normal")
def random_normal(
    shape: Any, mean: float = 0.0, stddev: float = 1.0, dtype: Any = None, seed: int | None = None
) -> Any:
    """Returns normally distributed numbers, in Keras' default dtype."""
    return normal(shape, mean, stddev, _floatx(dtype), seed)


@export("K.random_uniform")
def random_uniform(
    shape: Any, minval: float = 0.0, maxval: float = 1.0, dtype: Any = None, seed: int | None = None
) -> Any:
    """Returns uniform numbers in [minval, maxval), in Keras' default dtype."""
    return uniform(shape, minval, maxval, _floatx(dtype), seed)


@export("K.truncated_normal")
def backend_truncated_normal(
    shape: Any, mean: float = 0.0, stddev: float = 1.0, dtype: Any = None, seed: int | None = None
) -> Any:
    """Returns normally distributed numbers at most two standard deviations from the mean."""
    return truncated_normal(shape, mean, stddev, _floatx(dtype), seed)


@export("K.random_bernoulli K.random_binomial")
def random_bernoulli(shape: Any, p: float = 0.0, dtype: Any = None, seed: int | None = None) -> Any:
    """Returns 1 with probability `p`, else 0."""
    return draw_bernoulli(convert_to_tensor(float(p)), shape=shape, dtype=_floatx(dtype), seed=seed)


@export("K.random_uniform_variable")
def random_uniform_variable(
    shape: Any, low: float, high: float, dtype: Any = None, name: str | None = None, seed: int | None = None
) -> Variable:
    """Returns a variable that begins with uniform numbers in [low, high)."""
    return Variable(uniform(shape, low, high, _floatx(dtype), seed), name=name)


@export("K.random_normal_variable")
def random_normal_variable(
    shape: Any, mean: float, scale: float, dtype: Any = None, name: str | None = None, seed: int | None = None
) -> Variable:
    """Returns a variable that begins with normally distributed numbers."""
    return Variable(normal(shape, mean, scale, _floatx(dtype), seed), name=name)
