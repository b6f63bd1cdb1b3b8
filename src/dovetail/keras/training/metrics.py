"""The metrics of a compiled model."""

from __future__ import annotations

import functools
from typing import Any

from dovetail.base import nest
from dovetail.function.autograph.gate import user_code
from dovetail.keras import metrics
from dovetail.keras.idiom import is_keras_2
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
        self._rows: list[tuple] | None = None  # (output, weighted?, metric, name in the logs)
        for item in nest.flatten([given, weighted]):
            if isinstance(item, str) and item not in _BY_SHAPE:
                metrics.get(item)

    @property
    def metrics(self) -> list:
        return [metric for _, _, metric, _ in self._rows or []]

    @property
    def held(self) -> list:
        """What it answers for: the metrics that it was given, and those that it has made."""
        return nest.flatten([self._given, self._weighted, self.metrics])

    @property
    def variables(self) -> list:
        return [variable for metric in self.metrics for variable in metric.variables]

    def _prepare(self, y: Any, y_pred: Any) -> None:
        names = output_names(y_pred, self._declared)
        targets = per_output("y", y, names, self._declared, broadcast=False)
        predictions = [y_pred[n] for n in names] if isinstance(y_pred, dict) else nest.flatten(y_pred)
        self._names = names
        rows: list[tuple] = []
        self._rows = rows
        kinds = [
            (weighted, _listed(given, names, self._declared))
            for weighted, given in ((False, self._given), (True, self._weighted))
        ]
        for i, name in enumerate(names):
            for weighted, listed in kinds:
                for item in listed[i]:
                    metric = None if item is None else _make(item, targets[i], predictions[i])
                    if metric is not None:
                        self._add_row(rows, i, weighted, metric, name, _label(item, metric))

    def _add_row(
        self, rows: list[tuple], index: int, weighted: bool, metric: Any, output: str, label: str
    ) -> None:
        """Adds a metric under a name that is not taken, which begins with the output's name where there are several."""
        if any(metric is other for _, _, other, _ in rows):  # one metric for several outputs: one state each
            metric = type(metric).from_config(metric.get_config())
        several = len(self._names) > 1
        taken = {name for _, _, _, name in rows}
        prefix = f"{output}_" if several else ""
        name = f"{prefix}{label}"
        if name in taken and weighted:
            name = f"{prefix}weighted_{label}"
        free, number = name, 0
        while free in taken:
            number += 1
            free = f"{name}_{number}"
        if is_keras_2():  # the single metrics are seen then, by their names in the logs
            metric.name = free
        rows.append((index, weighted, metric, free))

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


def _listed(given: Any, names: list[str], declared: list[str]) -> list[list]:
    """Returns a list of metrics for each output."""
    if given is None:
        return [[] for _ in names]
    if isinstance(given, dict):
        per = per_output("metrics", given, names, declared, broadcast=True)
    elif len(names) == 1:
        per = [given]
    elif len(given) == len(names) or any(isinstance(item, list | tuple) for item in given):
        per = per_output("metrics", given, names, declared, broadcast=True)
    else:
        per = [given] * len(names)
    return [[] if item is None else list(item) if isinstance(item, list | tuple) else [item] for item in per]


def _make(item: Any, y_true: Any, y_pred: Any) -> Any:
    """Returns the metric object; "accuracy" becomes the one that fits the shapes.  None: there are no targets."""
    if y_true is None:
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
    return metrics.MeanMetricWrapper(_of_one_rank(found), name=getattr(found, "__name__", "metric"))


def _of_one_rank(function: Any) -> Any:
    """Returns a user's function that gets targets of shape (batch,) as (batch, 1) beside predictions of that shape.

    It would broadcast the two to (batch, batch).
    """

    @functools.wraps(function)
    def metric(y_true: Any, y_pred: Any) -> Any:
        if len(y_true.shape) == 1 and len(y_pred.shape) == 2 and y_pred.shape[1] == 1:
            y_true = y_true[:, None]
        return user_code(function)(y_true, y_pred)

    return metric


def _label(item: Any, metric: Any) -> str:
    """Returns a metric's name in the logs: as the user wrote it, "mae" for "mae", else the metric's own."""
    return item if isinstance(item, str) else "lambda" if metric.name == "<lambda>" else str(metric.name)
