"""Giving the buffers of variables to the program that overwrites them.

A program that writes a variable can reuse the memory of its old value, if nobody else can look at it.  Who holds the
old array is known from its reference count: a variable that has been read into a tensor that still lives, or looked at
through NumPy, has more than its own.  Such a value is copied before it is given away.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from dovetail.engine import loaded_xla
from dovetail.tensor.tensor import Tensor
from dovetail.tensor.variable import Variable


class _Holder:
    """What a variable is to `_counts`: an object that holds a tensor."""

    def __init__(self, held: Tensor) -> None:
        self._held = held


def _counts(holder: Any) -> tuple[int, int]:
    """Returns the reference counts of the tensor that `holder` holds, and of its array."""
    tensor = holder._held
    value = tensor._value
    return sys.getrefcount(tensor), sys.getrefcount(value)


# The counts when nobody else holds either; they differ between versions of Python.
_ALONE = _counts(_Holder(Tensor(np.zeros(1))))


def value_to_give(variable: Variable) -> Any:
    """Returns the variable's array if it is the only one to hold it, else a copy."""
    counts = _counts(variable)
    value = variable._held._value
    if type(value) is np.ndarray or counts[0] > _ALONE[0] or counts[1] > _ALONE[1]:
        return loaded_xla().array(value)
    return value
