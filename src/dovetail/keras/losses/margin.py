"""Losses that want a margin, and those for overlapping regions."""

from __future__ import annotations

from typing import Any

from dovetail.base.settings import settings
from dovetail.keras.losses.reduce import as_dtype_of, as_floating
from dovetail.ops import arithmetic, logic, reduction

__all__ = ["categorical_hinge", "dice", "hinge", "squared_hinge", "tversky"]


def _signed(y_true: Any, y_pred: Any) -> Any:
    """Returns labels of -1 and 1; labels that are all 0 or 1 are converted, others kept."""
    y_true = as_dtype_of(y_true, y_pred)
    binary = reduction.reduce_all(logic.logical_or(logic.equal(y_true, 0.0), logic.equal(y_true, 1.0)))
    weight = binary._astype(y_pred.dtype)
    return y_true + weight * (y_true - 1.0)


def hinge(y_true: Any, y_pred: Any) -> Any:
    """Returns `mean(max(1 - y_true * y_pred, 0))` over the last axis, for labels -1 and 1 (or 0 and 1)."""
    y_pred = as_floating(y_pred)
    return reduction.reduce_mean(arithmetic.maximum(1.0 - _signed(y_true, y_pred) * y_pred, 0.0), axis=-1)


def squared_hinge(y_true: Any, y_pred: Any) -> Any:
    """Returns `mean(square(max(1 - y_true * y_pred, 0)))` over the last axis, for labels -1 and 1 (or 0 and 1)."""
    y_pred = as_floating(y_pred)
    margin = arithmetic.maximum(1.0 - _signed(y_true, y_pred) * y_pred, 0.0)
    return reduction.reduce_mean(arithmetic.square(margin), axis=-1)


def categorical_hinge(y_true: Any, y_pred: Any) -> Any:
    """Returns `max(1 + max((1 - y_true) * y_pred) - sum(y_true * y_pred), 0)` over the last axis, labels one-hot."""
    y_pred = as_floating(y_pred)
    y_true = as_dtype_of(y_true, y_pred)
    right = reduction.reduce_sum(y_true * y_pred, axis=-1)
    wrong = reduction.reduce_max((1.0 - y_true) * y_pred, axis=-1)
    return arithmetic.maximum(wrong - right + 1.0, 0.0)


def dice(y_true: Any, y_pred: Any, axis: Any = None) -> Any:
    """Returns `1 - 2 * sum(y_true * y_pred) / (sum(y_true) + sum(y_pred))` over `axis` (all axes when None)."""
    y_pred = as_floating(y_pred)
    y_true = as_dtype_of(y_true, y_pred)
    overlap = reduction.reduce_sum(y_true * y_pred, axis=axis)
    total = reduction.reduce_sum(y_true, axis=axis) + reduction.reduce_sum(y_pred, axis=axis)
    return 1.0 - 2.0 * overlap / (total + settings.epsilon)


def tversky(y_true: Any, y_pred: Any, alpha: float = 0.5, beta: float = 0.5, axis: Any = None) -> Any:
    """Returns `1 - overlap / (overlap + alpha * missed + beta * invented)` over `axis` (all axes when None).

    Args:
        alpha: weight of what is in `y_true` only, as Keras computes it.
        beta: weight of what is in `y_pred` only.
    """
    y_pred = as_floating(y_pred)
    y_true = as_dtype_of(y_true, y_pred)
    overlap = reduction.reduce_sum(y_true * y_pred, axis=axis)
    missed = reduction.reduce_sum((1.0 - y_pred) * y_true, axis=axis)
    invented = reduction.reduce_sum(y_pred * (1.0 - y_true), axis=axis)
    return 1.0 - overlap / (overlap + missed * alpha + invented * beta + settings.epsilon)
