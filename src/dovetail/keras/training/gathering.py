"""Batches of a stream that wait for each other: one dispatch runs them all, and the next come while it runs.

A dispatch is asynchronous: XLA works in threads of its own, while the thread that called `fit` takes the next batches
out of the generator and copies them into place.  Nothing else runs the user's code, so that it is run in order, its
exceptions come where its batches would have come, and no more is taken of it than is trained on.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from dovetail.base.step_times import DISPATCH, STEPS, spending
from dovetail.engine import xla
from dovetail.keras.training.pace import Pace
from dovetail.tensor.tensor import Tensor

_MOST_BATCHES = 64
_FIRST_BATCHES = 16  # while nothing runs, a few are enough to begin with
MOST_BYTES = 64 << 20
_ALIGNMENT = 64  # what XLA needs to use host memory where it is


class Batch(NamedTuple):
    """A batch of a stream, and what runs it.

    Attributes:
        program: the compiled step; None: it runs op by op.
        leaves, spec: the arrays, and how they are packed; no spec: numbers that were made of strings, flat.
        kind: see `kind_of`.
        alone: runs a batch that has no program; None: its step does.
    """

    program: Any
    leaves: list
    spec: Any
    kind: tuple
    alone: Callable[[], Any] | None = None


def _aligned(shape: tuple, dtype: np.dtype) -> np.ndarray:
    """Returns an array without values that begins at a multiple of `_ALIGNMENT` bytes."""
    size = math.prod(shape) * dtype.itemsize
    raw = np.empty(size + _ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % _ALIGNMENT
    return raw[start : start + size].view(dtype).reshape(shape)


class Places:
    """Room for batches of one kind, twice: for those that run, and for those that come.

    Args:
        leaves: an example of a batch; None leaves stay None.
        most: no more batches than these will come; None: that is not known.
    """

    def __init__(self, leaves: list, most: int | None) -> None:
        self.kind = kind_of(leaves)
        size = sum(leaf.nbytes for leaf in leaves if leaf is not None)
        fitting = max(MOST_BYTES // max(size, 1), 1)
        self.capacity = min(_MOST_BATCHES, fitting, most or _MOST_BATCHES)
        self._sets: list = [[self._room(leaf) for leaf in leaves if leaf is not None] for _ in range(2)]
        self._absent = [leaf is None for leaf in leaves]

    def _room(self, leaf: np.ndarray) -> np.ndarray:
        return _aligned((self.capacity, *leaf.shape), leaf.dtype)

    @property
    def stacked(self) -> list:
        """The batches that have come, stacked, an array a leaf."""
        return self._sets[0]

    def put(self, index: int, leaves: list) -> None:
        """Copies a batch into its place."""
        present = (leaf for leaf in leaves if leaf is not None)
        for places, leaf in zip(self._sets[0], present, strict=True):
            places[index] = leaf

    def batch(self, index: int) -> list:
        """Returns the leaves of a batch."""
        given = iter(self._sets[0])
        return [None if absent else next(given)[index] for absent in self._absent]

    def rows(self, count: int) -> list:
        """Returns the leaves of the first batches as those of one."""
        given = iter(self._sets[0])
        return [None if absent else _joined(next(given)[:count]) for absent in self._absent]

    def swap(self) -> None:
        """Makes room for the next batches."""
        self._sets.reverse()


def _joined(batches: np.ndarray) -> np.ndarray:
    return batches.reshape(-1, *batches.shape[2:]) if batches.ndim > 1 else batches


def kind_of(leaves: list) -> tuple:
    """Returns what batches share that can be stacked."""
    return tuple([None if leaf is None else (leaf.shape, leaf.dtype) for leaf in leaves])


class Gathering:
    """Runs the batches of one epoch of a stream, as many in a dispatch as `pace` and `watch` allow.

    Args:
        watch: who is told of dispatches.
        pace: how many steps a dispatch runs.
        run_once: `run_once(program, leaves) -> result` of one step.
        loop_of: `loop_of(program, make) -> f(stacked batches, start, stop) -> outputs of the last step`; with
            `make=False` None where there is none yet.
        check: `check(leaves, spec)` raises when steps must not run on these values; batches that wait are looked at
            together.
        first: the number of the first batch.

    Attributes:
        result: of the last step.
        stopped: whether who watches wants no more.
    """

    def __init__(
        self, watch: Any, pace: Pace, run_once: Callable, loop_of: Callable, check: Callable, first: int = 0
    ) -> None:
        self._watch, self._pace, self._run_once, self._loop_of = watch, pace, run_once, loop_of
        self._check = check
        self._program: Any = None
        self._spec: Any = None
        self._places: Any = None
        self._index, self._count = first, 0  # the number of the first batch that waits, and how many do
        self._most = 0  # how many may
        self._running: tuple | None = None
        self.result: Any = None
        self.stopped = False

    @property
    def index(self) -> int:
        """The number of the next batch."""
        return self._index + self._count

    def may_wait(self, program: Any) -> bool:
        """Whether batch `index` may wait for others: nobody wants to hear of it by itself."""
        return (self._count > 0 and program is self._program) or self._watch.may_run(self.index, 2) > 1

    def take(self, batch: Batch, places: Places) -> None:
        """Adds a batch; it runs now or later."""
        if self._count and (batch.program is not self._program or places is not self._places):
            self.flush()
            if self.stopped:
                return
        if not self._count:
            self._program, self._spec, self._places = batch.program, batch.spec, places
            most = min(
                self._pace.steps, places.capacity, _FIRST_BATCHES if self._running is None else _MOST_BATCHES
            )
            self._most = self._watch.may_run(self._index, most)
        places.put(self._count, batch.leaves)
        self._count += 1
        if self._count >= self._most:
            self.flush()

    def run(self, batch: Batch, step: Callable[[int], Any]) -> None:
        """Runs a batch by itself, `step(index) -> result`, after those that wait."""
        self.finish()
        if not self.stopped:
            if batch.program is not None:
                self._check(batch.leaves, batch.spec)
            with spending(STEPS):
                self.result = step(self._index)
            self._index += 1
            self.stopped = self._watch.after(self._index - 1, self.result)

    def flush(self) -> None:
        """Runs the batches that wait, those before the first whose values do not fit; raises what that one raises."""
        self.settle()
        if self.stopped or not self._count:
            return
        count, failure = self._fitting()
        if count:
            self._dispatch(count)
        self._count = 0
        if failure is not None:
            self.settle()
            raise failure

    def _fitting(self) -> tuple[int, Exception | None]:
        """Returns how many of the batches that wait may run, and what the one after them raises."""
        try:
            self._check(self._places.rows(self._count), self._spec)
        except Exception:  # noqa: BLE001  which of them?
            for i in range(self._count):
                try:
                    self._check(self._places.batch(i), self._spec)
                except Exception as error:  # noqa: BLE001  it is raised when those before have run
                    return i, error
        return self._count, None

    def _dispatch(self, count: int) -> None:
        places, program = self._places, self._program
        self._watch.begins(self._index)
        began = time.perf_counter()
        loop = self._loop_of(program, count > 1)
        with spending(DISPATCH):
            if loop is None:
                self.result = self._run_once(program, places.batch(0))
            else:
                self.result = program.rebuild([Tensor(value) for value in loop(places.stacked, 0, count)])
        places.swap()
        self._index += count
        self._count = 0
        self._running = (began, count)
        if self._watch.room(self._index) is not None:
            self.settle()

    def settle(self) -> None:
        """Waits for the dispatch that runs, and tells who watches."""
        if self._running is None:
            return
        (began, count), self._running = self._running, None
        with spending(STEPS):
            xla("training").block_until_ready(_values(self.result))
        self._pace.took(count, time.perf_counter() - began)
        self.stopped = self._watch.after(self._index - 1, self.result)

    def computes(self) -> bool:
        """Whether a dispatch runs."""
        return self._running is not None and not all(value.is_ready() for value in _values(self.result))

    def finish(self) -> None:
        """Runs all that waits, and waits for it."""
        self.flush()
        self.settle()


def in_turn(batches: Iterator, gathering: Gathering) -> Iterator:
    """Yields what `batches` does; what making one raises is raised when the batches before it have run."""
    while True:
        try:
            batch = next(batches)
        except StopIteration:
            return
        except Exception:
            gathering.finish()
            raise
        yield batch


def _values(result: Any) -> list:
    leaves = result.values() if isinstance(result, dict) else [result]
    return [leaf._value for leaf in leaves if type(leaf) is Tensor]
