"""The losses as metrics: their means over everything seen."""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail.base.settings import settings
from dovetail.keras import losses
from dovetail.keras.losses.reduce import converted, same_rank
from dovetail.keras.losses.regression import aligned, unit
from dovetail.keras.metrics.mean import Mean, MeanMetricWrapper
from dovetail.ops import arithmetic, math, reduction

__all__ = [
    "BinaryCrossentropy",
    "CategoricalCrossentropy",
    "CategoricalHinge",
    "ConcordanceCorrelation",
    "CosineSimilarity",
    "Hinge",
    "KLDivergence",
    "LogCoshError",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanRelativeError",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "PearsonCorrelation",
    "Poisson",
    "RootMeanSquaredError",
    "SparseCategoricalCrossentropy",
    "SquaredHinge",
    "concordance_correlation",
    "pearson_correlation",
]


class MeanSquaredError(MeanMetricWrapper):
    """`mean(square(y_true - y_pred))`."""

    def __init__(self, name: str = "mean_squared_error", dtype: Any = None) -> None:
        super().__init__(losses.mean_squared_error, name, dtype)


class RootMeanSquaredError(Mean):
    """`sqrt(mean(square(y_true - y_pred)))`."""

    def __init__(self, name: str = "root_mean_squared_error", dtype: Any = None) -> None:
        super().__init__(name, dtype)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:  # type: ignore[override]
        y_true, y_pred = same_rank(converted(y_true, self._dtype), converted(y_pred, self._dtype))
        super().update_state(arithmetic.squared_difference(y_pred, y_true), sample_weight)

    def result(self) -> Any:
        return math.sqrt(super().result())


class MeanAbsoluteError(MeanMetricWrapper):
    """`mean(abs(y_true - y_pred))`."""

    def __init__(self, name: str = "mean_absolute_error", dtype: Any = None) -> None:
        super().__init__(losses.mean_absolute_error, name, dtype)


class MeanAbsolutePercentageError(MeanMetricWrapper):
    """`100 * mean(abs((y_true - y_pred) / y_true))`."""

    def __init__(self, name: str = "mean_absolute_percentage_error", dtype: Any = None) -> None:
        super().__init__(losses.mean_absolute_percentage_error, name, dtype)


class MeanRelativeError(Mean):
    """`mean(abs(y_true - y_pred) / normalizer)`.

    Args:
        normalizer: what the errors are divided by, of the shape of the predictions; where it is 0, so is the error.
    """

    def __init__(self, normalizer: Any, name: str | None = None, dtype: Any = None) -> None:
        super().__init__("mean_relative_error" if name is None else name, dtype)
        self.normalizer = converted(normalizer, self._dtype)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:  # type: ignore[override]
        y_true, y_pred = same_rank(converted(y_true, self._dtype), converted(y_pred, self._dtype))
        y_pred, normalizer = same_rank(y_pred, self.normalizer, expand_rank_1=False)
        super().update_state(arithmetic.divide_no_nan(math.abs_(y_true - y_pred), normalizer), sample_weight)

    def get_config(self) -> dict:
        return {**super().get_config(), "normalizer": np.asarray(self.normalizer).tolist()}


class MeanSquaredLogarithmicError(MeanMetricWrapper):
    """`mean(square(log(y_true + 1) - log(y_pred + 1)))`."""

    def __init__(self, name: str = "mean_squared_logarithmic_error", dtype: Any = None) -> None:
        super().__init__(losses.mean_squared_logarithmic_error, name, dtype)


class LogCoshError(MeanMetricWrapper):
    """`mean(log(cosh(y_pred - y_true)))`."""

    def __init__(self, name: str = "logcosh", dtype: Any = None) -> None:
        super().__init__(losses.log_cosh, name, dtype)


def cosine(y_true: Any, y_pred: Any, axis: int = -1) -> Any:
    """Returns the cosine of the angle between targets and predictions (the loss has the other sign)."""
    y_true, y_pred = aligned(y_true, y_pred)
    return reduction.reduce_sum(unit(y_true, axis) * unit(y_pred, axis), axis=axis)


class CosineSimilarity(MeanMetricWrapper):
    """The cosine between targets and predictions along `axis`: 1 where they point the same way."""

    def __init__(self, name: str = "cosine_similarity", dtype: Any = None, axis: int = -1) -> None:
        super().__init__(cosine, name, dtype, axis=axis)


class KLDivergence(MeanMetricWrapper):
    """`sum(y_true * log(y_true / y_pred))`."""

    def __init__(self, name: str = "kl_divergence", dtype: Any = None) -> None:
        super().__init__(losses.kl_divergence, name, dtype)


