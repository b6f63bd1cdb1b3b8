"""`BackupAndRestore`: a run that breaks off is started again where it was."""

from __future__ import annotations

import importlib
import json
import os
import shutil
from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.keras.callbacks.callback import Callback
from dovetail.ops import random

__all__ = ["BackupAndRestore"]

_LATEST, _PREVIOUS, _NEXT = "latest.weights.h5", "previous.weights.h5", "next.weights.h5"
_STATE = "dovetail_training"  # the attribute of the file that holds what is no weight


class BackupAndRestore(Callback):
    """Writes the state of training to a folder, and goes on from there when `fit` is called again after a break.

    Weights, the optimizer's state, the number of the epoch and the random generators (of the layers, the global one,
    and NumPy's, which shuffles) come back, so that the rest of the run is what it would have been, bit for bit.
    Callbacks keep their state to themselves: those that count epochs begin anew.  Give it as the last one, so that it
    sees what the others have changed.

    Args:
        backup_dir: a folder for it alone; made when it is not there.
        save_freq: "epoch", or a number of batches.  With batches, a run goes on with the weights of the last backup
            from the beginning of the epoch that was running.
        double_checkpoint: keep the backup before the last one too, for when the last one cannot be read.
        delete_checkpoint: remove the folder when `fit` has ended.
        save_before_preemption: must be False.

    Differs from Keras: a backup is one file that replaces the one before at once, whenever the process dies; random
    generators are restored.
    """

    def __init__(
        self,
        backup_dir: Any,
        save_freq: Any = "epoch",
        double_checkpoint: bool = False,
        delete_checkpoint: bool = True,
        save_before_preemption: bool = False,
    ) -> None:
        super().__init__()
        if not backup_dir:
            raise ValueError(
                f"BackupAndRestore: backup_dir must name a folder, received {backup_dir!r}{at_user_location()}"
            )
        whole = isinstance(save_freq, int) and not isinstance(save_freq, bool) and save_freq > 0
        if save_freq != "epoch" and not whole:
            raise ValueError(
                "BackupAndRestore: save_freq must be 'epoch' or a number of batches, received "
                f"{save_freq!r:.60}{at_user_location()}"
            )
        if save_before_preemption:
            raise NotImplementedError(
                "BackupAndRestore: save_before_preemption=True needs a cluster's notices, which nothing here receives; "
                f"pass save_freq instead{at_user_location()}"
            )
        self.backup_dir = os.fspath(backup_dir)
        self.save_freq, self.double_checkpoint = save_freq, bool(double_checkpoint)
        self.delete_checkpoint = bool(delete_checkpoint)
        self.resumes_at: int | None = None
        self._epoch, self._since, self._last = 0, 0, -1

    def needs_batches(self, kind: str) -> bool:
        return kind == "train" and self.save_freq != "epoch"

    def batches_to(self, kind: str) -> int | None:
        return max(self.save_freq - self._since, 1) if self.needs_batches(kind) else None

    def on_train_begin(self, logs: dict | None = None) -> None:
        self.resumes_at, self._since, self._last = None, 0, -1
        if os.path.exists(self._path(_LATEST)):
            self._restore_latest()
        elif os.path.exists(self._path(_PREVIOUS)):  # the process died while it replaced the one by the other
            self._restore(_PREVIOUS)
        self._epoch = self.resumes_at or 0

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self._epoch, self._last = epoch, -1

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        if self.save_freq == "epoch":
            return
        self._since, self._last = self._since + batch - self._last, batch
        if self._since >= self.save_freq:
            self._since = 0
            self._save()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        self._epoch = epoch + 1
        if self.save_freq == "epoch":
            self._save()

    def on_train_end(self, logs: dict | None = None) -> None:
        if self.delete_checkpoint and os.path.isdir(self.backup_dir):
            shutil.rmtree(self.backup_dir)

    # ---- the files

    def _path(self, name: str) -> str:
        return os.path.join(self.backup_dir, name)

    def _save(self) -> None:
        os.makedirs(self.backup_dir, exist_ok=True)
        self.model.save_weights(self._path(_NEXT), overwrite=True)
        with _h5py().File(self._path(_NEXT), "a") as file:
            state = {"epoch": self._epoch, "random": _random_state(self.model)}
            file.create_dataset(_STATE, data=np.frombuffer(json.dumps(state).encode(), np.uint8))
        if self.double_checkpoint and os.path.exists(self._path(_LATEST)):
            os.replace(self._path(_LATEST), self._path(_PREVIOUS))
        os.replace(self._path(_NEXT), self._path(_LATEST))

    def _restore_latest(self) -> None:
        try:
            self._restore(_LATEST)
        except (OSError, ValueError):
            if not os.path.exists(self._path(_PREVIOUS)):
                raise
            self._restore(_PREVIOUS)

    def _restore(self, name: str) -> None:
        with _h5py().File(self._path(name), "r") as file:
            if _STATE not in file:
                raise ValueError(
                    f"BackupAndRestore: {self._path(name)!r} is no backup of a run. Give it a folder of its own"
                    f"{at_user_location()}"
                )
            state = json.loads(file[_STATE][()].tobytes())
        self.model.load_weights(self._path(name))
        self.resumes_at = int(state["epoch"])
        _set_random_state(self.model, state["random"])


def _generators(model: Any) -> list:
    """Returns the state of the model's random generators, which weights files leave out."""
    weights = {id(variable) for variable in model.weights}
    return [variable for variable in model.variables if id(variable) not in weights]


def _random_state(model: Any) -> dict:
    numpys: Any = np.random.get_state(legacy=False)
    numpys = {**numpys, "state": {**numpys["state"], "key": numpys["state"]["key"].tolist()}}
    layers = [np.asarray(variable.value).tolist() for variable in _generators(model)]
    return {"numpy": numpys, "layers": layers, "global": random.generators()}


def _set_random_state(model: Any, found: dict) -> None:
    numpys = found["numpy"]
    numpys["state"]["key"] = np.asarray(numpys["state"]["key"], np.uint32)
    np.random.set_state(numpys)
    random.set_generators(found["global"])
    for variable, value in zip(_generators(model), found["layers"], strict=True):
        variable.assign(np.asarray(value, variable.dtype.as_numpy_dtype))


def _h5py() -> Any:
    """Returns `h5py`, which takes long to import, when a backup is written or read."""
    return importlib.import_module("h5py")
