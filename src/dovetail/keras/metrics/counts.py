"""Counting true and false positives and negatives at many thresholds."""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.keras import checks
from dovetail.keras.losses.reduce import converted, same_rank
from dovetail.keras.metrics.metric import Metric
from dovetail.ops import arithmetic, create, indexing, math, nn, reduction, segment, shapes
from dovetail.tensor.dtype import as_dtype
from dovetail.tensor.tensor import Tensor

LOWEST = -1e10
TRUE_POSITIVES, FALSE_POSITIVES = "true_positives", "false_positives"
TRUE_NEGATIVES, FALSE_NEGATIVES = "true_negatives", "false_negatives"
# In the order of Keras, which is that of saved weights.
ALL_COUNTS = (TRUE_POSITIVES, FALSE_POSITIVES, TRUE_NEGATIVES, FALSE_NEGATIVES)


def checked_thresholds(thresholds: Any, default: float) -> list[float]:
    """Returns a list of thresholds.

    Raises:
        ValueError: one of them lies outside [0, 1].
    """
    if thresholds is None:
        return [default]
    values = list(thresholds) if isinstance(thresholds, list | tuple | np.ndarray) else [thresholds]
    bad = [value for value in values if value is None or not 0 <= value <= 1]
    if bad:
        raise ValueError(f"thresholds must be in [0, 1], received {bad}{at_user_location()}")
    return values


def evenly_spread(thresholds: Any) -> bool:
    """Returns whether the thresholds are 0, 1/n, 2/n, ..., 1: then values can be sorted into buckets."""
    count = len(thresholds)
    return count > 2 and bool(
        np.allclose(thresholds, np.arange(count, dtype=np.float32) / (count - 1), atol=1e-7)
    )


def confusion(
    y_true: Any,
    y_pred: Any,
    thresholds: Any,
    *,
    weight: Any = None,
    by_label: bool = False,
    buckets: bool = False,
) -> dict[str, Any]:
    """Returns the four counts at each threshold, of shape (thresholds,), or (thresholds, labels) with `by_label`.

    Args:
        y_true: 0 and 1, shaped like `y_pred`.
        y_pred: scores.
        thresholds: a score above one counts as positive.
        weight: None, or what each element counts, shaped like `y_pred`.
        by_label: count each label, the last axis of (batch, labels), by itself.
        buckets: the thresholds are spread evenly over [0, 1].
    """
    columns = y_pred.shape[-1] if by_label else 1
    labels = (shapes.reshape(y_true, shape=(-1, columns)) != 0)._astype(y_pred.dtype)
    scores = shapes.reshape(y_pred, shape=(-1, columns))
    positive, negative = labels, 1.0 - labels
    if weight is not None:
        weight = shapes.reshape(weight, shape=(-1, columns))
        positive, negative = positive * weight, negative * weight
    count = _counted_in_buckets if buckets else _counted_one_by_one
    above = count(scores, positive, thresholds), count(scores, negative, thresholds)
    total = reduction.reduce_sum(positive, axis=0), reduction.reduce_sum(negative, axis=0)
    counts = {
        TRUE_POSITIVES: above[0],
        FALSE_POSITIVES: above[1],
        FALSE_NEGATIVES: total[0] - above[0],
        TRUE_NEGATIVES: total[1] - above[1],
    }
    return counts if by_label else {name: shapes.squeeze(value, axis=-1) for name, value in counts.items()}


def _counted_one_by_one(scores: Any, amounts: Any, thresholds: Any) -> Any:
    limits = Tensor(np.asarray(thresholds, scores.dtype.numpy_dtype).reshape(-1, 1, 1))
    above = (shapes.expand_dims(scores, axis=0) > limits)._astype(
        scores.dtype
    )  # (thresholds, elements, columns)
    return reduction.reduce_sum(above * shapes.expand_dims(amounts, axis=0), axis=1)


def _counted_in_buckets(scores: Any, amounts: Any, thresholds: Any) -> Any:
    """Sums each bucket between two thresholds, then from above down: one pass over the scores."""
    count, columns = len(thresholds), scores.shape[-1]
    bucket = math.ceil(arithmetic.clip_by_value(scores, 0.0, 1.0) * float(count - 1)) - 1.0
    if thresholds[0] < 0:
        bucket = nn.relu(bucket)  # the first threshold lies below 0, so that a score of 0 exceeds it
    # Scores below all thresholds go to a row of their own, which is dropped.
    bucket = indexing.where(bucket < 0.0, bucket * 0.0 + float(count), bucket)
    place = bucket._astype(as_dtype("int32")) * columns + Tensor(np.arange(columns, dtype=np.int32))
    sums = segment.unsorted_segment_sum(
        shapes.reshape(amounts, shape=(-1,)),
        shapes.reshape(place, shape=(-1,)),
        num_segments=(count + 1) * columns,
    )
    table = shapes.reshape(sums, shape=(count + 1, columns))[:count]
    return reduction.cumsum(table, axis=0, reverse=True)


def top_k_only(y_pred: Any, k: int) -> Any:
    """Keeps the `k` largest scores of each row, and makes the others very low."""
    _, places = segment.largest_entries(y_pred, k=k)
    kept = reduction.reduce_sum(create.one_hot(places, y_pred.shape[-1], dtype=y_pred.dtype), axis=-2)
    return y_pred * kept + LOWEST * (1.0 - kept)


class ConfusionMetric(Metric):
    """A metric of counts at thresholds; subclasses say which counts they keep.

    Attributes:
        counts: names of the variables.
        thresholds: the list in force.
    """

    counts: tuple[str, ...] = ALL_COUNTS

    def __init__(
        self,
        thresholds: list[float],
        *,
        name: str | None = None,
        dtype: Any = None,
        top_k: int | None = None,
        class_id: int | None = None,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        self.thresholds, self.top_k = thresholds, top_k
        self.class_id = None if class_id is None else checks.index(class_id, "class_id")
        self._buckets = evenly_spread(thresholds)
        for count in self.counts:
            setattr(self, count, self.add_variable((len(thresholds),), name=count))

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        y_true, y_pred, weight = self._prepared(y_true, y_pred, sample_weight)
        found = confusion(y_true, y_pred, self.thresholds, weight=weight, buckets=self._buckets)
        for count in self.counts:
            getattr(self, count).assign_add(found[count])

    def _prepared(self, y_true: Any, y_pred: Any, sample_weight: Any) -> tuple[Any, Any, Any]:
        """Returns targets, scores and weights of one shape."""
        y_pred, y_true = same_rank(converted(y_pred, self._dtype), converted(y_true, self._dtype))
        if sample_weight is not None:
            sample_weight = shapes.expand_dims(converted(sample_weight, self._dtype), axis=-1)
            _, sample_weight = same_rank(y_true, sample_weight, expand_rank_1=False)
        if self.top_k is not None:
            y_pred = top_k_only(y_pred, self.top_k)
        if self.class_id is not None:
            if len(y_pred.shape) < 2:
                raise ValueError(
                    f"{self.name}: class_id needs predictions of shape (batch, classes), received {y_pred.shape}"
                    f"{at_user_location()}"
                )
            y_true, y_pred = y_true[..., self.class_id, None], y_pred[..., self.class_id, None]
        if sample_weight is not None and sample_weight.shape != y_pred.shape:
            sample_weight = shapes.broadcast_to(sample_weight, shape=shapes.shape(y_pred))
        return y_true, y_pred, sample_weight

    def _held(self, *names: str) -> list[Any]:
        return [getattr(self, name).read_value() for name in names]

    def _single(self, result: Any) -> Any:
        return result[0] if len(self.thresholds) == 1 else result
