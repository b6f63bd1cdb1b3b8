"""`keras.callbacks.History`: the logs of all epochs."""

from __future__ import annotations

from dovetail.keras.callbacks.callback import Callback


class History(Callback):
    """Collects the logs of each epoch; `fit` returns one.

    Attributes:
        history: `{name: [value of each epoch]}`.
        epoch: the numbers of the epochs.
    """

    def __init__(self) -> None:
        super().__init__()
        self.history: dict[str, list] = {}
        self.epoch: list[int] = []

    def on_train_begin(self, logs: dict | None = None) -> None:
        self.epoch = []

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)
        self.model.history = self
