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
from dovetail.keras.training.arrays import ArrayData
from dovetail.keras.training.programs import StepPrograms, fits_a_loop, jax_stepping, run_once
from dovetail.keras.training.streams import StreamData
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
        keeps_finite: take back a step whose loss is NaN or infinite.
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
        keeps_finite: bool = False,
    ) -> None:
        self.model, self.programs, self.step, self.data = model, programs, step, data
        self.each, self.every_batch, self.before = each, every_batch, before
        self.keeps_finite = keeps_finite
        self._eager = model.run_eagerly or settings.run_functions_eagerly or not uses_xla()

    @property
    def eager(self) -> bool:
        return self._eager or self.programs.op_by_op

    def run(self, steps: int | None = None) -> Any:
        """Runs the epoch, and returns the result of its last step.

        Args:
            steps: stop after so many batches.
        """
        if isinstance(self.data, StreamData):
            return self._stream(steps)
        return self._arrays(steps)

    def _one(self, index: int, leaves: list, spec: Any, facts: tuple) -> Any:
        if self.every_batch:
            self.before(index)
        program = None if self._eager else self.programs.get(leaves, spec, facts)
        if program is None:
            filled = [None if leaf is None else Tensor(leaf) for leaf in leaves]
            return self._guarded(self._all_variables, lambda: self.step(nest.unflatten(spec, filled)))
        if isinstance(self.data, StreamData):
            self.programs.check(leaves, spec)
        return self._guarded(lambda: program.writes, lambda: run_once(program, leaves))

    def _all_variables(self) -> list:
        optimizer = self.model.optimizer
        if optimizer is None:
            return self.model.variables
        if self.model.built:  # else the optimizer's state would begin with what a first step computes
            optimizer.build(self.model._trained_weights())
        return [*self.model.variables, *optimizer.variables]

    def _guarded(self, written: Callable[[], list], run: Callable[[], Any]) -> Any:
        """Runs a step; with `keeps_finite`, gives what it has written the old values when its loss is not finite."""
        if not self.keeps_finite:
            return run()
        before = [(variable, variable._held) for variable in written()]
        result = run()
        if not np.isfinite(np.asarray(result.get("loss", 0.0))).all():
            for variable, held in before:
                variable._held = held
        return result

    def _stream(self, steps: int | None) -> Any:
        result = None
        facts = self.programs.facts()
        for index, (leaves, spec) in enumerate(self.data.batches()):
            result = self._one(index, leaves, spec, facts)
            if self.each(index, result, _rows(leaves)) or (steps is not None and index + 1 >= steps):
                break
        return result

    def _arrays(self, steps: int | None) -> Any:
        data: ArrayData = self.data
        start, stop = data.take(steps)
        num_full = min(stop, data.num_samples // data.batch_size)
        facts = self.programs.facts()
        result = None
        index = start
        if not self.eager and not data.checked:
            if self.programs.get(data.batch(start), data.spec, facts) is not None:
                self.programs.check(data.leaves, data.spec)
            data.checked = True
        if num_full - start > 1 and not self.every_batch and not self.eager:
            index, result, stopped = self._looped(start, num_full, facts)
            if stopped:
                return result
        for batch in range(index, stop):
            leaves = data.batch(batch)
            result = self._one(batch - start, leaves, data.spec, facts)
            if self.each(batch - start, result, _rows(leaves)):
                break
        return result

    def _looped(self, start: int, num_full: int, facts: tuple) -> tuple[int, Any, bool]:
        """Runs the full batches in compiled loops; returns `(next batch, last result, whether to stop)`."""
        data: ArrayData = self.data
        program = self.programs.get(data.batch(0), data.spec, facts)
        size = sum(leaf.nbytes for leaf in data.leaves if leaf is not None)
        if program is None or not fits_a_loop(program) or size > jax_stepping().MAX_BYTES_ON_DEVICE:
            return start, None, False
        loop = self.programs.loop(program, data.batch_size)
        arrays = self._on_device(data)
        rows = np.arange(data.num_samples, dtype=np.int32) if data.order is None else data.order
        index, result = start, None
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
            if self.each(index - start - 1, result, data.batch_size):
                return index, result, True
        return index, result, False

    def _on_device(self, data: ArrayData) -> list:
        """Returns the data on the device, put there once per call of `fit`."""
        if data.on_device is None:
            data.on_device = jax_stepping().put([leaf for leaf in data.leaves if leaf is not None])
        return data.on_device


def _next_chunk(steps: int, seconds: float) -> int:
    """Returns how many steps to run per dispatch, given how long some took; the first compiled, which says nothing."""
    return 8 if steps == 1 else max(1, int(steps * SECONDS_PER_DISPATCH / max(seconds, 1e-6)))


def _written(program: Any, state: list) -> Iterator[tuple]:
    written = {id(variable) for variable in program.writes}
    for variable, value in zip(program.reads, state, strict=True):
        if id(variable) in written:
            yield variable, value


def _rows(leaves: list) -> int:
    for leaf in leaves:
        if leaf is not None and np.ndim(leaf):
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
