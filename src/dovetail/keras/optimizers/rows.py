"""Gradients by rows (`tf.IndexedSlices`) in a step: what they cost is what their rows cost, where the rule allows it.

A rule that treats each number by itself, and leaves alone what has a gradient of 0 (SGD, Adagrad), is applied to the
touched rows only, once the rows of one id are added up.  Other rules move every row in every step, because their state
decays (momentum, Adam): they get the dense gradient, inside the compiled step.  So the values are those of the dense
gradient in any case, as in Keras.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dovetail.ops.indexed_slices import IndexedSlices, Rows
from dovetail.tensor.tensor import Tensor


def as_slices(gradient: Any, value: Any) -> Any:
    """Returns a gradient of arrays as a tensor, or as `tf.IndexedSlices` of a tensor like `value`."""
    if type(gradient) is not Rows:
        return Tensor(gradient)
    shape = Tensor(np.array(value.shape, np.int64))
    return IndexedSlices(Tensor(gradient.values), Tensor(gradient.indices), shape)


def on_values(function: Callable, gradient: Any) -> Any:
    """Applies a function of numbers to an array, or to the values of rows."""
    return Rows(function(gradient.values), gradient.indices) if type(gradient) is Rows else function(gradient)


def values_of(gradient: Any) -> Any:
    """Returns the numbers of a gradient that may differ from 0."""
    return gradient.values if type(gradient) is Rows else gradient


def summed(xp: Any, gradient: Any, value: Any) -> Any:
    """Returns rows with each id once (see `summed_rows` for what compiled code leaves over); an array unchanged."""
    if type(gradient) is not Rows:
        return gradient
    return Rows(*xp.summed_rows(gradient.values, gradient.indices, value.shape[0]))


def added_to(xp: Any, total: Any, gradient: Any) -> Any:
    """Returns `total + gradient`."""
    if type(gradient) is not Rows:
        return total + gradient
    return xp.set_rows(total, gradient.indices, xp.rows_at(total, gradient.indices) + gradient.values)


def dense(xp: Any, gradient: Any, value: Any) -> Any:
    """Returns a gradient as an array like `value`."""
    return added_to(xp, xp.zeros_like(value), gradient) if type(gradient) is Rows else gradient


def update(optimizer: Any, rule: Any, xp: Any, gradient: Rows, value: Any, slots: tuple, hyper: Any) -> tuple:
    """Applies a rule of the optimizer's to one variable, given the gradient of some rows, each id once.

    Returns:
        `(new value, new slots)`, as `Optimizer.update`.
    """
    if not goes_by_rows(optimizer):
        return rule(xp, dense(xp, gradient, value), value, slots, hyper)
    ids = gradient.indices
    touched, *touched_slots = [xp.rows_at(x, ids) for x in (value, *slots)]
    new, new_slots = rule(xp, gradient.values, touched, tuple(touched_slots), hyper)
    value, *moved = [
        xp.set_rows(x, ids, rows.astype(x.dtype))
        for x, rows in zip((value, *slots), (new, *new_slots), strict=True)
    ]
    return value, tuple(moved)


def goes_by_rows(optimizer: Any) -> bool:
    """True when the class that wrote the rule says that it leaves rows without a gradient alone."""
    owner = next(kind for kind in type(optimizer).__mro__ if "update" in vars(kind))
    return "rests" in vars(owner) and optimizer.rests()
