"""The loss functions as classes: settings at construction, then `loss(y_true, y_pred, sample_weight)`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from dovetail.base.errors import at_user_location
from dovetail.keras import checks
from dovetail.keras.binding import bound, refuse_unknown
from dovetail.keras.losses import crossentropy, margin, regression
from dovetail.keras.losses.loss import LossFunctionWrapper

__all__ = [
    "BinaryCrossentropy",
    "BinaryFocalCrossentropy",
    "CTC",
    "CategoricalCrossentropy",
    "CategoricalFocalCrossentropy",
    "CategoricalGeneralizedCrossEntropy",
    "CategoricalHinge",
    "Circle",
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
_OF_ALL = ("reduction", "name", "dtype")  # see `Loss`


# Settings of losses: what holds for their values, and the same in words.
_RANGES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "q": (lambda value: 0 < value < 1, "a number between 0 and 1"),
    "label_smoothing": (lambda value: True, "a number"),
}


def _common(name: str) -> dict[str, Any]:
    """Returns the last parameters of a loss, with their defaults."""
    return {"reduction": _MEAN, "name": name, "dtype": None}


def _over(function: Callable, **parameters: Any) -> Any:
    """Returns the constructor of a loss.

    Args:
        function: of `(y_true, y_pred, **settings)`.
        parameters: the constructor's, in order, with their defaults; those that not all losses have are the settings.
    """
    kind, names = inspect.Parameter, list(parameters)
    shown = [
        kind(name, kind.POSITIONAL_OR_KEYWORD, default=value, annotation="Any")
        for name, value in parameters.items()
    ]

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        given: Any = parameters | bound(f"{type(self).__name__}.__init__", names, args, kwargs)
        refuse_unknown(type(self), names, kwargs)
        common = {name: given.pop(name) for name in _OF_ALL}
        for name, (valid, expected) in _RANGES.items():
            if name in given and not (checks.is_number(given[name]) and valid(given[name])):
                raise ValueError(
                    f"{type(self).__name__}: {name} must be {expected}, received "
                    f"{given[name]!r:.80}{at_user_location()}"
                )
        LossFunctionWrapper.__init__(self, function, **common, **given)

    own = kind("self", kind.POSITIONAL_OR_KEYWORD)
    __init__.__signature__ = inspect.Signature([own, *shown])  # type: ignore[attr-defined]
    return __init__


class MeanSquaredError(LossFunctionWrapper):
    """`mean(square(y_true - y_pred))`."""

    __init__ = _over(regression.mean_squared_error, **_common("mean_squared_error"))


class MeanAbsoluteError(LossFunctionWrapper):
    """`mean(abs(y_true - y_pred))`."""

    __init__ = _over(regression.mean_absolute_error, **_common("mean_absolute_error"))


class MeanAbsolutePercentageError(LossFunctionWrapper):
    """`100 * mean(abs((y_true - y_pred) / y_true))`."""

    __init__ = _over(regression.mean_absolute_percentage_error, **_common("mean_absolute_percentage_error"))


class MeanSquaredLogarithmicError(LossFunctionWrapper):
    """`mean(square(log(y_true + 1) - log(y_pred + 1)))`."""

    __init__ = _over(regression.mean_squared_logarithmic_error, **_common("mean_squared_logarithmic_error"))


class Huber(LossFunctionWrapper):
    """Squared error up to `delta`, absolute beyond (see `huber`)."""

    __init__ = _over(regression.huber, delta=1.0, **_common("huber_loss"))


class LogCosh(LossFunctionWrapper):
    """`mean(log(cosh(y_pred - y_true)))`."""

    __init__ = _over(regression.log_cosh, **_common("log_cosh"))


class CosineSimilarity(LossFunctionWrapper):
    """Minus the cosine between targets and predictions along `axis`."""

    __init__ = _over(regression.cosine_similarity, axis=-1, **_common("cosine_similarity"))


class BinaryCrossentropy(LossFunctionWrapper):
    """Cross-entropy of independent yes/no questions (see `binary_crossentropy` for the arguments)."""

    __init__ = _over(
        crossentropy.binary_crossentropy,
        from_logits=False,
        label_smoothing=0.0,
        axis=-1,
        **_common("binary_crossentropy"),
    )


class BinaryFocalCrossentropy(LossFunctionWrapper):
    """Binary cross-entropy that looks away from easy examples (see `binary_focal_crossentropy` for the arguments)."""

    __init__ = _over(
        crossentropy.binary_focal_crossentropy,
        apply_class_balancing=False,
        alpha=0.25,
        gamma=2.0,
        from_logits=False,
        label_smoothing=0.0,
        axis=-1,
        **_common("binary_focal_crossentropy"),
    )


class CategoricalCrossentropy(LossFunctionWrapper):
    """Cross-entropy for one-hot or soft labels (see `categorical_crossentropy` for the arguments)."""

    __init__ = _over(
        crossentropy.categorical_crossentropy,
        from_logits=False,
        label_smoothing=0.0,
        axis=-1,
        **_common("categorical_crossentropy"),
    )


class CategoricalFocalCrossentropy(LossFunctionWrapper):
    """Cross-entropy that looks away from easy examples (see `categorical_focal_crossentropy` for the arguments)."""

    __init__ = _over(
        crossentropy.categorical_focal_crossentropy,
        alpha=0.25,
        gamma=2.0,
        from_logits=False,
        label_smoothing=0.0,
        axis=-1,
        **_common("categorical_focal_crossentropy"),
    )


class SparseCategoricalCrossentropy(LossFunctionWrapper):
    """Cross-entropy for integer labels (see `sparse_categorical_crossentropy` for the arguments)."""

    casts_labels = False
    __init__ = _over(
        crossentropy.sparse_categorical_crossentropy,
        from_logits=False,
        ignore_class=None,
        reduction=_MEAN,
        axis=-1,
        name="sparse_categorical_crossentropy",
        dtype=None,
    )


class CategoricalGeneralizedCrossEntropy(LossFunctionWrapper):
    """Cross-entropy for integer labels some of which are wrong (see `categorical_generalized_cross_entropy`)."""

    casts_labels = False
    __init__ = _over(
        crossentropy.categorical_generalized_cross_entropy,
        q=0.5,
        **_common("categorical_generalized_cross_entropy"),
    )


class CTC(LossFunctionWrapper):
    """Loss for labels whose places in a sequence are not known (see `ctc`)."""

    casts_labels = False
    __init__ = _over(crossentropy.ctc, **_common("ctc"))


class KLDivergence(LossFunctionWrapper):
    """`sum(y_true * log(y_true / y_pred))`."""

    __init__ = _over(crossentropy.kl_divergence, **_common("kl_divergence"))


class Poisson(LossFunctionWrapper):
    """`mean(y_pred - y_true * log(y_pred))`."""

    __init__ = _over(crossentropy.poisson, **_common("poisson"))


class Hinge(LossFunctionWrapper):
    """`mean(max(1 - y_true * y_pred, 0))`."""

    __init__ = _over(margin.hinge, **_common("hinge"))


class SquaredHinge(LossFunctionWrapper):
    """`mean(square(max(1 - y_true * y_pred, 0)))`."""

    __init__ = _over(margin.squared_hinge, **_common("squared_hinge"))


class CategoricalHinge(LossFunctionWrapper):
    """The margin between the right class and the best wrong one (see `categorical_hinge`)."""

    __init__ = _over(margin.categorical_hinge, **_common("categorical_hinge"))


class Circle(LossFunctionWrapper):
    """Draws embeddings of one class together and those of others apart (see `circle`)."""

    casts_labels = False
    __init__ = _over(margin.circle, gamma=80.0, margin=0.4, remove_diagonal=True, **_common("circle"))


class Dice(LossFunctionWrapper):
    """One minus the share of overlap between two regions (see `dice`)."""

    __init__ = _over(margin.dice, reduction=_MEAN, name="dice", axis=None, dtype=None)


class Tversky(LossFunctionWrapper):
    """The Dice loss with weights for the two kinds of error (see `tversky`)."""

    __init__ = _over(
        margin.tversky, alpha=0.5, beta=0.5, reduction=_MEAN, name="tversky", axis=None, dtype=None
    )
