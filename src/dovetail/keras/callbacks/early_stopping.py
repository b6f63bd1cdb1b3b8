"""`EarlyStopping`: stops when a metric no longer improves."""

from __future__ import annotations

from typing import Any

from dovetail.keras import checks
from dovetail.keras.callbacks.monitor import MonitorCallback

__all__ = ["EarlyStopping"]


class EarlyStopping(MonitorCallback):
    """Stops training when the watched metric has not improved for `patience` epochs.

    Args:
        monitor: name of the metric.
        min_delta: smallest change that counts as an improvement.
        patience: epochs without improvement before it stops.
        verbose: 1: says so.
        mode: "min", "max" or "auto".
        baseline: value that the metric must beat.
        restore_best_weights: put the weights of the best epoch back.
        start_from_epoch: epochs to wait before watching.
    """

    _kept = ("wait", "stopped_epoch", "best_epoch", "best_weights", "best")

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0,
        patience: int = 0,
        verbose: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ) -> None:
        super().__init__(monitor, mode, min_delta=min_delta)
        self.patience, self.verbose = checks.count(patience, "patience"), checks.count(verbose, "verbose")
        self.baseline = checks.number_or_none(baseline, "baseline")
        self.start_from_epoch = checks.count(start_from_epoch, "start_from_epoch")
        self.restore_best_weights = restore_best_weights
        self._reset()

    def _reset(self) -> None:
        self.wait = self.stopped_epoch = self.best_epoch = 0
        self.best_weights: Any = None
        self.best = None

    def get_monitor_value(self, logs: dict | None) -> Any:
        """Returns the watched value of the logs, None where it is missing."""
        return self.value_in(logs)

    def on_train_begin(self, logs: dict | None = None) -> None:
        self._reset()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        value = self.value_in(logs)
        if value is None or epoch < self.start_from_epoch:
            return
        if self.restore_best_weights and self.best_weights is None:
            self.best_weights, self.best_epoch = self.model.get_weights(), epoch
        self.wait += 1
        if self.is_improvement(value, self.best):
            self.best, self.best_epoch = value, epoch
            if self.restore_best_weights:
                self.best_weights = self.model.get_weights()
            if self.baseline is None or self.is_improvement(value, self.baseline):
                self.wait = 0
            return
        if self.wait >= self.patience and epoch > 0:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def on_train_end(self, logs: dict | None = None) -> None:
        if self.stopped_epoch > 0 and self.verbose > 0:
            print(f"Epoch {self.stopped_epoch + 1}: early stopping")
        if self.restore_best_weights and self.best_weights is not None:
            if self.verbose > 0:
                print(f"Restoring model weights from the end of the best epoch: {self.best_epoch + 1}.")
            self.model.set_weights(self.best_weights)
