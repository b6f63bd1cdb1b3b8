"""The loss functions as classes: settings at construction, then `loss(y_true, y_pred, sample_weight)`."""

from __future__ import annotations

from typing import Any

from dovetail.keras.losses import crossentropy, margin, regression
from dovetail.keras.losses.loss import LossFunctionWrapper

__all__ = [
    "BinaryCrossentropy",
    "BinaryFocalCrossentropy",
    "CategoricalCrossentropy",
    "CategoricalFocalCrossentropy",
    "CategoricalHinge",
    "CosineSimilarity",
    "Dice",
    "Hinge",
    "Huber",
    "KLDivergence",
    "LogCosh",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "Poisson",
    "SparseCategoricalCrossentropy",
    "SquaredHinge",
    "Tversky",
]

_MEAN = "sum_over_batch_size"


class MeanSquaredError(LossFunctionWrapper):
    """`mean(square(y_true - y_pred))`."""

    def __init__(
        self, reduction: str | None = _MEAN, name: str = "mean_squared_error", dtype: Any = None
    ) -> None:
        super().__init__(regression.mean_squared_error, reduction, name, dtype)


class MeanAbsoluteError(LossFunctionWrapper):
    """`mean(abs(y_true - y_pred))`."""

    def __init__(
        self, reduction: str | None = _MEAN, name: str = "mean_absolute_error", dtype: Any = None
    ) -> None:
        super().__init__(regression.mean_absolute_error, reduction, name, dtype)


class MeanAbsolutePercentageError(LossFunctionWrapper):
    """`100 * mean(abs((y_true - y_pred) / y_true))`."""

    def __init__(
        self, reduction: str | None = _MEAN, name: str = "mean_absolute_percentage_error", dtype: Any = None
    ) -> None:
        super().__init__(regression.mean_absolute_percentage_error, reduction, name, dtype)


class MeanSquaredLogarithmicError(LossFunctionWrapper):
    """`mean(square(log(y_true + 1) - log(y_pred + 1)))`."""

    def __init__(
        self, reduction: str | None = _MEAN, name: str = "mean_squared_logarithmic_error", dtype: Any = None
    ) -> None:
        super().__init__(regression.mean_squared_logarithmic_error, reduction, name, dtype)


class Huber(LossFunctionWrapper):
    """Squared error up to `delta`, absolute beyond (see `huber`)."""

    def __init__(
        self, delta: float = 1.0, reduction: str | None = _MEAN, name: str = "huber_loss", dtype: Any = None
    ) -> None:
        super().__init__(regression.huber, reduction, name, dtype, delta=delta)


class LogCosh(LossFunctionWrapper):
    """`mean(log(cosh(y_pred - y_true)))`."""

    def __init__(self, reduction: str | None = _MEAN, name: str = "log_cosh", dtype: Any = None) -> None:
        super().__init__(regression.log_cosh, reduction, name, dtype)


class CosineSimilarity(LossFunctionWrapper):
    """Minus the cosine between targets and predictions along `axis`."""

    def __init__(
        self,
        axis: int = -1,
        reduction: str | None = _MEAN,
        name: str = "cosine_similarity",
        dtype: Any = None,
    ) -> None:
        super().__init__(regression.cosine_similarity, reduction, name, dtype, axis=axis)


class BinaryCrossentropy(LossFunctionWrapper):
    """Cross-entropy of independent yes/no questions (see `binary_crossentropy` for the arguments)."""

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = _MEAN,
        name: str = "binary_crossentropy",
        dtype: Any = None,
    ) -> None:
        settings = {"from_logits": from_logits, "label_smoothing": label_smoothing, "axis": axis}
        super().__init__(crossentropy.binary_crossentropy, reduction, name, dtype, **settings)


class BinaryFocalCrossentropy(LossFunctionWrapper):
    """Binary cross-entropy that looks away from easy examples (see `binary_focal_crossentropy` for the arguments)."""

    def __init__(
        self,
        apply_class_balancing: bool = False,
        alpha: float = 0.25,
        gamma: float = 2.0,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = _MEAN,
        name: str = "binary_focal_crossentropy",
        dtype: Any = None,
    ) -> None:
        settings = {
            "alpha": alpha,
            "gamma": gamma,
            "from_logits": from_logits,
            "label_smoothing": label_smoothing,
        }
        settings |= {"apply_class_balancing": apply_class_balancing, "axis": axis}
        super().__init__(crossentropy.binary_focal_crossentropy, reduction, name, dtype, **settings)


