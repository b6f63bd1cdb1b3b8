"""Running steps: many compiled ones per dispatch where that is possible, one at a time, or op by op."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from dovetail.base import nest
from dovetail.base.settings import settings, state
from dovetail.base.step_times import CALLBACKS, DATA, DISPATCH, STEPS, is_watched, spending, waiting_for
from dovetail.engine import uses_xla, xla
from dovetail.function.autograph.gate import converted
from dovetail.keras.training.arrays import ArrayData, Stretch, copied
from dovetail.keras.training.divided import DividedSteps, InBatches, holds_strings
from dovetail.keras.training.gathering import Batch, Gathering, in_turn, kind_of
from dovetail.keras.training.programs import StepPrograms, fits_a_loop, jax_stepping, run_once
from dovetail.keras.training.source import Source
from dovetail.keras.training.streams import StreamData
from dovetail.tensor.tensor import Tensor
from dovetail.tensor.transaction import undoing


@dataclass(frozen=True, slots=True)
class Watch:
    """Who watches an epoch, and how closely.

    Attributes:
        before: called before every dispatch with the index of its first batch, where somebody watches.
        after: called after every dispatch with the index of its last batch and the result; returns True to stop.
        room: returns how many batches may run from an index on before `after` must be called; None: any number.
        keeps_finite: take back a step whose loss is NaN or infinite; for that, batches run one at a time.
    """

    before: Callable[[int], None]
    after: Callable[[int, Any], bool]
    room: Callable[[int], int | None]
    keeps_finite: bool = False

    def may_run(self, index: int, most: int) -> int:
        """Returns how many batches the next dispatch may run, at most `most`."""
        room = 1 if self.keeps_finite else self.room(index)
        return most if room is None else min(room, most)

    def begins(self, index: int) -> None:
        """Tells those who watch that batch `index` is about to run."""
        if self.room(index) is not None:
            with spending(CALLBACKS):
                self.before(index)


class Executor:
    """Runs one kind of step of a model (train, test or predict).

    Args:
        model: whose step it is.
        name: of the step, which is looked up when it runs: programs assign to `model.train_step`.
        check: `check(data)`, raises when a step must not run on data that has values.
        facts: `facts() -> tuple`, what a trace depends on besides the batch, such as which variables are trained.
        plan: `plan(x)`, returns the result for an array without a program, None when a program is what is wanted.
    """

    def __init__(
        self,
        model: Any,
        name: str,
        check: Callable | None = None,
        facts: Callable[[], tuple] = tuple,
        plan: Callable[[Any], Any] | None = None,
    ) -> None:
        self._model, self._name, self._check, self._plan = model, name, check, plan
        step = lambda data: self._step(data, converted)  # noqa: E731  one name for both
        self._programs = StepPrograms(step, facts)
        self._divided = DividedSteps(step, self._programs.facts, self._programs.frequency)

    def _step(self, data: Any, prepared: Callable[[Any], Any] = lambda step: step) -> Any:
        """Runs the step with layers and variables as trainable as they were when the model was compiled."""
        with self._model._flags_of_compile.seen(), _under(self._distribution):
            return prepared(getattr(self._model, self._name))(data)

    @property
    def _distribution(self) -> Any:
        """Who says on which devices variables and batches lie; None: nobody."""
        return self._model._distribution or state.distribution

    def _layout_of(self, shape: tuple) -> Any:
        """Returns how a batch of this shape is divided over devices, None where it is not."""
        distribution = self._distribution
        return None if distribution is None else distribution.data_layout(shape)

    def _run_once(self, program: Any, leaves: list) -> Any:
        if self._distribution is not None:
            leaves = [_placed(leaf, None if leaf is None else self._layout_of(leaf.shape)) for leaf in leaves]
        return run_once(program, leaves)

    @property
    def _eager(self) -> bool:
        model = self._model
        return model.run_eagerly or settings.run_functions_eagerly or not uses_xla()

    # ---- one batch

    def once(self, leaves: list, spec: Any) -> Any:
        """Runs one step on the arrays of a batch, and returns its result with Tensors."""
        if self._eager:
            return self._step(_filled(leaves, spec))
        planned = self._planned(leaves, spec)
        if planned is not None:
            return planned
        batch = self._batch(leaves, spec, self._programs.facts())
        if batch.program is None:
            return batch.alone() if batch.alone is not None else self._op_by_op(batch)
        self._check_values(batch.leaves, batch.spec)
        return self._run_once(batch.program, batch.leaves)

    def _batch(self, leaves: list, spec: Any, facts: tuple) -> Batch:
        """Returns a batch with what runs it: a program, a divided step, or neither."""
        program = None if holds_strings(leaves) else self._programs.get(leaves, spec, facts)
        divided = None
        if program is None and self._needs_host(leaves):
            divided = self._divided.get(leaves, spec, facts)
        if divided is None:
            return Batch(program, leaves, spec, kind_of(leaves))
        self._check_values(leaves, spec)
        return divided.batch(leaves, spec)

    def _needs_host(self, leaves: list) -> bool:
        """Whether no program runs a step on such batches as a whole."""
        return self._programs.op_by_op or holds_strings(leaves)

    def _planned(self, leaves: list, spec: Any) -> Any:
        """Returns the result for a batch by a plan, None where there is none."""
        if self._plan is None or len(leaves) != 1 or not spec.is_leaf() or self._distribution is not None:
            return None
        return self._plan(leaves[0])

    def _check_values(self, leaves: list, spec: Any) -> None:
        """Raises when steps must not run on these values; the trace, which comes first, says what to look for."""
        if self._check is not None and spec is not None:
            self._check(nest.unflatten(spec, leaves))

    def lowered(self, data: ArrayData, platform: str) -> Any:
        """Returns the compiled loop over the batches of data, lowered for a platform; see `StepPrograms.lowered`."""
        batch = data.batch(Stretch(None, data.num_samples, 0, 1), 0)
        return self._programs.lowered(batch, data.spec, data.num_samples, platform)

    # ---- an epoch

    def epoch(self, data: Source, steps: int | None, watch: Watch) -> Any:
        """Runs the steps of one pass over data, and returns the result of the last; None when there was no batch.

        Args:
            data: `ArrayData` or `StreamData`.
            steps: stop after so many batches.
            watch: who is told of them.
        """
        if isinstance(data, StreamData):
            return self._stream(data, steps, watch)
        arrays: Any = data
        if not self._eager and self._needs_host(arrays.leaves) and self._numbers(arrays, steps) is None:
            return self._stream(InBatches(arrays, steps), steps, watch)
        return self._arrays(arrays, steps, watch)

    def _stream(self, data: StreamData | InBatches, steps: int | None, watch: Watch) -> Any:
        eager = self._eager
        gathering = Gathering(watch, data.pace, self._run_once, self._loop_of, self._check_values, data.done)
        for batch in in_turn(self._prepared(data, eager, gathering.computes), gathering):
            waits = batch.program is not None and gathering.may_wait(batch.program)
            if waits and self._programs.may_gather(batch.program, batch.leaves):
                gathering.take(batch, data.places_for(batch))
            else:
                leaves = (
                    batch.leaves if data.keeps_batches or batch.program is None else _copies(batch.leaves)
                )
                gathering.run(batch, partial(self._watched, batch._replace(leaves=leaves), watch))
            if gathering.stopped or (steps is not None and gathering.index >= steps):
                break
        gathering.finish()
        return gathering.result

    def _prepared(
        self, data: StreamData | InBatches, eager: bool, computes: Callable[[], bool]
    ) -> Iterator[Batch]:
        """Yields the batches of an epoch with their programs; `computes()` says whether steps run meanwhile."""
        facts = self._programs.facts()
        program = known = None
        for leaves, spec in waiting_for(self._batches(data, eager), computes):
            kind = kind_of(leaves)
            if eager or (program is not None and (spec, kind) == known):
                yield Batch(program, leaves, spec, kind)
                continue
            batch = self._batch(leaves, spec, facts)
            program, known = (batch.program, (spec, kind)) if batch.leaves is leaves else (None, None)
            yield batch

    def _batches(self, data: StreamData | InBatches, eager: bool) -> Iterator[tuple]:
        """Yields the batches of a stream; before anything is compiled it has looked at the first two."""
        batches = data.batches()
        if not eager and self._programs.is_new:
            first = next(batches, None)
            if first is None:
                return
            # What gives the second may write it into the arrays of the first.
            first = (_copies(first[0]), first[1])
            second, failure = None, None
            try:
                second = next(batches, None)
            except Exception as error:  # noqa: BLE001  it is raised where the second batch is wanted
                failure = error
            if second is not None:
                self._programs.compare(first[0], second[0])
            yield first
            if failure is not None:
                raise failure
            if second is not None:
                yield second
        yield from batches

    def _loop_of(self, program: Any, make: bool) -> Callable | None:
        """Returns the loop over batches that lie stacked; None where there is none yet and none is to be made."""
        if not make and not self._programs.has_loop(program, None):
            return None
        loop = self._programs.loop(program, None, self._layout_of)
        return lambda stacked, start, stop: loop(
            self._on_device(stacked), None, np.int32(start), np.int32(stop)
        )

    def _arrays(self, data: ArrayData, steps: int | None, watch: Watch) -> Any:
        eager, facts = self._eager, self._programs.facts()
        index, result, stopped = data.done, None, False
        for stretch in data.stretches(steps):
            index, result, stopped = self._stretch(data, stretch, index, (eager, facts), watch)
            if stopped:
                break
        return result

    def _stretch(
        self, data: ArrayData, stretch: Stretch, index: int, ways: tuple, watch: Watch
    ) -> tuple[int, Any, bool]:
        """Runs a stretch of batches whose first is number `index`; returns as `_looped` does."""
        eager, facts = ways
        first, result, stopped = stretch.first, None, False
        alone = self._plan is not None and not eager and data.num_batches == 1
        if not eager and not alone:
            whole = min(stretch.stop, stretch.num_samples // data.batch_size) - first
            program, numbers = self._program_of_many(data, stretch, max(whole, 1), facts)
            if program is not None:
                self._check_rows(data, stretch)
                if whole > 1 and watch.may_run(index, whole) > 1 and _may_loop(program, numbers):
                    index, result, stopped = self._looped(program, numbers, stretch, index, whole, watch)
                    first += whole
        for batch in range(first, stretch.stop):
            if stopped:
                break
            with spending(DATA):
                leaves = data.batch(stretch, batch)
            if alone:
                watch.begins(index)
                with spending(STEPS):
                    result = nest.map_structure(copied, self.once(leaves, data.spec))
            else:
                one = Batch(None, leaves, data.spec, ()) if eager else self._batch(leaves, data.spec, facts)
                with spending(STEPS):
                    result = self._watched(one, watch, index)
            stopped = watch.after(index, result)
            index += 1
        return index, result, stopped

    def _program_of_many(
        self, data: ArrayData, stretch: Stretch, times: int, facts: tuple
    ) -> tuple[Any, Any]:
        """Returns the program for the whole batches of a stretch, and the numbers that it takes."""
        if not self._needs_host(data.leaves):
            return self._programs.get(data.batch(stretch, stretch.first), data.spec, facts, times=times), data
        if data.numbers is None:
            return None, data
        divided, numbers = data.numbers
        return divided.program_for(numbers.batch(stretch, stretch.first), times), numbers

    def _numbers(self, data: ArrayData, steps: int | None) -> ArrayData | None:
        """Returns what is made of the strings of data in one go; None where that is not possible, or not worth it."""
        size = data.batch_size
        if data.num_samples < 2 * size or (steps is not None and 2 * steps * size < data.num_samples):
            return None
        batch = [None if leaf is None else leaf[:size] for leaf in data.leaves]
        divided = self._divided.get(batch, data.spec, self._programs.facts(), data.num_samples // size)
        return None if divided is None else divided.numbers(data)

    def _check_rows(self, data: ArrayData, stretch: Stretch) -> None:
        """Looks at the values of all samples, once; at those of a stretch, where others do not count."""
        if data.checked or self._check is None:
            return
        try:
            self._check_values(data.leaves, data.spec)
            data.checked = True
        except Exception:
            present = next(len(leaf) for leaf in data.leaves if leaf is not None)
            if stretch.order is None or stretch.num_samples == present:
                raise
            rows = stretch.order[: stretch.num_samples]
            self._check_values([None if leaf is None else leaf[rows] for leaf in data.leaves], data.spec)

    def _watched(self, batch: Batch, watch: Watch, index: int) -> Any:
        """Runs one step that is watched, op by op when there is no program."""
        watch.begins(index)
        program = batch.program
        if program is not None:
            return _guarded(watch, lambda: program.writes, lambda: self._run_once(program, batch.leaves))
        return _guarded(watch, self._all_variables, batch.alone or (lambda: self._op_by_op(batch)))

    def _op_by_op(self, batch: Batch) -> Any:
        leaves, spec = batch.leaves, batch.spec
        if self._eager:
            return self._step(_filled(leaves, spec))
        if not self._needs_host(leaves):
            return self._programs.run_op_by_op(leaves, spec)  # the shapes come too seldom
        result = self._step(_filled(leaves, spec))
        self._divided.say_why_not(self._programs.why)
        return result

    def _all_variables(self) -> list:
        model = self._model
        if model.optimizer is None:
            return model.variables
        if model.built:  # else the optimizer's state would begin with what a first step computes
            model.optimizer._build_for(model._trained_weights())
        return [*model.variables, *model.optimizer.variables]

    def _on_device(self, leaves: list) -> list:
        """Returns arrays on the device, or whole on all devices of a distribution."""
        distribution = self._distribution
        whole = None if distribution is None else distribution.whole_layout()
        return jax_stepping().put(leaves) if whole is None else [whole.place(leaf) for leaf in leaves]

    def _looped(
        self, program: Any, data: ArrayData, stretch: Stretch, index: int, whole: int, watch: Watch
    ) -> tuple[int, Any, bool]:
        """Runs the whole batches in compiled loops; returns `(next index, last result, whether to stop)`."""
        loop = self._programs.loop(program, data.batch_size, self._layout_of)
        if data.on_device is None:
            with spending(DATA):
                data.on_device = self._on_device([leaf for leaf in data.leaves if leaf is not None])
        rows = np.arange(data.num_samples, dtype=np.int32) if stretch.order is None else stretch.order
        at, full, result = stretch.first, stretch.first + whole, None
        while at < full:
            stop = at + watch.may_run(index, min(full - at, data.pace.steps))
            began = time.perf_counter()
            watch.begins(index)
            with spending(DISPATCH):
                outputs = loop(data.on_device, rows, np.int32(at), np.int32(stop))
                result = program.rebuild([Tensor(value) for value in outputs])
            if stop < full or data.pace.is_unknown or is_watched():
                with spending(STEPS):
                    xla("training").block_until_ready(outputs)
                data.pace.took(stop - at, time.perf_counter() - began)
            index, at = index + stop - at, stop
            if watch.after(index - 1, result):
                return index, result, True
        return index, result, False


@contextlib.contextmanager
def _under(distribution: Any) -> Iterator[None]:
    """Runs a step of all devices together: its variables lie where the distribution says, its batch is whole."""
    before = state.distribution
    state.distribution = None if distribution is None else distribution.as_one()
    try:
        yield
    finally:
        state.distribution = before


def _copies(leaves: list) -> list:
    return [None if leaf is None else leaf.copy() for leaf in leaves]


def _placed(leaf: Any, layout: Any) -> Any:
    return leaf if layout is None else layout.place(leaf)


def _filled(leaves: list, spec: Any) -> Any:
    """Returns a batch of arrays as steps get it: of Tensors."""
    return nest.unflatten(spec, [None if leaf is None else Tensor(leaf) for leaf in leaves])


def _guarded(watch: Watch, written: Callable[[], list], run: Callable[[], Any]) -> Any:
    """Runs a step; with `keeps_finite`, gives what it has written the old values when its loss is not finite."""
    if not watch.keeps_finite:
        return run()
    with undoing(written()) as undo:
        result = run()
        if not np.isfinite(np.asarray(result.get("loss", 0.0))).all():
            undo()
        return result


def _may_loop(program: Any, data: ArrayData) -> bool:
    size = sum(leaf.nbytes for leaf in data.leaves if leaf is not None)
    return fits_a_loop(program) and size <= jax_stepping().MAX_BYTES_ON_DEVICE
