"""Class labels that do not fit a model's outputs, found before a step runs on them.

Compiled code cannot raise: a label out of range would make the loss NaN, and one step of training with it all weights.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail.base.errors import InvalidArgumentError, at_user_location
from dovetail.keras.losses.crossentropy import sparse_categorical_crossentropy


def label_range(function: Any, y_pred: Any) -> tuple[int, int | None] | None:
    """Returns the number of classes and the label that is ignored; None for losses that take no class labels.

    Args:
        function: a loss, or a function of targets and predictions.
        y_pred: the predictions, of which the shape counts.
    """
    if getattr(function, "fn", function) is not sparse_categorical_crossentropy:
        return None
    options = getattr(function, "_fn_kwargs", {})
    classes = y_pred.shape[options.get("axis", -1)]
    return None if classes is None else (classes, options.get("ignore_class"))


def check_labels(labels: Any, classes: int, ignored: int | None, output: str) -> None:
    """Raises InvalidArgumentError when a label lies outside of [0, classes).

    Args:
        labels: array or tensor of labels that have values.
        ignored: a label that may occur all the same.
        output: name of the output, for the message; "" when there is one only.
    """
    array = np.asarray(labels)
    if not array.size or array.dtype.kind not in "iuf":
        return
    if array.min() >= 0 and array.max() < classes:
        return
    wrong = ~((array >= 0) & (array < classes))
    if ignored is not None:
        wrong &= array != ignored
    if not wrong.any():
        return
    values = array[wrong]
    position = int(np.argmax(wrong.reshape(len(array), -1).any(axis=1))) if array.ndim else 0
    where = f" of the output {output!r}" if output else ""
    raise InvalidArgumentError(
        f"sparse_categorical_crossentropy: the labels{where} must lie in [0, {classes}), because the model gives "
        f"{classes} classes. Received {array.dtype} labels; {values.size} of {array.size} do not fit (from "
        f"{values.min()} to {values.max()}), the first in sample {position}. Number the classes from 0, or give "
        "the last layer as many units as there are classes. No step ran on these samples"
        f"{at_user_location()}"
    )
