"""`keras.callbacks.Callback`: code that runs at points of the training loop."""

from __future__ import annotations

from typing import Any

from dovetail.base.told import Told

__all__ = ["Callback"]

_BATCH_HOOKS = {
    "train": ("on_train_batch_begin", "on_train_batch_end", "on_batch_begin", "on_batch_end"),
    "test": ("on_test_batch_begin", "on_test_batch_end"),
    "predict": ("on_predict_batch_begin", "on_predict_batch_end"),
}


class Callback(Told):
    """Base of all callbacks.  Subclasses override the hooks they need.

    Hooks of single batches cost something (steps run one at a time then); the others cost nothing.

    Attributes:
        model: the model in training.
        params: dict with "epochs", "steps" and "verbose".
    """

    def __init__(self) -> None:
        self.params: dict = {}
        self._model: Any = None

    @property
    def model(self) -> Any:
        return getattr(self, "_model", None)

    def set_params(self, params: dict) -> None:
        self.params = params

    def set_model(self, model: Any) -> None:
        self._model = model

    def needs_batches(self, kind: str) -> bool:
        """True when a hook of single batches is overridden ("train", "test" or "predict"): by a class, or set."""
        hooks = ((getattr(self, hook), getattr(Callback, hook)) for hook in _BATCH_HOOKS[kind])
        return any(getattr(own, "__func__", own) is not default for own, default in hooks)

    def batches_to(self, kind: str) -> int | None:
        """Returns how many batches may run before this callback must hear of the end of one; None: any number.

        Who wants every Nth batch overrides it, and leaves to `fit` to run those before in one go.
        """
        return 1 if self.needs_batches(kind) else None

    _kept: tuple[str, ...] = ()

    def run_state(self) -> dict | None:
        """Returns what `BackupAndRestore` keeps of this callback: numbers, strings, arrays, lists and dicts of these.

        None: nothing.  `restore_run` gets it back, after `on_train_begin`, when a run that broke off goes on.
        """
        return {name: getattr(self, name) for name in self._kept} if self._kept else None

    def restore_run(self, state: dict) -> None:
        """Takes back what `run_state` returned."""
        for name in self._kept:
            setattr(self, name, state[name])

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Called before each epoch."""

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Called after each epoch, and after its validation; `logs` holds all metrics."""

    def on_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        """Another name of `on_train_batch_begin`."""

    def on_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Another name of `on_train_batch_end`."""

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        """Called before each training step."""
        self.on_batch_begin(batch, logs)

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Called after each training step."""
        self.on_batch_end(batch, logs)

    def on_test_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        """Called before each evaluation step."""

    def on_test_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Called after each evaluation step."""

    def on_predict_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        """Called before each prediction step."""

    def on_predict_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Called after each prediction step; `logs["outputs"]` holds the outputs."""

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Called when `fit` begins."""

    def on_train_end(self, logs: dict | None = None) -> None:
        """Called when `fit` ends."""

    def on_test_begin(self, logs: dict | None = None) -> None:
        """Called when an evaluation begins."""

    def on_test_end(self, logs: dict | None = None) -> None:
        """Called when an evaluation ends."""

    def on_predict_begin(self, logs: dict | None = None) -> None:
        """Called when `predict` begins."""

    def on_predict_end(self, logs: dict | None = None) -> None:
        """Called when `predict` ends."""
