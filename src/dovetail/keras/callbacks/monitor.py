"""What callbacks that watch a metric share: which value, and which direction is better."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from dovetail.base.errors import suggest
from dovetail.keras import checks
from dovetail.keras.callbacks.callback import Callback

_MAXIMIZED = (
    "acc",
    "accuracy",
    "auc",
    "precision",
    "recall",
    "iou",
    "f1",
    "r2",
    "cosine_similarity",
    "positives",
)


class MonitorCallback(Callback):
    """Base of callbacks that watch a metric.

    Args:
        monitor: name of the metric in the logs, such as "val_loss".
        mode: "min", "max", or "auto": by the metric's name, accuracies and the like are maximized.
        initial: the value to beat; None: anything is better.
        min_delta: smaller changes count as no improvement.
    """

    def __init__(
        self, monitor: str, mode: str = "auto", initial: float | None = None, min_delta: float = 0
    ) -> None:
        super().__init__()
        if mode not in ("auto", "min", "max"):
            warnings.warn(f"{type(self).__name__}: mode {mode!r} is unknown, 'auto' is used", stacklevel=3)
            mode = "auto"
        if not isinstance(monitor, str) or not monitor:
            raise TypeError(
                f"monitor must be the name of a metric, such as 'val_loss', received {monitor!r:.80}"
            )
        self.monitor, self.mode = monitor, mode
        self.best: Any = checks.number_or_none(initial, "the initial value to beat")
        self.min_delta = abs(checks.number(min_delta, "min_delta"))

    @property
    def maximizes(self) -> bool:
        if self.mode != "auto":
            return self.mode == "max"
        name = self.monitor.removeprefix("val_").lower()
        return any(
            name == word or name.endswith("_" + word) or word in name.split("_") for word in _MAXIMIZED
        )

    @property
    def worst(self) -> float:
        return -np.inf if self.maximizes else np.inf

    def is_improvement(self, value: float, reference: float | None) -> bool:
        """True when `value` is better than `reference` by more than `min_delta`."""
        if reference is None:
            return True
        return value - self.min_delta > reference if self.maximizes else value + self.min_delta < reference

    def value_in(self, logs: dict | None) -> Any:
        """Returns the watched value, or None with a warning that names what there is."""
        logs = logs or {}
        if self.monitor in logs:
            return logs[self.monitor]
        warnings.warn(
            f"{type(self).__name__}: the metric {self.monitor!r} is not available.{suggest(self.monitor, logs)} "
            f"Available: {', '.join(logs)}",
            stacklevel=3,
        )
        return None
