"""The loss of a compiled model: one number out of one loss an output."""

from __future__ import annotations

import weakref
from typing import Any

from dovetail.base import nest
from dovetail.base.errors import InvalidArgumentError, at_user_location
from dovetail.base.own import declare
from dovetail.base.settings import state
from dovetail.engine import is_tracer
from dovetail.keras import losses, metrics
from dovetail.keras.idiom import is_keras_2
from dovetail.keras.training.labels import check_labels, label_range
from dovetail.keras.training.outputs import output_names, per_output
from dovetail.tensor.symbolic import SymbolicTensor
from dovetail.tensor.tensor import Tensor


class CompiledLoss:
    """What `compile(loss=..., loss_weights=...)` means for a model's outputs.

    Args:
        loss: name, function, `Loss`, or a list or dict of them by output.
        loss_weights: factor of each loss, in the same form.
        declared: the model's output names.
    """

    def __init__(self, loss: Any, loss_weights: Any, declared: list[str]) -> None:
        self._given, self._weights, self._declared = loss, loss_weights, declared
        self._functions: list | None = None
        self._ranges: list = []
        self._trackers: list = []
        for item in (
            loss.values() if isinstance(loss, dict) else loss if isinstance(loss, list | tuple) else [loss]
        ):
            if item is not None and not isinstance(item, list | tuple | dict):
                losses.get(item)

    @property
    def metrics(self) -> list:
        """The running means of the losses of single outputs; empty for models with one output."""
        return [tracker for tracker in self._trackers if tracker is not None]

    @property
    def is_prepared(self) -> bool:
        """Whether the outputs are known."""
        return self._functions is not None

    def _prepare(self, y_pred: Any) -> None:
        names = output_names(y_pred, self._declared)
        given = per_output("loss", self._given, names, self._declared, broadcast=True)
        self._functions = [None if item is None else losses.get(item) for item in given]
        weights = per_output("loss_weights", self._weights, names, self._declared, broadcast=True)
        self._factors = weights if self._weights is not None else [None] * len(names)
        several = sum(function is not None for function in self._functions) > 1
        self._trackers = [
            metrics.Mean(name=f"{name}_loss") if several and function is not None else None
            for name, function in zip(names, self._functions, strict=True)
        ]
        self._names = names

    def __call__(self, y: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Returns the weighted sum of the outputs' losses, None when there is no loss."""
        if self._functions is None:
            self._prepare(y_pred)
        predictions = self._flat(y_pred)
        targets = per_output("y", y, self._names, self._declared, broadcast=False)
        weights = per_output("sample_weight", sample_weight, self._names, self._declared, broadcast=True)
        total = None
        functions = self._functions or []
        self._ranges = [label_range(f, p) for f, p in zip(functions, predictions, strict=True)]
        self._check(targets)
        for i, function in enumerate(functions):
            if function is None or targets[i] is None:
                continue
            value = _apply(function, targets[i], predictions[i], weights[i], self._names[i])
            if self._trackers[i] is not None:
                self._trackers[i].update_state(value, sample_weight=_counts(predictions[i]))
            factor = self._factors[i]
            if factor is not None:
                value = value * float(factor)
            total = value if total is None else total + value
        return total

    def check_labels(self, y: Any) -> None:
        """Raises InvalidArgumentError when `y` holds class labels that the outputs, known from a trace, do not have."""
        if any(known is not None for known in self._ranges):
            self._check(per_output("y", y, self._names, self._declared, broadcast=False))

    def _check(self, targets: list) -> None:
        for target, known, name in zip(targets, self._ranges, self._names, strict=True):
            if known is not None and target is not None and _has_values(target):
                check_labels(target, known[0], known[1], name)

    def _flat(self, y_pred: Any) -> list:
        return [y_pred[name] for name in self._names] if isinstance(y_pred, dict) else nest.flatten(y_pred)


# The losses that were found and not counted yet: the scope, the loss, the number of samples.
_NOTED: weakref.WeakKeyDictionary[LossTracker, tuple] = weakref.WeakKeyDictionary()


@declare
class LossTracker(metrics.Mean):
    """The running mean of the loss.

    A step of a user that calls `compute_loss` and `compute_metrics`, and no more, has its loss counted, as in tf_keras;
    one that counts it does not have it counted twice.
    """

    def note(self, loss: Any, num_samples: Any) -> None:
        """Notes a loss that the step may count itself."""
        _NOTED[self] = (state.scope, loss, num_samples)

    def count_noted(self) -> None:
        """Counts the loss that was noted in this step, if the step has not."""
        scope, loss, num_samples = _NOTED.pop(self, (None, None, None))
        if loss is not None and scope is state.scope:
            self.update_state(loss, sample_weight=num_samples)

    def update_state(self, values: Any, sample_weight: Any = None) -> None:
        _NOTED.pop(self, None)
        super().update_state(values, sample_weight)

    def reset_state(self) -> None:
        _NOTED.pop(self, None)
        super().reset_state()


def _counts(y_pred: Any) -> float | None:
    """Returns by how much a batch counts in the mean of an output's loss: its samples in tf_keras, 1 in Keras 3."""
    size = y_pred.shape[0] if is_keras_2() and len(y_pred.shape) else None
    return None if size is None else float(size)


def _has_values(target: Any) -> bool:
    """False inside of traces and recordings."""
    return not isinstance(target, SymbolicTensor) and not (
        isinstance(target, Tensor) and is_tracer(target._value)
    )


def _apply(function: Any, y_true: Any, y_pred: Any, sample_weight: Any, output: str) -> Any:
    """Calls a loss on one output; plain functions are averaged."""
    if not isinstance(function, losses.Loss):
        function = losses.LossFunctionWrapper(function, name=getattr(function, "__name__", "loss"))
    try:
        return function(y_true, y_pred, sample_weight=sample_weight)
    except InvalidArgumentError as error:
        if not (hasattr(y_true, "shape") and hasattr(y_pred, "shape")):
            raise
        raise InvalidArgumentError(_misfit(function, y_true, y_pred, output, error)) from error


def _misfit(function: Any, y_true: Any, y_pred: Any, output: str, error: Exception) -> str:
    where = f" of the output {output!r}" if output else ""
    message = (
        f"the loss {function.name!r}{where} failed on targets of shape {tuple(y_true.shape)} {y_true.dtype.name} and "
        f"predictions of shape {tuple(y_pred.shape)} {y_pred.dtype.name}"
    )
    if tuple(y_true.shape) != tuple(y_pred.shape):
        message += ". Targets need the shape of the predictions; integer class labels need a sparse loss"
    return f"{message}: {error}" if "(at " in str(error) else f"{message}: {error}{at_user_location()}"
