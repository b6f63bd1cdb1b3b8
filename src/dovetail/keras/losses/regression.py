"""Losses for numbers: squared, absolute and relative errors, and the smooth ones between."""

from __future__ import annotations

import math as numbers
from typing import Any

from dovetail.base.settings import settings
from dovetail.keras.losses.reduce import as_dtype_of, as_floating, same_rank
from dovetail.ops import arithmetic, math, nn, reduction

__all__ = [
    "MAE",
    "MAPE",
    "MSE",
    "MSLE",
    "cosine_proximity",
    "cosine_similarity",
    "huber",
    "huber_loss",
    "log_cosh",
    "logcosh",
    "mae",
    "mape",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "mean_squared_error",
    "mean_squared_logarithmic_error",
    "mse",
    "msle",
]


def aligned(y_true: Any, y_pred: Any) -> tuple[Any, Any]:
    """Returns targets and predictions as tensors of one floating dtype and one rank."""
    y_pred = as_floating(y_pred)
    return same_rank(as_dtype_of(y_true, y_pred), y_pred)


def _mean(values: Any) -> Any:
    return reduction.reduce_mean(values, axis=-1)


def mean_squared_error(y_true: Any, y_pred: Any) -> Any:
    """Returns `mean(square(y_true - y_pred))` over the last axis."""
    y_true, y_pred = aligned(y_true, y_pred)
    return _mean(arithmetic.squared_difference(y_pred, y_true))


def mean_absolute_error(y_true: Any, y_pred: Any) -> Any:
    """Returns `mean(abs(y_true - y_pred))` over the last axis."""
    y_true, y_pred = aligned(y_true, y_pred)
    return _mean(math.abs_(y_true - y_pred))


def mean_absolute_percentage_error(y_true: Any, y_pred: Any) -> Any:
    """Returns `100 * mean(abs((y_true - y_pred) / max(abs(y_true), epsilon)))` over the last axis."""
    y_true, y_pred = aligned(y_true, y_pred)
    size = arithmetic.maximum(math.abs_(y_true), settings.epsilon)
    return 100.0 * _mean(math.abs_((y_true - y_pred) / size))


def mean_squared_logarithmic_error(y_true: Any, y_pred: Any) -> Any:
    """Returns `mean(square(log(y_true + 1) - log(y_pred + 1)))` over the last axis; values are at least epsilon."""
    y_true, y_pred = aligned(y_true, y_pred)
    predicted = math.log(arithmetic.maximum(y_pred, settings.epsilon) + 1.0)
    wanted = math.log(arithmetic.maximum(y_true, settings.epsilon) + 1.0)
    return _mean(arithmetic.square(predicted - wanted))


def huber(y_true: Any, y_pred: Any, delta: float = 1.0) -> Any:
    """Returns the mean over the last axis of `error**2 / 2`, or beyond `delta` of `delta * (abs(error) - delta / 2)`.

    Source: P. Huber, 1964, "Robust estimation of a location parameter".
    """
    y_true, y_pred = aligned(y_true, y_pred)
    size = math.abs_(y_pred - y_true)
    # With q = min(size, delta), both branches are q * (size - q / 2): no selection, and an exact gradient.
    near = arithmetic.minimum(size, delta)
    return _mean(near * (size - 0.5 * near))


def log_cosh(y_true: Any, y_pred: Any) -> Any:
    """Returns `mean(log(cosh(y_pred - y_true)))` over the last axis, without overflow."""
    y_true, y_pred = aligned(y_true, y_pred)
    error = y_pred - y_true
    return _mean(error + nn.softplus(error * -2.0) - numbers.log(2.0))


def unit(x: Any, axis: Any) -> Any:
    """Scales vectors along `axis` to length 1; zeros stay zeros."""
    squares = reduction.reduce_sum(arithmetic.square(x), axis=axis, keepdims=True)
    return x * math.rsqrt(arithmetic.maximum(squares, 1e-12))


def cosine_similarity(y_true: Any, y_pred: Any, axis: Any = -1) -> Any:
    """Returns minus the cosine of the angle between targets and predictions: -1 where they point the same way."""
    y_true, y_pred = aligned(y_true, y_pred)
    return -reduction.reduce_sum(unit(y_true, axis) * unit(y_pred, axis), axis=axis)


mse = MSE = mean_squared_error
mae = MAE = mean_absolute_error
mape = MAPE = mean_absolute_percentage_error
msle = MSLE = mean_squared_logarithmic_error
logcosh = log_cosh
huber_loss = huber
cosine_proximity = cosine_similarity
