"""`OrbaxCheckpoint`: saves the state of training with Orbax, where that package is installed."""

from __future__ import annotations

import importlib
import os
from typing import Any

import numpy as np

from dovetail.keras import checks
from dovetail.keras.callbacks.monitor import MonitorCallback

__all__ = ["OrbaxCheckpoint"]


class OrbaxCheckpoint(MonitorCallback):
    """Saves weights, the optimizer's state and the metrics' after epochs, or every so many batches.

    `load_weights(directory)` of a model like it, and `keras.models.load_model(directory)`, here and in Keras 3, read
    the newest checkpoint; `directory/STEP` is one of them.  Its step is the number of the epoch, or of the
    batches so far.

    Args:
        directory: the folder of the checkpoints.
        monitor, mode, initial_value_threshold: see `ModelCheckpoint`.
        verbose: 1: says what it does.
        save_best_only: save only when the metric improves.
        save_freq: "epoch", or a number of batches.
        max_to_keep: how many checkpoints stay; None: all.
        save_on_background: go on while a checkpoint is written.
        save_weights_only: leave out the architecture, and the state of optimizer and metrics.

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
        orbax = _files().package("OrbaxCheckpoint").training
        kept = None if self.max_to_keep is None else orbax.preservation_policies.LatestN(self.max_to_keep)
        self._options = {
            "preservation_policy": kept,
            "save_decision_policy": orbax.save_decision_policies.FixedIntervalPolicy(1),
        }
        self._open = orbax.Checkpointer
        self._checkpointer: Any = None
        self._pending: list[Any] = []
        self._since, self._last, self._batches = 0, -1, 0

    def needs_batches(self, kind: str) -> bool:
        return kind == "train" and self.save_freq != "epoch"

    def batches_to(self, kind: str) -> int | None:
        return max(self.save_freq - self._since, 1) if self.needs_batches(kind) else None

    def on_train_begin(self, logs: dict | None = None) -> None:
        self._checkpointer = self._open(directory=self.directory, **self._options)
        optimizer = getattr(self.model, "optimizer", None)
        self._batches = 0 if optimizer is None else int(np.asarray(optimizer.iterations))

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self._last = -1

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        if self.save_freq == "epoch":
            return
        done = batch - self._last
        self._since, self._batches, self._last = self._since + done, self._batches + done, batch
        if self._since >= self.save_freq:
            self._since = 0
            self._save(self._batches, logs)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        if self.save_freq == "epoch":
            self._save(epoch, logs)

    def on_train_end(self, logs: dict | None = None) -> None:
        self.wait_until_finished()
        self._checkpointer.close()

    def wait_until_finished(self) -> None:
        """Waits until all checkpoints are written; raises what kept one from being written."""
        pending, self._pending = self._pending, []
        for one in pending:
            one.result()

    def _save(self, step: int, logs: dict | None) -> None:
        if self.save_best_only:
            value = self.value_in(logs)
            if value is None or not self.is_improvement(value, self.best):
                return
            self.best = value
        latest = self._checkpointer.latest
        if latest is not None and step <= latest.step:  # of training before this one
            step = latest.step + 1
        if self.verbose:
            print(f"\nStep {step}: saving a checkpoint to {self.directory}")
        parts = _files().payload(self.model, self.save_weights_only)
        self.wait_until_finished()
        if self.save_on_background:
            self._pending.append(self._checkpointer.save_checkpointables_async(step, parts))
        else:
            self._checkpointer.save_checkpointables(step, parts)


def _files() -> Any:
    return importlib.import_module("dovetail.keras.saving.orbax_files")
