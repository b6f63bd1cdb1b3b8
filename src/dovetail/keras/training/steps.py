"""The steps that a model trains, tests and predicts with.  Users override them."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from dovetail.autodiff import GradientTape
from dovetail.base.errors import at_user_location
from dovetail.ops import reduction, shapes


def unpack_x_y_sample_weight(data: Any) -> tuple:
    """Returns `(x, y, sample_weight)` of a batch, None for what is absent."""
    if isinstance(data, list):
        data = tuple(data)
    if not isinstance(data, tuple):
        return data, None, None
    if len(data) > 3:
        raise ValueError(f"a batch must be x, (x, y) or (x, y, sample_weight), received {len(data)} parts")
    return (*data, *(None,) * (3 - len(data)))


def pack_x_y_sample_weight(x: Any, y: Any = None, sample_weight: Any = None) -> Any:
    """Packs data as `fit` hands it to `train_step`."""
    if y is None:
        return (x,) if isinstance(x, tuple | list) else x
    return (x, y) if sample_weight is None else (x, y, sample_weight)


class Steps:
    """`train_step`, `test_step`, `predict_step` and the loss and metrics they use.  `Model` is the rest of it."""

    optimizer: Any
    metrics: Any
    losses: Any
    trainable_weights: Any
    __call__: Any
    _compiled_loss: Any
    _compiled_metrics: Any
    _loss_tracker: Any

    def train_step(self, data: Any) -> dict:
        """Runs one step of training on a batch, and returns the logs."""
        x, y, sample_weight = unpack_x_y_sample_weight(data)
        with GradientTape() as tape:
            y_pred = self(x, training=True)
            loss = self._call_compute_loss(x, y, y_pred, sample_weight, True)
            scaled = self.optimizer.scale_loss(loss)
        self._loss_tracker.update_state(loss, sample_weight=_num_samples(x))
        variables = self.trainable_weights
        if variables:
            self.optimizer.apply_gradients(zip(tape.gradient(scaled, variables), variables, strict=True))
        else:
            warnings.warn("fit: the model has no trainable weights", stacklevel=2)
        return self.compute_metrics(x, y, y_pred, sample_weight=sample_weight)

    def test_step(self, data: Any) -> dict:
        """Evaluates a batch, and returns the logs."""
        x, y, sample_weight = unpack_x_y_sample_weight(data)
        y_pred = self(x, training=False)
        loss = self._call_compute_loss(x, y, y_pred, sample_weight, False)
        self._loss_tracker.update_state(loss, sample_weight=_num_samples(x))
        return self.compute_metrics(x, y, y_pred, sample_weight=sample_weight)

    def _label_check(self, step: str) -> Callable | None:
        """Returns what raises when labels do not fit the outputs; None for steps of users: they may change labels."""
        kind = type(self)
        if getattr(kind, step) is not getattr(Steps, step) or kind.compute_loss is not Steps.compute_loss:
            return None

        def check(data: Any) -> None:
            if self._compiled_loss is not None:
                self._compiled_loss.check_labels(unpack_x_y_sample_weight(data)[1])

        return check

    def predict_step(self, data: Any) -> Any:
        """Returns the outputs for a batch."""
        x, _, _ = unpack_x_y_sample_weight(data)
        return self(x, training=False)

    def _call_compute_loss(self, x: Any, y: Any, y_pred: Any, sample_weight: Any, training: bool) -> Any:
        """Calls `compute_loss` with as much as an override takes."""
        if type(self).compute_loss is Steps.compute_loss:
            return self.compute_loss(x, y, y_pred, sample_weight, training)
        try:
            return self.compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=sample_weight, training=training)
        except TypeError as error:
            if "training" not in str(error):
                raise
            return self.compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=sample_weight)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """Returns the scalar to minimize: the compiled loss and the losses added by layers.

        Raises:
            ValueError: there is no loss at all.
        """
        losses = []
        if self._compiled_loss is not None:
            value = self._compiled_loss(y, y_pred, sample_weight)
            if value is not None:
                losses.append(value)
        for value in self.losses:
            losses.append(reduction.reduce_sum(value))
        if not losses:
            raise ValueError(
                "compute_loss: the model has no loss. Pass loss=... to compile(), targets to fit(), or call add_loss "
                f"in a layer{at_user_location()}"
            )
        total = losses[0]
        for value in losses[1:]:
            total = total + value
        if self._loss_tracker is not None:
            self._loss_tracker.note(total, _num_samples(y_pred if y_pred is not None else x))
        return total

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> dict:
        """Updates the compiled metrics, and returns all results."""
        if self._compiled_metrics is not None and y is not None:
            self._compiled_metrics.update_state(y, y_pred, sample_weight=sample_weight)
        if self._loss_tracker is not None:
            self._loss_tracker.count_noted()
        return self.get_metrics_result()

    def get_metrics_result(self) -> dict:
        """Returns the current value of every metric by name."""
        results: dict[str, Any] = {}
        for metric in self.metrics:
            value = metric.result()
            if isinstance(value, dict):
                results |= value
            else:
                results[metric.name] = value
        return results

    def compiled_loss(
        self, y: Any, y_pred: Any, sample_weight: Any = None, regularization_losses: Any = None
    ) -> Any:
        """Returns the compiled loss of a batch (Keras 2's name in `train_step` overrides)."""
        value = self._compiled_loss(y, y_pred, sample_weight)
        for penalty in regularization_losses or []:
            value = value + penalty
        self._loss_tracker.update_state(value, sample_weight=_num_samples(y_pred))
        return value

    @property
    def compiled_metrics(self) -> Any:
        """The compiled metrics, with `update_state(y, y_pred, sample_weight)` (Keras 2's name)."""
        return self._compiled_metrics


def _num_samples(x: Any) -> Any:
    """Returns the size of the first axis: a tensor where a function of unknown sizes is recorded."""
    leaf = x
    while isinstance(leaf, list | tuple | dict):
        leaf = next(iter(leaf.values())) if isinstance(leaf, dict) else leaf[0]
    if not len(leaf.shape):
        return 1.0
    return shapes.shape(leaf)[0] if leaf.shape[0] is None else float(leaf.shape[0])
