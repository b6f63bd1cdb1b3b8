"""Small callbacks: `TerminateOnNaN`, `LambdaCallback`, `CSVLogger`, `BaseLogger`."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable
from typing import Any

import numpy as np

from dovetail.keras.callbacks.callback import Callback

__all__ = ["BaseLogger", "CSVLogger", "LambdaCallback", "TerminateOnNaN"]


class TerminateOnNaN(Callback):
    """Stops training at the batch whose loss is NaN or infinite.

    Args:
        raise_error: raise RuntimeError, in place of ending `fit` as if all epochs were done.

    Differs from Keras: the step of that batch is taken back, so the model keeps the last weights that were sound.
    """

    keeps_finite = True

    def __init__(self, raise_error: bool = False) -> None:
        super().__init__()
        self.raise_error = raise_error

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        loss = (logs or {}).get("loss")
        if loss is not None and not np.isfinite(loss):
            if self.raise_error:
                raise RuntimeError(f"TerminateOnNaN: the loss of batch {batch} is {loss}")
            print(f"Batch {batch}: Invalid loss, terminating training")
            self.model.stop_training = True


class LambdaCallback(Callback):
    """A callback made of functions.

    Args:
        on_epoch_begin, on_epoch_end: `f(epoch, logs)`.
        on_train_begin, on_train_end: `f(logs)`.
        on_train_batch_begin, on_train_batch_end: `f(batch, logs)`; also under Keras 2's names on_batch_begin and
            on_batch_end.
        hooks: any other hook of `Callback` by name.
    """

    def __init__(
        self,
        on_epoch_begin: Callable | None = None,
        on_epoch_end: Callable | None = None,
        on_train_begin: Callable | None = None,
        on_train_end: Callable | None = None,
        on_train_batch_begin: Callable | None = None,
        on_train_batch_end: Callable | None = None,
        **hooks: Callable,
    ) -> None:
        super().__init__()
        given = {
            "on_epoch_begin": on_epoch_begin,
            "on_epoch_end": on_epoch_end,
            "on_train_begin": on_train_begin,
            "on_train_end": on_train_end,
            "on_train_batch_begin": on_train_batch_begin,
            "on_train_batch_end": on_train_batch_end,
            **hooks,
        }
        self._hooks = {name: hook for name, hook in given.items() if hook is not None}
        for name, hook in self._hooks.items():
            if not hasattr(Callback, name):
                raise TypeError(f"LambdaCallback: there is no hook {name!r}")
            setattr(self, name, hook)

    def needs_batches(self, kind: str) -> bool:
        names = {f"on_{kind}_batch_begin", f"on_{kind}_batch_end"}
        if kind == "train":
            names |= {"on_batch_begin", "on_batch_end"}
        return bool(names & set(self._hooks))


class CSVLogger(Callback):
    """Writes the logs of each epoch to a CSV file.

    Args:
        filename: path of the file.
        separator: between the columns.
        append: continue an existing file.
    """

    def __init__(self, filename: Any, separator: str = ",", append: bool = False) -> None:
        super().__init__()
        self.filename, self.separator, self.append = os.fspath(filename), separator, append
        self._file: Any = None
        self._writer: Any = None
        self._columns: list[str] = []

    def on_train_begin(self, logs: dict | None = None) -> None:
        self._continues = self.append and os.path.exists(self.filename) and os.path.getsize(self.filename) > 0
        mode = "a" if self.append else "w"
        self._file = open(self.filename, mode, newline="", encoding="utf-8")  # noqa: SIM115 - on_train_end closes it
        self._writer = None

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        logs = logs or {}
        if self._writer is None:
            self._columns = _columns(logs)
            self._writer = csv.writer(self._file, delimiter=self.separator)
            if not self._continues:
                self._writer.writerow(["epoch", *self._columns])
        self._writer.writerow([epoch, *(logs.get(name, "NA") for name in self._columns)])
        self._file.flush()

    def on_train_end(self, logs: dict | None = None) -> None:
        self._file.close()
        self._writer = None


class BaseLogger(Callback):
    """Averages what the logs of batches hold, and puts the averages into the logs of the epoch (Keras 1).

    Batches count by the "size" that the logs give, those without it alike.

    Args:
        stateful_metrics: names of the metrics that are taken as they are at the end.
    """

    def __init__(self, stateful_metrics: Any = None) -> None:
        super().__init__()
        self.stateful_metrics = set(stateful_metrics or ())
        self.totals: dict[str, Any] = {}
        self.seen = 0

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self.totals, self.seen = {}, 0

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        logs = logs or {}
        size = logs.get("size", 1) * logs.get("num_steps", 1)
        self.seen += size
        for name, value in logs.items():
            kept = name in self.stateful_metrics
            self.totals[name] = value if kept else self.totals.get(name, 0) + value * size

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        for name in self.params.get("metrics") or ():
            if logs is not None and name in self.totals:
                total = self.totals[name]
                logs[name] = total if name in self.stateful_metrics else total / self.seen


def _columns(logs: dict) -> list[str]:
    """Returns the columns, with places for validation that comes in a later epoch."""
    names = sorted(logs)
    return names if any(name.startswith("val_") for name in names) else names + [f"val_{n}" for n in names]
