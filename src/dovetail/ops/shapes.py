"""Ops that change a tensor's shape and keep its elements: reshape, transpose, squeeze, tile, broadcast, ..."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.engine.host_array import broadcast_to as host_broadcast
from dovetail.ops import rules
from dovetail.ops.attrs import Axis, DTypeLike, Shape
from dovetail.ops.core import Op
from dovetail.ops.dispatch import dispatchable
from dovetail.ops.families import op, reshape_to, sum_to, unbroadcast
from dovetail.ops.infer import PARTIAL_RULES, UNRANKED_RULES, shape_partial
from dovetail.ops.views import export
from dovetail.tensor import dtype as dt
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.shape import TensorShape
from dovetail.tensor.symbolic import SymbolicTensor
from dovetail.tensor.tensor import Tensor, TensorLike, has_value


def as_tensor(value: Any) -> Any:
    """Returns a Tensor or SymbolicTensor for anything that converts to one."""
    return value if type(value) is Tensor or type(value) is SymbolicTensor else convert_to_tensor(value)


def _only_integers(value: tuple) -> tuple:
    for item in value:
        if type(item) is not int:
            raise TypeError("not an integer")
    return value


_of_sizes = functools.lru_cache(maxsize=1024)  # of rules about shapes, for eager calls, which repeat them


_INTEGERS: dict[type, Callable] = {
    int: lambda value: value,
    tuple: _only_integers,
}  # of calls that `Op.view` serves


def _reshaped(old: tuple, shape: tuple) -> tuple:
    return rules.reshaped(old, shape)


@op(
    "reshape ops.numpy.reshape(x,newshape) K.reshape(x,shape)",
    view=lambda x, shape: x.reshape(_INTEGERS[type(shape)](shape)),
    shape=_reshaped,
)
def reshape(xp: Any, tensor: Any, *, shape: Shape) -> Any:
    """Gives a tensor another shape with the same number of elements, in row-major order.

    Args:
        tensor: tensor.
        shape: sizes; one may be -1, and is worked out.

    Raises:
        InvalidArgumentError: the number of elements differs.

    Example:
        >>> tf.reshape(tf.range(6), [2, -1]).shape
        TensorShape([2, 3])
    """
    return xp.reshape(tensor, shape)


reshape.gradient(lambda g, y, x, shape: reshape_to(g, shape=tuple(x.shape)))


def _transposed(shape: tuple, perm: Any, conjugate: bool = False) -> tuple:
    if perm is None:
        return shape[::-1]
    return tuple(shape[axis] for axis in _checked_perm(perm, len(shape)))


def _checked_perm(perm: tuple, rank: int) -> tuple:
    perm = perm if isinstance(perm, tuple) else (perm,)
    axes = tuple(axis + rank if axis < 0 else axis for axis in perm)
    if sorted(axes) != list(range(rank)):
        raise ValueError(f"perm must hold each of the {rank} axes once, received {perm}")
    return axes


_checked_perm_known = _of_sizes(_checked_perm)


@op(
    "transpose ops.numpy.transpose(x,axes) K.permute_dimensions(x,pattern)",
    view=lambda x, perm: x.transpose(_checked_perm_known(_INTEGERS[type(perm)](perm), x.ndim)),
    shape=_transposed,
)
def transpose(xp: Any, a: Any, *, perm: Axis = None, conjugate: bool = False) -> Any:
    """Permutes the axes.

    Args:
        a: tensor of rank n.
        perm: the n axes in their new order; None reverses them.
        conjugate: conjugate complex elements too.
    """
    axes = None if perm is None else _checked_perm_known(perm, a.ndim)
    out = xp.transpose(a, axes)
    return xp.conj(out) if conjugate and a.dtype.kind == "c" else out


def _transpose_gradient(g: Any, y: Any, a: Any, perm: Any, conjugate: bool) -> Any:
    if perm is None:
        return transpose(g, conjugate=conjugate)
    return transpose(
        g, perm=tuple(int(i) for i in np.argsort(_checked_perm(perm, len(a.shape)))), conjugate=conjugate
    )


transpose.gradient(_transpose_gradient)


@export("K.transpose")
def transpose_reversed(x: Any) -> Any:
    """Reverses the order of the axes."""
    return transpose(x)


def _expanded(shape: tuple, axis: Any) -> tuple:
    axes = axis if isinstance(axis, tuple) else (axis,)
    rank = len(shape) + len(axes)
    places = rules.normalized_axes(axes, rank)
    rest = iter(shape)
    return tuple(1 if i in places else next(rest) for i in range(rank))


_expanded_known = _of_sizes(_expanded)


@op(
    "expand_dims ops.numpy.expand_dims(x) K.expand_dims(x,axis=-1)",
    view=lambda x, axis: x.reshape(_expanded_known(x.shape, _INTEGERS[type(axis)](axis))),
    shape=_expanded,
)
def expand_dims(xp: Any, input: Any, *, axis: Axis) -> Any:
    """Inserts an axis of size 1 at `axis` (several for a list of axes)."""
    return xp.reshape(input, _expanded_known(input.shape, axis))


expand_dims.gradient(lambda g, y, x, axis: reshape_to(g, shape=tuple(x.shape)))


def _squeezed(shape: tuple, axis: Any) -> tuple:
    if axis is None or axis == ():
        return tuple(size for size in shape if size != 1)
    axes = rules.normalized_axes(axis, len(shape))
    for one in axes:
        if shape[one] not in (1, None):
            raise ValueError(f"cannot squeeze axis {one}: expected size 1, received {shape[one]}")
    return tuple(size for i, size in enumerate(shape) if i not in axes)


_squeezed_known = _of_sizes(_squeezed)


@op(
    "squeeze ops.numpy.squeeze(x) K.squeeze(x)",
    view=lambda x, axis: x.reshape(_squeezed_known(x.shape, _INTEGERS[type(axis)](axis))),
    shape=_squeezed,
)
def squeeze(xp: Any, input: Any, *, axis: Axis = None) -> Any:
    """Removes axes of size 1: those in `axis`, or all of them.

    Raises:
        InvalidArgumentError: an axis of `axis` has another size.
    """
    return xp.reshape(input, _squeezed_known(input.shape, axis))


squeeze.gradient(lambda g, y, x, axis: reshape_to(g, shape=tuple(x.shape)))


def _tiled(shape: tuple, multiples: tuple) -> tuple:
    if len(multiples) != len(shape):
        raise ValueError(f"expected {len(shape)} multiples, one an axis, received {multiples}")
    return tuple(
        None if m == -1 or size is None else size * m for size, m in zip(shape, multiples, strict=True)
    )


_tiled_known = _of_sizes(_tiled)


@op("tile", shape=_tiled, pieces="whole")
def tile(xp: Any, input: Any, *, multiples: Shape) -> Any:
    """Repeats the whole tensor `multiples[i]` times along axis i."""
    _tiled_known(input.shape, multiples)
    return xp.tile(input, multiples)


def _tile_gradient(g: Any, y: Any, x: Any, multiples: tuple) -> Any:
    shape = tuple(x.shape)
    split = tuple(part for pair in zip(multiples, shape, strict=True) for part in pair)
    lead = tuple(part for m, size in zip(multiples, shape, strict=True) for part in (1, size))
    return reshape_to(sum_to(reshape_to(g, shape=split), shape=lead), shape=shape)


tile.gradient(_tile_gradient)


@export("ops.numpy.tile")
def tile_numpy(x: Any, repeats: Any) -> Any:
    """Repeats the whole tensor along its axes, as `numpy.tile` does: missing axes and repeats count as 1."""
    x = as_tensor(x)
    repeats = (repeats,) if isinstance(repeats, int | SymbolicTensor) else repeats
    if isinstance(repeats, TensorLike):
        return tile(x, multiples=repeats)
    repeats, rank = tuple(repeats), len(x.shape)
    if len(repeats) > rank:
        x = expand_dims(x, axis=tuple(range(len(repeats) - rank)))
    return tile(x, multiples=(1,) * (rank - len(repeats)) + repeats)


@export("K.tile")
def tile_backend(x: Any, n: Any) -> Any:
    """Repeats the whole tensor `n[i]` times along axis i."""
    return tile(x, multiples=[n] if isinstance(n, int) else n)


def _broadcast_shape(old: tuple, shape: tuple) -> tuple:
    if len(old) > len(shape):
        raise ValueError(
            f"cannot broadcast a tensor of rank {len(old)} to the shape {shape} of rank {len(shape)}"
        )
    padded = (1,) * (len(shape) - len(old)) + tuple(old)
    for have, want in zip(padded, shape, strict=True):
        if have not in (1, None, want) and want != -1:
            raise ValueError(f"cannot broadcast the shape {old} to {shape}")
    return tuple(
        (have if have not in (1, None) else None) if want == -1 else want
        for have, want in zip(padded, shape, strict=True)
    )


_broadcast_known = _of_sizes(_broadcast_shape)


@op(
    "broadcast_to ops.numpy.broadcast_to(x)",
    shape=_broadcast_shape,
    view=lambda x, shape: host_broadcast(x, _broadcast_known(x.shape, _INTEGERS[type(shape)](shape))),
)
def broadcast_to(xp: Any, input: Any, *, shape: Shape) -> Any:
    """Repeats a tensor along axes of size 1, and along new axes in front, so that it has `shape`."""
    return xp.broadcast_to(input, _broadcast_known(input.shape, shape))


broadcast_to.gradient(lambda g, y, x, shape: unbroadcast(g, x))


@op("reverse(tensor,axis) K.reverse(x,axes)", shape=lambda shape, axis: shape)
def reverse(xp: Any, tensor: Any, *, axis: Axis) -> Any:
    """Reverses the order of the elements along the axes in `axis`."""
    return xp.flip(tensor, rules.normalized_axes(axis, tensor.ndim))


reverse.gradient(lambda g, y, x, axis: reverse(g, axis=axis))


@export("ops.numpy.flip")
def flip(x: Any, axis: Any = None) -> Any:
    """Reverses the order of the elements along `axis` (all axes when None)."""
    x = as_tensor(x)
    return reverse(x, axis=tuple(range(len(x.shape))) if axis is None else axis)


@op("", same_dtype=1, shape=lambda shape, shift, axis: shape)
def roll_(xp: Any, input: Any, shift: Any, *, axis: Axis) -> Any:
    """Moves elements along `axis` by `shift` places; what leaves at one end comes in at the other."""
    return xp.roll(input, xp.as_shift(shift), axis)


roll_.gradient(lambda g, y, x, shift, axis: roll_(g, -shift, axis=axis), None)


@export("roll")
def roll(input: Any, shift: Any, axis: Any, name: str | None = None) -> Any:
    """Moves elements along `axis` by `shift` places; what leaves at one end comes in at the other.

    Args:
        input: tensor.
        shift: a number of places, or one an axis in `axis`; negative shifts move to the front.
        axis: an axis, or a list of axes.
    """
    return roll_(input, _integers(shift), axis=axis)


def _integers(shift: Any) -> Any:
    shift = as_tensor(shift)
    if not shift.dtype.is_integer:
        raise TypeError(f"shift must be an integer or a list of integers, received {shift.dtype.name}")
    return shift


@export("ops.numpy.roll")
def roll_numpy(x: Any, shift: Any, axis: Any = None) -> Any:
    """Moves elements along `axis` by `shift` places; over the flattened tensor when `axis` is None."""
    if axis is not None:
        return roll_(x, _integers(shift), axis=axis)
    x = as_tensor(x)
    flat = roll_(reshape(x, shape=(-1,)), _integers(shift), axis=0)
    return reshape(flat, shape=shape(x))


def _moved(shape: tuple, source: Any, destination: Any) -> tuple:
    axes = rules.normalized_axes(source, len(shape))
    places = rules.normalized_axes(destination, len(shape))
    order = [axis for axis in range(len(shape)) if axis not in axes]
    for place, axis in sorted(zip(places, axes, strict=True)):
        order.insert(place, axis)
    return tuple(shape[axis] for axis in order)


@op("", shape=_moved)
def moveaxis_(xp: Any, x: Any, *, source: Axis, destination: Axis) -> Any:
    """Moves axes to other positions; the others keep their order."""
    return xp.moveaxis(x, source, destination)


moveaxis_.gradient(lambda g, y, x, source, destination: moveaxis_(g, source=destination, destination=source))


@export("ops.numpy.moveaxis")
def moveaxis(x: Any, source: Any, destination: Any) -> Any:
    """Moves axes to other positions; the others keep their order."""
    return moveaxis_(x, source=source, destination=destination)


@export("ops.numpy.swapaxes")
def swapaxes(x: Any, axis1: int, axis2: int) -> Any:
    """Exchanges two axes."""
    x = as_tensor(x)
    rank = len(x.shape)
    order = list(range(rank))
    order[axis1], order[axis2] = order[axis2], order[axis1]
    return transpose(x, perm=tuple(order))


@export("K.flatten ops.numpy.ravel")
def flatten(x: Any) -> Any:
    """Returns the elements as a vector."""
    return reshape(x, shape=(-1,))


@export("K.batch_flatten")
def batch_flatten(x: Any) -> Any:
    """Flattens everything but the first axis."""
    x = as_tensor(x)
    sizes = tuple(x.shape)[1:]
    return reshape(x, shape=(-1, rules.product(sizes) if None not in sizes else -1))


# ---- shapes as values -----------------------------------------------------------------------------------------------


@op(
    "",
    shape=lambda shape, out_type: (len(shape),),
    dtype=lambda kind, out_type: out_type,
    differentiable=False,
)
def shape_vector(xp: Any, input: Any, *, out_type: DTypeLike) -> Any:
    """Returns the shape of a tensor as a vector of integers."""
    return xp.sizes(input.shape, out_type)


@op("", shape=lambda shape, out_type: (), dtype=lambda kind, out_type: out_type, differentiable=False)
def element_count(xp: Any, input: Any, *, out_type: DTypeLike) -> Any:
    """Returns the number of elements of a tensor."""
    return xp.sizes(rules.product(input.shape), out_type)


def _size_partial(args: tuple, attributes: dict) -> Any:
    return (
        None if args[0].shape.rank is None else np.asarray(shape_partial(tuple(args[0].shape)).prod(), object)
    )


UNRANKED_RULES[shape_vector.name] = (None,)
UNRANKED_RULES[element_count.name] = ()


def _shape_partial(args: tuple, attributes: dict) -> Any:
    return None if args[0].shape.rank is None else shape_partial(tuple(args[0].shape))


PARTIAL_RULES[shape_vector.name] = _shape_partial
PARTIAL_RULES[element_count.name] = _size_partial


def _measured(measure: Op, input: Any, out_type: Any) -> Any:
    """Gives shapes and sizes at once, as NumPy values, whenever they are known: they are static under a trace too."""
    input = as_tensor(input)
    kind = dt.numpy_dtype(out_type or "int32")
    if type(input) is SymbolicTensor and not input.shape.is_fully_defined():
        return measure(input, out_type=kind)
    sizes = tuple(input.shape)
    return Tensor(np.array(sizes if measure is shape_vector else rules.product(sizes), kind))


@export("shape K.shape")
def shape(input: Any, out_type: Any = None, name: str | None = None) -> Any:
    """Returns the shape as a vector, int32 unless `out_type` says otherwise.

    Sizes are static in compiled functions, so the result has a value there and may size other tensors.  Of a symbolic
    tensor, the known sizes stay known through arithmetic, indexing and stacking.
    """
    return _measured(shape_vector, input, out_type)


@dispatchable("keras.layers.Reshape.num_examples")
def num_examples(inputs: Any) -> Any:
    """Returns the size of the first axis as a scalar tensor."""
    return shape(inputs)[0]


@export("size")
def size(input: Any, out_type: Any = None, name: str | None = None) -> Any:
    """Returns the number of elements as a scalar tensor, int32 unless `out_type` says otherwise."""
    return _measured(element_count, input, out_type)


shape_vector.public, element_count.public = shape, size


@export("rank")
def rank(input: Any, name: str | None = None) -> Any:
    """Returns the number of axes as an int32 scalar."""
    x = as_tensor(input)
    if x.shape.rank is None:
        return size(shape(x))
    return Tensor(np.array(len(x.shape), np.int32))


@export("shape_n")
def shape_n(input: Sequence, out_type: Any = None, name: str | None = None) -> list:
    """Returns the shapes of several tensors."""
    return [shape(one, out_type) for one in input]


@export("get_static_value")
def get_static_value(tensor: Any, partial: bool = False) -> Any:
    """Returns the value of a tensor as a NumPy array where it is known already, else None.

    Args:
        tensor: a traced tensor has no value yet; a variable has one that may change, so None.  What is no tensor comes
            back as it is.
        partial: accepted; a value is known whole or not at all.
    """
    if not isinstance(tensor, TensorLike):
        return tensor
    if isinstance(tensor, SymbolicTensor):
        return _known_value(tensor)
    return tensor.numpy() if has_value(tensor) else None


def _known_value(tensor: SymbolicTensor) -> Any:
    """Returns the value of a constant of a graph, or of what follows from sizes that are known."""
    node, known = tensor.node, tensor.partial
    if node is not None and node.operation.type == "Const":
        return node.args[0].numpy()
    if known is None or not all(isinstance(element, int | float | np.generic) for element in known.flat):
        return None
    return known.astype(tensor.dtype.numpy_dtype)


@export("ops.shape")
def shape_tuple(x: Any) -> tuple:
    """Returns the shape as a tuple of ints; of a symbolic tensor, unknown sizes are scalar symbolic tensors.

    Differs from Keras, which has None there: what stands here can be used in shapes and arithmetic.
    """
    x = as_tensor(x)
    sizes = tuple(x.shape)
    if None not in sizes:
        return sizes
    dynamic = shape(x)
    return tuple(dynamic[i] if known is None else known for i, known in enumerate(sizes))


@export("ops.numpy.size")
def size_number(x: Any) -> Any:
    """Returns the number of elements."""
    return size(x)


@export("K.ndim ops.numpy.ndim")
def ndim(x: Any) -> int:
    """Returns the number of axes as a Python int."""
    return len(as_tensor(x).shape)


@export("K.int_shape")
def int_shape(x: Any) -> tuple | None:
    """Returns the shape as a tuple in which unknown sizes are None."""
    known = TensorShape(as_tensor(x).shape)
    return None if known.rank is None else tuple(known)


def _merged(old: tuple, shape: tuple) -> tuple:
    if len(old) != len(shape) or any(
        a is not None and b not in (-1, a) for a, b in zip(old, shape, strict=True)
    ):
        wanted = tuple(None if size == -1 else size for size in shape)
        raise ValueError(f"shape {old} is not compatible with the expected shape {wanted}")
    return tuple((None if b == -1 else b) if a is None else a for a, b in zip(old, shape, strict=True))


@op("", shape=_merged)
def ensure_shape_(xp: Any, x: Any, *, shape: Shape) -> Any:
    """Returns `x`, checked to have a shape compatible with `shape` (None or -1: any size)."""
    _merged(x.shape, shape)
    return x


ensure_shape_.gradient(lambda g, y, x, shape: g)


@export("ensure_shape")
def ensure_shape(x: Any, shape: Any, name: str | None = None) -> Any:
    """Returns `x`, checked to have a shape compatible with `shape`; on symbolic tensors it adds what `shape` knows.

    Raises:
        InvalidArgumentError: the shapes are not compatible.
    """
    if TensorShape(shape).rank is None:
        return as_tensor(x)
    checked = ensure_shape_(x, shape=TensorShape(shape))
    if isinstance(checked, SymbolicTensor) and checked.shape.rank is None:
        checked.set_shape(shape)
    return checked


@export("broadcast_static_shape")
def broadcast_static_shape(shape_x: Any, shape_y: Any) -> TensorShape:
    """Returns the `TensorShape` that two shapes broadcast to; raises ValueError when they do not."""
    x, y = TensorShape(shape_x), TensorShape(shape_y)
    if x.rank is None or y.rank is None:
        return TensorShape(None)
    try:
        return TensorShape(rules.broadcast(tuple(x), tuple(y)))
    except ValueError as error:
        raise ValueError(f"tf.broadcast_static_shape: {error}{at_user_location()}") from None


@export("broadcast_dynamic_shape")
def broadcast_dynamic_shape(shape_x: Any, shape_y: Any) -> Any:
    """Returns, as an integer vector, the shape that two shapes given as vectors broadcast to."""
    return broadcast_dynamic_shape_(shape_x, shape_y)


def _broadcast_rule(x: tuple, y: tuple) -> tuple:
    return (None if None in (x[0], y[0]) else max(x[0], y[0]),)


@op("", shape=_broadcast_rule, engine="host", differentiable=False)
def broadcast_dynamic_shape_(xp: Any, x: Any, y: Any) -> Any:
    """Returns the shape that two shapes broadcast to."""
    return np.array(rules.broadcast(tuple(int(i) for i in x), tuple(int(i) for i in y)), x.dtype)
