"""`ModelCheckpoint`: saves the model, or its weights, while training."""

from __future__ import annotations

import os
from typing import Any

from dovetail.base.atomic import make_folder
from dovetail.base.errors import at_user_location
from dovetail.keras import checks
from dovetail.keras.callbacks.monitor import MonitorCallback

__all__ = ["ModelCheckpoint"]

_WEIGHTS_ENDINGS = (".weights.h5", ".h5")
_MODEL_ENDINGS = (".keras", ".h5", ".hdf5")


class ModelCheckpoint(MonitorCallback):
    """Saves the model, or its weights alone, after epochs, or every so many batches.

    Args:
        filepath: path, with `{epoch:02d}` and names of metrics in braces; ends in ".keras" or ".h5",
            or, for weights alone, in ".weights.h5"; weights without an ending are a checkpoint, as in Keras 2.
        monitor: name of the metric that decides what is best.
        verbose: 1: says what it does.
        save_best_only: save only when the metric improves.
        save_weights_only: save the weights alone.
        mode: "min", "max" or "auto".
        save_freq: "epoch", or a number of batches.
        initial_value_threshold: value to beat from the start.
    """

    _kept = ("best", "_batches")

    def __init__(
        self,
        filepath: Any,
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
        save_freq: Any = "epoch",
        initial_value_threshold: float | None = None,
    ) -> None:
        super().__init__(monitor, mode, initial=initial_value_threshold)
        self.filepath = os.fspath(filepath)
        endings = _WEIGHTS_ENDINGS if save_weights_only else _MODEL_ENDINGS
        as_checkpoint = save_weights_only and os.path.splitext(self.filepath)[1] in ("", ".ckpt")
        if not self.filepath.endswith(endings) and not as_checkpoint:
            raise ValueError(
                f"ModelCheckpoint: with save_weights_only={save_weights_only}, filepath must end in one of {endings}, "
                f"received {self.filepath!r}{at_user_location()}"
            )
        if save_freq != "epoch" and not isinstance(save_freq, int):
            raise ValueError(
                f"ModelCheckpoint: save_freq must be 'epoch' or a number of batches, received {save_freq!r}"
            )
        self.verbose, self.save_best_only = checks.count(verbose, "verbose"), save_best_only
        self.save_weights_only, self.save_freq = save_weights_only, save_freq
        self._batches = self._epoch = 0
        self._last_batch = -1

    def needs_batches(self, kind: str) -> bool:
        return kind == "train" and self.save_freq != "epoch"

    def batches_to(self, kind: str) -> int | None:
        return max(self.save_freq - self._batches, 1) if self.needs_batches(kind) else None

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self._epoch, self._last_batch = epoch, -1

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        self._batches += batch - self._last_batch if batch > self._last_batch else batch + 1
        self._last_batch = batch
        if self.save_freq != "epoch" and self._batches >= self.save_freq:
            self._batches = 0
            self._save(self._epoch, batch, logs)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        if self.save_freq == "epoch":
            self._save(epoch, None, logs)

    def _save(self, epoch: int, batch: int | None, logs: dict | None) -> None:
        if self.save_best_only:
            value = self.value_in(logs)
            if value is None:
                return
            if not self.is_improvement(value, self.best):
                self._say(f"Epoch {epoch + 1}: {self.monitor} did not improve from {self.best:.5f}")
                return
            path = self._path(epoch, batch, logs)
            before = "inf" if self.best is None else f"{self.best:.5f}"
            self._say(
                f"Epoch {epoch + 1}: {self.monitor} improved from {before} to {value:.5f}, saving model to {path}"
            )
            self.best = value
        else:
            path = self._path(epoch, batch, logs)
            self._say(f"Epoch {epoch + 1}: saving model to {path}")
        make_folder(os.path.dirname(path) or ".")
        save = self.model.save_weights if self.save_weights_only else self.model.save
        save(path, overwrite=True)

    def _say(self, text: str) -> None:
        if self.verbose > 0:
            print(f"\n{text}")

    def _path(self, epoch: int, batch: int | None, logs: dict | None) -> str:
        facts = {"epoch": epoch + 1, **(logs or {})}
        if batch is not None:
            facts["batch"] = batch + 1
        try:
            return self.filepath.format(**facts)
        except KeyError as error:
            raise KeyError(
                f"ModelCheckpoint: {self.filepath!r} names {error}, which is not in the logs. "
                f"Available: {sorted(facts)}"
            ) from None
