"""Indexing: `x[...]`, slices, masks, and `tf.where`.

A key is kept as a *spec*: a static tuple with one entry an index, ("i", 3), ("s", start, stop, step), ("n",) for a new
axis, ("e",) for the ellipsis and ("t",) for the next index tensor.  Bounds that are symbolic while a model is built
stand as ("?", bound), so that an unknown one is told from -1.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from dovetail.base.errors import InvalidArgumentError, OperatorNotAllowedInGraphError, at_user_location
from dovetail.base.settings import settings, state
from dovetail.engine import is_tracer
from dovetail.engine.placement import views_on_host
from dovetail.ops import rules
from dovetail.ops.array import unstack
from dovetail.ops.attrs import Shape, Spec, integer, is_symbolic
from dovetail.ops.core import Bound
from dovetail.ops.families import op, unbroadcast
from dovetail.ops.shapes import as_tensor
from dovetail.ops.views import export
from dovetail.tensor.symbolic import SymbolicTensor
from dovetail.tensor.tensor import Tensor, TensorLike

_ndarray = np.ndarray
_ALL = (None, None, None)

# ---- keys -----------------------------------------------------------------------------------------------------------


def parsed_key(key: Any) -> tuple[tuple, list]:
    """Returns the spec of a key, and the index tensors that it refers to."""
    spec: list[tuple] = []
    tensors: list = []
    for item in key if type(key) is tuple else (key,):
        if item is None:
            spec.append(("n",))
        elif item is Ellipsis:
            spec.append(("e",))
        elif type(item) is int:
            spec.append(("i", item))
        elif isinstance(item, slice):
            spec.append(("s", _bound(item.start), _bound(item.stop), _bound(item.step)))
        else:
            entry, tensor = _parsed_index(item)
            spec.append(entry)
            tensors += [] if tensor is None else [tensor]
    if sum(entry[0] == "e" for entry in spec) > 1:
        raise InvalidArgumentError(f"an index can have only one ellipsis (...){at_user_location()}")
    return tuple(spec), tensors


def _bound(value: Any) -> Any:
    """Returns a slice bound as an int, or marked as symbolic."""
    if value is None or type(value) is int:
        return value
    if isinstance(value, SymbolicTensor):
        return ("?", value)
    if isinstance(value, float | str) or (
        not isinstance(value, TensorLike) and not hasattr(value, "__index__")
    ):
        raise _bad_index(value)
    return value  # a tensor; made static, or refused when traced, where the op is bound


def _bad_index(value: Any) -> TypeError:
    return TypeError(
        "a tensor can be indexed by integers, slices, ..., tf.newaxis (None), integer tensors and boolean masks; "
        f"received {value!r:.60}{at_user_location()}"
    )


def _parsed_index(item: Any) -> tuple[tuple, Any]:
    """Returns the spec entry of an integer-like or array-like index, and its tensor if it needs one."""
    if isinstance(item, bool | str | float):
        raise _bad_index(item)
    if not isinstance(item, TensorLike):
        if isinstance(item, np.integer):
            return ("i", int(item)), None
        if (
            not isinstance(item, list | tuple | _ndarray)
            and not is_tracer(item)
            and not hasattr(item, "__array__")
        ):
            if hasattr(item, "__index__"):
                return ("i", item.__index__()), None
            raise _bad_index(item)
    tensor = as_tensor(item)
    if not tensor.dtype.is_integer:
        raise _bad_index(item)
    if not len(tensor.shape) and type(tensor) is Tensor and type(tensor._value) is _ndarray:
        return ("i", int(tensor._value)), None
    return ("t",), tensor


def _mask_of(key: Any) -> Any:
    """Returns the boolean mask when the key is one, else None."""
    if isinstance(key, TensorLike):
        return key if as_tensor(key).dtype.is_bool else None
    if isinstance(key, _ndarray):
        return key if key.dtype == bool else None
    if isinstance(key, list) and key and all(isinstance(item, bool | np.bool_) for item in key):
        return np.array(key)
    return None


def _expanded(spec: tuple, rank: int) -> list:
    """Returns the spec with the ellipsis written out and full slices added for the axes it leaves out."""
    used = sum(entry[0] in "ist" for entry in spec)
    if used > rank:
        raise IndexError(f"too many indices: {used} for a tensor of rank {rank}")
    filler = [("s", *_ALL)] * (rank - used)
    place = next((i for i, entry in enumerate(spec) if entry[0] == "e"), None)
    if place is None:
        return [*spec, *filler]
    return [*spec[:place], *filler, *spec[place + 1 :]]


def _plain(bound: Any) -> Any:
    """Returns a bound as an int or None (a symbolic one has its value by the time the op runs)."""
    return bound[1] if type(bound) is tuple else bound


def numpy_key(spec: tuple, indices: tuple, shape: tuple) -> tuple:
    """Returns the key as NumPy takes it.

    Raises:
        IndexError: an integer is out of range, or there are more indices than axes.
    """
    rest, axis = iter(indices), 0
    key: list = []
    for entry in _expanded(spec, len(shape)):
        if entry[0] == "n":
            key.append(None)
            continue
        if entry[0] == "t":
            key.append(next(rest))
        elif entry[0] == "s":
            start, stop, step = (_plain(bound) for bound in entry[1:])
            if step == 0:
                raise ValueError("slice step must not be 0")
            key.append(slice(start, stop, step))
        else:
            if not -shape[axis] <= entry[1] < shape[axis]:
                raise IndexError(
                    f"slice index {entry[1]} of dimension {axis} out of bounds: its size is {shape[axis]}"
                )
            key.append(entry[1])
        axis += 1
    return tuple(key)


# ---- shapes ---------------------------------------------------------------------------------------------------------


def _slice_size(size: int | None, start: Any, stop: Any, step: Any) -> int | None:
    unknown = any(type(bound) is tuple and bound[1] == -1 for bound in (start, stop, step))
    start, stop, step = _plain(start), _plain(stop), _plain(step)
    if size is None or unknown:
        return size if (start, stop) == (None, None) and step in (None, 1, -1) else None
    return len(range(*slice(start, stop, step).indices(size)))


def _indexed(shape: tuple, *indices: tuple, spec: tuple) -> tuple:
    entries = _expanded(spec, len(shape))
    sizes: list = []
    rest, axis = iter(indices), 0
    arrays: list[tuple] = []
    places: list[int] = []  # positions among the entries of all integers and index tensors
    where = 0
    for position, entry in enumerate(entries):
        if entry[0] == "n":
            sizes.append(1)
            continue
        size = shape[axis]
        if entry[0] == "s":
            sizes.append(_slice_size(size, *entry[1:]))
        else:
            if entry[0] == "t":
                arrays.append(next(rest))
            elif size is not None and not -size <= entry[1] < size:
                raise IndexError(
                    f"slice index {entry[1]} of dimension {axis} out of bounds: its size is {size}"
                )
            where = where if places else len(sizes)
            places.append(position)
        axis += 1
    if not any(arrays):
        return tuple(sizes)
    together = places[-1] - places[0] == len(places) - 1
    where = where if together else 0
    return (*sizes[:where], *rules.broadcast(*arrays), *sizes[where:])


# ---- x[...] ---------------------------------------------------------------------------------------------------------


def _elements_of_indices(x: Any, *indices: Any, **_: Any) -> int:
    return sum(index.size for index in indices)  # the rest is a view


@op("", same_dtype=1, shape=_indexed, work=_elements_of_indices)
def getitem(xp: Any, x: Any, *indices: Any, spec: Spec) -> Any:
    """Returns the part of `x` that a key names."""
    key = numpy_key(spec, indices, x.shape)
    if 0 in x.shape and any(map(is_tracer, indices)) and (empty := _empty_axis(spec, x.shape)) is not None:
        shape = _indexed(tuple(x.shape), *(tuple(i.shape) for i in indices), spec=spec)
        return xp.taken_from_nothing(shape, x.dtype, empty)
    x = xp.asarray(x) if indices else x  # NumPy cannot be indexed by traced values
    return x[key if len(key) != 1 else key[0]] if key else x


def _empty_axis(spec: tuple, shape: tuple) -> int | None:
    """Returns the first axis of size 0 that an index tensor goes along."""
    along = [entry for entry in _expanded(spec, len(shape)) if entry[0] != "n"]
    return next((i for i, entry in enumerate(along) if entry[0] == "t" and shape[i] == 0), None)


def _getitem_gradient(g: Any, y: Any, x: Any, *indices: Any, spec: tuple) -> list:
    gradient = getitem_adjoint(g, *indices, spec=spec, shape=tuple(x.shape))
    return [gradient, *(None for _ in indices)]


@op("", same_dtype=1, shape=lambda g, *indices, spec, shape: shape)
def getitem_adjoint(xp: Any, g: Any, *indices: Any, spec: Spec, shape: Shape) -> Any:
    """Returns zeros of `shape` with `g` added at a key: the adjoint of `getitem`."""
    if indices:
        return xp.index_add(xp.zeros(shape, g.dtype), numpy_key(spec, indices, shape), g)
    slices: list[tuple] = []
    flips: list[int] = []
    sizes = iter(shape)
    for entry in _expanded(spec, len(shape)):
        if entry[0] == "n":
            continue
        size = next(sizes)
        if entry[0] == "i":
            at = entry[1] % size
            places = range(at, at + 1)
        else:
            places = range(*slice(*(_plain(bound) for bound in entry[1:])).indices(size))
        if places.step < 0:
            flips.append(len(slices))
            places = places[::-1]
        slices.append(
            (places.start, places.start + (len(places) - 1) * places.step + 1, places.step, len(places))
        )
    g = xp.reshape(g, tuple(one[3] for one in slices))
    g = xp.flip(g, tuple(flips)) if flips else g
    if any(one[3] == 0 for one in slices):
        return xp.zeros(shape, g.dtype)
    return xp.unslice(g, shape, tuple(one[:3] for one in slices))


def _getitem_adjoint_gradient(g: Any, y: Any, x: Any, *indices: Any, spec: tuple, shape: tuple) -> list:
    return [getitem(g, *indices, spec=spec), *(None for _ in indices)]


getitem.gradient(_getitem_gradient)
getitem_adjoint.gradient(_getitem_adjoint_gradient)


@export("ops.numpy.get_item")
def get_item(x: Any, key: Any) -> Any:
    """Returns `x[key]`.

    Args:
        x: tensor.
        key: an integer, slice, `...`, `tf.newaxis`, integer tensor, or a tuple of these; or one boolean mask.

    Raises:
        InvalidArgumentError: an integer is out of range.

    Differs from TensorFlow: integer tensors of rank 1 and more index as in NumPy.
    """
    if type(x) is Tensor and not state.tapes:
        value = x._value
        if type(value) is _ndarray and settings.active_limit >= 0:  # `views_on_host`, without a call
            plain = _plain_key(key)
            if plain is not None:
                try:
                    return Tensor(value[plain])
                except (IndexError, ValueError):
                    return getitem(x, spec=parsed_key(key)[0])  # explains what is wrong with the key
    mask = _mask_of(key)
    if mask is not None:
        return masked_rows(x, mask)
    x = x if type(x) is Tensor else as_tensor(x)
    spec, tensors = parsed_key(key)
    if not tensors and type(x) is Tensor and not is_symbolic(spec):
        return _view(x, getitem.bind({"spec": spec}))
    return getitem(x, *tensors, spec=spec)


_STATIC = frozenset((int, type(None)))


def _plain_key(key: Any) -> tuple | None:
    """Returns an index made of Python's integers, slices, `...` and None, so that NumPy gives an array; else None."""
    items = key if type(key) is tuple else (key,)
    dots = 0
    for item in items:
        kind = type(item)
        if kind is slice:
            if not (
                type(item.start) in _STATIC and type(item.stop) in _STATIC and type(item.step) in _STATIC
            ):
                return None
        elif item is Ellipsis:
            dots += 1
        elif kind not in _STATIC:
            return None
    return items if dots == 1 else None if dots else (*items, ...)


