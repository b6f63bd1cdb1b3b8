"""The one transaction over state: variables are read, a program runs, what it wrote is stored.

A program that writes a variable can reuse the memory of its old value, if nobody else can look at it.  Who holds the
old array is known from its reference count: a variable that has been read into a tensor that still lives, or looked at
through NumPy, has more than its own.  Such a value is copied before it is given away.

From when its value is given away until the new one is stored, a variable has none: other threads that read it wait, and
Ctrl-C waits too.
"""

from __future__ import annotations

import collections
import contextlib
import itertools
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from dovetail.base.interrupts import hold_interrupts
from dovetail.engine import loaded_xla
from dovetail.tensor.tensor import Tensor
from dovetail.tensor.variable import WRITING, Variable

_UNSHARED = contextlib.nullcontext()


class Transaction:
    """Runs programs that read the same variables and write the same variables.

    Args:
        reads: the variables whose values a program takes, in order.
        given: for each, whether the program may reuse the memory of its value; it must write these.
        writes: the variables that get new values.
        at: where these are among the program's outputs; None: they are the last ones.
        waits: other threads wait until it has ended.  False for programs that call back into Python, which may wait
            for other threads in turn.
    """

    __slots__ = ("_alone", "_at", "_reads", "_writes")

    def __init__(
        self,
        reads: Sequence[Variable],
        given: Sequence[bool],
        writes: Sequence[Variable],
        at: int | None = None,
        waits: bool = True,
    ) -> None:
        self._reads = list(zip(reads, given, strict=True))
        self._writes, self._at = tuple(writes), at
        self._alone: Any = WRITING if waits and writes else _UNSHARED

    def run(self, program: Callable, *before: Any) -> Sequence:
        """Calls `program(*before, *values of what it reads)`, and stores what it wrote; returns all its outputs."""
        if not self._writes:
            with (
                WRITING if len(self._reads) > 1 else _UNSHARED
            ):  # another thread may store a step's values one by one
                values = [variable._held._value for variable, _ in self._reads]
            return program(*before, *values)
        values = [*before]
        with self._alone, hold_interrupts():
            try:
                for variable, given in self._reads:
                    values.append(_value_to_give(variable) if given else variable._held._value)
                outputs = program(*values)
            except BaseException:
                self._give_back(values[len(before) :])
                raise
            first = len(outputs) - len(self._writes) if self._at is None else self._at
            for position, variable in enumerate(self._writes, first):
                variable._take(outputs[position])
        return outputs

    def run_on_tensors(self, program: Callable[[list], Sequence]) -> Sequence:
        """As `run`, for `program(tensors of what it reads)`, whose calls active tapes note; nothing is given away."""
        with self._alone:
            outputs = program([variable._tensor() for variable, _ in self._reads])
            first = len(outputs) - len(self._writes) if self._at is None else self._at
            with hold_interrupts() if self._writes else _UNSHARED:
                for position, variable in enumerate(self._writes, first):
                    variable._take(outputs[position]._value)
        return outputs

    def _give_back(self, values: list) -> None:
        """Gives variables that have no value the one that was taken from them: the program has failed."""
        for (variable, _), value in zip(self._reads, values, strict=False):
            if "_held" not in variable.__dict__:
                variable._held = Tensor(value)


@contextlib.contextmanager
def undoing(variables: Iterable[Variable]) -> Any:
    """Yields a function that gives the variables the values that they have now."""
    before = [(variable, variable._held) for variable in variables]

    def undo() -> None:
        for variable, held in before:
            variable._held = held

    yield undo


def stored_as_one(variables: list[Variable], arrays: list) -> bool:
    """Stores arrays so that neither another thread nor Ctrl-C finds some of them only; False where that cannot be.

    The loop over the variables runs in C, where no signal is handled: holding Ctrl-C back takes longer than it does.
    """
    plain = Variable._store
    if any(type(v)._store is not plain or v._layout is not None for v in variables):
        return False
    tensors = [Tensor(array) for array in arrays]
    before = [variable._held for variable in variables]  # nothing is freed, and so nothing runs, on the way
    with WRITING:
        collections.deque(map(setattr, variables, itertools.repeat("_held"), tensors), maxlen=0)
    del before
    return True


class _Holder:
    """What a variable is to `_taken`: an object that holds a tensor."""

    def __init__(self, held: Tensor) -> None:
        self._held = held


def _taken(holder: Any) -> tuple[Any, int, int]:
    """Takes the tensor away from `holder`; returns its array, and the reference counts of both."""
    tensor = holder._held
    del holder._held
    value = tensor._value
    return value, sys.getrefcount(tensor), sys.getrefcount(value)


# The counts when nobody else holds either; they differ between versions of Python.
_ALONE = _taken(_Holder(Tensor(np.zeros(1))))[1:]


def _value_to_give(variable: Variable) -> Any:
    """Takes the variable's array away if it is the only one to hold it, else a copy."""
    value, *counts = _taken(variable)
    if type(value) is not np.ndarray and counts[0] <= _ALONE[0] and counts[1] <= _ALONE[1]:
        return value
    try:
        if type(value) is np.ndarray:
            return loaded_xla().put_on_device(value.copy())  # `array` would compile a copy for every shape
        return loaded_xla().array(value)
    except BaseException:
        variable._held = Tensor(value)
        raise
