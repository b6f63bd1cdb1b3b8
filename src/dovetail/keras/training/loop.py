"""Running an epoch: many compiled steps per dispatch where that is possible, one at a time where it is not."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from dovetail.base import nest
from dovetail.base.settings import settings
from dovetail.engine import uses_xla, xla
from dovetail.keras.training.arrays import ArrayData, StreamData
from dovetail.keras.training.programs import StepPrograms, fits_a_loop, jax_stepping, run_once
from dovetail.tensor.tensor import Tensor

SECONDS_PER_DISPATCH = 0.2


class Epoch:
    """One pass over the data.

    Args:
        model: whose step runs.
        programs: its compiled steps.
        step: the step itself, for eager runs.
        data: `ArrayData` or `StreamData`.
        each: called after every dispatch with `(index of the last batch, result)`; returns True to stop.
        every_batch: whether `each` wants every single batch.
        before: called before each batch with its index, when `every_batch`.
    """

    def __init__(
        self,
        model: Any,
        programs: StepPrograms,
        step: Callable,
        data: Any,
        each: Callable[[int, Any, int], bool],
        every_batch: bool,
        before: Callable[[int], None],
    ) -> None:
        self.model, self.programs, self.step, self.data = model, programs, step, data
        self.each, self.every_batch, self.before = each, every_batch, before
        self.eager = model.run_eagerly or settings.run_functions_eagerly or not uses_xla()

    def run(self, order: np.ndarray | None = None, steps: int | None = None) -> Any:
        """Runs the epoch, and returns the result of its last step.

        Args:
            order: the order of the samples of `ArrayData`, None for the given one.
            steps: stop after so many batches.
        """
        if isinstance(self.data, StreamData):
            return self._stream(steps)
        return self._arrays(order, steps)

    def _one(self, index: int, leaves: list, spec: Any, facts: tuple) -> Any:
        if self.every_batch:
            self.before(index)
        if self.eager:
            filled = [None if leaf is None else Tensor(leaf) for leaf in leaves]
            return self.step(nest.unflatten(spec, filled))
        return run_once(self.programs.get(leaves, spec, facts), leaves)

    def _stream(self, steps: int | None) -> Any:
        result = None
        facts = self.model._trace_facts()
        for index, (leaves, spec) in enumerate(self.data.batches()):
            result = self._one(index, leaves, spec, facts)
            if self.each(index, result, _rows(leaves)) or (steps is not None and index + 1 >= steps):
                break
        return result

    def _arrays(self, order: np.ndarray | None, steps: int | None) -> Any:
        data: ArrayData = self.data
        num_batches = data.num_batches if steps is None else min(steps, data.num_batches)
        num_full = min(num_batches, data.num_samples // data.batch_size)
        facts = self.model._trace_facts()
        result, start = None, 0
        if num_full > 1 and not self.every_batch and not self.eager:
            start, result, stopped = self._looped(num_full, order, facts)
            if stopped:
                return result
        for index in range(start, num_batches):
            leaves = data.batch(index, order)
            result = self._one(index, leaves, data.spec, facts)
            if self.each(index, result, _rows(leaves)):
                break
        return result

    def _looped(self, num_full: int, order: np.ndarray | None, facts: tuple) -> tuple[int, Any, bool]:
        """Runs the full batches in compiled loops; returns `(next batch, last result, whether to stop)`."""
        data: ArrayData = self.data
        program = self.programs.get(data.batch(0, None), data.spec, facts)
        size = sum(leaf.nbytes for leaf in data.leaves if leaf is not None)
        if not fits_a_loop(program) or size > jax_stepping().MAX_BYTES_ON_DEVICE:
            return 0, None, False
        loop = self.programs.loop(program, data.batch_size)
        arrays = self._on_device(data)
        rows = np.arange(data.num_samples, dtype=np.int32) if order is None else order
        index, result = 0, None
        while index < num_full:
            stop = min(num_full, index + data.steps_per_dispatch)
            began = time.perf_counter()
            state = [variable._held._value for variable in program.reads]
            state, outputs = loop(state, arrays, rows, np.int32(index), np.int32(stop))
            for variable, value in _written(program, state):
                variable._held = Tensor(value)
            result = program.rebuild([Tensor(value) for value in outputs])
            if stop < num_full or data.steps_per_dispatch == 1:
                xla("training").block_until_ready(outputs)
                data.steps_per_dispatch = _next_chunk(stop - index, time.perf_counter() - began)
            index = stop
            if self.each(index - 1, result, data.batch_size):
                return index, result, True
        return index, result, False

    def _on_device(self, data: ArrayData) -> list:
        """Returns the data on the device, put there once per call of `fit`."""
        if data.on_device is None:
            data.on_device = jax_stepping().put([leaf for leaf in data.leaves if leaf is not None])
        return data.on_device


def _next_chunk(steps: int, seconds: float) -> int:
    """Returns how many steps to run per dispatch, given how long some took; the first one compiled, which says nothing."""
    return 8 if steps == 1 else max(1, int(steps * SECONDS_PER_DISPATCH / max(seconds, 1e-6)))


def _written(program: Any, state: list) -> Iterator[tuple]:
    written = {id(variable) for variable in program.writes}
    for variable, value in zip(program.reads, state, strict=True):
        if id(variable) in written:
            yield variable, value


def _rows(leaves: list) -> int:
    for leaf in leaves:
        if leaf is not None and getattr(leaf, "ndim", 0):
            return len(leaf)
    return 1


@contextmanager
def deferred_interrupt() -> Iterator[Callable[[], None]]:
    """Holds Ctrl-C back while a step runs, so that variables always hold the values of a finished step.

    Yields:
        a function that raises KeyboardInterrupt if one has come in.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return
    pending: list = []
    before = signal.getsignal(signal.SIGINT)

    def hold(number: int, frame: Any) -> None:
        if pending:
            signal.signal(signal.SIGINT, before)
            raise KeyboardInterrupt
        pending.append(number)

    def check() -> None:
        if pending:
            raise KeyboardInterrupt

    try:
        signal.signal(signal.SIGINT, hold)
    except ValueError:  # not allowed in an embedded interpreter
        yield lambda: None
        return
    try:
        yield check
    finally:
        signal.signal(signal.SIGINT, before if before is not None else signal.SIG_DFL)
