"""A function of tensors, compiled for the shapes that come often."""

from __future__ import annotations

from collections.abc import Callable

from dovetail.base.bounded import Bounded
from dovetail.base.errors import DataDependentShapeError
from dovetail.function.frequency import Frequency
from dovetail.function.trace import Program, example_of

_MOST_PROGRAMS = 128


class Shaped:
    """The programs of a function, by the shapes that it met.

    Args:
        run: takes a list of tensors, of which the shapes alone change from call to call.
        frequency: decides which shapes are compiled.

    Attributes:
        op_by_op: it cannot be compiled; `why` says why.
    """

    def __init__(self, run: Callable, frequency: Frequency) -> None:
        self._run, self._frequency = run, frequency
        self.op_by_op = False
        self.why: Exception | None = None
        self._programs: Bounded = Bounded(_MOST_PROGRAMS)

    def program_for(self, tensors: list, times: int = 1) -> Program | None:
        """Returns the program for the tensors' shapes; None while they run op by op.

        Args:
            tensors: the arguments.
            times: how many calls of these shapes are about to come.
        """
        if self.op_by_op:
            return None
        key = tuple([tensor._value.shape for tensor in tensors])
        found = self._programs.get(key)
        if found is not None:
            return found
        family = tuple(map(len, key))
        if not self._frequency.compiles(family, key, times):
            return None
        try:
            program = Program(self._run, [example_of(t) for t in tensors], may_create=False)
        except DataDependentShapeError as error:
            self.op_by_op, self.why = True, error
            return None
        self._frequency.compiled(family)
        return self._programs.put(key, program)
