"""`BackupAndRestore`: a run that breaks off is started again where it was."""

from __future__ import annotations

import importlib
import json
import os
import random as python_random
import warnings
from typing import Any

import numpy as np

from dovetail.base.atomic import make_folder, to_disk
from dovetail.base.errors import at_user_location
from dovetail.keras.callbacks.callback import Callback
from dovetail.ops import random_keys

__all__ = ["BackupAndRestore"]

_LATEST, _PREVIOUS, _NEXT = "latest.weights.h5", "previous.weights.h5", "next.weights.h5"
_STATE = "dovetail_training"  # what is no weight, as JSON
_ARRAYS = "dovetail_arrays"  # the arrays in it
_ARRAY = "__array__"


class BackupAndRestore(Callback):
    """Writes the state of training to a folder, and goes on from there when `fit` is called again after a break.

    Weights, the optimizer's state, the numbers of the epoch and of the batch, the metrics, the random generators (of
    the layers, the global one, and NumPy's, which shuffles), the place in the data and their order, and the state of
    the other callbacks (`Callback.run_state`) come back, so that the rest of the run is what it would have been, bit
    for bit.  Datasets take their random numbers up again; generators and other iterables are run through up to the
    place where they were.  Give it as the last one, so that it sees what the others have changed.

    Args:
        backup_dir: a folder for it alone; made when it is not there.
        save_freq: "epoch", or a number of batches.
        double_checkpoint: keep the backup before the last one too, for when the last one cannot be read.
        delete_checkpoint: remove the backups when `fit` has ended, and the folder if nothing else is in it.
        save_before_preemption: must be False.

    Differs from Keras: a backup is one file that replaces the one before at once, whenever the process dies; all of the
    state is restored, and a run goes on within the epoch that broke off.
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
        self._data: Any = None
        self._others: list[Any] = []
        self._found: dict | None = None  # what a run that goes on has still to take
        self._metrics: list | None = None
        self._is_due = False

    def set_run(self, data: Any, callbacks: list[Any]) -> None:
        """Takes the data of the run, and all its callbacks."""
        self._data, self._others = data, [callback for callback in callbacks if callback is not self]

    def needs_batches(self, kind: str) -> bool:
        return kind == "train" and self.save_freq != "epoch"

    def batches_to(self, kind: str) -> int | None:
        return max(self.save_freq - self._since, 1) if self.needs_batches(kind) else None

    def on_train_begin(self, logs: dict | None = None) -> None:
        self.resumes_at, self._since, self._last, self._found = None, 0, -1, None
        if os.path.exists(self._path(_LATEST)):
            self._restore_latest()
        elif os.path.exists(self._path(_PREVIOUS)):  # the process died while it replaced the one by the other
            self._restore(_PREVIOUS)
        self._epoch = self.resumes_at or 0

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self._epoch, self._last = epoch, -1
        if self._found is not None:
            self._go_on(self._found)
            self._found = None

    def restore_others(self, callbacks: list[Any]) -> None:
        """Gives the other callbacks their state back."""
        held = list((self._found or {}).get("callbacks", ()))
        for callback in callbacks:
            name = type(callback).__name__
            place = next((i for i, (kind, _) in enumerate(held) if kind == name), None)
            if place is not None and callback is not self:
                callback.restore_run(held.pop(place)[1])

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        if self._metrics is None:
            return
        values, self._metrics = self._metrics, None  # the step has been traced: the metrics are there
        variables = self.model.metrics_variables
        if len(variables) != len(values):
            warnings.warn(
                "BackupAndRestore: the metrics of this epoch leave out its first batches: they are made when a step "
                "runs, without a compiled one too late to go on with them",
                stacklevel=2,
            )
            return
        for variable, value in zip(variables, values, strict=True):
            variable.assign(np.asarray(value, variable.dtype.as_numpy_dtype))

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        if self.save_freq == "epoch":
            return
        self._since, self._last = self._since + batch - self._last, batch
        if self._since >= self.save_freq:
            self._since = 0
            if batch + 1 == self.params.get("steps"):
                self._is_due = True  # at the end of the epoch, which is now
            else:
                self._save(batch + 1, logs)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        self._epoch = epoch + 1
        if self.save_freq == "epoch" or self._is_due:
            self._is_due = False
            self._save(None)

    def on_train_end(self, logs: dict | None = None) -> None:
        if not self.delete_checkpoint or not os.path.isdir(self.backup_dir):
            return
        for name in os.listdir(self.backup_dir):
            # A process that died while it wrote leaves a file beside the next one.
            if name in (_LATEST, _PREVIOUS, _NEXT) or (
                name.startswith(f"{_NEXT}.") and name.endswith(".part")
            ):
                os.remove(self._path(name))
        if not os.listdir(self.backup_dir):
            os.rmdir(self.backup_dir)

    # ---- the files

    def _path(self, name: str) -> str:
        return os.path.join(self.backup_dir, name)

    def _save(self, done: int | None, logs: dict | None = None) -> None:
        """Writes a backup behind `done` batches of the epoch; None: at its end."""
        make_folder(self.backup_dir)
        arrays: list[np.ndarray] = []
        state = _packed(self._state(done) | {"logs": logs or {}}, arrays)
        self.model.save_weights(self._path(_NEXT), overwrite=True)
        with _h5py().File(self._path(_NEXT), "a") as file:
            file.create_dataset(_STATE, data=np.frombuffer(json.dumps(state).encode(), np.uint8))
            for number, array in enumerate(arrays):
                file.create_dataset(f"{_ARRAYS}/{number}", data=array)
        to_disk(self._path(_NEXT))
        if self.double_checkpoint and os.path.exists(self._path(_LATEST)):
            os.replace(self._path(_LATEST), self._path(_PREVIOUS))
        os.replace(self._path(_NEXT), self._path(_LATEST))

    def _state(self, done: int | None) -> dict:
        model = self.model
        kept = ((type(one).__name__, _run_state(one)) for one in self._others)
        return {
            "epoch": self._epoch,
            "done": done or 0,
            "stopped": bool(model.stop_training),
            "metrics": [] if done is None else [np.asarray(one.value) for one in model.metrics_variables],
            "data": None if self._data is None else [type(self._data).__name__, self._data.standing(done)],
            "callbacks": [[name, state] for name, state in kept if state is not None],
            "random": _random_state(model),
        }

    def _restore_latest(self) -> None:
        try:
            self._restore(_LATEST)
        except (OSError, ValueError) as error:
            if not os.path.exists(self._path(_PREVIOUS)):
                raise
            self._restore(_PREVIOUS)
            warnings.warn(
                f"BackupAndRestore: the last backup cannot be read, the run goes on from the one before: {error}",
                stacklevel=2,
            )

    def _restore(self, name: str) -> None:
        """Reads a backup.

        Raises:
            ValueError: it is none, or damaged.
        """
        path, h5 = self._path(name), importlib.import_module("dovetail.keras.saving.h5")
        with h5.opened(path, path) as file:
            held = h5.member(file, _STATE)
            if held is None:
                raise ValueError(
                    f"BackupAndRestore: {path!r} is no backup of a run. Give it a folder of its own{at_user_location()}"
                )
            state = json.loads(h5.read(held).tobytes())
            state = _unpacked(state, lambda number: h5.read(h5.descend(file, f"{_ARRAYS}/{number}")))
        self.model.load_weights(path)
        _set_random_state(self.model, state["random"])
        self._found = state | {"path": path}
        self.resumes_at = int(state["epoch"])
        if state.get("stopped"):
            self.model.stop_training = True
            self.resumes_at = max(self.resumes_at, self.params.get("epochs") or 0)

    def _go_on(self, state: dict) -> None:
        """Takes up the first epoch, after other callbacks have begun it."""
        done, data = int(state.get("done", 0)), state.get("data")
        if data is not None and self._data is not None and data[0] == type(self._data).__name__:
            self._data.resume(data[1], done)
        elif data is not None:
            warnings.warn(
                f"BackupAndRestore: the run that broke off had other data ({data[0]}): epoch {self._epoch + 1} begins "
                "anew",
                stacklevel=2,
            )
            done = 0
        if done:
            self.model.load_weights(
                state["path"]
            )  # what others have changed at the beginning of the epoch counts once
            self._metrics, self._data.logs = state["metrics"], state["logs"]
            self._last = done - 1
        _set_random_state(self.model, state["random"])


def _run_state(callback: Any) -> dict | None:
    """Returns what is kept of a callback; other libraries' have no such method."""
    ask = getattr(callback, "run_state", None)
    return ask() if callable(ask) else None


