"""`OrbaxCheckpoint`: saves the state of training with Orbax, where that package is installed."""

from __future__ import annotations

import importlib
import os
from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.keras import checks
from dovetail.keras.callbacks.monitor import MonitorCallback

__all__ = ["OrbaxCheckpoint"]


class OrbaxCheckpoint(MonitorCallback):
    """Saves weights, the optimizer's state and the metrics' after epochs, or every so many batches.

    A checkpoint holds `{"trainable_variables": {"dense/kernel": array, ...}, "non_trainable_variables": ...,
    "optimizer_variables": ..., "metrics_variables": ...}` under the number of steps done.

    Args:
        directory: the folder of the checkpoints.
        monitor, mode, initial_value_threshold: see `ModelCheckpoint`.
        verbose: 1: says what it does.
        save_best_only: save only when the metric improves.
        save_freq: "epoch", or a number of batches.
        max_to_keep: how many checkpoints stay; None: all.
        save_on_background: go on while a checkpoint is written.
        save_weights_only: leave out the state of optimizer and metrics.

    Raises:
        ImportError: Orbax is not installed.
    """

    def __init__(
        self,
        directory: Any,
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        mode: str = "auto",
        save_freq: Any = "epoch",
        initial_value_threshold: float | None = None,
        max_to_keep: int | None = 1,
        save_on_background: bool = True,
        save_weights_only: bool = False,
    ) -> None:
        super().__init__(monitor, mode, initial=initial_value_threshold)
        if save_freq != "epoch":
            checks.count(save_freq, "save_freq", 1)
        self.directory = os.path.abspath(os.fspath(directory))
        self.verbose, self.save_best_only = checks.count(verbose, "verbose"), save_best_only
        self.save_freq, self.save_weights_only = save_freq, save_weights_only
        self.max_to_keep = None if max_to_keep is None else checks.count(max_to_keep, "max_to_keep", 1)
        self.save_on_background = save_on_background
        self._orbax = _orbax()
        options = self._orbax.CheckpointManagerOptions(
            max_to_keep=self.max_to_keep, enable_async_checkpointing=save_on_background
        )
        self._manager = self._orbax.CheckpointManager(self.directory, options=options)
        self._since, self._last = 0, -1

    def needs_batches(self, kind: str) -> bool:
        return kind == "train" and self.save_freq != "epoch"

    def batches_to(self, kind: str) -> int | None:
        return max(self.save_freq - self._since, 1) if self.needs_batches(kind) else None

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self._last = -1

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        if self.save_freq == "epoch":
            return
        self._since, self._last = self._since + batch - self._last, batch
        if self._since >= self.save_freq:
            self._since = 0
            self._save(logs)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        if self.save_freq == "epoch":
            self._save(logs)

    def on_train_end(self, logs: dict | None = None) -> None:
        self._manager.wait_until_finished()

    def _save(self, logs: dict | None) -> None:
        if self.save_best_only:
            value = self.value_in(logs)
            if value is None or not self.is_improvement(value, self.best):
                return
            self.best = value
        step = int(np.asarray(self.model.optimizer.iterations))
        if self.verbose:
            print(f"\nStep {step}: saving a checkpoint to {self.directory}")
        self._manager.save(step, args=self._orbax.args.StandardSave(self._state()))

    def _state(self) -> dict:
        model = self.model
        parts = {
            "trainable_variables": model.trainable_variables,
            "non_trainable_variables": model.non_trainable_variables,
        }
        if not self.save_weights_only:
            parts |= {
                "optimizer_variables": model.optimizer.variables,
                "metrics_variables": model.metrics_variables,
            }
        return {part: _by_path(variables) for part, variables in parts.items()}


def _by_path(variables: Any) -> dict[str, np.ndarray]:
    """Returns the values of variables by their paths; a path that is taken gets a number."""
    found: dict[str, np.ndarray] = {}
    for variable in variables:
        path = str(getattr(variable, "path", None) or variable.name)
        free, number = path, 0
        while free in found:
            number += 1
            free = f"{path}_{number}"
        found[free] = np.array(variable)
    return found


def _orbax() -> Any:
    try:
        return importlib.import_module("orbax.checkpoint")
    except ImportError as error:
        raise ImportError(
            f"OrbaxCheckpoint needs Orbax: pip install orbax-checkpoint{at_user_location()}"
        ) from error
