"""The runs over data: epochs of training with validation, evaluation, prediction; each tells its callbacks."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from dovetail.base import nest
from dovetail.base.errors import at_user_location
from dovetail.base.step_times import DATA, STEPS, spending
from dovetail.engine import brief
from dovetail.keras.callbacks.callback_list import CallbackList
from dovetail.keras.training.arrays import fetched, joined
from dovetail.keras.training.executions import Executions
from dovetail.keras.training.executor import Watch
from dovetail.keras.training.interrupts import deferred_interrupt
from dovetail.keras.training.options import RunOptions
from dovetail.keras.training.programs import to_numbers
from dovetail.keras.training.source import Source

_FEW_STEPS = 64
_BATCHES_AHEAD = 16  # that compute while nobody has asked for their outputs


def train(model: Any, data: Source, validation: Source | None, options: RunOptions) -> Any:
    """Trains a model for the epochs of the options, and returns the `History`.

    Raises:
        ValueError: the data is empty.
    """
    listener = options.listener(model, data, history=True)
    model.stop_training = False
    logs: dict = {}
    listener.set_data(data)
    listener.on_train_begin()
    first = listener.first_epoch(options.initial_epoch)
    with deferred_interrupt() as check, brief(_is_brief(data, options, first)):
        for epoch in range(first, options.epochs):
            model.reset_metrics()
            listener.on_epoch_begin(epoch)
            result = _train_epoch(model, data, listener, options.steps, check)
            if result is None:
                _no_batches(epoch, first)
                break
            logs = result
            if validation is not None and options.validates(epoch):
                results = _evaluate(model, validation, listener, options.validation_steps, check)
                logs |= {f"val_{name}": value for name, value in results.items()}
            listener.on_epoch_end(epoch, logs)
            if model.stop_training:
                break
        model._finish_training()
    listener.on_train_end(logs)
    return listener.history


def _is_brief(data: Source, options: RunOptions, first: int) -> bool:
    """True when so few steps are to be run that nothing is gained by what takes seconds to prepare."""
    batches = options.steps or data.num_batches
    return batches is not None and batches * (options.epochs - first) < _FEW_STEPS


def _train_epoch(
    model: Any, data: Source, listener: CallbackList, steps: int | None, check: Callable
) -> dict | None:
    """Runs the steps of an epoch; returns its logs, None when there were no batches."""

    told = Executions(
        model.steps_per_execution,
        lambda: listener.room("train"),
        listener.on_train_batch_begin,
        lambda index, result: listener.on_train_batch_end(index, _numbers(result)),
        listener.wants_progress,
    )

    def after(index: int, result: Any) -> bool:
        told.after(index, result)
        check()
        return model.stop_training

    finite = any(getattr(callback, "keeps_finite", False) for callback in listener.callbacks)
    with spending(DATA):
        data.begin_epoch()
    result = model._executors["train"].epoch(data, steps, Watch(told.before, after, told.room, finite))
    told.finish()
    done, data.done = data.done, 0
    if result is None:
        if not done:
            return None
        result = data.logs  # all batches had been run before the process broke off
    data.end_epoch()
    listener.set_steps(data)
    return _numbers(result)


def _numbers(result: Any) -> dict:
    """Waits for the steps that give a result, and returns it as numbers."""
    with spending(STEPS):
        return to_numbers(result)


def _no_batches(epoch: int, first: int) -> None:
    """Ends training on data that has run out; raises ValueError when there never was any."""
    if epoch == first:
        raise ValueError(f"fit: the data is empty: there were no batches{at_user_location()}")
    warnings.warn(f"fit: the data ran out, there was nothing for epoch {epoch + 1}", stacklevel=5)


def evaluate(model: Any, data: Source, options: RunOptions) -> dict:
    """Returns the loss and the metrics of a model on data, by name.

    Raises:
        ValueError: the data is empty.
    """
    listener = options.listener(model, data)
    with deferred_interrupt() as check:
        return _evaluate(model, data, listener, options.steps, check, standalone=True)


def _evaluate(
    model: Any,
    data: Source,
    listener: CallbackList,
    steps: int | None,
    check: Callable,
    standalone: bool = False,
) -> dict:
    model.reset_metrics()
    data.restart()
    listener.on_test_begin(standalone)

    told = Executions(
        model.steps_per_execution,
        lambda: listener.room("test"),
        listener.on_test_batch_begin,
        lambda index, result: listener.on_test_batch_end(index, _numbers(result)),
        lambda: standalone and listener.wants_progress(),
    )

    def after(index: int, result: Any) -> bool:
        told.after(index, result)
        check()
        return False

    result = model._executors["test"].epoch(data, steps, Watch(told.before, after, told.room))
    told.finish()
    if result is None:
        raise ValueError(f"evaluate: the data is empty: there were no batches{at_user_location()}")
    logs = _numbers(result)
    listener.on_test_end(logs, standalone)
    return logs


def predict(model: Any, data: Source, options: RunOptions) -> Any:
    """Returns the outputs of a model for data, as NumPy arrays.

    Raises:
        ValueError: the data is empty.
    """
    listener = options.listener(model, data)
    outputs: list = []
    num_fetched = 0

    def fetch(keep: int = 0) -> None:
        """Brings the outputs to the host, all but the last: nobody waits for a batch while others can be prepared."""
        nonlocal num_fetched
        with spending(STEPS):
            for i in range(num_fetched, len(outputs) - keep):
                outputs[i] = nest.map_structure(fetched, outputs[i])
                num_fetched += 1

    def end(index: int, first: int) -> None:
        fetch()
        listener.on_predict_batch_end(index, {"outputs": _as_one(outputs[first:])})

    size = model.steps_per_execution
    told = Executions(
        size, lambda: listener.room("predict"), listener.on_predict_batch_begin, end, listener.wants_progress
    )
    listener.on_predict_begin()
    with deferred_interrupt() as check:

        def after(index: int, result: Any) -> bool:
            outputs.append(result)
            fetch(_BATCHES_AHEAD)
            told.after(index, index - index % size)
            check()
            return False

        model._executors["predict"].epoch(data, options.steps, Watch(told.before, after, lambda index: 1))
    told.finish()
    fetch()
    listener.on_predict_end()
    if not outputs:
        raise ValueError(f"predict: the data is empty: there were no batches{at_user_location()}")
    return _as_one(outputs)


def _as_one(outputs: list) -> Any:
    """Returns the outputs for several batches as one."""
    return outputs[0] if len(outputs) == 1 else nest.map_structure(joined, *outputs)
