"""`tf.compat.v1.losses`: losses with weights, which a collection of the graph keeps."""

from __future__ import annotations

from typing import Any

import dovetail as tf
from dovetail.base.errors import at_user_location
from dovetail.compat.first.keys import GraphKeys
from dovetail.graph.by_hand import written_graph
from dovetail.graph.recording import recording

_LOSSES = GraphKeys.LOSSES


class Reduction:
    """How the losses of elements become one."""

    NONE = "none"
    SUM = "weighted_sum"
    SUM_OVER_BATCH_SIZE = "weighted_sum_over_batch_size"
    MEAN = "weighted_mean"
    SUM_OVER_NONZERO_WEIGHTS = SUM_BY_NONZERO_WEIGHTS = "weighted_sum_by_nonzero_weights"

    @classmethod
    def all(cls) -> tuple[str, ...]:
        return (cls.NONE, cls.SUM, cls.MEAN, cls.SUM_OVER_BATCH_SIZE, cls.SUM_BY_NONZERO_WEIGHTS)

    @classmethod
    def validate(cls, key: str) -> None:
        """Raises ValueError for what is no reduction."""
        if key not in cls.all():
            raise ValueError(f"reduction: expected one of {cls.all()}, received {key!r}{at_user_location()}")


_USUAL = Reduction.SUM_BY_NONZERO_WEIGHTS


def add_loss(loss: Any, loss_collection: Any = _LOSSES) -> None:
    """Puts a loss in a collection of the graph; does nothing where there is no graph."""
    if loss_collection and recording() is not None:
        written_graph().add_to_collection(loss_collection, loss)


def get_losses(scope: str | None = None, loss_collection: Any = _LOSSES) -> list:
    """Returns the losses of a collection."""
    return written_graph().get_collection(loss_collection, scope)


def get_regularization_losses(scope: str | None = None) -> list:
    """Returns the losses of regularizers."""
    return written_graph().get_collection(GraphKeys.REGULARIZATION_LOSSES, scope)


def get_regularization_loss(scope: str | None = None, name: str = "total_regularization_loss") -> Any:
    """Returns the sum of the losses of regularizers, 0 without any."""
    found = get_regularization_losses(scope)
    return tf.add_n(found) if found else tf.constant(0.0)


def get_total_loss(
    add_regularization_losses: bool = True, name: str = "total_loss", scope: str | None = None
) -> Any:
    """Returns the sum of all losses."""
    found = get_losses(scope)
    return tf.add_n([*found, *(get_regularization_losses(scope) if add_regularization_losses else ())])


def compute_weighted_loss(
    losses: Any,
    weights: Any = 1.0,
    scope: str | None = None,
    loss_collection: Any = _LOSSES,
    reduction: str = _USUAL,
) -> Any:
    """Returns the losses of elements times their weights, reduced, and puts that in a collection.

    Args:
        losses: float tensor.
        weights: a number, or a tensor that broadcasts to `losses`: of the same rank with sizes equal or 1.
        scope: of the operations.
        loss_collection: its key, None for none.
        reduction: see `Reduction`; by default the sum divided by the number of weights other than 0.
    """
    Reduction.validate(reduction)
    with tf.name_scope(scope or "weighted_loss"):
        values = tf.convert_to_tensor(losses)
        floats = tf.cast(values, "float32")
        factors = tf.cast(weights, "float32")
        _check_weights(factors, floats)
        weighted = floats * factors
        total = tf.cast(_reduced(weighted, factors, reduction), values.dtype)
    add_loss(total, loss_collection)
    return total


def _check_weights(weights: Any, values: Any) -> None:
    ours, theirs = weights.shape, values.shape
    if ours.rank in (0, None) or theirs.rank is None:
        return
    fits = ours.rank == theirs.rank and all(
        w is None or v is None or w in (1, v) for w, v in zip(ours, theirs, strict=True)
    )
    if not fits:
        raise ValueError(
            f"weights of shape {ours} cannot be broadcast to values of shape {theirs}{at_user_location()}"
        )