def _view(x: Tensor, bound: Bound) -> Any:
    """Runs static indexing of a value in host memory on NumPy, where it costs no copy and no compilation."""
    value = x._value
    if is_tracer(value) or state.tapes or not views_on_host(value):
        return getitem(x, spec=bound.attributes["spec"])
    try:
        result = bound.host(np.asarray(value))
    except (IndexError, ValueError):
        return getitem(x, spec=bound.attributes["spec"])  # raises it again, explained
    return Tensor(result if type(result) is _ndarray else np.asarray(result, value.dtype))


def iterate(x: Any) -> Iterator:
    """Iterates over the first axis.

    Raises:
        TypeError: the tensor has no axes, or the first one has an unknown size.
    """
    x = as_tensor(x)
    shape = tuple(x.shape)
    if not shape:
        raise TypeError(f"cannot iterate over a scalar tensor{at_user_location()}")
    if shape[0] is None:
        raise OperatorNotAllowedInGraphError(
            f"cannot iterate over a symbolic tensor of shape {x.shape}: the size of its first axis is unknown. Use "
            f"tf.map_fn, tf.scan or ops on the whole tensor{at_user_location()}"
        )
    if type(x) is Tensor and type(x._value) is _ndarray and not state.tapes:
        return (Tensor(x._value[i, ...]) for i in range(shape[0]))
    return iter(unstack(x) if shape[0] else ())


