"""The progress bar of `fit`, `evaluate` and `predict`."""

from __future__ import annotations

from typing import Any

from dovetail.keras import idiom
from dovetail.keras.callbacks.callback import Callback
from dovetail.keras.utils.progbar import Progbar

__all__ = ["ProgbarLogger"]


class ProgbarLogger(Callback):
    """Shows progress on standard output.

    Args:
        verbose: 1: a bar; 2: one line an epoch.
        count_mode: "steps", or "samples" (Keras 2); steps are shown in either case.
        stateful_metrics: accepted for compatibility: metrics are shown as they are.
    """

    def __init__(self, verbose: int = 1, count_mode: str = "steps", stateful_metrics: Any = None) -> None:
        super().__init__()
        if isinstance(verbose, str):  # Keras 2's order of arguments
            verbose, count_mode = 1, verbose
        if count_mode not in ("steps", "samples"):
            raise ValueError(
                f"ProgbarLogger: count_mode must be 'steps' or 'samples', received {count_mode!r}"
            )
        self.verbose = verbose
        self._bar: Any = None
        self._seen = 0

    def needs_batches(self, kind: str) -> bool:
        return False

    def _begin(self, steps: int | None) -> None:
        averaged = None if idiom.last_values_in_progress() else ()  # Keras 2 shows metrics as they are
        self._bar = Progbar(target=steps, verbose=self.verbose, unit_name="step", stateless_metrics=averaged)
        self._seen = 0

    def _advance(self, batch: int, logs: dict | None) -> None:
        self._seen = batch + 1
        self._bar.update(self._seen, list((logs or {}).items()), finalize=False)

    def _finish(self, logs: dict | None) -> None:
        steps = self._bar.target or self._seen or None
        self._bar.target = steps
        self._bar.update(steps or 1, list((logs or {}).items()), finalize=True)

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self._begin(self.params.get("steps"))
        if self.params.get("epochs", 1) > 1 or self.verbose == 1:
            print(f"Epoch {epoch + 1}/{self.params.get('epochs')}")

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        self._advance(batch, logs)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        self._finish(logs)

    def on_test_begin(self, logs: dict | None = None) -> None:
        self._begin(self.params.get("steps"))

    def on_test_batch_end(self, batch: int, logs: dict | None = None) -> None:
        self._advance(batch, logs)

    def on_test_end(self, logs: dict | None = None) -> None:
        self._finish(logs)

    def on_predict_begin(self, logs: dict | None = None) -> None:
        self._begin(self.params.get("steps"))

    def on_predict_batch_end(self, batch: int, logs: dict | None = None) -> None:
        self._advance(batch, None)

    def on_predict_end(self, logs: dict | None = None) -> None:
        self._finish(None)
