"""What `fit`, `evaluate` and `predict` are told besides their data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dovetail.keras.callbacks.callback_list import CallbackList
from dovetail.keras.training.source import Source


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How to run over data.

    Attributes:
        callbacks: those of the user.
        verbose: 0 silent, 1 ("auto") a progress bar, 2 a line an epoch.
        steps: batches an epoch, None for all.
        epochs, initial_epoch: the number after the last epoch, and that of the first.
        validation_steps: batches of the validation data.
        validation_freq: validate every so many epochs, or after those that it lists.
    """

    callbacks: Any = None
    verbose: Any = "auto"
    steps: int | None = None
    epochs: int = 1
    initial_epoch: int = 0
    validation_steps: int | None = None
    validation_freq: Any = 1

    def listener(self, model: Any, data: Source, history: bool = False) -> CallbackList:
        """Returns the callbacks of a run over data."""
        return CallbackList(
            self.callbacks,
            model=model,
            verbose=1 if self.verbose == "auto" else int(self.verbose),
            epochs=self.epochs,
            steps=self.steps or data.num_batches,
            history=history,
        )

    def validates(self, epoch: int) -> bool:
        """True when validation follows this epoch."""
        frequency = self.validation_freq
        return (epoch + 1) % frequency == 0 if isinstance(frequency, int) else (epoch + 1) in frequency