for _method, _function in (("__getitem__", get_item), ("__iter__", iterate)):
    setattr(TensorLike, _method, _function)


# ---- masks and tf.where ---------------------------------------------------------------------------------------------


def _masked_shape(shape: tuple, mask: tuple, axis: int) -> tuple:
    return (*shape[:axis], None, *shape[axis + len(mask) :])


def _mask_key(mask: Any, axis: int) -> tuple:
    return (slice(None),) * axis + (mask,)


@op("", same_dtype=0, engine="host", shape=_masked_shape)
def boolean_mask_(xp: Any, tensor: Any, mask: Any, *, axis: int = 0) -> Any:
    """Returns the elements where `mask` holds."""
    if tensor.shape[axis : axis + mask.ndim] != mask.shape:
        raise ValueError(
            f"the mask of shape {mask.shape} does not fit axes {axis} and on of shape {tensor.shape}"
        )
    return tensor[_mask_key(mask, axis)]


@op("", same_dtype=0, engine="host", shape=lambda g, mask, shape, axis: shape)
def boolean_mask_adjoint(xp: Any, g: Any, mask: Any, *, shape: Shape, axis: int = 0) -> Any:
    """Returns zeros of `shape` with `g` where `mask` holds: the adjoint of `boolean_mask`."""
    return xp.index_set(xp.zeros(shape, g.dtype), _mask_key(mask, axis), g)


