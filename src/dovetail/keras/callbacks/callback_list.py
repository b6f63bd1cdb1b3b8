"""The callbacks of one run, called together."""

from __future__ import annotations

from typing import Any

from dovetail.base.errors import at_user_location
from dovetail.base.step_times import CALLBACKS, spending
from dovetail.keras.callbacks.callback import Callback
from dovetail.keras.callbacks.history import History
from dovetail.keras.callbacks.progress import ProgbarLogger

__all__ = ["CallbackList"]


class CallbackList:
    """Calls every callback at every point.

    Args:
        callbacks: a callback, a list of them, or another CallbackList.
        model: the model they get.
        verbose: 0, 1 or 2; the progress bar's.
        epochs, steps, params: for `params`.
        history: add a `History`.

    Attributes:
        needs_batches, needs_test_batches, needs_predict_batches: whether a callback wants every single batch.
        history: the `History` among the callbacks.
    """

    callbacks: list[Any]

    def __init__(
        self,
        callbacks: Any = None,
        add_history: bool = False,
        add_progbar: bool = False,
        model: Any = None,
        verbose: int = 0,
        epochs: int = 1,
        steps: int | None = None,
        history: bool = True,
        **params: Any,
    ) -> None:
        passed: Any = callbacks.callbacks if isinstance(callbacks, CallbackList) else callbacks
        given: list[Any] = [passed] if isinstance(passed, Callback) else list(passed or [])
        for callback in given:
            if not hasattr(callback, "set_model"):
                raise TypeError(
                    f"callbacks: expected keras callbacks, received {callback!r:.60}{at_user_location()}"
                )
        self.history = next((c for c in given if isinstance(c, History)), None)
        if self.history is None and (history or add_history):
            self.history = History()
            given.append(self.history)
        self._progress = ProgbarLogger(verbose or 1) if verbose or add_progbar else None
        self.callbacks = given
        self._all = [self._progress, *given] if self._progress is not None else given
        self._model: Any = None
        self.set_params({"verbose": verbose, "epochs": epochs, "steps": steps, **params})
        if model is not None:
            self.set_model(model)
        self.needs_batches = any(_needs(c, "train") for c in given)
        self.needs_test_batches = any(_needs(c, "test") for c in given)
        self.needs_predict_batches = any(_needs(c, "predict") for c in given)

    @property
    def model(self) -> Any:
        return self._model

    def set_params(self, params: dict) -> None:
        """Tells all callbacks the parameters of the run."""
        self.params = params
        for callback in self._all:
            callback.set_params(params)

    def set_model(self, model: Any) -> None:
        """Tells all callbacks the model."""
        self._model = model
        for callback in self._all:
            callback.set_model(model)

    def room(self, kind: str) -> int | None:
        """Returns how many batches ("train", "test" or "predict") may run before a callback must hear of one."""
        rooms = [room for callback in self.callbacks if (room := _room(callback, kind)) is not None]
        return min(rooms) if rooms else None

    def wants_progress(self) -> bool:
        """True when progress between epochs is shown."""
        return self._progress is not None and self._progress.verbose == 1

    def set_steps(self, data: Any) -> None:
        """Notes the number of steps once an epoch of unknown length has been run."""
        if self.params["steps"] is None and data.num_batches is not None:
            self.params["steps"] = data.num_batches

    def first_epoch(self, asked: int) -> int:
        """Returns the number of the first epoch: where a callback resumes a broken run, else what was asked for."""
        for callback in self.callbacks:
            epoch = getattr(callback, "resumes_at", None)
            if epoch is not None:
                callback.restore_others(self.callbacks)
                return epoch
        return asked

    def set_data(self, data: Any) -> None:
        """Tells those who keep the state of a run its data and the others."""
        for callback in self.callbacks:
            if hasattr(callback, "set_run"):
                callback.set_run(data, self.callbacks)

    def append(self, callback: Callback) -> None:
        self.callbacks.append(callback)
        if callback not in self._all:
            self._all.append(callback)

    def _call(self, hook: str, *args: Any) -> None:
        """Calls a hook; the logs, its last argument, are a dict even where there are none."""
        *leading, logs = args
        logs = logs or {}
        with spending(CALLBACKS):
            for callback in self._all:
                getattr(callback, hook)(*leading, logs)

    def _call_quietly(self, hook: str, standalone: bool, logs: dict | None) -> None:
        """Leaves the progress bar out: validation inside `fit` shows in the epoch's line."""
        logs = logs or {}
        with spending(CALLBACKS):
            for callback in self._all if standalone else self.callbacks:
                getattr(callback, hook)(logs)

    def on_train_begin(self, logs: dict | None = None) -> None:
        self._call("on_train_begin", logs)

    def on_train_end(self, logs: dict | None = None) -> None:
        self._call("on_train_end", logs)

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self._call("on_epoch_begin", epoch, logs)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Tells the callbacks first, so that what they add to the logs (such as the learning rate) is shown too.

        They add to a copy: what they add is not told again when training ends.
        """
        logs = dict(logs or {})
        with spending(CALLBACKS):
            for callback in (*self.callbacks, *([self._progress] if self._progress is not None else [])):
                callback.on_epoch_end(epoch, logs)

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        self._call("on_train_batch_begin", batch, logs)

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        logs = logs or {}
        with spending(CALLBACKS):
            if self.needs_batches:
                for callback in self.callbacks:
                    callback.on_train_batch_end(batch, logs)
            if self._progress is not None and self.wants_progress():
                self._progress.on_train_batch_end(batch, logs)

    def on_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        """Another name of `on_train_batch_begin`."""
        self.on_train_batch_begin(batch, logs)

    def on_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Another name of `on_train_batch_end`."""
        self.on_train_batch_end(batch, logs)

    def on_test_begin(self, standalone: bool = True, logs: dict | None = None) -> None:
        self._call_quietly("on_test_begin", standalone, logs)

    def on_test_end(self, logs: dict | None = None, standalone: bool = True) -> None:
        self._call_quietly("on_test_end", standalone, logs)

    def on_test_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        self._call("on_test_batch_begin", batch, logs)

    def on_test_batch_end(self, batch: int, logs: dict | None = None) -> None:
        logs = logs or {}
        with spending(CALLBACKS):
            if self.needs_test_batches:
                for callback in self.callbacks:
                    callback.on_test_batch_end(batch, logs)
            if self._progress is not None and self._progress._bar is not None and self.wants_progress():
                self._progress.on_test_batch_end(batch, logs)

    def on_predict_begin(self, logs: dict | None = None) -> None:
        self._call("on_predict_begin", logs)

    def on_predict_end(self, logs: dict | None = None) -> None:
        self._call("on_predict_end", logs)

    def on_predict_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        self._call("on_predict_batch_begin", batch, logs)

    def on_predict_batch_end(self, batch: int, logs: dict | None = None) -> None:
        self._call("on_predict_batch_end", batch, logs)


def _room(callback: Any, kind: str) -> int | None:
    asks = getattr(callback, "batches_to", None)
    if callable(asks):
        return asks(kind)
    return 1 if _needs(callback, kind) else None


def _needs(callback: Any, kind: str) -> bool:
    asks = getattr(callback, "needs_batches", None)
    return asks(kind) if callable(asks) else True
