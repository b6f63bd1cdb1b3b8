"""`tf.compat.v1.metrics`: each a value and the operation that takes a batch into it, over local variables."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import dovetail as tf
from dovetail.base.errors import at_user_location
from dovetail.compat.first.keys import GraphKeys
from dovetail.compat.first.variables import VariableV1
from dovetail.graph.by_hand import default_graph


def _total(name: str, shape: Any = (), dtype: Any = "float32") -> Any:
    keys = [GraphKeys.LOCAL_VARIABLES, GraphKeys.METRIC_VARIABLES]
    return VariableV1(lambda: tf.zeros(shape, dtype), trainable=False, collections=keys, name=name)


def _kept(value: Any, update: Any, metrics_collections: Any, updates_collections: Any) -> tuple[Any, Any]:
    graph = default_graph()
    if metrics_collections:
        graph.add_to_collections(metrics_collections, value)
    if updates_collections:
        graph.add_to_collections(updates_collections, update)
    return value, update


def _weights_for(values: Any, weights: Any, dtype: str = "float32") -> Any:
    """Returns weights as floats in the shape of the values.

    Args:
        weights: None for 1; a number; of the values' rank, each size 1 or the values'; or with a dimension less or one
            of size 1 more at the end.

    Raises:
        ValueError: they are none of these.
    """
    factors = tf.cast(1.0 if weights is None else weights, dtype)
    ranks = factors.shape.rank, values.shape.rank
    if ranks[0] and ranks[1] is not None and ranks[0] == ranks[1] - 1:
        factors = factors[..., None]
    elif ranks[0] and ranks[1] is not None and ranks[0] == ranks[1] + 1 and factors.shape[-1] == 1:
        factors = tf.squeeze(factors, [-1])
    if not _fits(factors.shape, values.shape):
        raise ValueError(
            f"weights can not be broadcast to values: expected a number, or sizes that are 1 or those of the values, "
            f"{values.shape}; received shape {tf.convert_to_tensor(weights).shape}{at_user_location()}"
        )
    return factors * tf.ones_like(values, dtype)


def _fits(weights: Any, values: Any) -> bool:
    """Whether weights of a shape may stand beside values, as far as both shapes are known."""
    if weights.rank in (None, 0) or values.rank is None:
        return True
    pairs = zip(weights.as_list(), values.as_list(), strict=False)
    return weights.rank == values.rank and all(a in (1, b, None) or b is None for a, b in pairs)


def _counted(name: str, flags: Any, weights: Any) -> tuple[Any, Any]:
    """Returns how many flags are set in all, and the operation that takes a batch of them in."""
    count = _total(name)
    flags = tf.cast(flags, "float32")
    return count, count.assign_add(tf.reduce_sum(flags * _weights_for(flags, weights)))


def _ratio(over: Any, under: Any) -> Any:
    return tf.math.divide_no_nan(tf.cast(over, "float32"), tf.cast(under, "float32"))


def mean(
    values: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> tuple[Any, Any]:
    """Returns the weighted mean of all values so far, and the operation that takes values in.

    Args:
        values: tensor of numbers.
        weights: a factor for each, None for 1.
        metrics_collections, updates_collections: keys of the collections that the value and the operation are put in.
        name: of the operations.
    """
    with tf.name_scope(name or "mean"):
        total, count = _total("total"), _total("count")
        values = tf.cast(values, "float32")
        factors = _weights_for(values, weights)
        new_total = total.assign_add(tf.reduce_sum(values * factors))
        new_count = count.assign_add(tf.reduce_sum(factors))
        pair = _ratio(total, count), _ratio(new_total, new_count)
    return _kept(*pair, metrics_collections, updates_collections)


def mean_tensor(
    values: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> tuple[Any, Any]:
    """As `mean`, element by element of tensors of one shape."""
    with tf.name_scope(name or "mean"):
        values = tf.cast(values, "float32")
        total, count = _total("total_tensor", values.shape), _total("count_tensor", values.shape)
        factors = _weights_for(values, weights)
        new = _ratio(total.assign_add(values * factors), count.assign_add(factors))
    return _kept(_ratio(total, count), new, metrics_collections, updates_collections)


def _same_shape(labels: Any, predictions: Any) -> tuple[Any, Any]:
    """Returns both, without a last dimension of 1 that only one has."""
    ranks = labels.shape.rank, predictions.shape.rank
    if ranks[0] is not None and ranks[1] is not None and ranks[0] != ranks[1]:
        labels = tf.squeeze(labels, [-1]) if ranks[0] > ranks[1] else labels
        predictions = tf.squeeze(predictions, [-1]) if ranks[1] > ranks[0] else predictions
    return labels, predictions


def accuracy(
    labels: Any,
    predictions: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> tuple[Any, Any]:
    """Returns how often predictions equal labels: see `mean`."""
    predictions = tf.convert_to_tensor(predictions)
    labels, predictions = _same_shape(tf.cast(labels, predictions.dtype), predictions)
    right = tf.cast(tf.equal(labels, predictions), "float32")
    return mean(right, weights, metrics_collections, updates_collections, name or "accuracy")


def mean_absolute_error(labels: Any, predictions: Any, weights: Any = None, **others: Any) -> tuple[Any, Any]:
    """Returns the mean of `|predictions - labels|`: see `mean`."""
    y, x = _same_shape(tf.cast(labels, "float32"), tf.cast(predictions, "float32"))
    return mean(tf.abs(x - y), weights, **others)


def mean_relative_error(
    labels: Any, predictions: Any, normalizer: Any, weights: Any = None, **others: Any
) -> tuple[Any, Any]:
    """Returns the mean of `|predictions - labels| / normalizer`: see `mean`."""
    y, x = _same_shape(tf.cast(labels, "float32"), tf.cast(predictions, "float32"))
    return mean(tf.math.divide_no_nan(tf.abs(x - y), tf.cast(normalizer, "float32")), weights, **others)


def mean_squared_error(labels: Any, predictions: Any, weights: Any = None, **others: Any) -> tuple[Any, Any]:
    """Returns the mean of `(predictions - labels) ** 2`: see `mean`."""
    y, x = _same_shape(tf.cast(labels, "float32"), tf.cast(predictions, "float32"))
    return mean(tf.square(x - y), weights, **others)


def mean_cosine_distance(
    labels: Any, predictions: Any, dim: int, weights: Any = None, **others: Any
) -> tuple[Any, Any]:
    """Returns the mean of 1 - the inner product along `dim`: see `mean`."""
    y, x = tf.cast(labels, "float32"), tf.cast(predictions, "float32")
    return mean(1.0 - tf.reduce_sum(x * y, axis=dim, keepdims=True), weights, **others)


def root_mean_squared_error(
    labels: Any,
    predictions: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> tuple[Any, Any]:
    """Returns the root of the mean of `(predictions - labels) ** 2`: see `mean`."""
    value, update = mean_squared_error(labels, predictions, weights, name=name)
    return _kept(tf.sqrt(value), tf.sqrt(update), metrics_collections, updates_collections)


def percentage_below(values: Any, threshold: Any, weights: Any = None, **others: Any) -> tuple[Any, Any]:
    """Returns how many of the values lie below a threshold, as a part of 1: see `mean`."""
    return mean(tf.cast(tf.less(values, threshold), "float32"), weights, **others)


def _outcomes(labels: Any, predictions: Any) -> tuple[Any, Any]:
    return _same_shape(tf.cast(labels, "bool"), tf.cast(predictions, "bool"))


def _count_metric(name: str, chosen: Any) -> Any:
    def metric(
        labels: Any,
        predictions: Any,
        weights: Any = None,
        metrics_collections: Any = None,
        updates_collections: Any = None,
        name: str | None = None,
    ) -> tuple[Any, Any]:
        y, x = _outcomes(labels, predictions)
        with tf.name_scope(name or metric.__name__):
            count, update = _counted("count", chosen(y, x), weights)
        return _kept(tf.identity(count), update, metrics_collections, updates_collections)

    metric.__name__ = name
    metric.__doc__ = (
        f"Returns the number of {name.replace('_', ' ')} so far, and the operation that takes a batch in."
    )
    return metric


_not, _and = tf.logical_not, tf.logical_and
true_positives = _count_metric("true_positives", _and)
true_negatives = _count_metric("true_negatives", lambda y, x: _and(_not(y), _not(x)))
false_positives = _count_metric("false_positives", lambda y, x: _and(_not(y), x))
false_negatives = _count_metric("false_negatives", lambda y, x: _and(y, _not(x)))


def _part_metric(name: str, others: Any) -> Any:
    def metric(
        labels: Any,
        predictions: Any,
        weights: Any = None,
        metrics_collections: Any = None,
        updates_collections: Any = None,
        name: str | None = None,
    ) -> tuple[Any, Any]:
        with tf.name_scope(name or metric.__name__):
            right, right_update = true_positives(labels, predictions, weights)
            wrong, wrong_update = others(labels, predictions, weights)
            value, update = _ratio(right, right + wrong), _ratio(right_update, right_update + wrong_update)
        return _kept(value, update, metrics_collections, updates_collections)

    metric.__name__, metric.__doc__ = (
        name,
        f"Returns the {name} so far, and the operation that takes a batch in.",
    )
    return metric


precision = _part_metric("precision", false_positives)
recall = _part_metric("recall", false_negatives)


def _by_thresholds(labels: Any, predictions: Any, thresholds: Any, weights: Any) -> tuple[list, list]:
    """Returns the true and false positives, the false and true negatives at each threshold, and their updates."""
    marks = tf.constant(np.asarray(thresholds, np.float32))
    x = tf.reshape(tf.cast(predictions, "float32"), [1, -1])
    y = tf.reshape(tf.cast(labels, "bool"), [1, -1])
    above = x > marks[:, None]
    factors = _weights_for(tf.cast(predictions, "float32"), weights)
    factors = tf.reshape(factors, [1, -1])
    values, updates = [], []
    for name, flags in (
        ("true_positives", _and(y, above)),
        ("false_positives", _and(_not(y), above)),
        ("false_negatives", _and(y, _not(above))),
        ("true_negatives", _and(_not(y), _not(above))),
    ):
        count = _total(name, [len(thresholds)])
        values.append(tf.convert_to_tensor(count))
        updates.append(count.assign_add(tf.reduce_sum(tf.cast(flags, "float32") * factors, axis=1)))
    return values, updates


def auc(
    labels: Any,
    predictions: Any,
    weights: Any = None,
    num_thresholds: int = 200,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    curve: str = "ROC",
    name: str | None = None,
    summation_method: str = "trapezoidal",
    thresholds: Any = None,
) -> tuple[Any, Any]:
    """Returns the area under a curve so far, and the operation that takes a batch in.

    Args:
        labels: what is true.
        predictions: numbers in [0, 1].
        weights: a factor for each.
        num_thresholds: at how many thresholds the curve is known; `thresholds` lists them.
        curve: "ROC", or "PR" for precision over recall.
        summation_method: "trapezoidal", or "minoring" and "majoring", which take the lower and the upper ends.
        metrics_collections, updates_collections, name: see `mean`.
    """
    if curve not in ("ROC", "PR"):
        raise ValueError(f"curve must be either ROC or PR, received {curve!r}{at_user_location()}")
    inner = (
        [(i + 1) / (num_thresholds - 1) for i in range(num_thresholds - 2)]
        if thresholds is None
        else thresholds
    )
    with tf.name_scope(name or "auc"):
        values, updates = _by_thresholds(labels, predictions, [-1e-7, *inner, 1.0 + 1e-7], weights)
        value, update = (_area(counts, curve, summation_method) for counts in (values, updates))
    return _kept(value, update, metrics_collections, updates_collections)


def _area(counts: list, curve: str, method: str) -> Any:
    right, wrong, missed, rest = counts
    if curve == "ROC":
        x, y = _ratio(wrong, wrong + rest), _ratio(right, right + missed)
    else:
        x, y = _ratio(right, right + missed), (right + 1e-6) / (right + wrong + 1e-6)
    low, high = y[1:], y[:-1]
    heights = {
        "trapezoidal": (low + high) / 2,
        "minoring": tf.minimum(low, high),
        "majoring": tf.maximum(low, high),
    }
    if method not in heights:
        raise ValueError(
            f"summation_method: expected one of {list(heights)}, received {method!r}{at_user_location()}"
        )
    return tf.reduce_sum((x[:-1] - x[1:]) * heights[method])


def _threshold_metric(name: str, combined: Any) -> Any:
    def metric(
        labels: Any,
        predictions: Any,
        thresholds: Any,
        weights: Any = None,
        metrics_collections: Any = None,
        updates_collections: Any = None,
        name: str | None = None,
    ) -> tuple[Any, Any]:
        with tf.name_scope(name or metric.__name__):
            values, updates = _by_thresholds(labels, predictions, thresholds, weights)
            pair = combined(*values), combined(*updates)
        return _kept(*pair, metrics_collections, updates_collections)

    metric.__name__ = name
    metric.__doc__ = (
        f"Returns the {name.replace('_', ' ')}, one a threshold, and the operation that takes a batch in."
    )
    return metric


precision_at_thresholds = _threshold_metric(
    "precision_at_thresholds", lambda tp, fp, fn, tn: _ratio(tp, tp + fp)
)
recall_at_thresholds = _threshold_metric("recall_at_thresholds", lambda tp, fp, fn, tn: _ratio(tp, tp + fn))
true_positives_at_thresholds = _threshold_metric("true_positives_at_thresholds", lambda tp, fp, fn, tn: tp)
false_positives_at_thresholds = _threshold_metric("false_positives_at_thresholds", lambda tp, fp, fn, tn: fp)
false_negatives_at_thresholds = _threshold_metric("false_negatives_at_thresholds", lambda tp, fp, fn, tn: fn)
true_negatives_at_thresholds = _threshold_metric("true_negatives_at_thresholds", lambda tp, fp, fn, tn: tn)


_SENSITIVITY, _SPECIFICITY = (
    (0, 2),
    (3, 1),
)  # places of right and wrong ones in the counts of `_by_thresholds`


def _rate_at(name: str, parts: tuple, target: Any, nearest: Callable, given: dict) -> tuple[Any, Any]:
    """Returns a rate at the threshold where another is nearest to a target: `parts` has the places of both."""
    if not 0 <= target <= 1:
        raise ValueError(f"{name}: expected a target in [0, 1], received {target}{at_user_location()}")
    size = given["num_thresholds"]
    inner = [(i + 1) / (size - 1) for i in range(size - 2)]

    def rate(counts: list) -> Any:
        wanted, other = (counts[right] / (counts[right] + counts[wrong] + 1e-7) for right, wrong in parts)
        return tf.gather(wanted, nearest(tf.abs(other - target)))

    with tf.name_scope(given["name"] or name):
        marks = [-1e-7, *inner, 1.0 + 1e-7]
        values, updates = _by_thresholds(given["labels"], given["predictions"], marks, given["weights"])
        pair = rate(values), rate(updates)
    return _kept(*pair, given["metrics_collections"], given["updates_collections"])


def sensitivity_at_specificity(
    labels: Any,
    predictions: Any,
    specificity: float,
    weights: Any = None,
    num_thresholds: int = 200,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> tuple[Any, Any]:
    """Returns how many of the true ones are found at a share of false ones that are not: see `auc`."""
    parts = (_SENSITIVITY, _SPECIFICITY)
    return _rate_at("sensitivity_at_specificity", parts, specificity, tf.argmin, dict(locals()))


def specificity_at_sensitivity(
    labels: Any,
    predictions: Any,
    sensitivity: float,
    weights: Any = None,
    num_thresholds: int = 200,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> tuple[Any, Any]:
    """Returns how many of the false ones are not found at a share of true ones that are: see `auc`."""
    parts = (_SPECIFICITY, _SENSITIVITY)

    def last(distances: Any) -> Any:
        return num_thresholds - 1 - tf.argmin(distances[::-1])

    return _rate_at("specificity_at_sensitivity", parts, sensitivity, last, dict(locals()))


def _confusion(labels: Any, predictions: Any, num_classes: int, weights: Any) -> tuple[Any, Any]:
    matrix = _total("total_confusion_matrix", [num_classes, num_classes])
    y, x = (tf.reshape(tf.cast(values, "int32"), [-1]) for values in (labels, predictions))
    factors = tf.reshape(_weights_for(tf.convert_to_tensor(labels), weights), [-1])
    batch = tf.math.confusion_matrix(y, x, num_classes, weights=factors, dtype="float32")
    return tf.convert_to_tensor(matrix), matrix.assign_add(batch)


def mean_iou(
    labels: Any,
    predictions: Any,
    num_classes: int,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> tuple[Any, Any]:
    """Returns the mean over classes of the intersection by the union, and the operation that updates the counts."""
    with tf.name_scope(name or "mean_iou"):
        matrix, update = _confusion(labels, predictions, num_classes, weights)
        both = tf.linalg.diag_part(matrix)
        union = tf.reduce_sum(matrix, 0) + tf.reduce_sum(matrix, 1) - both
        there = tf.reduce_sum(tf.cast(union > 0, "float32"))
        value = _ratio(tf.reduce_sum(_ratio(both, union)), there)
    return _kept(value, update, metrics_collections, updates_collections)


def mean_per_class_accuracy(
    labels: Any,
    predictions: Any,
    num_classes: int,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> tuple[Any, Any]:
    """Returns the mean over classes of how often each is recognized, and the operation that updates the counts."""
    with tf.name_scope(name or "mean_accuracy"):
        matrix, update = _confusion(labels, predictions, num_classes, weights)
        value = tf.reduce_mean(_ratio(tf.linalg.diag_part(matrix), tf.reduce_sum(matrix, 1)))
    return _kept(value, update, metrics_collections, updates_collections)
