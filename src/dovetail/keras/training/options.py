"""What `fit`, `evaluate` and `predict` are told besides their data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dovetail.base.settings import settings
from dovetail.keras.callbacks.callback_list import CallbackList
from dovetail.keras.training.source import Source
from dovetail.keras.utils.messages import is_interactive_logging_enabled


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How to run over data.

    Attributes:
        callbacks: those of the user.
        verbose: 0 silent, 1 a progress bar, 2 a line an epoch; "auto" is 1, and 2 where progress goes to a log.
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

    def __post_init__(self) -> None:
        """Keeps within what `keras.config` allows."""
        for field, limit in (("epochs", settings.max_epochs), ("steps", settings.max_steps_per_epoch)):
            if limit is not None:
                asked = getattr(self, field)
                object.__setattr__(self, field, limit if asked is None else min(asked, limit))

    def _verbosity(self) -> int:
        if self.verbose == "auto":
            return 1 if is_interactive_logging_enabled() else 2
        return int(self.verbose)

    def listener(self, model: Any, data: Source, history: bool = False) -> CallbackList:
        """Returns the callbacks of a run over data."""
        return CallbackList(
            self.callbacks,
            model=model,
            verbose=self._verbosity(),
            epochs=self.epochs,
            steps=self.steps or data.num_batches,
            history=history,
        )

    def validates(self, epoch: int) -> bool:
        """True when validation follows this epoch."""
        frequency = self.validation_freq
        return (epoch + 1) % frequency == 0 if isinstance(frequency, int) else (epoch + 1) in frequency
