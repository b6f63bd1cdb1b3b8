"""How often predictions are right."""

from __future__ import annotations

from typing import Any

from dovetail.base.settings import settings
from dovetail.keras.losses.reduce import as_dtype_of, same_rank
from dovetail.keras.metrics.mean import MeanMetricWrapper
from dovetail.ops import logic, reduction, segment, shapes
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.dtype import as_dtype

__all__ = [
    "Accuracy",
    "BinaryAccuracy",
    "CategoricalAccuracy",
    "SparseCategoricalAccuracy",
    "SparseTopKCategoricalAccuracy",
    "TopKCategoricalAccuracy",
    "binary_accuracy",
    "categorical_accuracy",
    "sparse_categorical_accuracy",
    "sparse_top_k_categorical_accuracy",
    "top_k_categorical_accuracy",
]


def _matches(equal: Any) -> Any:
    return equal._astype(as_dtype(settings.floatx))


def accuracy(y_true: Any, y_pred: Any) -> Any:
    """Returns 1 where predictions equal targets, 0 elsewhere."""
    y_pred = convert_to_tensor(y_pred)
    return _matches(logic.equal(*same_rank(as_dtype_of(y_true, y_pred), y_pred)))


def binary_accuracy(y_true: Any, y_pred: Any, threshold: float = 0.5) -> Any:
    """Returns 1 where `y_pred > threshold` is what the labels 0 and 1 say."""
    y_true, y_pred = same_rank(convert_to_tensor(y_true), convert_to_tensor(y_pred))
    return _matches(logic.equal(y_true, (y_pred > threshold)._astype(y_true.dtype)))


def categorical_accuracy(y_true: Any, y_pred: Any) -> Any:
    """Returns 1 where the largest prediction is the class of the one-hot labels."""
    wanted, predicted = (reduction.argmax(convert_to_tensor(values), axis=-1) for values in (y_true, y_pred))
    return _matches(logic.equal(wanted, predicted))


def sparse_categorical_accuracy(y_true: Any, y_pred: Any) -> Any:
    """Returns 1 where the largest prediction is the class that the label names.

    Args:
        y_true: class numbers of shape (batch, ...), or with a last axis of size 1.
        y_pred: scores of shape (batch, ..., classes).
    """
    y_true, y_pred = convert_to_tensor(y_true), convert_to_tensor(y_pred)
    if len(y_true.shape) == len(y_pred.shape) and y_true.shape[-1] == 1:
        y_true = shapes.squeeze(y_true, axis=-1)
    matches = _matches(logic.equal(y_true, reduction.argmax(y_pred, axis=-1)._astype(y_true.dtype)))
    if len(matches.shape) > 1 and matches.shape[-1] == 1:
        matches = shapes.squeeze(matches, axis=-1)
    return matches


def top_k_categorical_accuracy(y_true: Any, y_pred: Any, k: int = 5) -> Any:
    """Returns 1 where the class of the one-hot labels is among the `k` largest predictions."""
    return sparse_top_k_categorical_accuracy(reduction.argmax(convert_to_tensor(y_true), axis=-1), y_pred, k)


def sparse_top_k_categorical_accuracy(
    y_true: Any, y_pred: Any, k: int = 5, from_sorted_ids: bool = False
) -> Any:
    """Returns 1 where the class that the label names is among the `k` largest predictions.

    Args:
        y_true: class numbers of shape (batch, ...).
        y_pred: scores of shape (batch, ..., classes); with `from_sorted_ids` class numbers, the most likely first.
        k: how many count.
    """
    y_true, y_pred = convert_to_tensor(y_true), convert_to_tensor(y_pred)
    shape = shapes.shape(y_true) if None in y_true.shape else tuple(y_true.shape)
    rows = shapes.reshape(y_pred, shape=(-1, y_pred.shape[-1])) if len(y_pred.shape) > 2 else y_pred
    flat = shapes.reshape(y_true, shape=(-1,)) if len(y_true.shape) > 1 else y_true
    if from_sorted_ids:
        equal = logic.equal(shapes.expand_dims(as_dtype_of(flat, rows), axis=1), rows[:, :k])
        matches = reduction.reduce_any(equal, axis=1)
    else:
        matches = segment.in_top_k(flat._astype(as_dtype("int32")), rows, k=k)
    matches = _matches(matches)
    return shapes.reshape(matches, shape=shape) if len(y_true.shape) > 1 else matches


class Accuracy(MeanMetricWrapper):
    """How often predictions equal targets."""

    def __init__(self, name: str = "accuracy", dtype: Any = None) -> None:
        super().__init__(accuracy, name, dtype)


class BinaryAccuracy(MeanMetricWrapper):
    """How often `y_pred > threshold` is what the labels 0 and 1 say."""

    def __init__(self, name: str = "binary_accuracy", dtype: Any = None, threshold: float = 0.5) -> None:
        if not 0 <= threshold <= 1:
            raise ValueError(f"BinaryAccuracy: threshold must be in [0, 1], received {threshold}")
        super().__init__(binary_accuracy, name, dtype, threshold=threshold)
        self.threshold = threshold


class CategoricalAccuracy(MeanMetricWrapper):
    """How often the largest prediction is the class of the one-hot labels."""

    def __init__(self, name: str = "categorical_accuracy", dtype: Any = None) -> None:
        super().__init__(categorical_accuracy, name, dtype)


class SparseCategoricalAccuracy(MeanMetricWrapper):
    """How often the largest prediction is the class that the label names."""

    def __init__(self, name: str = "sparse_categorical_accuracy", dtype: Any = None) -> None:
        super().__init__(sparse_categorical_accuracy, name, dtype)


class TopKCategoricalAccuracy(MeanMetricWrapper):
    """How often the class of the one-hot labels is among the `k` largest predictions."""

    def __init__(self, k: int = 5, name: str = "top_k_categorical_accuracy", dtype: Any = None) -> None:
        super().__init__(top_k_categorical_accuracy, name, dtype, k=k)
        self.k = k


class SparseTopKCategoricalAccuracy(MeanMetricWrapper):
    """How often the class that the label names is among the `k` largest predictions."""

    def __init__(
        self,
        k: int = 5,
        name: str = "sparse_top_k_categorical_accuracy",
        dtype: Any = None,
        from_sorted_ids: bool = False,
    ) -> None:
        settings = {"k": k, "from_sorted_ids": from_sorted_ids}
        super().__init__(sparse_top_k_categorical_accuracy, name, dtype, **settings)
        self.k, self.from_sorted_ids = k, from_sorted_ids
