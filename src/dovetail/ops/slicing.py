"""Slices by other names than `x[...]`: slice, strided_slice, and blocks whose place is a traced value."""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail.base.errors import InvalidArgumentError, at_user_location
from dovetail.engine import is_tracer
from dovetail.ops.attrs import Shape, needed, whole
from dovetail.ops.families import op
from dovetail.ops.indexing import get_item
from dovetail.ops.shapes import as_tensor
from dovetail.ops.views import export
from dovetail.tensor.symbolic import SymbolicTensor
from dovetail.tensor.tensor import Tensor, TensorLike, has_value


@export("slice")
def slice_(input_: Any, begin: Any, size: Any, name: str | None = None) -> Any:
    """Returns the block of `size` that begins at `begin`.

    Args:
        input_: tensor of rank n.
        begin: n offsets; a traced tensor is allowed (it is clamped so that the block lies inside).
        size: n sizes; -1 takes all that is left.

    Raises:
        InvalidArgumentError: the block is not inside the tensor.
    """
    x = as_tensor(input_)
    offsets, sizes = _listed(begin), _listed(size)
    if offsets is None or any(_moving(one) for one in offsets):
        return dynamic_slice(x, begin, size=size)
    if sizes is None or len(offsets) != len(x.shape) or len(sizes) != len(x.shape):
        raise InvalidArgumentError(
            f"tf.slice: expected {len(x.shape)} offsets and sizes, received {begin!r:.60} and {size!r:.60}"
            f"{at_user_location()}"
        )
    key = []
    for axis, (offset, length, total) in enumerate(zip(offsets, sizes, x.shape, strict=True)):
        stop = None if isinstance(length, int) and length == -1 else offset + length
        if total is not None and isinstance(offset, int) and isinstance(stop, int | None):
            end = total if stop is None else stop
            if offset < 0 or not offset <= end <= total:
                raise _outside(axis, offset, length, total)
        key.append(slice(offset, stop))
    block = get_item(x, tuple(key))
    if type(block) is SymbolicTensor:  # its sizes are known where those of `x` are not
        block.set_shape([one if isinstance(one, int) and one >= 0 else None for one in sizes])
    return block


def _outside(axis: int, offset: int, length: int, total: int) -> Exception:
    return InvalidArgumentError(
        f"tf.slice: begin {offset} and size {length} do not fit into axis {axis} of size {total}{at_user_location()}"
    )


def _listed(value: Any) -> list | None:
    """Returns offsets or sizes as a list of ints and scalar tensors; None when their number is unknown."""
    if isinstance(value, TensorLike):
        tensor = as_tensor(value)
        if has_value(tensor):
            return np.asarray(tensor._value).tolist()
        return list(tensor) if tuple(tensor.shape) != (None,) else None
    if type(value) in (list, tuple) and all(type(one) is int for one in value):
        return list(value)
    return [int(one) if isinstance(one, np.integer) else _number(one) for one in value]


def _number(value: Any) -> Any:
    tensor = value if type(value) is Tensor else as_tensor(value) if isinstance(value, TensorLike) else None
    if has_value(tensor):
        return int(tensor._value)
    return needed(value) if tensor is None else tensor


def _moving(offset: Any) -> bool:
    return type(offset) is Tensor and is_tracer(offset._value)


def _dynamic_shape(shape: tuple, begin: tuple, size: tuple) -> tuple:
    return tuple(None if length == -1 else length for length in size)


@op("", same_dtype=1, shape=_dynamic_shape)
def dynamic_slice(xp: Any, x: Any, begin: Any, *, size: Shape) -> Any:
    """Returns the block of a static size that begins at a tensor's values."""
    if -1 in size:
        raise ValueError(f"sizes must be given where the offsets are traced, received {size}")
    return xp.dynamic_slice(x, begin, size)


@op("", same_dtype=1, shape=lambda g, begin, shape: shape)
def dynamic_slice_adjoint(xp: Any, g: Any, begin: Any, *, shape: Shape) -> Any:
    """Returns zeros of `shape` with `g` as the block that begins at `begin`."""
    return xp.dynamic_update(xp.zeros(shape, g.dtype), begin, g)


dynamic_slice.gradient(
    lambda g, y, x, begin, size: dynamic_slice_adjoint(g, begin, shape=tuple(x.shape)), None
)
dynamic_slice_adjoint.gradient(
    lambda g, y, x, begin, shape: dynamic_slice(g, begin, size=tuple(x.shape)), None
)


@export("ops.slice")
def slice_block(inputs: Any, start_indices: Any, shape: Any) -> Any:
    """Returns the block of `shape` that begins at `start_indices`."""
    return slice_(inputs, start_indices, shape)


@op("", same_dtype=2, shape=lambda x, updates, begin: x)
def slice_update_(xp: Any, x: Any, updates: Any, begin: Any) -> Any:
    """Returns `x` with `updates` as the block that begins at `begin`."""
    return xp.dynamic_update(x, begin, updates)


@export("ops.slice_update")
def slice_update(inputs: Any, start_indices: Any, updates: Any) -> Any:
    """Returns `inputs` with `updates` as the block that begins at `start_indices`."""
    return slice_update_(inputs, updates, start_indices)


def _zero_block(g: Any, y: Any, x: Any, updates: Any, begin: Any) -> Any:
    return slice_update_(g, updates * 0, begin)


slice_update_.gradient(
    _zero_block, lambda g, y, x, updates, begin: dynamic_slice(g, begin, size=tuple(updates.shape)), None
)


@export("strided_slice")
def strided_slice(
    input_: Any,
    begin: Any,
    end: Any,
    strides: Any = None,
    begin_mask: int = 0,
    end_mask: int = 0,
    ellipsis_mask: int = 0,
    new_axis_mask: int = 0,
    shrink_axis_mask: int = 0,
    var: Any = None,
    name: str | None = None,
) -> Any:
    """Returns `input_[begin:end:strides]`, one slice an axis.

    Args:
        input_: tensor.
        begin, end, strides: vectors of offsets (strides of 1 by default).
        begin_mask, end_mask: bits of the axes whose bound is open.
        ellipsis_mask, new_axis_mask, shrink_axis_mask: bits of the entries that mean `...`, a new axis, or a single
            index.
        var: not supported.
    """
    if var is not None:
        raise ValueError(
            f"tf.strided_slice: var is not supported; use var.assign on the result{at_user_location()}"
        )
    begin_mask, end_mask, ellipsis_mask = whole(begin_mask), whole(end_mask), whole(ellipsis_mask)
    new_axis_mask, shrink_axis_mask = whole(new_axis_mask), whole(shrink_axis_mask)
    starts, stops = _listed(begin), _listed(end)
    if starts is None or stops is None:
        raise ValueError(f"tf.strided_slice: the number of offsets must be known{at_user_location()}")
    steps: Any = [1] * len(starts) if strides is None else _listed(strides)
    key: list[Any] = []
    for i, (start, stop, step) in enumerate(zip(starts, stops, steps, strict=True)):
        bit = 1 << i
        if ellipsis_mask & bit:
            key.append(...)
        elif new_axis_mask & bit:
            key.append(None)
        elif shrink_axis_mask & bit:
            key.append(start)
        else:
            key.append(slice(None if begin_mask & bit else start, None if end_mask & bit else stop, step))
    return get_item(input_, tuple(key))
