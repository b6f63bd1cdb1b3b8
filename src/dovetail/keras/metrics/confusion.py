"""Metrics of right and wrong decisions: counts, precision, recall."""

from __future__ import annotations

from typing import Any

from dovetail.base.errors import at_user_location
from dovetail.keras.metrics.counts import (
    FALSE_NEGATIVES,
    FALSE_POSITIVES,
    LOWEST,
    TRUE_NEGATIVES,
    TRUE_POSITIVES,
    ConfusionMetric,
    checked_thresholds,
)
from dovetail.ops import arithmetic, indexing, logic, reduction

__all__ = [
    "FalseNegatives",
    "FalsePositives",
    "Precision",
    "PrecisionAtRecall",
    "Recall",
    "RecallAtPrecision",
    "SensitivityAtSpecificity",
    "SpecificityAtSensitivity",
    "TrueNegatives",
    "TruePositives",
]


class _Count(ConfusionMetric):
    """One count.

    Args:
        thresholds: number or list of numbers in [0, 1]; default: 0.5.
    """

    def __init__(self, thresholds: Any = None, name: str | None = None, dtype: Any = None) -> None:
        super().__init__(checked_thresholds(thresholds, 0.5), name=name, dtype=dtype)
        self.init_thresholds = thresholds

    def result(self) -> Any:
        return self._single(self._held(*self.counts)[0])

    def get_config(self) -> dict:
        return {**super().get_config(), "thresholds": self.init_thresholds}


class TruePositives(_Count):
    """How many targets of 1 were predicted as 1 (weighted)."""

    counts = (TRUE_POSITIVES,)


class TrueNegatives(_Count):
    """How many targets of 0 were predicted as 0 (weighted)."""

    counts = (TRUE_NEGATIVES,)


class FalsePositives(_Count):
    """How many targets of 0 were predicted as 1 (weighted)."""

    counts = (FALSE_POSITIVES,)


class FalseNegatives(_Count):
    """How many targets of 1 were predicted as 0 (weighted)."""

    counts = (FALSE_NEGATIVES,)


class _Ratio(ConfusionMetric):
    """True positives over true positives and something else.

    Args:
        thresholds: number or list of numbers in [0, 1]; default: 0.5.
        top_k: only the `top_k` largest scores of a row can count as positive.
        class_id: the only class that counts.
    """

    def __init__(
        self,
        thresholds: Any = None,
        top_k: int | None = None,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        default = 0.5 if top_k is None else LOWEST
        super().__init__(
            checked_thresholds(thresholds, default), name=name, dtype=dtype, top_k=top_k, class_id=class_id
        )
        self.init_thresholds = thresholds

    def result(self) -> Any:
        right, wrong = self._held(*self.counts)
        return self._single(arithmetic.divide_no_nan(right, right + wrong))

    def get_config(self) -> dict:
        own = {"thresholds": self.init_thresholds, "top_k": self.top_k, "class_id": self.class_id}
        return {**super().get_config(), **own}


class Precision(_Ratio):
    """How many of the positive predictions are right: TP / (TP + FP)."""

    counts = (TRUE_POSITIVES, FALSE_POSITIVES)


class Recall(_Ratio):
    """How many of the positive targets are found: TP / (TP + FN)."""

    counts = (TRUE_POSITIVES, FALSE_NEGATIVES)


class _BestAt(ConfusionMetric):
    """The best value of one ratio where another is at least `value`.

    Args:
        value: in [0, 1].
        num_thresholds: how many thresholds are tried.
        class_id: the only class that counts.
    """

    limit = "value"

    def __init__(
        self,
        value: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        kind = type(self).__name__
        if not 0 <= value <= 1:
            raise ValueError(f"{kind}: {self.limit} must be in [0, 1], received {value}{at_user_location()}")
        if num_thresholds <= 0:
            raise ValueError(
                f"{kind}: num_thresholds must be positive, received {num_thresholds}{at_user_location()}"
            )
        steps = num_thresholds - 1
        thresholds = [0.5] if num_thresholds == 1 else [i / steps for i in range(num_thresholds)]
        super().__init__(thresholds, name=name, dtype=dtype, class_id=class_id)
        self.value, self.num_thresholds = value, num_thresholds

    def _ratio(self, right: str, wrong: str) -> Any:
        part, rest = self._held(right, wrong)
        return arithmetic.divide_no_nan(part, part + rest)

    def _best(self, limited: Any, wanted: Any) -> Any:
        reached = logic.greater_equal(limited, self.value)
        return reduction.reduce_max(indexing.where(reached, wanted, wanted * 0.0))

    def get_config(self) -> dict:
        own = {self.limit: self.value, "num_thresholds": self.num_thresholds, "class_id": self.class_id}
        return {**super().get_config(), **own}


class SensitivityAtSpecificity(_BestAt):
    """The best sensitivity TP / (TP + FN) where the specificity TN / (TN + FP) is at least `specificity`."""

    limit = "specificity"

    def __init__(
        self,
        specificity: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(specificity, num_thresholds, class_id, name, dtype)

    def result(self) -> Any:
        specificity = self._ratio(TRUE_NEGATIVES, FALSE_POSITIVES)
        return self._best(specificity, self._ratio(TRUE_POSITIVES, FALSE_NEGATIVES))


class SpecificityAtSensitivity(_BestAt):
    """The best specificity TN / (TN + FP) where the sensitivity TP / (TP + FN) is at least `sensitivity`."""

    limit = "sensitivity"

    def __init__(
        self,
        sensitivity: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(sensitivity, num_thresholds, class_id, name, dtype)

    def result(self) -> Any:
        sensitivity = self._ratio(TRUE_POSITIVES, FALSE_NEGATIVES)
        return self._best(sensitivity, self._ratio(TRUE_NEGATIVES, FALSE_POSITIVES))


class PrecisionAtRecall(_BestAt):
    """The best precision where the recall is at least `recall`."""

    limit = "recall"

    def __init__(
        self,
        recall: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(recall, num_thresholds, class_id, name, dtype)

    def result(self) -> Any:
        recall = self._ratio(TRUE_POSITIVES, FALSE_NEGATIVES)
        return self._best(recall, self._ratio(TRUE_POSITIVES, FALSE_POSITIVES))


class RecallAtPrecision(_BestAt):
    """The best recall where the precision is at least `precision`."""

    limit = "precision"

    def __init__(
        self,
        precision: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(precision, num_thresholds, class_id, name, dtype)

    def result(self) -> Any:
        precision = self._ratio(TRUE_POSITIVES, FALSE_POSITIVES)
        return self._best(precision, self._ratio(TRUE_POSITIVES, FALSE_NEGATIVES))
