"""`keras.losses`: what training makes small, as classes and as functions."""

from __future__ import annotations

import inspect

from dovetail.keras import kinds as _kinds
from dovetail.keras import registration as _registration
from dovetail.keras.losses.classes import (
    BinaryCrossentropy,
    BinaryFocalCrossentropy,
    CategoricalCrossentropy,
    CategoricalFocalCrossentropy,
    CategoricalHinge,
    CosineSimilarity,
    Dice,
    Hinge,
    Huber,
    KLDivergence,
    LogCosh,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
    Poisson,
    SparseCategoricalCrossentropy,
    SquaredHinge,
    Tversky,
)
from dovetail.keras.losses.crossentropy import (
    binary_crossentropy,
    binary_focal_crossentropy,
    categorical_crossentropy,
    categorical_focal_crossentropy,
    kl_divergence,
    poisson,
    sparse_categorical_crossentropy,
)
from dovetail.keras.losses.loss import Loss, LossFunctionWrapper
from dovetail.keras.losses.margin import categorical_hinge, dice, hinge, squared_hinge, tversky
from dovetail.keras.losses.reduce import Reduction
from dovetail.keras.losses.regression import (
    cosine_similarity,
    huber,
    log_cosh,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    mean_squared_logarithmic_error,
)

mse = MSE = mean_squared_error
mae = MAE = mean_absolute_error
mape = MAPE = mean_absolute_percentage_error
msle = MSLE = mean_squared_logarithmic_error
bce = BCE = binary_crossentropy
kld = KLD = kullback_leibler_divergence = kl_divergence
logcosh = log_cosh
huber_loss = huber
cosine_proximity = cosine_similarity

_NAMES = _registration.own(
    "keras.losses",
    {
        name: value
        for name, value in globals().items()
        if inspect.isfunction(value) or (inspect.isclass(value) and issubclass(value, Loss))
    },
)

__all__ = sorted([*_NAMES, "Reduction", "deserialize", "get", "serialize"])  # noqa: PLE0605 - a list

serialize, deserialize, get = _kinds.exchange(__name__, "loss", _NAMES, config="name")