def _packed(value: Any, arrays: list[np.ndarray]) -> Any:
    """Returns what JSON can hold: arrays go to a list, and leave their number."""
    if isinstance(value, dict):
        return {key: _packed(one, arrays) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_packed(one, arrays) for one in value]
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        arrays.append(value)
        return {_ARRAY: len(arrays) - 1}
    return value


def _unpacked(value: Any, array: Any) -> Any:
    """Returns what `_packed` was given; `array(number)` reads an array."""
    if isinstance(value, dict):
        return (
            array(value[_ARRAY])
            if _ARRAY in value
            else {key: _unpacked(one, array) for key, one in value.items()}
        )
    return [_unpacked(one, array) for one in value] if isinstance(value, list) else value


def _generators(model: Any) -> list:
    """Returns the state of the model's random generators, which weights files leave out."""
    weights = {id(variable) for variable in model.weights}
    return [variable for variable in model.variables if id(variable) not in weights]


def _random_state(model: Any) -> dict:
    layers = [np.asarray(variable.value) for variable in _generators(model)]
    version, numbers, gauss = python_random.getstate()
    return {
        "numpy": np.random.get_state(legacy=False),
        "python": [version, list(numbers), gauss],
        "layers": layers,
        "global": random_keys.generators(),
    }


def _set_random_state(model: Any, found: dict) -> None:
    numpys = found["numpy"]
    key = np.asarray(numpys["state"]["key"], np.uint32)
    np.random.set_state({**numpys, "state": {**numpys["state"], "key": key}})
    version, numbers, gauss = found["python"]
    python_random.setstate((version, tuple(numbers), gauss))
    random_keys.set_generators(found["global"])
    for variable, value in zip(_generators(model), found["layers"], strict=True):
        variable.assign(np.asarray(value, variable.dtype.as_numpy_dtype))


def _h5py() -> Any:
    """Returns `h5py`, which takes long to import, when a backup is written or read."""
    return importlib.import_module("h5py")
