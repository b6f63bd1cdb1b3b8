"""`keras.metrics`: what is watched during training, as classes and as functions."""

from __future__ import annotations

import inspect

from dovetail.keras import kinds as _kinds
from dovetail.keras import naming as _naming
from dovetail.keras import registration as _registration
from dovetail.keras.losses import (
    binary_crossentropy,
    binary_focal_crossentropy,
    categorical_crossentropy,
    categorical_focal_crossentropy,
    categorical_hinge,
    hinge,
    huber,
    kl_divergence,
    log_cosh,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    mean_squared_logarithmic_error,
    poisson,
    sparse_categorical_crossentropy,
    squared_hinge,
)
from dovetail.keras.metrics import experimental
from dovetail.keras.metrics.accuracy import *
from dovetail.keras.metrics.auc import *
from dovetail.keras.metrics.confusion import *
from dovetail.keras.metrics.errors import *
from dovetail.keras.metrics.mean import *
from dovetail.keras.metrics.metric import *
from dovetail.keras.metrics.metric import Metric
from dovetail.keras.metrics.overlap import *
from dovetail.keras.metrics.scores import *

mse = MSE = mean_squared_error
mae = MAE = mean_absolute_error
mape = MAPE = mean_absolute_percentage_error
msle = MSLE = mean_squared_logarithmic_error
bce = BCE = binary_crossentropy
kld = KLD = kullback_leibler_divergence = kl_divergence
logcosh = log_cosh

_CLASSES = {
    name: value for name, value in globals().items() if inspect.isclass(value) and issubclass(value, Metric)
}
# What gives values a sample: functions of this package, and losses, which are declared as such already.
_BY_SAMPLE = {name: value for name, value in globals().items() if inspect.isfunction(value)}
_LOSSES = [name for name, value in _BY_SAMPLE.items() if _registration.own_name(value) is not None]
_FUNCTIONS = {name: value for name, value in _BY_SAMPLE.items() if name not in _LOSSES}
_registration.own("keras.metrics", {**_CLASSES, **_FUNCTIONS})

__all__ = sorted(  # noqa: PLE0605 - a list
    [*_CLASSES, *_FUNCTIONS, *_LOSSES, "deserialize", "experimental", "get", "serialize"]
)

# Further names that give a metric object; in functions' names they stand for the class.
_SHORT = {
    "bce": "BinaryCrossentropy",
    "BCE": "BinaryCrossentropy",
    "kld": "KLDivergence",
    "KLD": "KLDivergence",
    "mse": "MeanSquaredError",
    "MSE": "MeanSquaredError",
    "mae": "MeanAbsoluteError",
    "MAE": "MeanAbsoluteError",
    "mape": "MeanAbsolutePercentageError",
    "MAPE": "MeanAbsolutePercentageError",
    "msle": "MeanSquaredLogarithmicError",
    "MSLE": "MeanSquaredLogarithmicError",
    "rmse": "RootMeanSquaredError",
    "cosine_proximity": "CosineSimilarity",
    "logcosh": "LogCoshError",
    "kullback_leibler_divergence": "KLDivergence",
    "auc": "AUC",
    "AUC": "AUC",
    "log_cosh": "LogCoshError",
    "top_k_categorical_accuracy": "TopKCategoricalAccuracy",
    "r2_score": "R2Score",
    "f1_score": "F1Score",
    "sparse_top_k_categorical_accuracy": "SparseTopKCategoricalAccuracy",
    "fbeta_score": "FBetaScore",
}
_BY_NAME = {
    **_CLASSES,
    **{_naming.to_snake_case(name): value for name, value in _CLASSES.items()},
    **{name: _CLASSES[kind] for name, kind in _SHORT.items()},
}

serialize, deserialize, get = _kinds.exchange(__name__, "metric", _BY_NAME)
