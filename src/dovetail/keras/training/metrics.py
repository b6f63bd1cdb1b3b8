"""The metrics of a compiled model."""

from __future__ import annotations

from typing import Any

from dovetail.base import nest
from dovetail.keras import metrics
from dovetail.keras.training.outputs import output_names, per_output

_BY_SHAPE = {
    "accuracy": ("BinaryAccuracy", "SparseCategoricalAccuracy", "CategoricalAccuracy"),
    "acc": ("BinaryAccuracy", "SparseCategoricalAccuracy", "CategoricalAccuracy"),
    "crossentropy": ("BinaryCrossentropy", "SparseCategoricalCrossentropy", "CategoricalCrossentropy"),
    "ce": ("BinaryCrossentropy", "SparseCategoricalCrossentropy", "CategoricalCrossentropy"),
}


class CompiledMetrics:
    """What `compile(metrics=..., weighted_metrics=...)` means; a metric itself, called "compile_metrics".

    Args:
        given, weighted: metrics by output, as `compile` takes them.
        declared: the model's output names.
    """

    name = "compile_metrics"

    def __init__(self, given: Any, weighted: Any, declared: list[str]) -> None:
        self._given, self._weighted, self._declared = given, weighted, declared
        self._rows: list[tuple] | None = None
        for item in nest.flatten([given, weighted]):
            if isinstance(item, str) and item not in _BY_SHAPE:
                metrics.get(item)

    @property
    def metrics(self) -> list:
        return [metric for _, _, metric, _ in self._rows or []]

    @property
    def variables(self) -> list:
        return [variable for metric in self.metrics for variable in metric.variables]

    def _prepare(self, y: Any, y_pred: Any) -> None:
        names = output_names(y_pred, self._declared)
        targets = per_output("y", y, names, self._declared, broadcast=False)
        predictions = [y_pred[n] for n in names] if isinstance(y_pred, dict) else nest.flatten(y_pred)
        self._names, rows = names, []
        for weighted, given in ((False, self._given), (True, self._weighted)):
            for i, listed in enumerate(_listed(given, names, self._declared)):
                for item in listed:
                    metric = _make(item, targets[i], predictions[i])
                    if metric is not None:
                        rows.append(
                            (
                                i,
                                weighted,
                                metric,
                                f"{names[i]}_{metric.name}" if len(names) > 1 else metric.name,
                            )
                        )
        self._rows = rows

    def update_state(self, y: Any, y_pred: Any, sample_weight: Any = None) -> None:
        if self._rows is None:
            self._prepare(y, y_pred)
        targets = per_output("y", y, self._names, self._declared, broadcast=False)
        weights = per_output("sample_weight", sample_weight, self._names, self._declared, broadcast=True)
        predictions = [y_pred[n] for n in self._names] if isinstance(y_pred, dict) else nest.flatten(y_pred)
        for i, weighted, metric, _ in self._rows or []:
            if targets[i] is not None or predictions[i] is not None:
                metric.update_state(
                    targets[i], predictions[i], sample_weight=weights[i] if weighted else None
                )

    def result(self) -> dict:
        return {name: metric.result() for _, _, metric, name in self._rows or []}

    def reset_state(self) -> None:
        for metric in self.metrics:
            metric.reset_state()

    reset_states = reset_state

    def _tracked_variables(self) -> list:
        return self.variables


def _listed(given: Any, names: list[str], declared: list[str]) -> list[list]:
    """Returns a list of metrics for each output."""
    if given is None:
        return [[] for _ in names]
    if isinstance(given, dict):
        per = per_output("metrics", given, names, declared, broadcast=True)
    elif len(names) == 1:
        per = [given]
    elif any(isinstance(item, list | tuple) for item in given) or (
        len(given) == len(names) and not all(isinstance(item, str) for item in given)
    ):
        per = per_output("metrics", given, names, declared, broadcast=True)
    else:
        per = [given] * len(names)
    return [[] if item is None else list(item) if isinstance(item, list | tuple) else [item] for item in per]


def _make(item: Any, y_true: Any, y_pred: Any) -> Any:
    """Returns the metric object; "accuracy" becomes the one that fits the shapes."""
    if item is None:
        return None
    if isinstance(item, str) and item in _BY_SHAPE:
        binary, sparse, categorical = _BY_SHAPE[item]
        true_shape, pred_shape = tuple(y_true.shape), tuple(y_pred.shape)
        if pred_shape and pred_shape[-1] == 1 or not pred_shape:
            kind = binary
        elif len(true_shape) < len(pred_shape) or true_shape[-1] == 1:
            kind = sparse
        else:
            kind = categorical
        return getattr(metrics, kind)(name=item)
    found = metrics.get(item)
    if isinstance(found, metrics.Metric):
        return found
    name = item if isinstance(item, str) else getattr(found, "__name__", "metric")
    return metrics.MeanMetricWrapper(found, name=name)
