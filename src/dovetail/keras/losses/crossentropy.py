"""Losses for classes and distributions."""

from __future__ import annotations

import warnings
from typing import Any

from dovetail.base.errors import at_user_location
from dovetail.base.settings import settings
from dovetail.keras.idiom import entropy_offset
from dovetail.keras.logits import recovered
from dovetail.keras.losses.reduce import as_dtype_of, as_floating
from dovetail.keras.masks import set_mask
from dovetail.ops import arithmetic, create, logic, losses, math, nn, reduction, shapes
from dovetail.ops.ctc import ctc_loss_
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.dtype import as_dtype

__all__ = [
    "BCE",
    "KLD",
    "bce",
    "binary_crossentropy",
    "binary_focal_crossentropy",
    "categorical_crossentropy",
    "categorical_focal_crossentropy",
    "categorical_generalized_cross_entropy",
    "ctc",
    "kl_divergence",
    "kld",
    "kullback_leibler_divergence",
    "poisson",
    "sparse_categorical_crossentropy",
]


def _smoothed(y_true: Any, smoothing: float, num_classes: Any) -> Any:
    """Moves `smoothing` of the probability from the labels to all classes alike."""
    if not smoothing:
        return y_true
    return y_true * (1.0 - smoothing) + smoothing / num_classes


def _checked_classes(label: str, y_pred: Any, axis: Any) -> None:
    if isinstance(axis, bool):
        raise ValueError(f"{label}: axis must be an integer, received {axis}{at_user_location()}")
    if y_pred.shape[-1] == 1:
        warnings.warn(
            f"{label}: the predictions have a single class (shape {tuple(y_pred.shape)}), so the loss is always 0. "
            "Use binary_crossentropy for two classes.",
            SyntaxWarning,
            stacklevel=3,
        )


def binary_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, label_smoothing: float = 0.0, axis: Any = -1
) -> Any:
    """Returns `mean(-y_true * log(y_pred) - (1 - y_true) * log(1 - y_pred))` over `axis`.

    Args:
        y_true: probabilities of the positive class, in [0, 1].
        y_pred: predicted probabilities, or logits with `from_logits`.
        label_smoothing: how much of the labels is moved to 1/2.
    """
    y_pred = as_floating(y_pred)
    y_true = _smoothed(as_dtype_of(y_true, y_pred), label_smoothing, 2.0)
    y_pred, from_logits = recovered(y_pred, "sigmoid", from_logits)
    return reduction.reduce_mean(
        losses.binary_crossentropy(y_true, y_pred, from_logits=from_logits, offset=entropy_offset()),
        axis=axis,
    )


def categorical_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, label_smoothing: float = 0.0, axis: int = -1
) -> Any:
    """Returns `-sum(y_true * log(y_pred))` along the class axis.

    Args:
        y_true: one-hot or soft labels.
        y_pred: predicted probabilities, or logits with `from_logits`.
        label_smoothing: how much of the labels is spread over all classes.
        axis: the class axis.
    """
    y_pred = as_floating(y_pred)
    _checked_classes("categorical_crossentropy", y_pred, axis)
    y_true = _smoothed(as_dtype_of(y_true, y_pred), label_smoothing, convert_to_tensor(y_true).shape[-1])
    y_pred, from_logits = recovered(y_pred, axis, from_logits)
    return losses.categorical_crossentropy(y_true, y_pred, from_logits=from_logits, axis=axis)


def sparse_categorical_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, ignore_class: int | None = None, axis: int = -1
) -> Any:
    """Returns `-log(y_pred[y_true])` along the class axis.

    Args:
        y_true: class indices, of the shape of `y_pred` without the class axis, or with that axis of size 1.
        y_pred: predicted probabilities, or logits with `from_logits`.
        ignore_class: a class whose elements cost nothing and do not count in the mean, such as -1 or 255.
        axis: the class axis.

    Raises:
        InvalidArgumentError: a label out of range.  Compiled code cannot raise: there the loss is NaN.
    """
    y_pred, y_true = as_floating(y_pred), convert_to_tensor(y_true)
    if len(y_true.shape) == len(y_pred.shape) and y_true.shape[axis] == 1:
        y_true = shapes.squeeze(y_true, axis=axis)
    y_pred, from_logits = recovered(y_pred, axis, from_logits)
    values = losses.sparse_categorical_crossentropy(
        y_true, y_pred, from_logits=from_logits, axis=axis, ignore_class=ignore_class
    )
    if ignore_class is not None:
        set_mask(values, logic.not_equal(y_true, ignore_class))
    return values


