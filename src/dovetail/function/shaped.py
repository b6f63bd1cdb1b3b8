"""A function of tensors, compiled for the shapes that come often."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from dovetail.base.bounded import Bounded
from dovetail.base.errors import DataDependentShapeError
from dovetail.function.frequency import Frequency
from dovetail.function.trace import Program, example_of
from dovetail.tensor.tensor import Tensor

_MOST_PROGRAMS = 128
_MOST_SIZES = 8  # integers in an argument that may be sizes of something


class Shaped:
    """The programs of a function, by the shapes that it met.

    Where a shape inside of it depends on integers among its arguments, such as a number of rows that the host has
    counted, these few integers are known to the programs, and part of what they are found by.

    Args:
        run: takes a list of tensors, of which the shapes alone change from call to call.
        frequency: decides which shapes are compiled.

    Attributes:
        op_by_op: it cannot be compiled; `why` says why.
        knows_integers: whether programs are made for values of small integer arguments.
    """

    def __init__(self, run: Callable, frequency: Frequency) -> None:
        self._run, self._frequency = run, frequency
        self.op_by_op = self.knows_integers = False
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
        known = _small_integers(tensors) if self.knows_integers else {}
        if known:
            key = (*key, *[array.tobytes() for array in known.values()])
        found = self._programs.get(key)
        if found is not None:
            return found
        family = tuple([tensor._value.ndim for tensor in tensors])
        if not self._frequency.compiles(family, key, times):
            return None
        try:
            program = Program(self._with(known), [example_of(t) for t in tensors], may_create=False)
        except DataDependentShapeError as error:
            if not self.knows_integers and _small_integers(tensors):
                self.knows_integers = True
                return self.program_for(tensors, times)
            self.op_by_op, self.knows_integers, self.why = True, False, error
            return None
        self._frequency.compiled(family)
        return self._programs.put(key, program)

    def _with(self, known: dict) -> Callable:
        """Returns the function with some arguments as constants."""
        constants = {i: Tensor(array) for i, array in known.items()}
        if not constants:
            return self._run
        return lambda tensors: self._run([constants.get(i, tensor) for i, tensor in enumerate(tensors)])


def _small_integers(tensors: list) -> dict[int, np.ndarray]:
    """Returns the arrays of those arguments that may be sizes, by their places."""
    return {
        i: np.asarray(tensor._value)
        for i, tensor in enumerate(tensors)
        if tensor._value.ndim <= 1 and tensor._value.size <= _MOST_SIZES and tensor._value.dtype.kind in "iu"
    }