class CategoricalCrossentropy(LossFunctionWrapper):
    """Cross-entropy for one-hot or soft labels (see `categorical_crossentropy` for the arguments)."""

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = _MEAN,
        name: str = "categorical_crossentropy",
        dtype: Any = None,
    ) -> None:
        settings = {"from_logits": from_logits, "label_smoothing": label_smoothing, "axis": axis}
        super().__init__(crossentropy.categorical_crossentropy, reduction, name, dtype, **settings)


class CategoricalFocalCrossentropy(LossFunctionWrapper):
    """Cross-entropy that looks away from easy examples (see `categorical_focal_crossentropy` for the arguments)."""

    def __init__(
        self,
        alpha: Any = 0.25,
        gamma: float = 2.0,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = _MEAN,
        name: str = "categorical_focal_crossentropy",
        dtype: Any = None,
    ) -> None:
        settings = {
            "alpha": alpha,
            "gamma": gamma,
            "from_logits": from_logits,
            "label_smoothing": label_smoothing,
        }
        super().__init__(
            crossentropy.categorical_focal_crossentropy, reduction, name, dtype, **settings, axis=axis
        )


class SparseCategoricalCrossentropy(LossFunctionWrapper):
    """Cross-entropy for integer labels (see `sparse_categorical_crossentropy` for the arguments)."""

    casts_labels = False

    def __init__(
        self,
        from_logits: bool = False,
        ignore_class: int | None = None,
        reduction: str | None = _MEAN,
        axis: int = -1,
        name: str = "sparse_categorical_crossentropy",
        dtype: Any = None,
    ) -> None:
        settings = {"from_logits": from_logits, "ignore_class": ignore_class, "axis": axis}
        super().__init__(crossentropy.sparse_categorical_crossentropy, reduction, name, dtype, **settings)


class KLDivergence(LossFunctionWrapper):
    """`sum(y_true * log(y_true / y_pred))`."""

    def __init__(self, reduction: str | None = _MEAN, name: str = "kl_divergence", dtype: Any = None) -> None:
        super().__init__(crossentropy.kl_divergence, reduction, name, dtype)


class Poisson(LossFunctionWrapper):
    """`mean(y_pred - y_true * log(y_pred))`."""

    def __init__(self, reduction: str | None = _MEAN, name: str = "poisson", dtype: Any = None) -> None:
        super().__init__(crossentropy.poisson, reduction, name, dtype)


class Hinge(LossFunctionWrapper):
    """`mean(max(1 - y_true * y_pred, 0))`."""

    def __init__(self, reduction: str | None = _MEAN, name: str = "hinge", dtype: Any = None) -> None:
        super().__init__(margin.hinge, reduction, name, dtype)


class SquaredHinge(LossFunctionWrapper):
    """`mean(square(max(1 - y_true * y_pred, 0)))`."""

    def __init__(self, reduction: str | None = _MEAN, name: str = "squared_hinge", dtype: Any = None) -> None:
        super().__init__(margin.squared_hinge, reduction, name, dtype)


class CategoricalHinge(LossFunctionWrapper):
    """The margin between the right class and the best wrong one (see `categorical_hinge`)."""

    def __init__(
        self, reduction: str | None = _MEAN, name: str = "categorical_hinge", dtype: Any = None
    ) -> None:
        super().__init__(margin.categorical_hinge, reduction, name, dtype)


class Dice(LossFunctionWrapper):
    """One minus the share of overlap between two regions (see `dice`)."""

    def __init__(
        self, reduction: str | None = _MEAN, name: str = "dice", axis: Any = None, dtype: Any = None
    ) -> None:
        super().__init__(margin.dice, reduction, name, dtype, axis=axis)


class Tversky(LossFunctionWrapper):
    """The Dice loss with weights for the two kinds of error (see `tversky`)."""

    def __init__(
        self,
        alpha: float = 0.5,
        beta: float = 0.5,
        reduction: str | None = _MEAN,
        name: str = "tversky",
        axis: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(margin.tversky, reduction, name, dtype, alpha=alpha, beta=beta, axis=axis)