def _reduced(weighted: Any, factors: Any, reduction: str) -> Any:
    if reduction == Reduction.NONE:
        return weighted
    total = tf.reduce_sum(weighted)
    if reduction == Reduction.SUM:
        return total
    spread = factors * tf.ones_like(weighted)
    if reduction == Reduction.MEAN:
        return tf.math.divide_no_nan(total, tf.reduce_sum(spread))
    if reduction == Reduction.SUM_OVER_BATCH_SIZE:
        return tf.math.divide_no_nan(total, tf.cast(tf.size(weighted), "float32"))
    return tf.math.divide_no_nan(total, tf.reduce_sum(tf.cast(spread != 0.0, "float32")))


def _pair(labels: Any, predictions: Any) -> tuple[Any, Any]:
    if labels is None or predictions is None:
        raise ValueError(f"labels and predictions must not be None{at_user_location()}")
    labels, predictions = tf.cast(labels, "float32"), tf.cast(predictions, "float32")
    if not labels.shape.is_compatible_with(predictions.shape):
        raise ValueError(
            f"labels have shape {labels.shape}, predictions {predictions.shape}; they must agree{at_user_location()}"
        )
    return labels, predictions


def absolute_difference(
    labels: Any,
    predictions: Any,
    weights: Any = 1.0,
    scope: str | None = None,
    loss_collection: Any = _LOSSES,
    reduction: str = _USUAL,
) -> Any:
    """Returns the loss `|predictions - labels|`; see `compute_weighted_loss`."""
    y, x = _pair(labels, predictions)
    return compute_weighted_loss(tf.abs(x - y), weights, scope, loss_collection, reduction)


def mean_squared_error(
    labels: Any,
    predictions: Any,
    weights: Any = 1.0,
    scope: str | None = None,
    loss_collection: Any = _LOSSES,
    reduction: str = _USUAL,
) -> Any:
    """Returns the loss `(predictions - labels) ** 2`; see `compute_weighted_loss`."""
    y, x = _pair(labels, predictions)
    return compute_weighted_loss(tf.square(x - y), weights, scope, loss_collection, reduction)


def cosine_distance(
    labels: Any,
    predictions: Any,
    axis: int | None = None,
    weights: Any = 1.0,
    scope: str | None = None,
    loss_collection: Any = _LOSSES,
    reduction: str = _USUAL,
    dim: int | None = None,
) -> Any:
    """Returns the loss 1 - the inner product along `axis` (also `dim`) of vectors of length one."""
    along = dim if axis is None else axis
    if along is None:
        raise ValueError(f"cosine_distance: pass axis{at_user_location()}")
    y, x = _pair(labels, predictions)
    losses = 1 - tf.reduce_sum(x * y, axis=along, keepdims=True)
    return compute_weighted_loss(losses, weights, scope, loss_collection, reduction)


def hinge_loss(
    labels: Any,
    logits: Any,
    weights: Any = 1.0,
    scope: str | None = None,
    loss_collection: Any = _LOSSES,
    reduction: str = _USUAL,
) -> Any:
    """Returns the loss `max(0, 1 - s * logits)`, s = 1 for labels 1 and -1 for labels 0."""
    y, x = _pair(labels, logits)
    losses = tf.nn.relu(1 - (2 * y - 1) * x)
    return compute_weighted_loss(losses, weights, scope, loss_collection, reduction)


def huber_loss(
    labels: Any,
    predictions: Any,
    weights: Any = 1.0,
    delta: float = 1.0,
    scope: str | None = None,
    loss_collection: Any = _LOSSES,
    reduction: str = _USUAL,
) -> Any:
    """Returns half the squared error up to `delta`, and a straight line from there."""
    y, x = _pair(labels, predictions)
    error = tf.abs(x - y)
    near = tf.minimum(error, delta)
    losses = 0.5 * near * near + delta * (error - near)
    return compute_weighted_loss(losses, weights, scope, loss_collection, reduction)