def binary_focal_crossentropy(
    y_true: Any,
    y_pred: Any,
    apply_class_balancing: bool = False,
    alpha: float = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: Any = -1,
) -> Any:
    """Returns the binary cross-entropy times `(1 - p)**gamma`, p the probability given to the true class.

    Args:
        y_true, y_pred, from_logits, label_smoothing: see `binary_crossentropy`.
        apply_class_balancing: weight the positive class by `alpha`, the negative one by `1 - alpha`.
        gamma: 0 is the plain cross-entropy; more looks away from examples that are easy.
        axis: averaged over.

    Source: T. Lin et al., 2017, "Focal loss for dense object detection".
    """
    y_pred = as_floating(y_pred)
    y_true = _smoothed(as_dtype_of(y_true, y_pred), label_smoothing, 2.0)
    logits, known = recovered(y_pred, "sigmoid", from_logits)
    y_pred = nn.sigmoid(y_pred) if from_logits else y_pred
    right = y_true * y_pred + (1 - y_true) * (1 - y_pred)
    entropy = losses.binary_crossentropy(y_true, logits, from_logits=known, offset=entropy_offset())
    values = arithmetic.pow_(1.0 - right, gamma) * entropy
    if apply_class_balancing:
        values = (y_true * alpha + (1 - y_true) * (1 - alpha)) * values
    return reduction.reduce_mean(values, axis=axis)


def categorical_focal_crossentropy(
    y_true: Any,
    y_pred: Any,
    alpha: Any = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Any:
    """Returns `-sum(alpha * (1 - y_pred)**gamma * y_true * log(y_pred))` along the class axis.

    Args:
        y_true, y_pred, from_logits, label_smoothing, axis: see `categorical_crossentropy`.
        alpha: weight, one number or one a class.
        gamma: see `binary_focal_crossentropy`.
    """
    y_pred = as_floating(y_pred)
    _checked_classes("categorical_focal_crossentropy", y_pred, axis)
    y_true = _smoothed(as_dtype_of(y_true, y_pred), label_smoothing, convert_to_tensor(y_true).shape[-1])
    y_pred = losses.softmax(y_pred, axis=axis) if from_logits else y_pred
    y_pred = y_pred / reduction.reduce_sum(y_pred, axis=axis, keepdims=True)
    y_pred = arithmetic.clip_by_value(y_pred, settings.epsilon, 1.0 - settings.epsilon)
    balance = alpha if isinstance(alpha, int | float) else as_dtype_of(alpha, y_pred)
    weight = arithmetic.pow_(1.0 - y_pred, gamma) * balance
    return reduction.reduce_sum(weight * (-y_true * math.log(y_pred)), axis=axis)


def categorical_generalized_cross_entropy(y_true: Any, y_pred: Any, q: float) -> Any:
    """Returns `(1 - p**q) / q`, p the probability given to the true class: sure of few labels, it forgives wrong ones.

    Args:
        y_true: class indices, of the shape of `y_pred` without the class axis.
        y_pred: predicted probabilities; the classes are the last axis.
        q: between 0, the cross-entropy, and 1, the absolute error.

    Source: Z. Zhang and M. Sabuncu, 2018, "Generalized cross entropy loss for training deep neural networks with noisy
    labels".
    """
    y_pred = as_floating(y_pred)
    labels = convert_to_tensor(y_true)._astype(as_dtype("int32"))
    chosen = create.one_hot(labels, depth=y_pred.shape[-1], dtype=y_pred.dtype)
    right = reduction.reduce_sum(y_pred * chosen, axis=-1)
    return (1.0 - arithmetic.pow_(right, q)) / q


def ctc(y_true: Any, y_pred: Any) -> Any:
    """Returns minus the log chance of the labels, summed over their alignments with the steps.

    Args:
        y_true: labels, (batch, labels), filled up with 0, which is the blank.
        y_pred: logits, (batch, time, classes).

    Source: see `dovetail.ops.ctc`.
    """
    y_true, y_pred = convert_to_tensor(y_true), as_floating(y_pred)
    for what, value, rank in (("targets", y_true, 2), ("logits", y_pred, 3)):
        if value.shape.rank != rank:
            raise ValueError(
                f"ctc: expected targets of shape (batch, labels) and logits of shape (batch, time, classes), received "
                f"{what} of shape {value.shape}{at_user_location()}"
            )
    length = reduction.reduce_sum(logic.not_equal(y_true, 0)._astype(as_dtype("int32")), axis=-1)
    steps = length * 0 + shapes.shape(y_pred)[1]
    return ctc_loss_(y_true, y_pred, length, steps)


def kl_divergence(y_true: Any, y_pred: Any) -> Any:
    """Returns `sum(y_true * log(y_true / y_pred))` over the last axis; probabilities are clipped to [epsilon, 1]."""
    y_pred = as_floating(y_pred)
    y_true = arithmetic.clip_by_value(as_dtype_of(y_true, y_pred), settings.epsilon, 1.0)
    y_pred = arithmetic.clip_by_value(y_pred, settings.epsilon, 1.0)
    return reduction.reduce_sum(y_true * math.log(y_true / y_pred), axis=-1)


def poisson(y_true: Any, y_pred: Any) -> Any:
    """Returns `mean(y_pred - y_true * log(y_pred + epsilon))` over the last axis."""
    y_pred = as_floating(y_pred)
    y_true = as_dtype_of(y_true, y_pred)
    return reduction.reduce_mean(y_pred - y_true * math.log(y_pred + settings.epsilon), axis=-1)


bce = BCE = binary_crossentropy
kld = KLD = kullback_leibler_divergence = kl_divergence
