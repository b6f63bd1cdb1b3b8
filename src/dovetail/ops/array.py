"""Joining and splitting: concat, stack, unstack, split."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

from dovetail.base.errors import InvalidArgumentError, at_user_location
from dovetail.ops import rules
from dovetail.ops.arithmetic import minimum
from dovetail.ops.attrs import Axis, integer, is_symbolic, static, whole
from dovetail.ops.core import Op
from dovetail.ops.families import op
from dovetail.ops.shapes import as_tensor, reshape, shape
from dovetail.ops.views import export, graph_for_names
from dovetail.tensor.convert import convert_to_tensor, use_stack
from dovetail.tensor.symbolic import SymbolicTensor
from dovetail.tensor.tensor import Tensor, TensorLike

# ---- joining --------------------------------------------------------------------------------------------------------


def _stacked(*shapes: tuple, axis: int) -> tuple:
    merged = shapes[0]
    for other in shapes[1:]:
        if len(other) != len(merged):
            raise ValueError(f"cannot stack shapes of different ranks: {merged} and {other}")
        merged = tuple(a if a is not None else b for a, b in zip(merged, other, strict=True))
        if any(a is not None and b is not None and a != b for a, b in zip(merged, other, strict=True)):
            raise ValueError(f"cannot stack shapes {merged} and {other}: all must be the same")
    axis = rules.normalized_axis(axis, len(merged) + 1)
    return (*merged[:axis], len(shapes), *merged[axis:])


@op("ops.numpy.stack(x) K.stack(x)", shape=_stacked, pieces="whole")
def stack(xp: Any, *values: Any, axis: int = 0) -> Any:
    """Joins tensors of one shape along a new axis.

    Args:
        values: list of tensors of the same shape and dtype.
        axis: where the new axis goes.
    """
    return xp.stack(values, axis=axis)


use_stack(lambda tensors: stack(*tensors))


@export("stack parallel_stack")
def stack_values(values: Any, axis: Any = 0, name: str | None = None) -> Any:
    """Joins tensors of one shape along a new axis.

    Args:
        values: list of tensors of the same shape and dtype.
        axis: where the new axis goes.

    Example:
        >>> tf.stack([1, 2.5]).numpy().tolist()
        [1.0, 2.5]
    """
    if type(values) is list or type(values) is tuple:
        first = type(values[0]) is Tensor if values else False
        if (
            not first
            and not any(isinstance(value, TensorLike) for value in values)
            and type(axis) is int
            and axis == 0
        ):
            try:
                return convert_to_tensor(values)
            except (TypeError, ValueError):
                return stack(*values)  # explains it
        return stack(*values, axis=axis)
    return stack(*values, axis=axis)


def _known_as(name: str, operation: Op, function: Callable) -> None:
    """Makes a Python function the public face of an op."""
    function.__name__ = function.__qualname__ = name
    operation.public = function


_known_as("stack", stack, stack_values)


def _unstacked(shape: tuple, num: int | None, axis: int) -> list:
    axis = rules.normalized_axis(axis, len(shape))
    count = shape[axis] if num is None else num
    if count is None:
        raise ValueError(f"cannot unstack an axis of unknown size (axis {axis} of {shape}); pass num")
    if shape[axis] not in (None, count):
        raise ValueError(f"num is {num}, axis {axis} of {shape} has size {shape[axis]}")
    return [shape[:axis] + shape[axis + 1 :]] * count


@op("", shape=_unstacked, several=True)
def unstack(xp: Any, value: Any, *, num: int | None = None, axis: int = 0) -> Any:
    """Splits a tensor into the list of its slices along `axis`.

    Args:
        value: tensor of rank 1 or more.
        num: size of the axis, for symbolic tensors in which it is unknown.
        axis: the axis that goes.
    """
    count = len(_unstacked(value.shape, num, axis))
    moved = xp.moveaxis(value, axis, 0) if axis else value
    return [moved[i, ...] for i in range(count)]


@export("unstack")
def unstack_list(value: Any, num: int | None = None, axis: Any = 0, name: str | None = None) -> list:
    """Splits a tensor into the list of its slices along `axis`.

    Args:
        value: tensor of rank 1 or more.
        num: size of the axis, for symbolic tensors in which it is unknown.
        axis: the axis that goes.
    """
    return list(unstack(value, num=num, axis=axis))


@export("ops.unstack")
def unstack_keras(x: Any, num: int | None = None, axis: Any = 0) -> list:
    """Splits a tensor into the list of its slices along `axis`."""
    return list(unstack(x, num=num, axis=axis))


_known_as("unstack", unstack, unstack_list)
stack.gradient(lambda g, y, *values, axis: list(unstack(g, num=len(values), axis=axis)))
unstack.gradient(lambda g, y, value, num, axis: stack(*g, axis=axis))


def _joined(*shapes: tuple, axis: int) -> tuple:
    rank = len(shapes[0])
    axis = rules.normalized_axis(axis, rank)
    merged = list(shapes[0])
    for other in shapes[1:]:
        if len(other) != rank:
            raise ValueError(f"cannot concatenate tensors of different ranks: {shapes[0]} and {other}")
        for i, size in enumerate(other):
            if i == axis:
                merged[i] = rules.added(merged[i], size)
            elif size is not None and merged[i] not in (None, size):
                raise ValueError(
                    f"cannot concatenate shapes {shapes[0]} and {other} along axis {axis}: they differ in axis {i}"
                )
            else:
                merged[i] = size if merged[i] is None else merged[i]
    return tuple(merged)


@op("", shape=_joined, pieces="whole")
def concat_(xp: Any, *values: Any, axis: int) -> Any:
    """Joins tensors along an axis that they have; the other sizes must agree."""
    try:
        return xp.concatenate(values, axis=axis)
    except (TypeError, ValueError):
        _joined(*(value.shape for value in values), axis=axis)  # says what is wrong
        raise


def _concat_gradient(g: Any, y: Any, *values: Any, axis: int) -> list:
    sizes = tuple(value.shape[axis] for value in values)
    return list(split_(g, sizes=sizes, axis=axis))


concat_.gradient(_concat_gradient)


def _concat(values: Any, axis: Any, promote: bool = False) -> Any:
    values = list(values) if isinstance(values, list | tuple) else [values]
    if not values:
        raise InvalidArgumentError(f"tf.concat: pass at least one tensor{at_user_location()}")
    return concat_.call(tuple(values), {"axis": axis}, promote)


@export("concat", told=False, op=concat_)
def concat(values: Sequence, axis: int, name: str | None = None) -> Any:
    """Joins tensors along an axis that they have; the other sizes must agree.

    Args:
        values: list of tensors of one rank and dtype.
        axis: the axis to join along.

    Example:
        >>> tf.concat([[[1, 2]], [[3, 4]]], axis=0).shape
        TensorShape([2, 2])
    """
    if name is not None and (graph := graph_for_names()) is not None:
        return graph.named(name, _concat, values, axis)
    return _concat(values, axis)


@export("ops.numpy.concatenate")
def concatenate(xs: Sequence, axis: int = 0) -> Any:
    """Joins tensors along an axis that they have; dtypes are promoted."""
    return _concat(xs, axis, promote=True)


@export("K.concatenate")
def concatenate_last(tensors: Sequence, axis: int = -1) -> Any:
    """Joins tensors along an axis that they have, the last one by default."""
    if isinstance(tensors, dict):
        raise TypeError(f"tensors must be a list of tensors, received {tensors!r:.60}")
    if axis < 0:
        rank = len(as_tensor(tensors[0]).shape)
        axis = axis % rank if rank else 0
    return _concat(tensors, axis)


@export("ops.numpy.append")
def append(x1: Any, x2: Any, axis: int | None = None) -> Any:
    """Joins two tensors along `axis`; flattened when it is None."""
    if axis is None:
        x1, x2, axis = reshape(x1, shape=(-1,)), reshape(x2, shape=(-1,)), 0
    return _concat([x1, x2], axis, promote=True)


def _at_least(x: Any, rank: int) -> Any:
    x = as_tensor(x)
    own = tuple(x.shape)
    if len(own) >= rank:
        return x
    return reshape(x, shape=(1,) * (rank - len(own)) + own)


@export("ops.numpy.vstack")
def vstack(xs: Sequence) -> Any:
    """Joins tensors along the first axis; vectors become rows."""
    return _concat([_at_least(x, 2) for x in xs], 0, promote=True)


@export("ops.numpy.hstack")
def hstack(xs: Sequence) -> Any:
    """Joins tensors along the second axis; vectors along their only one."""
    parts = [_at_least(x, 1) for x in xs]
    return _concat(parts, 0 if len(parts[0].shape) == 1 else 1, promote=True)


# ---- splitting ------------------------------------------------------------------------------------------------------


def _split_sizes(size: int | None, sizes: Any) -> list:
    """Returns the sizes of the parts; a part of unknown size has None."""
    if isinstance(sizes, int):
        if sizes < 1:
            raise ValueError(f"cannot split into {sizes} parts")
        if size is not None and size % sizes:
            raise ValueError(f"an axis of size {size} does not split into {sizes} equal parts")
        return [None if size is None else size // sizes] * sizes
    missing = [i for i, part in enumerate(sizes) if part == -1]
    if len(missing) != 1 or size is None:
        if not missing and size is not None and sum(sizes) != size:
            raise ValueError(f"the sizes {list(sizes)} sum to {sum(sizes)}, the axis has size {size}")
        return [None if part == -1 else part for part in sizes]
    rest = size - sum(part for part in sizes if part != -1)
    if rest < 0:
        raise ValueError(f"the sizes {list(sizes)} do not fit into an axis of size {size}")
    return [rest if part == -1 else part for part in sizes]


def _split_shapes(shape: tuple, sizes: Any, axis: int) -> list:
    axis = rules.normalized_axis(axis, len(shape))
    return [(*shape[:axis], part, *shape[axis + 1 :]) for part in _split_sizes(shape[axis], sizes)]


@op("", shape=_split_shapes)
def split_(xp: Any, value: Any, *, sizes: Axis, axis: int = 0) -> Any:
    """Cuts a tensor into pieces along `axis`: a number of equal ones, or pieces of the given sizes."""
    axis = rules.normalized_axis(axis, value.ndim)
    parts = _split_sizes(value.shape[axis], sizes)
    if None in parts:
        raise ValueError(f"the sizes {list(sizes)} leave more than one size open")
    lead, begin, out = (slice(None),) * axis, 0, []
    for part in parts:
        out.append(value[(*lead, slice(begin, begin + part))])
        begin += part
    return out


split_.gradient(lambda g, y, value, sizes, axis: concat_(*g, axis=axis))


@export("split")
def split(
    value: Any, num_or_size_splits: Any, axis: int = 0, num: int | None = None, name: str | None = None
) -> list:
    """Cuts a tensor into pieces along `axis`.

    Args:
        value: tensor.
        num_or_size_splits: a number of equal pieces, or the list of their sizes, in which one may be -1.
        axis: the axis to cut.
        num: length of the list of sizes, when it is symbolic and of unknown length.

    Raises:
        InvalidArgumentError: the axis does not divide, or the sizes do not sum to it.
    """
    sizes, num = num_or_size_splits, integer(num)
    if isinstance(sizes, SymbolicTensor) and len(sizes.shape) and sizes.shape[0] is None and num is not None:
        sizes.set_shape([num])
    return list(split_(value, sizes=sizes, axis=axis))


@export("ops.numpy.split")
def split_at(x: Any, indices_or_sections: Any, axis: int = 0) -> list:
    """Cuts a tensor along `axis`: into a number of equal pieces, or before each of a list of indices."""
    where = indices_or_sections
    where = where if is_symbolic(where) else static(where)
    if isinstance(where, int):
        return list(split_(x, sizes=where, axis=axis))
    x = as_tensor(x)
    size = x.shape[axis]
    marks = [0, *(mark if mark >= 0 or size is None else mark + size for mark in where)]
    if size is not None:
        marks = [min(mark, size) for mark in marks]
    sizes = [after - before for before, after in zip(marks, marks[1:], strict=False)]
    return list(split_(x, sizes=(*sizes, -1 if size is None else size - marks[-1]), axis=axis))


@export("ops.numpy.array_split")
def array_split(x: Any, indices_or_sections: int, axis: int = 0) -> list:
    """Cuts a tensor along `axis` into pieces whose sizes differ by one at most."""
    x, count = as_tensor(x), whole(indices_or_sections)
    if x.shape[axis] is None:
        return _array_split_of_unknown(x, count, axis)
    each, extra = divmod(x.shape[axis], count)
    return list(split_(x, sizes=[each + 1] * extra + [each] * (count - extra), axis=axis))


def _array_split_of_unknown(x: Any, count: int, axis: int) -> list:
    """Cuts along an axis whose size a graph does not know."""
    size = shape(x)[axis]
    each, extra = size // count, size % count
    lead = (slice(None),) * (axis % len(x.shape))
    marks = [each * i + minimum(extra, i) for i in range(count + 1)]
    return [x[(*lead, slice(a, b))] for a, b in itertools.pairwise(marks)]
