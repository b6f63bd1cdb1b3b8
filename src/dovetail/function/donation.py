"""Giving the buffers of variables to the program that overwrites them.

A program that writes a variable can reuse the memory of its old value, if nobody else can look at it.  Who holds the
old array is known from its reference count: a variable that has been read into a tensor that still lives, or looked at
through NumPy, has more than its own.  Such a value is copied before it is given away.

From when its value is given away until the new one is stored, a variable has none: other threads that read it wait.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

import numpy as np

from dovetail.engine import loaded_xla
from dovetail.tensor.tensor import Tensor
from dovetail.tensor.variable import Variable


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


def value_to_give(variable: Variable) -> Any:
    """Takes the variable's array away if it is the only one to hold it, else a copy.

    The variable must get a new value next, or this one back: until then it has none.  Call it while `WRITING` is held.
    """
    value, *counts = _taken(variable)
    if type(value) is not np.ndarray and counts[0] <= _ALONE[0] and counts[1] <= _ALONE[1]:
        return value
    try:
        return loaded_xla().array(value)
    except BaseException:
        variable._held = Tensor(value)
        raise


def give_back(variables: Iterable[Variable], values: Iterable) -> None:
    """Gives variables that have no value the one that was taken from them; a program has failed."""
    for variable, value in zip(variables, values, strict=False):
        if "_held" not in variable.__dict__:
            variable._held = Tensor(value)