def log_loss(
    labels: Any,
    predictions: Any,
    weights: Any = 1.0,
    epsilon: float = 1e-7,
    scope: str | None = None,
    loss_collection: Any = _LOSSES,
    reduction: str = _USUAL,
) -> Any:
    """Returns the cross-entropy of probabilities, with `epsilon` added to each."""
    y, x = _pair(labels, predictions)
    losses = -y * tf.math.log(x + epsilon) - (1 - y) * tf.math.log(1 - x + epsilon)
    return compute_weighted_loss(losses, weights, scope, loss_collection, reduction)


def mean_pairwise_squared_error(
    labels: Any,
    predictions: Any,
    weights: Any = 1.0,
    scope: str | None = None,
    loss_collection: Any = _LOSSES,
) -> Any:
    """Returns the sum over rows of the mean squared difference between the differences of all pairs of elements."""
    y, x = _pair(labels, predictions)
    rows = tf.reshape(x - y, [tf.shape(x)[0], -1])
    count = tf.cast(tf.shape(rows)[1], "float32")
    squares, sums = tf.reduce_sum(rows * rows, axis=1), tf.reduce_sum(rows, axis=1)
    pairs = tf.maximum(count * (count - 1), 1.0)
    losses = 2.0 * (count * squares - sums * sums) / pairs
    total = tf.reduce_sum(losses * tf.reshape(tf.cast(weights, "float32"), [-1]))
    add_loss(total, loss_collection)
    return total


def sigmoid_cross_entropy(
    multi_class_labels: Any,
    logits: Any,
    weights: Any = 1.0,
    label_smoothing: float = 0,
    scope: str | None = None,
    loss_collection: Any = _LOSSES,
    reduction: str = _USUAL,
) -> Any:
    """Returns the cross-entropy of independent classes; `label_smoothing` moves labels towards 0.5."""
    logits = tf.convert_to_tensor(logits)
    labels = tf.cast(multi_class_labels, logits.dtype)
    if label_smoothing > 0:
        labels = labels * (1 - label_smoothing) + 0.5 * label_smoothing
    losses = tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits)
    return compute_weighted_loss(losses, weights, scope, loss_collection, reduction)


def softmax_cross_entropy(
    onehot_labels: Any,
    logits: Any,
    weights: Any = 1.0,
    label_smoothing: float = 0,
    scope: str | None = None,
    loss_collection: Any = _LOSSES,
    reduction: str = _USUAL,
) -> Any:
    """Returns the cross-entropy of classes of which one holds; `label_smoothing` moves labels towards all alike."""
    logits = tf.convert_to_tensor(logits)
    labels = tf.cast(onehot_labels, logits.dtype)
    if label_smoothing > 0:
        labels = labels * (1 - label_smoothing) + label_smoothing / int(labels.shape[-1])
    losses = tf.nn.softmax_cross_entropy_with_logits(labels=tf.stop_gradient(labels), logits=logits)
    return compute_weighted_loss(losses, weights, scope, loss_collection, reduction)


def sparse_softmax_cross_entropy(
    labels: Any,
    logits: Any,
    weights: Any = 1.0,
    scope: str | None = None,
    loss_collection: Any = _LOSSES,
    reduction: str = _USUAL,
) -> Any:
    """Returns the cross-entropy of classes, of which `labels` are the numbers."""
    logits, labels = tf.convert_to_tensor(logits), tf.convert_to_tensor(labels)
    if labels.shape.rank is not None and labels.shape.rank == logits.shape.rank:
        labels = tf.squeeze(labels, [-1])
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
    weights = tf.convert_to_tensor(weights, dtype_hint="float32")
    if weights.shape.rank and weights.shape.rank == (losses.shape.rank or 0) + 1:
        weights = tf.squeeze(weights, [-1])
    return compute_weighted_loss(losses, weights, scope, loss_collection, reduction)
