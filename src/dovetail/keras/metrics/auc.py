"""The area under a curve of decisions."""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.base.settings import settings
from dovetail.keras.losses.reduce import converted
from dovetail.keras.metrics.counts import ALL_COUNTS, ConfusionMetric, confusion, evenly_spread
from dovetail.keras.metrics.metric import Metric
from dovetail.keras.serialization import deserialize_keras_object
from dovetail.ops import arithmetic, indexing, logic, math, nn, reduction
from dovetail.tensor.dtype import numpy_dtype
from dovetail.tensor.tensor import Tensor

__all__ = ["AUC"]

_CURVES = ("ROC", "PR", "PRGAIN")
_SUMMATIONS = ("interpolation", "majoring", "minoring")


class AUC(ConfusionMetric):
    """The area under the ROC curve (true over false positive rate), or under the precision-recall curve.

    The curve is known at `num_thresholds` scores, so the area is an approximation.

    Args:
        num_thresholds: how many thresholds, spread evenly over [0, 1].
        curve: "ROC", "PR" or "PRGAIN".
        summation_method: "interpolation" (trapezoids; for PR the formula of J. Davis and M. Goadrich, 2006), "minoring"
            or "majoring" (the lower or the higher end of each step).
        thresholds: own ones in place of the even ones; 0 and 1 are added.
        multi_label: average the areas of the labels of (batch, labels).
        num_labels: with `multi_label`: how many, to create the state at once.
        label_weights: weight a label.
        from_logits: predictions are logits.
    """

    def __init__(
        self,
        num_thresholds: int = 200,
        curve: str = "ROC",
        summation_method: str = "interpolation",
        name: str | None = None,
        dtype: Any = None,
        thresholds: Any = None,
        multi_label: bool = False,
        num_labels: int | None = None,
        label_weights: Any = None,
        from_logits: bool = False,
    ) -> None:
        Metric.__init__(self, name=name, dtype=dtype)
        self.curve = _choice("curve", curve, _CURVES)
        self.summation_method = _choice("summation_method", summation_method, _SUMMATIONS)
        inner = _inner_thresholds(num_thresholds, thresholds)
        self.num_thresholds, self._init_thresholds = len(inner) + 2, thresholds
        self.thresholds = [-settings.epsilon, *inner, 1 + settings.epsilon]
        self._buckets = evenly_spread([0.0, *inner, 1.0])
        self.multi_label, self.num_labels, self.from_logits = bool(multi_label), num_labels, from_logits
        self.label_weights = None if label_weights is None else converted(label_weights, self._dtype)
        self.top_k = self.class_id = None
        if num_labels and not multi_label:
            raise ValueError(f"AUC: num_labels goes with multi_label=True{at_user_location()}")
        if not multi_label or num_labels:
            self._create(num_labels)

    def _create(self, num_labels: int | None) -> None:
        shape = (self.num_thresholds, num_labels) if self.multi_label else (self.num_thresholds,)
        for count in ALL_COUNTS:
            setattr(self, count, self.add_variable(shape, name=count))

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        y_true, y_pred, weight = self._prepared(y_true, y_pred, sample_weight)
        if self.multi_label and len(y_pred.shape) != 2:
            raise ValueError(
                f"AUC: multi_label needs predictions of shape (batch, labels), received {y_pred.shape}"
                f"{at_user_location()}"
            )
        if not self._own_variables:
            self._create(y_pred.shape[-1])
        y_pred = nn.sigmoid(y_pred) if self.from_logits else y_pred
        if self.label_weights is not None and not self.multi_label:
            weight = self.label_weights + y_pred * 0.0 if weight is None else weight * self.label_weights
        found = confusion(
            y_true, y_pred, self.thresholds, weight=weight, by_label=self.multi_label, buckets=self._buckets
        )
        for count in ALL_COUNTS:
            getattr(self, count).assign_add(found[count])

    def result(self) -> Any:
        if not self._own_variables:
            return Tensor(np.zeros((), numpy_dtype(self._dtype)))
        if self.curve == "PR" and self.summation_method == "interpolation":
            return self.interpolate_pr_auc()
        x, y = self._points()
        return self._averaged((x[:-1] - x[1:]) * _HEIGHTS[self.summation_method](y[:-1], y[1:]))

    def interpolate_pr_auc(self) -> Any:
        """Returns the area below the precision-recall curve, interpolated as J. Davis and M. Goadrich do."""
        return self._averaged(self._interpolated_precision())

    def _points(self) -> tuple[Any, Any]:
        tp, fp, tn, fn = self._held(*ALL_COUNTS)
        divide = arithmetic.divide_no_nan
        recall = divide(tp, tp + fn)
        if self.curve == "ROC":
            return divide(fp, fp + tn), recall
        if self.curve == "PR":
            return recall, divide(tp, tp + fp)
        scale = divide(tp + fn, tn + fp)
        none = logic.equal(tp, 0.0)
        recall_gain = indexing.where(none, tp * 0.0, 1.0 - scale * divide(fn, tp))
        precision_gain = indexing.where(none, tp * 0.0 + 1.0, 1.0 - scale * divide(fp, tp))
        return arithmetic.maximum(recall_gain, 0.0), precision_gain

    def _interpolated_precision(self) -> Any:
        """Between two thresholds, false positives are taken to grow in proportion to true ones."""
        tp, fp, _, fn = self._held(*ALL_COUNTS)
        positive = tp + fp
        gained = tp[:-1] - tp[1:]
        slope = arithmetic.divide_no_nan(gained, arithmetic.maximum(positive[:-1] - positive[1:], 0.0))
        intercept = tp[1:] - slope * positive[1:]
        known = logic.logical_and(positive[:-1] > 0.0, positive[1:] > 0.0)
        ratio = arithmetic.divide_no_nan(positive[:-1], arithmetic.maximum(positive[1:], 0.0))
        ratio = indexing.where(known, ratio, ratio * 0.0 + 1.0)
        area = slope * (gained + intercept * math.log(ratio))
        return arithmetic.divide_no_nan(area, arithmetic.maximum(tp[1:] + fn[1:], 0.0))

    def _averaged(self, parts: Any) -> Any:
        areas = reduction.reduce_sum(parts, axis=0)
        if not self.multi_label:
            return areas
        if self.label_weights is None:
            return reduction.reduce_mean(areas)
        total = reduction.reduce_sum(self.label_weights)
        return arithmetic.divide_no_nan(reduction.reduce_sum(areas * self.label_weights), total)

    def get_config(self) -> dict:
        config = {
            **Metric.get_config(self),
            "num_thresholds": self.num_thresholds,
            "curve": self.curve,
            "summation_method": self.summation_method,
            "multi_label": self.multi_label,
            "num_labels": self.num_labels,
            "label_weights": None if self.label_weights is None else np.asarray(self.label_weights).tolist(),
            "from_logits": self.from_logits,
        }
        return config if self._init_thresholds is None else {**config, "thresholds": self.thresholds[1:-1]}

    @classmethod
    def from_config(cls, config: dict) -> AUC:
        weights = deserialize_keras_object(config.get("label_weights"))
        return cls(**{**config, "label_weights": weights})


_HEIGHTS: dict[str, Any] = {
    "interpolation": lambda left, right: (left + right) / 2.0,
    "minoring": arithmetic.minimum,
    "majoring": arithmetic.maximum,
}


def _choice(name: str, value: str, choices: tuple[str, ...]) -> str:
    for choice in choices:
        if str(value).lower() == choice.lower():
            return choice
    raise ValueError(f"AUC: {name} must be one of {choices}, received {value!r}{at_user_location()}")


def _inner_thresholds(num_thresholds: int, thresholds: Any) -> list[float]:
    if thresholds is not None:
        return sorted(float(value) for value in thresholds)
    if num_thresholds <= 1:
        raise ValueError(
            f"AUC: num_thresholds must be greater than 1, received {num_thresholds}{at_user_location()}"
        )
    return [i / (num_thresholds - 1) for i in range(1, num_thresholds - 1)]