class Poisson(MeanMetricWrapper):
    """`mean(y_pred - y_true * log(y_pred))`."""

    def __init__(self, name: str = "poisson", dtype: Any = None) -> None:
        super().__init__(losses.poisson, name, dtype)


class BinaryCrossentropy(MeanMetricWrapper):
    """Cross-entropy of yes/no questions (see `keras.losses.binary_crossentropy`)."""

    def __init__(
        self,
        name: str = "binary_crossentropy",
        dtype: Any = None,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
    ) -> None:
        options = {"from_logits": from_logits, "label_smoothing": label_smoothing}
        super().__init__(losses.binary_crossentropy, name, dtype, **options)


class CategoricalCrossentropy(MeanMetricWrapper):
    """Cross-entropy for one-hot labels (see `keras.losses.categorical_crossentropy`)."""

    def __init__(
        self,
        name: str = "categorical_crossentropy",
        dtype: Any = None,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
    ) -> None:
        options = {"from_logits": from_logits, "label_smoothing": label_smoothing, "axis": axis}
        super().__init__(losses.categorical_crossentropy, name, dtype, **options)


class SparseCategoricalCrossentropy(MeanMetricWrapper):
    """Cross-entropy for integer labels (see `keras.losses.sparse_categorical_crossentropy`)."""

    def __init__(
        self,
        name: str = "sparse_categorical_crossentropy",
        dtype: Any = None,
        from_logits: bool = False,
        ignore_class: int | None = None,
        axis: int = -1,
    ) -> None:
        options = {"from_logits": from_logits, "ignore_class": ignore_class, "axis": axis}
        super().__init__(losses.sparse_categorical_crossentropy, name, dtype, **options)


class Hinge(MeanMetricWrapper):
    """`mean(max(1 - y_true * y_pred, 0))`."""

    def __init__(self, name: str = "hinge", dtype: Any = None) -> None:
        super().__init__(losses.hinge, name, dtype)


class SquaredHinge(MeanMetricWrapper):
    """`mean(square(max(1 - y_true * y_pred, 0)))`."""

    def __init__(self, name: str = "squared_hinge", dtype: Any = None) -> None:
        super().__init__(losses.squared_hinge, name, dtype)


class CategoricalHinge(MeanMetricWrapper):
    """The margin between the right class and the best wrong one."""

    def __init__(self, name: str = "categorical_hinge", dtype: Any = None) -> None:
        super().__init__(losses.categorical_hinge, name, dtype)


def pearson_correlation(y_true: Any, y_pred: Any, axis: int = -1) -> Any:
    """Returns `mean((y_true - mean) * (y_pred - mean)) / (std * std)` along `axis`."""
    y_true, y_pred = aligned(y_true, y_pred)
    y_true, y_pred = (_centred(values, axis) for values in (y_true, y_pred))
    y_true, y_pred = (
        values / reduction.reduce_std(values, axis=axis, keepdims=True) for values in (y_true, y_pred)
    )
    return reduction.reduce_mean(y_true * y_pred, axis=axis)


def concordance_correlation(y_true: Any, y_pred: Any, axis: int = -1) -> Any:
    """Returns how well targets and predictions agree along `axis`: covariance over variances and mean shift."""
    y_true, y_pred = aligned(y_true, y_pred)
    means = [reduction.reduce_mean(values, axis=axis, keepdims=True) for values in (y_true, y_pred)]
    variances = [reduction.reduce_variance(values, axis=axis, keepdims=True) for values in (y_true, y_pred)]
    covariance = (y_true - means[1]) * (y_pred - means[1])
    scale = variances[0] + variances[1] + arithmetic.squared_difference(*means)
    return reduction.reduce_mean(2.0 * covariance / (scale + settings.epsilon), axis=axis)


def _centred(values: Any, axis: int) -> Any:
    return values - reduction.reduce_mean(values, axis=axis, keepdims=True)


class PearsonCorrelation(MeanMetricWrapper):
    """The correlation of targets and predictions along `axis`."""

    def __init__(self, name: str = "pearson_correlation", dtype: Any = None, axis: int = -1) -> None:
        super().__init__(pearson_correlation, name, dtype, axis=axis)


class ConcordanceCorrelation(MeanMetricWrapper):
    """The agreement of targets and predictions along `axis`."""

    def __init__(self, name: str = "concordance_correlation", dtype: Any = None, axis: int = -1) -> None:
        super().__init__(concordance_correlation, name, dtype, axis=axis)
