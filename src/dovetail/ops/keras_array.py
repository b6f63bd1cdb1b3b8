"""The array functions of `keras.ops` that TensorFlow has no name for, built from ops of the table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dovetail.base import nest
from dovetail.base.errors import at_user_location
from dovetail.base.settings import settings
from dovetail.ops.arithmetic import cast
from dovetail.ops.array import concatenate, split_at, stack, unstack
from dovetail.ops.attrs import integer, whole
from dovetail.ops.create import linspace_numpy, one_hot, range_of
from dovetail.ops.families import op
from dovetail.ops.indexing import where_, where_true
from dovetail.ops.mapping import looped
from dovetail.ops.reduction import reduce_max
from dovetail.ops.shapes import as_tensor, flip, reshape, swapaxes
from dovetail.ops.views import export
from dovetail.tensor import dtype as dt
from dovetail.tensor.composite import is_tensor


@export("ops.numpy.where")
def where(condition: Any, x1: Any = None, x2: Any = None) -> Any:
    """Chooses `x1` where the condition holds and `x2` elsewhere; with one argument, the coordinates."""
    if x1 is None and x2 is None:
        return nonzero(condition)
    if x1 is None or x2 is None:
        raise ValueError(f"keras.ops.where: pass both x1 and x2, or none of them{at_user_location()}")
    condition = as_tensor(condition)
    return where_.call(
        (x1, x2, condition if condition.dtype.is_bool else cast(condition, dtype="bool")), {}, True
    )


@export("ops.numpy.nonzero")
def nonzero(x: Any) -> Any:
    """Returns the coordinates of the elements that are not 0, a tuple of vectors, one an axis."""
    return tuple(
        cast(one, dtype="int32") for one in unstack(where_true(x), num=len(as_tensor(x).shape), axis=1)
    )


@export("ops.numpy.select")
def select(condlist: Sequence, choicelist: Sequence, default: Any = 0) -> Any:
    """Returns, for each element, the choice whose condition is the first to hold."""
    if len(condlist) != len(choicelist):
        raise ValueError(
            f"keras.ops.select: {len(condlist)} conditions for {len(choicelist)} choices{at_user_location()}"
        )
    result = default
    for condition, choice in zip(reversed(condlist), reversed(choicelist), strict=True):
        result = where(condition, choice, result)
    return result


# ---- joining, splitting, turning ------------------------------------------------------------------------------------


@export("ops.numpy.dstack")
def dstack(xs: Sequence) -> Any:
    """Joins tensors along the third axis; vectors and matrices get the axes they lack."""
    return concatenate([_deep(as_tensor(x)) for x in xs], axis=2)


def _deep(x: Any) -> Any:
    sizes = tuple(-1 if size is None else size for size in x.shape)
    if len(sizes) >= 3:
        return x
    return reshape(x, shape=((1, *sizes) if len(sizes) == 1 else sizes if sizes else (1, 1)) + (1,))


@export("ops.numpy.hsplit")
def hsplit(x: Any, indices_or_sections: Any) -> list:
    """Cuts along the second axis (vectors: their only one)."""
    x = as_tensor(x)
    return split_at(x, indices_or_sections, 0 if len(x.shape) == 1 else 1)


@export("ops.numpy.vsplit")
def vsplit(x: Any, indices_or_sections: Any) -> list:
    """Cuts along the first axis."""
    return split_at(x, indices_or_sections, 0)


@export("ops.numpy.dsplit")
def dsplit(x: Any, indices_or_sections: Any) -> list:
    """Cuts along the third axis."""
    return split_at(x, indices_or_sections, 2)


@export("ops.numpy.fliplr")
def fliplr(x: Any) -> Any:
    """Reverses the second axis."""
    return flip(x, 1)


@export("ops.numpy.flipud")
def flipud(x: Any) -> Any:
    """Reverses the first axis."""
    return flip(x, 0)


@export("ops.numpy.rot90")
def rot90(array: Any, k: int = 1, axes: tuple = (0, 1)) -> Any:
    """Turns the plane of two axes by `k` quarter turns, from the first axis towards the second."""
    first, second = axes
    if first == second:
        raise ValueError(f"axes must be two different axes, received {axes}")
    turns = (integer(k) or 0) % 4
    if turns == 0:
        return as_tensor(array)
    if turns == 2:
        return flip(array, tuple(axes))
    if turns == 1:
        return swapaxes(flip(array, second), first, second)
    return flip(swapaxes(array, first, second), second)


# ---- making and classifying -----------------------------------------------------------------------------------------


@export("ops.numpy.tri")
def tri(N: int, M: int | None = None, k: int = 0, dtype: Any = None) -> Any:
    """Returns a matrix with ones at and below diagonal `k`."""
    rows, columns = whole(N), whole(N if M is None else M)
    return as_tensor(np.tri(rows, columns, integer(k) or 0, dtype=dt.numpy_dtype(dtype or settings.floatx)))


@export("ops.numpy.logspace")
def logspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    base: Any = 10,
    dtype: Any = None,
    axis: int = 0,
) -> Any:
    """Returns `base` to the power of numbers at equal distances."""
    powers = linspace_numpy(start, stop, num, endpoint, axis=axis)
    out = cast(as_tensor(base), dtype=powers.dtype) ** powers
    return out if dtype is None else cast(out, dtype=dt.numpy_dtype(dtype))


@op("", same_dtype=0, shape=lambda x, bins: x, dtype=lambda *_: np.dtype(np.int32), differentiable=False)
def digitize_(xp: Any, x: Any, bins: Any) -> Any:
    """Returns the number of bin edges that are not above each element."""
    return xp.cast(xp.searchsorted(bins, x, side="right"), np.dtype(np.int32))


@export("ops.numpy.digitize")
def digitize(x: Any, bins: Any) -> Any:
    """Returns which bin each element falls into: 0 below the first edge."""
    return digitize_(x, bins)


@op("", dtype=lambda *_: np.dtype(bool), shape=lambda x, values: x, differentiable=False)
def isin_(xp: Any, x: Any, values: Any) -> Any:
    """Returns whether each element is among the values."""
    return xp.isin(x, values)


@export("ops.numpy.isin")
def isin(x1: Any, x2: Any, assume_unique: bool = False, invert: bool = False) -> Any:
    """Returns whether each element of `x1` is (or is not, with `invert`) in `x2`; `assume_unique` is only a hint."""
    found = isin_.call((x1, x2), {}, True)
    return where_(False, True, found) if invert else found


def multi_hot(inputs: Any, num_classes: int, axis: int = -1, dtype: Any = None) -> Any:
    """Returns vectors with 1 at each index in a row of `inputs`: integers of shape (..., n)."""
    inputs = as_tensor(inputs)
    hot = one_hot(inputs, num_classes, axis=axis, dtype=dtype or settings.floatx)
    return reduce_max(hot, axis=1 if len(inputs.shape) > 1 else 0)


@export("ops.is_tensor")
def is_tensor_of(x: Any) -> bool:
    """True for a tensor, dense or composite, a variable or a symbolic tensor."""
    return is_tensor(x)


# ---- loops with a carried state -------------------------------------------------------------------------------------


@export("ops.scan")
def scan(
    f: Callable, init: Any, xs: Any = None, length: int | None = None, reverse: bool = False, unroll: Any = 1
) -> tuple:
    """Runs `carry, y = f(carry, x)` along the first axis, and returns the last carry and the stacked `y`.

    Args:
        f: function of the carried structure and one element.
        init: the first carry.
        xs: tensor or structure of tensors; None: `length` steps without elements.
        length: number of steps.
        reverse: begin at the end.
        unroll: a hint; compiled code loops over many elements and writes few out.
    """
    if xs is None and length is not None:
        xs_or_numbers: Any = range_of(int(length))
    else:
        xs_or_numbers = xs
    silent = False

    def step(carry: Any, element: Any) -> tuple:
        nonlocal silent
        carry, out = f(carry, None if xs is None else element)
        silent = all(leaf is None for leaf in nest.flat(out))
        return carry, () if silent else out

    found = None if xs_or_numbers is None else looped(step, init, xs_or_numbers, reverse)
    if found is not None:
        return found[0], None if silent else found[1]
    leaves, spec = nest.flatten_spec(xs)
    columns = [unstack(leaf) for leaf in leaves if leaf is not None]
    steps = len(columns[0]) if columns else length
    if steps is None:
        raise ValueError(f"keras.ops.scan: pass xs or length{at_user_location()}")
    carry, outputs = init, []
    for i in reversed(range(steps)) if reverse else range(steps):
        element = nest.unflatten(spec, [column[i] for column in columns]) if columns else None
        carry, out = f(carry, element)
        outputs.append(out)
    outputs = outputs[::-1] if reverse else outputs
    if not outputs or all(leaf is None for leaf in nest.flat(outputs[0])):
        return carry, None
    return carry, nest.mapped(stack, *outputs)
