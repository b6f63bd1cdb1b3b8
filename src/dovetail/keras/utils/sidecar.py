"""`keras.utils.SidecarEvaluator`: evaluates what another process trains."""

from __future__ import annotations

import os
import pathlib
import time
import warnings
from typing import Any

from dovetail.base.errors import at_user_location
from dovetail.keras.callbacks import CallbackList
from dovetail.keras.utils import messages

__all__ = ["SidecarEvaluator"]

_ENDINGS = (".weights.h5", ".h5", ".keras")
_PAUSE_S = 1.0


class SidecarEvaluator:
    """Waits for files of weights, and evaluates a model with each new one.

    Args:
        model: compiled.
        data: what `model.evaluate` takes.
        checkpoint_dir: folder that `ModelCheckpoint(save_weights_only=True)` writes files of weights to.
        steps: of an evaluation.
        max_evaluations: ends after so many; None: goes on for ever.
        callbacks: called as in `model.evaluate`.

    Differs from Keras 2: it looks at the newest `.weights.h5` file, not at TensorFlow's checkpoints.
    """

    def __init__(
        self,
        model: Any,
        data: Any,
        checkpoint_dir: Any,
        steps: int | None = None,
        max_evaluations: int | None = None,
        callbacks: Any = None,
    ) -> None:
        self.model, self.data, self.checkpoint_dir = model, data, checkpoint_dir
        self.steps, self.max_evaluations = steps, max_evaluations
        if callbacks is not None and not isinstance(callbacks, list | tuple | CallbackList):
            raise TypeError(
                f"SidecarEvaluator: callbacks must be a list, received {callbacks!r:.60}{at_user_location()}"
            )
        self.callbacks = callbacks

    def start(self) -> None:
        """Evaluates until `max_evaluations` are done."""
        done, last = 0, None
        while self.max_evaluations is None or done < self.max_evaluations:
            newest = self._newest()
            if newest is None or newest == last:
                time.sleep(_PAUSE_S)
                continue
            last = newest
            try:
                self._load(newest[1])
            except OSError as error:  # it is being written, or has been deleted
                messages.write(f"{newest[1]} cannot be read: {error}\n")
                continue
            self.model.evaluate(self.data, steps=self.steps, callbacks=self.callbacks, verbose=2)
            done += 1

    def _load(self, path: str) -> None:
        with warnings.catch_warnings():  # the optimizer's state in the file is of no use here
            warnings.simplefilter("ignore", UserWarning)
            self.model.load_weights(path)

    def _newest(self) -> tuple[float, str] | None:
        """Returns the newest file of weights, after the time it was written at."""
        files = [path for path in pathlib.Path(self.checkpoint_dir).glob("*") if path.name.endswith(_ENDINGS)]
        return max(((os.path.getmtime(path), str(path)) for path in files), default=None)
