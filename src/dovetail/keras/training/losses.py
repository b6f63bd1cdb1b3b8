"""The loss of a compiled model: one number out of one loss an output."""

from __future__ import annotations

from typing import Any

from dovetail.base import nest
from dovetail.keras import losses, metrics
from dovetail.keras.training.outputs import output_names, per_output


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
        for i, function in enumerate(self._functions or []):
            if function is None or targets[i] is None:
                continue
            value = _apply(function, targets[i], predictions[i], weights[i])
            if self._trackers[i] is not None:
                self._trackers[i].update_state(value)
            if self._factors[i] is not None:
                value = value * float(self._factors[i])
            total = value if total is None else total + value
        return total

    def _flat(self, y_pred: Any) -> list:
        return [y_pred[name] for name in self._names] if isinstance(y_pred, dict) else nest.flatten(y_pred)


def _apply(function: Any, y_true: Any, y_pred: Any, sample_weight: Any) -> Any:
    """Calls a loss on one output; plain functions are averaged."""
    if not isinstance(function, losses.Loss):
        function = losses.LossFunctionWrapper(function, name=getattr(function, "__name__", "loss"))
    return function(y_true, y_pred, sample_weight=sample_weight)
