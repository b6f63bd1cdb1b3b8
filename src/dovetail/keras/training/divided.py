"""Steps that need the host, to read strings above all: that part runs there, the rest is compiled.

A step is recorded for a kind of batch, and divided (see `function/stages.py`).  Where all that needs the host stands in
front, what it gives is a batch of numbers for a compiled step, which waits for others and runs with them in one
dispatch as any other does; the next batches' strings are read meanwhile.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from dovetail.base import nest
from dovetail.base.bounded import Bounded
from dovetail.engine import dtypes
from dovetail.function.frequency import Frequency
from dovetail.function.shaped import Shaped
from dovetail.function.signature import SpecCall
from dovetail.function.split import Split
from dovetail.function.wide import record
from dovetail.keras.training.arrays import ArrayData
from dovetail.keras.training.gathering import Batch, Places, kind_of
from dovetail.keras.training.programs import jax_stepping
from dovetail.tensor.spec import TensorSpec
from dovetail.tensor.tensor import Tensor

_MOST_KINDS = 128
_SHAPES_AT_ONCE = 2  # whole batches, and the last one of an epoch


def holds_strings(leaves: list) -> bool:
    """True for batches with strings among their arrays."""
    return any(leaf is not None and dtypes.is_host_only(leaf.dtype) for leaf in leaves)


class DividedSteps:
    """The divided forms of one kind of step (train, test or predict), a kind of batch each.

    Args:
        step: `step(data) -> logs`, a method of the model written in tensor ops.
        facts: `facts() -> tuple`, what else a recording depends on.
        frequency: decides which shapes are worth it.
    """

    def __init__(self, step: Callable, facts: Callable[[], tuple], frequency: Frequency) -> None:
        self._step, self._facts, self._frequency = step, facts, frequency
        self._found: Bounded = Bounded(_MOST_KINDS)
        self._why: str | None = None
        self._warned = False

    def get(self, leaves: list, spec: Any, facts: tuple, times: int = 1) -> DividedStep | None:
        """Returns the step for batches like `leaves`; None when it runs op by op.

        Args:
            leaves, spec: the batch, flat.
            facts: see the class.
            times: how many such batches are about to come.
        """
        kind = kind_of(leaves)
        key = (spec, facts, kind)
        if key in self._found:
            return self._found.get(key)
        family = (spec, facts, tuple([None if leaf is None else (leaf.ndim, leaf.dtype) for leaf in leaves]))
        if not self._frequency.compiles(family, kind, times):
            return None
        self._frequency.compiled(family)
        step = self._recorded(leaves, spec)
        self._found.put((spec, self._facts(), kind), step)  # a first recording builds the model
        return self._found.put(key, step)

    def _recorded(self, leaves: list, spec: Any) -> DividedStep | None:
        specs = [None if leaf is None else TensorSpec(leaf.shape, leaf.dtype) for leaf in leaves]
        call = SpecCall((nest.unflatten(spec, specs),), {})
        try:
            graph, _ = record(call, lambda args, kwargs: self._step(*args), self._step, may_create=True)
        except Exception as error:  # noqa: BLE001  of users' code, which may need values; run so, it says more
            self._why = f"{type(error).__name__}: {error}"
            return None
        split = Split.of(graph, Frequency)
        if split is None:
            self._why = "what needs the host stands between what could be compiled"
            return None
        return DividedStep(split, self._refuse)

    def _refuse(self, why: Any) -> None:
        self._why = self._why or str(why)
        self.say_why_not(None)

    def say_why_not(self, why: Any) -> None:
        """Warns, once, that steps run op by op, which have done so without an error.

        Args:
            why: what says so of the step as a whole; None: it was not tried.
        """
        if not self._warned and self._why is not None:
            self._warned = True
            warnings.warn(
                f"the model's steps run op by op, they cannot be compiled: {why or self._why}", stacklevel=4
            )


class DividedStep:
    """A step on batches of one kind.

    Args:
        split: the recorded step.
        refuse: told why the part that should be compiled cannot be.
    """

    def __init__(self, split: Split, refuse: Callable[[Any], None]) -> None:
        self._split, self._refuse = split, refuse
        self._rest: Shaped | None = None
        self._by_rows: dict[int, int | None] = {}
        if split.is_front_and_rest:
            self._rest = Shaped(split.rest, Frequency(_SHAPES_AT_ONCE))

    def batch(self, leaves: list, spec: Any) -> Batch:
        """Reads the strings of a batch, and returns the batch of numbers that the compiled rest of the step takes.

        A step that is divided otherwise, or whose numbers have shapes that come seldom, has no program.
        """
        tensors = [Tensor(leaf) for leaf in leaves if leaf is not None]
        if self._rest is None:
            return Batch(None, leaves, spec, (), lambda: self._split.call(tensors))
        values = self._split.front(tensors)
        program = self._rest.program_for(values)
        if program is None:
            if self._rest.why is not None:
                self._refuse(self._rest.why)
            return Batch(None, leaves, spec, (), lambda: self._split.run_rest_op_by_op(values))
        arrays = [np.asarray(tensor._value) for tensor in values]
        return Batch(program, arrays, None, kind_of(arrays))

    def numbers(self, data: ArrayData) -> ArrayData | None:
        """Returns the numbers that the compiled rest takes, of all samples; None where they must be made a batch each.

        What is made stays with the data.
        """
        if self._rest is None:
            return None
        each = self._row_bytes(data.batch_size)
        if each is None or each * data.num_samples > jax_stepping().MAX_BYTES_ON_DEVICE:
            return None
        if data.numbers is None or data.numbers[0] is not self:
            made = self._split.front([Tensor(leaf) for leaf in data.leaves if leaf is not None])
            data.numbers = (self, data.with_leaves([np.asarray(tensor._value) for tensor in made]))
        return data.numbers[1]

    def _row_bytes(self, size: int) -> int | None:
        if size not in self._by_rows:
            self._by_rows[size] = self._split.bytes_by_rows(size)
        return self._by_rows[size]

    def program_for(self, leaves: list, times: int) -> Any:
        """Returns the program of the rest for a batch of such numbers, of which there are several; or None."""
        if self._rest is None:
            return None
        program = self._rest.program_for([Tensor(leaf) for leaf in leaves], times)
        return None if self._rest.knows_integers else program  # which is for the values of one batch


class InBatches:
    """Samples in memory, some of them strings, as a stream of batches.

    Args:
        data: the samples.
        steps: batches an epoch; None: all.
    """

    keeps_batches = True

    def __init__(self, data: ArrayData, steps: int | None) -> None:
        self._data, self._steps = data, steps
        self._places: Places | None = None
        self.pace, self.done = data.pace, data.done

    def batches(self) -> Iterator[tuple[list, Any]]:
        """Yields `(leaves, spec)` for the batches of one epoch."""
        for stretch in self._data.stretches(self._steps):
            for index in range(stretch.first, stretch.stop):
                yield self._data.batch(stretch, index), self._data.spec

    def places_for(self, batch: Batch) -> Places:
        """Returns room for such batches to be gathered."""
        if self._places is None or self._places.kind != batch.kind:
            self._places = Places(batch.leaves, self._data.num_batches)
        return self._places
