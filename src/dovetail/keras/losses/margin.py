"""Losses that want a margin, between classes or between embeddings, and those for overlapping regions."""

from __future__ import annotations

from typing import Any

from dovetail.base.settings import settings
from dovetail.keras.losses.reduce import as_dtype_of, as_floating
from dovetail.keras.masks import set_mask
from dovetail.ops import arithmetic, create, indexing, linalg, logic, nn, reduction, shapes
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.dtype import as_dtype

__all__ = ["categorical_hinge", "circle", "dice", "hinge", "squared_hinge", "tversky"]


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


# The logarithm of nothing, where a sum has no terms: a number, so that gradients are numbers too.
_NOTHING = -1e30


def circle(
    y_true: Any,
    y_pred: Any,
    ref_labels: Any = None,
    ref_embeddings: Any = None,
    remove_diagonal: bool = True,
    gamma: float = 80,
    margin: float = 0.4,
) -> Any:
    """Returns `softplus(logsumexp(positives) + logsumexp(negatives))` for each embedding of a batch.

    With the cosine distance `d` of a pair: positives are `gamma * max(margin + d, 0) * (d - margin)` of the pairs of
    one class, negatives are `gamma * max(1 + margin - d, 0) * (1 - margin - d)` of the others.

    Args:
        y_true: class numbers, (batch,).
        y_pred: embeddings of length 1, (batch, units).
        ref_labels, ref_embeddings: what they are compared with; themselves when None.
        remove_diagonal: an embedding is not its own pair.
        gamma: scale of the distances.
        margin: how far classes shall be apart.

    Source: Y. Sun et al., 2020, "Circle loss: a unified perspective of pair similarity optimization".
    """
    y_pred, labels = as_floating(y_pred), _class_column(y_true)
    others = y_pred if ref_embeddings is None else as_dtype_of(ref_embeddings, y_pred)
    other_labels = labels if ref_labels is None else _class_column(ref_labels)
    distance = arithmetic.maximum(1.0 - linalg.matmul(y_pred, others, transpose_b=True), 0.0)
    alike = logic.equal(labels, shapes.transpose(other_labels))  # (batch, references)
    different = logic.logical_not(alike)
    if remove_diagonal:
        place = create.range_of(shapes.shape(labels)[0])
        other_place = create.range_of(shapes.shape(other_labels)[0])
        alike = logic.logical_and(alike, logic.not_equal(place[:, None], other_place[None, :]))
    near = gamma * arithmetic.maximum(margin + distance, 0.0) * (distance - margin)
    far = gamma * arithmetic.maximum(1.0 + margin - distance, 0.0) * (1.0 - margin - distance)
    values = nn.softplus(_log_sum(alike, near) + _log_sum(different, far))
    set_mask(values, values > 0.0)
    return values


def _class_column(labels: Any) -> Any:
    """Returns class numbers as int32 of shape (batch, 1)."""
    return shapes.reshape(convert_to_tensor(labels)._astype(as_dtype("int32")), shape=(-1, 1))


def _log_sum(where: Any, values: Any) -> Any:
    return reduction.reduce_logsumexp(indexing.where(where, values, values * 0.0 + _NOTHING), axis=1)


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
