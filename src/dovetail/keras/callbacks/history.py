"""`keras.callbacks.History`: the logs of all epochs."""

from __future__ import annotations

from typing import Any

from dovetail.base.errors import suggest
from dovetail.keras.callbacks.callback import Callback

__all__ = ["History"]

# The learning rate in the logs has two names: Keras 2's and Keras 3's.
_OTHER_NAMES = {"lr": "learning_rate", "learning_rate": "lr"}


class Values(dict):
    """`{name: [value of each epoch]}`; "lr" is answered with "learning_rate", a wrong name with the nearest."""

    def __missing__(self, name: Any) -> Any:
        other = _OTHER_NAMES.get(name)
        if other in self:
            return self[other]
        raise KeyError(f"{name}: the logs hold {sorted(self)}.{suggest(str(name), self)}")


class History(Callback):
    """Collects the logs of each epoch; `fit` returns one.

    Attributes:
        history: `{name: [value of each epoch]}`.
        epoch: the numbers of the epochs.
    """

    def __init__(self) -> None:
        super().__init__()
        self.history: dict[str, list] = Values()
        self.epoch: list[int] = []

    def on_train_begin(self, logs: dict | None = None) -> None:
        self.epoch = []

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)
        object.__setattr__(self.model, "history", self)  # what was found out about the model stays true
