"""`tf.compat.v1.metrics`: precision and recall of the k best of ranked classes."""

from __future__ import annotations

from typing import Any

import dovetail as tf
from dovetail.compat.first.metrics import _kept, _total


def _hits(labels: Any, ranked: Any, class_id: int | None) -> tuple[Any, Any, Any]:
    """Returns how many of the ranked classes are labels, how many labels there are, and how many ranked classes.

    Args:
        labels: (..., number of labels) or (...).
        ranked: (..., k).
        class_id: only this class counts.

    Returns:
        float64, of shape (...).
    """
    chosen, truth = tf.cast(ranked, "int64"), tf.cast(labels, "int64")
    if isinstance(labels, tf.SparseTensor):
        truth = tf.cast(tf.sparse.to_dense(labels, default_value=-1), "int64")
    if len(truth.shape) == len(chosen.shape) - 1:
        truth = truth[..., None]
    is_label, is_chosen = truth >= 0, chosen >= 0
    if class_id is not None:
        is_label, is_chosen = truth == class_id, chosen == class_id
    same = (
        tf.equal(truth[..., :, None], chosen[..., None, :]) & is_label[..., :, None] & is_chosen[..., None, :]
    )
    hits = tf.reduce_sum(tf.cast(tf.reduce_any(same, -1), "float64"), -1)
    found = tf.reduce_sum(tf.cast(tf.reduce_any(same, -2), "float64"), -1)
    num_labels = tf.reduce_sum(tf.cast(is_label, "float64"), -1)
    num_chosen = tf.reduce_sum(tf.cast(is_chosen, "float64"), -1)
    return tf.stack([hits, found]), num_labels, num_chosen


def _metric(name: str, part: int, of_labels: bool, labels: Any, ranked: Any, given: dict) -> tuple[Any, Any]:
    weights = given.get("weights")
    with tf.name_scope(given.get("name") or name):
        hits, num_labels, num_chosen = _hits(labels, ranked, given.get("class_id"))
        over, under = hits[part], num_labels if of_labels else num_chosen
        factors = tf.ones_like(over) if weights is None else tf.cast(weights, "float64") * tf.ones_like(over)
        sums = [_total(label, dtype="float64") for label in ("true_positive", "total")]
        taken = [
            kept.assign_add(tf.reduce_sum(x * factors)) for kept, x in zip(sums, (over, under), strict=True)
        ]
        pair = tf.math.divide_no_nan(*sums), tf.math.divide_no_nan(*taken)
    return _kept(*pair, given.get("metrics_collections"), given.get("updates_collections"))


def recall_at_top_k(
    labels: Any,
    predictions_idx: Any,
    k: int | None = None,
    class_id: int | None = None,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> tuple[Any, Any]:
    """Returns how many of the labels are among the k best classes, which are given, and the operation that updates it.

    Args:
        labels: (..., number of labels), integers; a sparse tensor of such.
        predictions_idx: (..., k), classes.
        class_id: only this class counts.
        weights: (...), factors.
    """
    return _metric("recall_at_top_k", 0, True, labels, predictions_idx, dict(locals()))


def recall_at_k(
    labels: Any,
    predictions: Any,
    k: int,
    class_id: int | None = None,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> tuple[Any, Any]:
    """As `recall_at_top_k`, for scores of all classes, (..., classes)."""
    return _metric("recall_at_k", 0, True, labels, tf.math.top_k(predictions, k)[1], dict(locals()))


def precision_at_top_k(
    labels: Any,
    predictions_idx: Any,
    k: int | None = None,
    class_id: int | None = None,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> tuple[Any, Any]:
    """Returns how many of the k best classes, which are given, are labels: see `recall_at_top_k`."""
    return _metric("precision_at_top_k", 1, False, labels, predictions_idx, dict(locals()))


def precision_at_k(
    labels: Any,
    predictions: Any,
    k: int,
    class_id: int | None = None,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> tuple[Any, Any]:
    """As `precision_at_top_k`, for scores of all classes, (..., classes)."""
    return _metric("precision_at_k", 1, False, labels, tf.math.top_k(predictions, k)[1], dict(locals()))


NAMES: dict[str, Any] = {
    **{f.__name__: f for f in (precision_at_k, precision_at_top_k, recall_at_k, recall_at_top_k)},
    "sparse_precision_at_k": precision_at_k,
}
