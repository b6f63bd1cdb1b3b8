"""`tf.compat.v1.metrics`: precision and recall of the k best of ranked classes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dovetail as tf
from dovetail.base.errors import ArgumentTypeError, at_user_location
from dovetail.compat.first.metrics import _kept, _total, _weights_for


def _labels(labels: Any, chosen: Any) -> tuple[Any, Any]:
    """Returns labels, and which of them are there: a sparse tensor has rows of several lengths.

    Args:
        labels: (..., number of labels) or (...), integers; a sparse tensor of the first form.
        chosen: (..., k).

    Returns:
        int64 and booleans, of shape (..., number of labels).

    Raises:
        TypeError: they are no integers.
        ValueError: there are other rows than in `chosen`.
    """
    if isinstance(labels, tf.SparseTensor):
        marks = tf.SparseTensor(labels.indices, tf.ones_like(labels.values, "bool"), labels.dense_shape)
        truth, there = tf.sparse.to_dense(labels), tf.sparse.to_dense(marks)
    else:
        truth = tf.convert_to_tensor(labels)
        truth = truth[..., None] if truth.shape.rank == chosen.shape.rank - 1 else truth
        there = tf.ones_like(truth, "bool")
    if not truth.dtype.is_integer:
        raise ArgumentTypeError(f"labels: expected integers, received {truth.dtype.name}{at_user_location()}")
    ranks_differ = None not in (truth.shape.rank, chosen.shape.rank) and truth.shape.rank != chosen.shape.rank
    if ranks_differ or not truth.shape[:-1].is_compatible_with(chosen.shape[:-1]):
        raise ValueError(
            f"labels: expected rows for predictions of shape {chosen.shape}, received labels of shape {truth.shape}"
            f"{at_user_location()}"
        )
    return tf.cast(truth, "int64"), there


def _first_of_each(values: Any, there: Any) -> Any:
    """Returns which values of (..., n) are there and stand at the first of their places in the row."""
    size = values.shape[-1] if values.shape[-1] is not None else tf.shape(values)[-1]
    places = tf.range(size)
    earlier = places[None, :] < places[:, None]
    same = tf.equal(values[..., :, None], values[..., None, :]) & there[..., None, :] & earlier
    return there & ~tf.reduce_any(same, -1)


def _counts(labels: Any, ranked: Any, class_id: Any) -> tuple[Any, Any, Any]:
    """Returns, of sets of labels and of ranked classes, how many are both, only labels, only ranked classes.

    Args:
        labels: see `_labels`.
        ranked: (..., k), integers.
        class_id: only this class counts.

    Returns:
        float64, of shape (...).
    """
    chosen = tf.cast(ranked, "int64")
    truth, is_label = _labels(labels, chosen)
    is_chosen = tf.ones_like(chosen, "bool")
    if class_id is not None:
        is_label, is_chosen = is_label & (truth == class_id), chosen == class_id
    is_label, is_chosen = _first_of_each(truth, is_label), _first_of_each(chosen, is_chosen)
    same = tf.equal(truth[..., :, None], chosen[..., None, :]) & is_chosen[..., None, :]
    found = is_label & tf.reduce_any(same, -1)
    both, labelled, ranked = (tf.reduce_sum(tf.cast(x, "float64"), -1) for x in (found, is_label, is_chosen))
    return both, labelled - both, ranked - both


_OTHERS = {"recall": (1, "false_negative"), "precision": (2, "false_positive")}


def _metric(name: str, labels: Any, ranked: Callable[[], Any], given: dict) -> tuple[Any, Any]:
    """Returns the part of what is both labels and ranked classes, of `_OTHERS` and those."""
    place, other = _OTHERS[name]
    tail = "k" if given["k"] is None else given["k"]
    tail = f"{tail}_class{given['class_id']}" if given["class_id"] is not None else tail
    with tf.name_scope(given["name"] or f"{name}_at_{tail}") as scope:
        counts = _counts(labels, ranked(), given["class_id"])
        totals, updates = [], []
        for label, count in (("true_positive", counts[0]), (other, counts[place])):
            kept = _total(f"{label}_at_{tail}", dtype="float64")
            factors = _weights_for(count, given["weights"], "float64")
            totals.append(kept)
            updates.append(kept.assign_add(tf.reduce_sum(count * factors)))
        update = tf.identity(updates[0] / (updates[0] + updates[1]), name="update")
        value = tf.identity(totals[0] / (totals[0] + totals[1]), name=scope)
    return _kept(value, update, given["metrics_collections"], given["updates_collections"])


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

    Labels and classes of a row are sets: what stands twice in it counts once.  Labels that are no classes count as
    not found.  Without any label, the value is not a number.

    Args:
        labels: (..., number of labels), or (...) for one label, integers; a sparse tensor of the first form.
        predictions_idx: (..., k), classes.
        k: for names only.
        class_id: only this class counts.
        weights: (...), factors.
        metrics_collections, updates_collections, name: see `mean`.
    """
    return _metric("recall", labels, lambda: predictions_idx, dict(locals()))


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
    return _metric("recall", labels, lambda: tf.math.top_k(predictions, k)[1], dict(locals()))


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
    return _metric("precision", labels, lambda: predictions_idx, dict(locals()))


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
    return _metric("precision", labels, lambda: tf.math.top_k(predictions, k)[1], dict(locals()))


def average_precision_at_k(
    labels: Any,
    predictions: Any,
    k: int,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> tuple[Any, Any]:
    """Returns the mean over rows of their average precisions, and the operation that updates it.

    That of a row is the sum of the precisions of the i best classes, for each i up to k whose class is a label, by the
    number of labels, k at most.  Labels that are no classes are left out.

    Args:
        labels: see `recall_at_top_k`.
        predictions: (..., classes), scores.
        k: how many classes are ranked.
        weights: (...), factors.
        metrics_collections, updates_collections, name: see `mean`.
    """
    with tf.name_scope(name or f"average_precision_at_{k}") as scope:
        scores = tf.convert_to_tensor(predictions)
        chosen = tf.cast(tf.math.top_k(scores, k)[1], "int64")
        truth, there = _labels(labels, chosen)
        is_label = there & (truth >= 0) & (truth < tf.cast(tf.shape(scores)[-1], "int64"))
        same = tf.equal(truth[..., :, None], chosen[..., None, :]) & is_label[..., :, None]
        hits = tf.cast(tf.reduce_any(same, -2), "float64")  # (..., k)
        precisions = tf.cumsum(hits, -1) / tf.cast(tf.range(1, k + 1), "float64")
        most = tf.minimum(tf.reduce_sum(tf.cast(is_label, "float64"), -1), float(k))
        average = tf.reduce_sum(hits * precisions, -1) / most
        factors = _weights_for(average, weights, "float64")
        count, total = (_total(label, dtype="float64") for label in ("max", "total"))
        new_count = count.assign_add(tf.reduce_sum(factors))
        new_total = total.assign_add(tf.reduce_sum(average * factors))
        update = tf.identity(tf.math.divide_no_nan(new_total, new_count), name=scope)
        value = tf.identity(tf.math.divide_no_nan(total, count), name="mean")
    return _kept(value, update, metrics_collections, updates_collections)


_FUNCTIONS = (average_precision_at_k, precision_at_k, precision_at_top_k, recall_at_k, recall_at_top_k)
NAMES: dict[str, Any] = {
    **{f.__name__: f for f in _FUNCTIONS},
    "sparse_average_precision_at_k": average_precision_at_k,
    "sparse_precision_at_k": precision_at_k,
}
