"""Plans: a run of host ops, noted once and then repeated without the Python between them.

A NumPy call on a small array takes about a microsecond; finding out which one to make (layers, arguments, dtypes, the
engine) takes several.  A plan notes the calls of one run and makes the same calls on other inputs: same functions,
same order, same bits.

It stands for the function only if nothing but shapes, dtypes and variables decides which ops run.  Whoever records a
plan knows that of the function; what can be seen from the ops alone is checked here.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from dovetail.base.observer import Observer
from dovetail.base.settings import state
from dovetail.engine import loaded_xla
from dovetail.ops.core import Bound
from dovetail.tensor.tensor import Tensor
from dovetail.tensor.variable import WRITING, StatelessScope, Variable, arrays_of, enter_scope


class HostPlan:
    """The ops of one run; `record` makes them.

    Attributes:
        steps: `(function, what picks its arguments from the slots, slot of its output)`; a list of slots for several
            outputs.
        num_elements: the elements of what goes in and of what the steps make.
    """

    __slots__ = ("_others", "_results", "_variables", "num_elements", "steps")

    def __init__(self, notes: _Notes, results: list[int]) -> None:
        """Orders the slots: the inputs, the variables, all else."""
        first = [*range(notes.num_inputs), *notes.variables]
        order = [*first, *sorted(set(range(len(notes.values))).difference(first))]
        slot = {place: number for number, place in enumerate(order)}
        self.steps: list[tuple[Callable, Callable, Any]] = [
            (
                function,
                _picker([slot[s] for s in sources]),
                [slot[t] for t in target] if several else slot[target[0]],
            )
            for function, sources, target, several in notes.steps
        ]
        self._variables = list(notes.variables.values())
        self._others = [notes.values[place] for place in order[len(first) :]]
        self._results = [slot.get(place, -1) for place in results]
        self.num_elements = notes.num_elements

    def run(self, arrays: list) -> list[Tensor] | None:
        """Returns the outputs for arrays like those of the recorded run; None when a variable is on another device."""
        values = arrays_of(self._variables)
        for value in values:
            if type(value) is not np.ndarray:
                values = [on_host(one) for one in values]
                if any(one is None for one in values):
                    return None
                break
        slots = [*arrays, *values, *self._others]
        for function, pick, target in self.steps:
            output = function(*pick(slots))
            if type(target) is int:
                slots[target] = output
            else:
                for slot, part in zip(target, output, strict=True):
                    slots[slot] = part
        return [_tensor(slots[place]) for place in self._results]


def record(function: Callable, inputs: list[Tensor]) -> HostPlan | None:
    """Runs a function on tensors of the host engine, and returns the plan of it.

    Args:
        function: takes the tensors; returns two lists of tensors, those that ops have made and any others.
        inputs: tensors like those that the plan is for.

    Returns:
        The plan; None when the run wrote a variable, created one, left the host engine, or did what is no op.
    """
    notes = _Notes(inputs)
    with WRITING:  # variables keep their values until both runs are over
        tapes, state.tapes = state.tapes, (notes,)
        try:
            with enter_scope(notes):
                outputs, others = function(*inputs)
        except _CannotRepeat:
            return None
        finally:
            state.tapes = tapes
        results = [*map(notes.place, outputs), *map(notes.source, others)]
        if notes.failed or notes.written:
            return None
        plan = HostPlan(notes, results)
        again = plan.run([tensor._value for tensor in inputs])
    return plan if again is not None and all(map(_equal, [*outputs, *others], again)) else None


class _CannotRepeat(Exception):
    """Ends a run that has done what a plan cannot repeat: what is left of it may be much."""


def _picker(places: list[int]) -> Callable[[list], Any]:
    """Returns what takes the items at some places of a list; it is given one list after the other."""
    if len(places) < 2:
        first = places[0] if places else 0
        return operator.itemgetter(slice(first, first + len(places)))
    return operator.itemgetter(*places)


def _equal(tensor: Tensor, other: Tensor) -> bool:
    a, b = tensor._value, other._value
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def on_host(value: Any) -> np.ndarray | None:
    """Returns an array as NumPy sees it without a transfer, None when it is on another device."""
    if type(value) is np.ndarray:
        return value
    return np.asarray(value) if loaded_xla().lives_on_host(value) else None


class _Notes(StatelessScope, Observer):
    """Notes what runs: it stands where tapes stand, and where variables are read.

    Attributes:
        values: a place for every array of the run; those of constants are filled.
        variables: the variables that were read, by their places.
        made: the places of the ops' outputs, by `id` of the tensor.
        failed: whether something happened that a plan cannot repeat.
        steps: `(function, places of its arguments, places of its outputs, whether it gives a list)`.
        num_inputs: the first places are theirs.
        num_elements: see `HostPlan`.
    """

    records_all = True

    def __init__(self, inputs: list[Tensor]) -> None:
        super().__init__()
        self.steps: list[tuple] = []
        self.values: list[Any] = []
        self.variables: dict[int, Variable] = {}
        self.made: dict[int, int] = {}
        self.failed = False
        self.num_inputs = len(inputs)
        self.num_elements = sum(tensor._value.size for tensor in inputs)
        self._alive: list[Tensor] = []  # so that no other tensor gets the id of one
        self._places: dict[int, int] = {}
        for tensor in inputs:
            self._place(tensor)

    def first_read(self, variable: Variable) -> Tensor:
        tensor = Tensor(variable._array)
        self.variables[self._place(tensor)] = variable
        return tensor

    def created(self, variable: Variable) -> None:
        self.failed = True

    def record(self, call: Any, inputs: tuple, outputs: tuple) -> None:
        if type(call) is not Bound or any(type(out._value) is not np.ndarray for out in outputs):
            raise _CannotRepeat
        sources = [self.source(tensor) for tensor in inputs]
        places = [self._place(out) for out in outputs]
        self.made.update((id(out), place) for out, place in zip(outputs, places, strict=True))
        self.num_elements += sum(out._value.size for out in outputs)
        several = len(places) != 1 or call.op.several
        arrays = tuple(None if tensor is None else tensor._value for tensor in inputs)
        self.steps.append((call.on_host_again(arrays), sources, places, several))

    def place(self, output: Any) -> int:
        """Returns the place of an output; a plan that gives what no op has made is none."""
        self.failed = self.failed or id(output) not in self.made
        return self.made.get(id(output), -1)

    def alias(self, tensor: Tensor, other: Tensor) -> None:
        self._alive.append(other)
        self._places[id(other)] = self.source(tensor)

    def source(self, tensor: Tensor | None) -> int:
        """Returns the place of an argument; what was not seen before is a constant."""
        place = self._places.get(id(tensor))
        if place is None:
            value = None if tensor is None else tensor._value
            self.failed = self.failed or not (value is None or type(value) is np.ndarray)
            place = self._place(tensor, value)
        return place

    def _place(self, tensor: Any, value: Any = None) -> int:
        self._alive.append(tensor)
        self._places[id(tensor)] = len(self.values)
        self.values.append(value)
        return len(self.values) - 1


def _tensor(value: Any) -> Tensor:
    return Tensor(value if type(value) is np.ndarray else np.asarray(value))
