"""F-scores and the coefficient of determination."""

from __future__ import annotations

from typing import Any

from dovetail.base.errors import at_user_location
from dovetail.base.settings import settings
from dovetail.keras import checks
from dovetail.keras.losses.reduce import converted, same_rank
from dovetail.keras.metrics.metric import Metric
from dovetail.ops import indexing, logic, math, reduction, shapes

__all__ = ["F1Score", "FBetaScore", "R2Score"]

_AVERAGES = (None, "micro", "macro", "weighted")


def _checked_table(metric: Metric, y_true: Any, y_pred: Any) -> int:
    """Returns the number of columns of targets and predictions of shape (batch, columns)."""
    if len(y_true.shape) != 2 or len(y_pred.shape) != 2 or y_pred.shape[-1] is None:
        raise ValueError(
            f"{metric.name}: expected targets and predictions of shape (batch, outputs), received {y_true.shape} and "
            f"{y_pred.shape}{at_user_location()}"
        )
    return y_pred.shape[-1]


class FBetaScore(Metric):
    """`(1 + beta**2) * precision * recall / (beta**2 * precision + recall)` of one-hot targets.

    Args:
        average: None: one score a class; "micro": count all classes together; "macro": the mean over classes;
            "weighted": the mean weighted by how often they occur.
        beta: how much more recall counts than precision.
        threshold: a score above it is a positive; None: the largest score of a row is.
    """

    def __init__(
        self,
        average: str | None = None,
        beta: float = 1.0,
        threshold: float | None = None,
        name: str = "fbeta_score",
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        if average not in _AVERAGES:
            raise ValueError(
                f"{name}: average must be one of {_AVERAGES}, received {average!r}{at_user_location()}"
            )
        if not checks.is_number(beta) or not beta > 0:
            raise ValueError(f"{name}: beta must be positive, received {beta}{at_user_location()}")
        if threshold is not None and not (checks.is_number(threshold) and 0 < threshold <= 1):
            raise ValueError(f"{name}: threshold must be in (0, 1], received {threshold}{at_user_location()}")
        self.average, self.beta, self.threshold = average, float(beta), threshold

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        y_true, y_pred = converted(y_true, self._dtype), converted(y_pred, self._dtype)
        columns = _checked_table(self, y_true, y_pred)
        if not self._own_variables:
            shape = () if self.average == "micro" else (columns,)
            for count in ("true_positives", "false_positives", "false_negatives", "intermediate_weights"):
                setattr(self, count, self.add_variable(shape, name=count))
        chosen = self._positives(y_pred)._astype(y_true.dtype)
        weight = (
            1.0
            if sample_weight is None
            else shapes.expand_dims(converted(sample_weight, self._dtype), axis=1)
        )
        parts = (chosen * y_true, chosen * (1.0 - y_true), (1.0 - chosen) * y_true, y_true)
        for variable, part in zip(self._own_variables, parts, strict=True):
            variable.assign_add(
                reduction.reduce_sum(part * weight, axis=None if self.average == "micro" else 0)
            )

    def _positives(self, y_pred: Any) -> Any:
        if self.threshold is not None:
            return y_pred > self.threshold
        largest = reduction.reduce_max(y_pred, axis=-1, keepdims=True)
        return logic.logical_and(logic.greater_equal(y_pred, largest), math.abs_(y_pred) > 1e-9)

    def result(self) -> Any:
        if not self._own_variables:
            return converted(0.0, self._dtype)
        held: list[Any] = [variable.read_value() for variable in self._own_variables]
        right, invented, missed, occurring = held
        epsilon, weight = settings.epsilon, self.beta**2
        precision, recall = right / (right + invented + epsilon), right / (right + missed + epsilon)
        score = (1 + weight) * (precision * recall / (weight * precision + recall + epsilon))
        if self.average == "weighted":
            return reduction.reduce_sum(score * occurring / (reduction.reduce_sum(occurring) + epsilon))
        return score if self.average is None else reduction.reduce_mean(score)

    def get_config(self) -> dict:
        own = {"average": self.average, "beta": self.beta, "threshold": self.threshold}
        return {**super().get_config(), **own}


class F1Score(FBetaScore):
    """`2 * precision * recall / (precision + recall)` of one-hot targets (see `FBetaScore`)."""

    def __init__(
        self,
        average: str | None = None,
        threshold: float | None = None,
        name: str = "f1_score",
        dtype: Any = None,
    ) -> None:
        super().__init__(average, 1.0, threshold, name, dtype)

    def get_config(self) -> dict:
        config = super().get_config()
        del config["beta"]
        return config


class R2Score(Metric):
    """`1 - sum of squared errors / sum of squared deviations from the mean`, for targets of shape (batch, outputs).

    Args:
        class_aggregation: "uniform_average", "variance_weighted_average", or None: one score an output.
        num_regressors: number of independent variables, for the adjusted score; 0: the plain one.
    """

    squared_sum: Any
    sum: Any
    total_mse: Any
    count: Any

    def __init__(
        self,
        class_aggregation: str | None = "uniform_average",
        num_regressors: int = 0,
        name: str = "r2_score",
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        choices = (None, "uniform_average", "variance_weighted_average")
        if class_aggregation not in choices:
            raise ValueError(
                f"{name}: class_aggregation must be one of {choices}, received {class_aggregation!r}"
                f"{at_user_location()}"
            )
        if num_regressors < 0:
            raise ValueError(f"{name}: num_regressors must not be negative, received {num_regressors}")
        self.class_aggregation, self.num_regressors = class_aggregation, num_regressors
        self.num_samples = self.add_variable(name="num_samples")
        self.squared_sum = None

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        y_true, y_pred = same_rank(converted(y_true, self._dtype), converted(y_pred, self._dtype))
        columns = _checked_table(self, y_true, y_pred)
        if self.squared_sum is None:
            for attribute, name in (
                ("squared_sum", "squared_sum"),
                ("sum", "sum"),
                ("total_mse", "residual"),
                ("count", "count"),
            ):
                setattr(self, attribute, self.add_variable((columns,), name=name))
        weight = converted(1.0 if sample_weight is None else sample_weight, self._dtype)
        weight = shapes.expand_dims(weight, axis=1) if len(weight.shape) == 1 else weight
        weight = shapes.broadcast_to(weight, shape=shapes.shape(y_true))
        total = reduction.reduce_sum
        self.sum.assign_add(total(y_true * weight, axis=0))
        self.squared_sum.assign_add(total(y_true * y_true * weight, axis=0))
        self.total_mse.assign_add(total((y_true - y_pred) * (y_true - y_pred) * weight, axis=0))
        self.count.assign_add(total(weight, axis=0))
        self.num_samples.assign_add(total(weight * 0.0 + 1.0))

    def result(self) -> Any:
        if self.squared_sum is None:
            return converted(0.0, self._dtype)
        sums = self.sum.read_value()
        deviation = self.squared_sum.read_value() - sums * (sums / self.count.read_value())
        scores = 1.0 - self.total_mse.read_value() / deviation
        scores = indexing.where(logic.is_inf(scores), scores * 0.0, scores)
        if self.class_aggregation == "uniform_average":
            scores = reduction.reduce_mean(scores)
        elif self.class_aggregation == "variance_weighted_average":
            scores = reduction.reduce_sum(deviation * scores) / reduction.reduce_sum(deviation)
        if not self.num_regressors:
            return scores
        samples: Any = self.num_samples.read_value()
        freedom = samples - float(self.num_regressors) - 1.0
        adjusted = 1.0 - (1.0 - scores) * (samples - 1.0) / freedom
        return indexing.where(freedom > 0.0, adjusted, scores)

    def get_config(self) -> dict:
        own = {"class_aggregation": self.class_aggregation, "num_regressors": self.num_regressors}
        return {**super().get_config(), **own}