boolean_mask_.gradient(
    lambda g, y, x, mask, axis: boolean_mask_adjoint(g, mask, shape=tuple(x.shape), axis=axis), None
)
boolean_mask_adjoint.gradient(lambda g, y, x, mask, shape, axis: boolean_mask_(g, mask, axis=axis), None)


def masked_rows(tensor: Any, mask: Any, axis: int = 0) -> Any:
    """Applies a mask; one whose value is known selects by integers, which compiled code can do too."""
    tensor, mask = as_tensor(tensor), as_tensor(mask)
    traced = type(tensor) is Tensor and is_tracer(tensor._value)
    if traced and type(mask) is Tensor and not is_tracer(mask._value):
        places = np.nonzero(np.asarray(mask._value))
        return get_item(tensor, (slice(None),) * axis + tuple(Tensor(place) for place in places))
    return boolean_mask_(tensor, mask, axis=axis)


@export("boolean_mask")
def boolean_mask(tensor: Any, mask: Any, axis: Any = None, name: str | None = None) -> Any:
    """Returns the elements of `tensor` where `mask` holds.

    Args:
        tensor: tensor of rank n.
        mask: booleans (numbers: those that are not 0) of rank k, 1 <= k <= n, shaped like k axes of the tensor.
        axis: the first of these axes, 0 by default.

    The size of the result depends on the values of the mask, so a function that masks by traced values runs op by op.

    Example:
        >>> tf.boolean_mask([1, 2, 3], [True, False, True]).numpy().tolist()
        [1, 3]
    """
    tensor, mask = as_tensor(tensor), as_tensor(mask)
    if not len(mask.shape):
        raise ValueError(f"tf.boolean_mask: the mask cannot be a scalar{at_user_location()}")
    if not mask.dtype.is_bool and mask.dtype.name != "string":
        mask = mask != 0
    return masked_rows(tensor, mask, rules.normalized_axis(integer(axis) or 0, len(tensor.shape)))


@op("", same_dtype=2, shape=lambda x, y, condition: rules.broadcast(condition, x, y), pieces="elements")
def where_(xp: Any, x: Any, y: Any, condition: Any) -> Any:
    """Chooses `x` where the condition holds, `y` elsewhere."""
    if condition.dtype != bool:
        raise TypeError(f"the condition must be boolean, received {condition.dtype}")
    return xp.where(condition, x, y)


where_.gradient(
    lambda g, z, x, y, condition: unbroadcast(where_(g, 0, condition), x),
    lambda g, z, x, y, condition: unbroadcast(where_(0, g, condition), y),
    None,
)


@op(
    "",
    engine="host",
    differentiable=False,
    shape=lambda c: (None, len(c)),
    dtype=lambda *_: np.dtype(np.int64),
)
def where_true(xp: Any, condition: Any) -> Any:
    """Returns the coordinates of the elements that are true (not 0), one row each."""
    return np.argwhere(condition).astype(np.int64)


@export("where")
def where(condition: Any, x: Any = None, y: Any = None, name: str | None = None) -> Any:
    """Chooses `x` where the condition holds and `y` elsewhere; with one argument, finds where it holds.

    Args:
        condition: booleans; it broadcasts with `x` and `y`.
        x, y: tensors of one dtype.

    Returns:
        The chosen elements; without `x` and `y` the coordinates, int64 of shape (number of true elements, rank).
        That shape depends on the values, so a function that asks for it on traced values runs op by op.
    """
    if x is None and y is None:
        return where_true(condition)
    if x is None or y is None:
        raise ValueError(f"tf.where: pass both x and y, or none of them{at_user_location()}")
    if type(x) in _NUMBERS and type(y) in _NUMBERS and float in (type(x), type(y)):
        x, y = float(x), float(y)
    return where_(x, y, condition)


_NUMBERS = frozenset((int, float))
