"""Gathering and scattering by index tensors.

On the host engine an index out of range is an error that names it; compiled code cannot raise, so there `gather` clamps
the index to the range, as TensorFlow's compiled code does, and scattering drops the update.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.engine import is_tracer
from dovetail.engine.dtypes import is_host_only
from dovetail.ops import rules
from dovetail.ops.arithmetic import cast
from dovetail.ops.attrs import Shape, static
from dovetail.ops.families import op
from dovetail.ops.index_checks import check_in_range, check_places
from dovetail.ops.shapes import as_tensor, reshape
from dovetail.ops.views import export

# ---- gather ---------------------------------------------------------------------------------------------------------


def _gathered(params: tuple, indices: tuple, axis: int, batch_dims: int) -> tuple:
    axis, batch_dims = _checked_axes(params, indices, axis, batch_dims)
    return (*params[:axis], *indices[batch_dims:], *params[axis + 1 :])


def _checked_axes(params: tuple, indices: tuple, axis: int, batch_dims: int) -> tuple[int, int]:
    axis = rules.normalized_axis(axis, len(params))
    batch_dims = batch_dims + len(indices) if batch_dims < 0 else batch_dims
    if not 0 <= batch_dims <= min(axis, len(indices)):
        raise ValueError(
            f"batch_dims {batch_dims} must not be above axis {axis} and the rank {len(indices)} of indices"
        )
    if any(
        a is not None and b is not None and a != b for a, b in zip(params[:batch_dims], indices, strict=False)
    ):
        raise ValueError(f"the first {batch_dims} sizes of params {params} and indices {indices} must agree")
    return axis, batch_dims


def _grids(sizes: tuple, rank: int) -> tuple:
    """Returns the index of each batch axis, shaped to broadcast over `rank` axes."""
    return tuple(
        np.arange(size).reshape((1,) * i + (size,) + (1,) * (rank - i - 1)) for i, size in enumerate(sizes)
    )


def _taken(params: Any, indices: Any, axis: int, batch_dims: int) -> int:
    """Counts the elements that are copied: a few rows of a large table are no work for a compiler."""
    return indices.size * (
        params.size // max(params.shape[axis] if -params.ndim <= axis < params.ndim else 1, 1)
    )


@op("", same_dtype=1, shape=_gathered, work=_taken, pieces="whole")
def gather_(xp: Any, params: Any, indices: Any, *, axis: int = 0, batch_dims: int = 0) -> Any:
    """Returns the slices of `params` along `axis` that `indices` names."""
    if axis == batch_dims == 0 and params.ndim:
        return xp.look_up(params, indices)
    axis, batch = _checked_axes(params.shape, indices.shape, axis, batch_dims)
    if not batch:
        return xp.take(params, indices, axis) if axis else xp.look_up(params, indices)
    indices = xp.checked_indices(indices, params.shape[axis])
    moved = xp.moveaxis(params, axis, batch)
    found = moved[
        (*_grids(params.shape[:batch], indices.ndim), indices)
    ]  # (batch, indices' rest, params' rest)
    own, between = indices.ndim - batch, axis - batch
    return xp.moveaxis(
        found, tuple(range(batch, batch + own)), tuple(range(batch + between, batch + between + own))
    )


@op("", same_dtype=1, shape=lambda g, indices, shape, axis, batch_dims: shape)
def gather_adjoint(xp: Any, g: Any, indices: Any, *, shape: Shape, axis: int = 0, batch_dims: int = 0) -> Any:
    """Adds slices up where they were gathered from: the adjoint of `gather`."""
    axis, batch = _checked_axes(shape, indices.shape, axis, batch_dims)
    own = indices.ndim - batch
    if not batch:
        rows = xp.moveaxis(g, tuple(range(axis, axis + own)), tuple(range(own))) if axis else g
        out = xp.add_rows(rows, indices, shape[axis])
        return xp.moveaxis(out, 0, axis) if axis else out
    between = axis - batch
    places = tuple(range(batch + between, batch + between + own))
    rows = xp.moveaxis(g, places, tuple(range(batch, batch + own)))
    moved = (*shape[:batch], shape[axis], *shape[batch:axis], *shape[axis + 1 :])
    key = (*_grids(shape[:batch], indices.ndim), indices)
    return xp.moveaxis(xp.index_add(xp.zeros(moved, g.dtype), key, rows), batch, axis)


def _gather_adjoint_gradient(
    g: Any, y: Any, x: Any, indices: Any, shape: tuple, axis: int, batch_dims: int
) -> Any:
    return gather_(g, indices, axis=axis, batch_dims=batch_dims)


gather_adjoint.gradient(_gather_adjoint_gradient, None)


@export("gather")
def gather(
    params: Any,
    indices: Any,
    validate_indices: Any = None,
    axis: Any = None,
    batch_dims: int = 0,
    name: str | None = None,
) -> Any:
    """Returns the slices of `params` along `axis` that `indices` names.

    Args:
        params: tensor.
        indices: integer tensor of any shape.
        validate_indices: no effect, as in TensorFlow.
        axis: the axis to choose from: `batch_dims` by default.
        batch_dims: how many leading axes `params` and `indices` share.

    Returns:
        A tensor of shape `params[:axis] + indices[batch_dims:] + params[axis + 1:]`.

    Raises:
        InvalidArgumentError: an index is out of range (host engine; compiled code clamps it).

    Example:
        >>> tf.gather([10, 20, 30], [2, 0]).numpy().tolist()
        [30, 10]
    """
    params, indices = as_tensor(params), as_tensor(indices)
    axis = batch_dims if axis is None else static(axis)
    check_in_range("tf.gather", params, indices, axis)
    return gather_(params, indices, axis=axis, batch_dims=batch_dims)


@export("K.gather")
def gather_backend(reference: Any, indices: Any) -> Any:
    """Returns the rows of `reference` that `indices` names."""
    return gather_(reference, indices)


@op("", same_dtype=1, shape=lambda x, indices, axis: _gathered(x, indices, axis, 0))
def take_wrapped(xp: Any, x: Any, indices: Any, *, axis: int) -> Any:
    """Returns slices along `axis`; negative indices count from the end."""
    size = x.shape[axis]
    indices = xp.where(indices < 0, indices + np.array(size, indices.dtype), indices)
    return xp.take(x, indices, axis) if axis % x.ndim else xp.look_up(x, indices)


@export("ops.numpy.take")
def take(x: Any, indices: Any, axis: int | None = None) -> Any:
    """Returns the slices of `x` along `axis` (elements of the flattened `x` when None); negative indices wrap."""
    if axis is None:
        x, axis = reshape(x, shape=(-1,)), 0
    indices = as_tensor(indices)
    return take_wrapped(x, indices if indices.dtype.is_integer else cast(indices, dtype="int32"), axis=axis)


def _along_shape(x: tuple, indices: tuple, axis: int) -> tuple:
    axis = rules.normalized_axis(axis, len(x))
    merged = rules.broadcast((*x[:axis], 1, *x[axis + 1 :]), (*indices[:axis], 1, *indices[axis + 1 :]))
    return (*merged[:axis], indices[axis], *merged[axis + 1 :])


@op("", same_dtype=1, shape=_along_shape)
def take_along_axis_(xp: Any, x: Any, indices: Any, *, axis: int) -> Any:
    """Returns, for each position, the element along `axis` that its index names."""
    return xp.take_along_axis(x, indices, axis=axis)


@op("", same_dtype=1, shape=lambda g, indices, shape, axis: shape)
def along_axis_adjoint(xp: Any, g: Any, indices: Any, *, shape: Shape, axis: int) -> Any:
    """Adds elements up where they were taken from along `axis`: the adjoint of `take_along_axis_`."""
    axis = rules.normalized_axis(axis, len(shape))
    key: list[Any] = list(np.indices(g.shape, sparse=True))
    key = [part if size != 1 else np.zeros_like(part) for part, size in zip(key, shape, strict=True)]
    key[axis] = xp.where(indices < 0, indices + np.array(shape[axis], indices.dtype), indices)
    return xp.index_add(xp.zeros(shape, g.dtype), tuple(key), g)


take_along_axis_.gradient(
    lambda g, y, x, indices, axis: along_axis_adjoint(g, indices, shape=tuple(x.shape), axis=axis), None
)
along_axis_adjoint.gradient(
    lambda h, out, g, indices, shape, axis: take_along_axis_(h, indices, axis=axis), None
)


@export("ops.numpy.take_along_axis")
def take_along_axis(x: Any, indices: Any, axis: int | None = None) -> Any:
    """Returns, for each position, the element along `axis` that its index names (flattened when None)."""
    if axis is None:
        x, indices, axis = reshape(x, shape=(-1,)), reshape(indices, shape=(-1,)), 0
    return take_along_axis_(x, indices, axis=axis)


# ---- by coordinates -------------------------------------------------------------------------------------------------


def _nd_shape(params: tuple, indices: tuple, batch_dims: int) -> tuple:
    depth = indices[-1]
    if depth is None:
        raise ValueError(f"the last size of indices must be known, received shape {indices}")
    if batch_dims + depth > len(params):
        raise ValueError(
            f"indices of length {depth} do not fit params of rank {len(params)} (batch_dims {batch_dims})"
        )
    return (*indices[:-1], *params[batch_dims + depth :])


def _nd_key(xp: Any, indices: Any, shape: tuple, batch_dims: int = 0) -> tuple:
    depth = indices.shape[-1]
    indices = xp.checked_places(indices, shape[batch_dims : batch_dims + depth])
    return (*_grids(shape[:batch_dims], indices.ndim - 1), *(indices[..., i] for i in range(depth)))


def _taken_nd(params: Any, indices: Any, batch_dims: int) -> int:
    rows = indices.shape[:-1]
    return math.prod(rows) * math.prod(
        params.shape[batch_dims + (indices.shape[-1] if indices.ndim else 0) :]
    )


@op("", same_dtype=1, shape=_nd_shape, work=_taken_nd, pieces="whole")
def gather_nd_(xp: Any, params: Any, indices: Any, *, batch_dims: int = 0) -> Any:
    """Returns the slices of `params` at coordinates."""
    shape = _nd_shape(params.shape, indices.shape, batch_dims)
    if xp.name == "host" and indices.shape[-1] == 1 and indices.ndim == 2 and not batch_dims:
        try:
            return xp.take(params, indices[:, 0], 0)
        except IndexError:
            pass  # told below
    key = _nd_key(xp, indices, params.shape, batch_dims)
    if 0 in params.shape[: len(key)] and (is_tracer(indices) or is_tracer(params)):
        return xp.taken_from_nothing(shape, params.dtype, params.shape.index(0))
    if len(key) == 1 and indices.ndim == 2 and not batch_dims:
        return xp.look_up(params, key[0])
    return xp.asarray(params)[key] if key else xp.broadcast_to(params, shape)


@op("", same_dtype=1, shape=lambda g, indices, shape, batch_dims: shape)
def gather_nd_adjoint(xp: Any, g: Any, indices: Any, *, shape: Shape, batch_dims: int = 0) -> Any:
    """Adds slices up at coordinates: the adjoint of `gather_nd`."""
    key = _nd_key(xp, indices, shape, batch_dims)
    if not key:
        return xp.sum(g, axis=tuple(range(g.ndim - len(shape))))
    return xp.index_add(xp.zeros(shape, g.dtype), key, g)


gather_nd_adjoint.gradient(
    lambda g, y, x, indices, shape, batch_dims: gather_nd_(g, indices, batch_dims=batch_dims), None
)


@export("gather_nd")
def gather_nd(
    params: Any, indices: Any, batch_dims: int = 0, name: str | None = None, bad_indices_policy: str = ""
) -> Any:
    """Returns the slices of `params` at coordinates.

    Args:
        params: tensor.
        indices: integer tensor of shape (..., d): each row names a place along the first d axes (after `batch_dims`).
        batch_dims: how many leading axes `params` and `indices` share.
        bad_indices_policy: "" only.

    Returns:
        A tensor of shape `indices[:-1] + params[batch_dims + d:]`.
    """
    _refuse_policy("tf.gather_nd", bad_indices_policy)
    params, indices = as_tensor(params), as_tensor(indices)
    check_places("tf.gather_nd", indices, tuple(params.shape)[batch_dims:], params)
    return gather_nd_(params, indices, batch_dims=batch_dims)


def _refuse_policy(function: str, policy: str) -> None:
    if policy not in ("", "DEFAULT"):
        raise ValueError(f"{function}: bad_indices_policy {policy!r} is not supported{at_user_location()}")


def _scatter_shape(updates: tuple, indices: tuple, shape: tuple) -> tuple:
    return tuple(None if size == -1 else size for size in shape)


@op("", same_dtype=1, shape=_scatter_shape, pieces="whole")
def scatter_nd_(xp: Any, updates: Any, indices: Any, *, shape: Shape) -> Any:
    """Adds updates at coordinates into zeros; strings are joined."""
    key = _nd_key(xp, indices, shape)
    updates = _fitted(xp, updates, indices.shape, shape)
    nothing = np.full(shape, b"", object) if is_host_only(updates.dtype) else xp.zeros(shape, updates.dtype)
    return xp.index_add(nothing, key or ..., updates)


def _fitted(xp: Any, updates: Any, indices: tuple, shape: tuple) -> Any:
    """Checks that the updates have one slice a coordinate."""
    wanted = (*indices[:-1], *shape[indices[-1] :])
    if tuple(updates.shape) not in (wanted, ()):
        raise ValueError(f"expected updates of shape {wanted}, received {tuple(updates.shape)}")
    return xp.broadcast_to(updates, wanted)


scatter_nd_.gradient(lambda g, y, updates, indices, shape: gather_nd_(g, indices), None)


@export("scatter_nd")
def scatter_nd(
    indices: Any, updates: Any, shape: Any, bad_indices_policy: str = "", name: str | None = None
) -> Any:
    """Returns zeros of `shape` with `updates` added at coordinates.

    Args:
        indices: integer tensor of shape (..., d).
        updates: tensor of shape `indices[:-1] + shape[d:]`; those at the same place add up.
        shape: sizes of the result.
        bad_indices_policy: "" only.
    """
    _refuse_policy("tf.scatter_nd", bad_indices_policy)
    return scatter_nd_(updates, indices, shape=shape)


@export("ops.scatter")
def scatter(indices: Any, values: Any, shape: Any) -> Any:
    """Returns zeros of `shape` with `values` added at coordinates."""
    return scatter_nd_(values, indices, shape=shape)


_KINDS = {
    "update": "index_set",
    "add": "index_add",
    "min": "index_min",
    "max": "index_max",
    "mul": "index_mul",
}


@op("", same_dtype=2, shape=lambda tensor, updates, indices, kind: tensor)
def tensor_scatter(xp: Any, tensor: Any, updates: Any, indices: Any, *, kind: str) -> Any:
    """Returns `tensor` with updates at coordinates: put, added, or the smaller or larger of old and new."""
    return scattered(tensor, updates, indices, xp, getattr(xp, _KINDS[kind]))


def scattered(tensor: Any, updates: Any, indices: Any, xp: Any, combine: Callable) -> Any:
    """Returns `tensor` with `combine(tensor, key, updates)` at coordinates."""
    key = _nd_key(xp, indices, tensor.shape) or ...
    return combine(tensor, key, _fitted(xp, updates, indices.shape, tensor.shape))


def _scatter_gradient_tensor(g: Any, y: Any, tensor: Any, updates: Any, indices: Any, kind: str) -> Any:
    if kind == "add":
        return g
    if kind == "update":
        return tensor_scatter(g, updates * 0, indices, kind="update")
    return g * cast(y == tensor, dtype=g.dtype)


def _scatter_gradient_updates(g: Any, y: Any, tensor: Any, updates: Any, indices: Any, kind: str) -> Any:
    gathered = gather_nd_(g, indices)
    if kind in ("add", "update"):
        return gathered
    return gathered * cast(gather_nd_(y, indices) == updates, dtype=g.dtype)


tensor_scatter.gradient(_scatter_gradient_tensor, _scatter_gradient_updates, None)


def _scattered_into(label: str, tensor: Any, updates: Any, indices: Any, kind: str) -> Any:
    tensor, indices = as_tensor(tensor), as_tensor(indices)
    check_places(label, indices, tuple(tensor.shape), tensor)
    return tensor_scatter(tensor, updates, indices, kind=kind)


@export("tensor_scatter_nd_update")
def tensor_scatter_nd_update(tensor: Any, indices: Any, updates: Any, name: str | None = None) -> Any:
    """Returns `tensor` with `updates` put at coordinates.

    Args:
        tensor: tensor.
        indices: integer tensor of shape (..., d).
        updates: tensor of shape `indices[:-1] + tensor.shape[d:]`.
    """
    return _scattered_into("tf.tensor_scatter_nd_update", tensor, updates, indices, "update")


@export("tensor_scatter_nd_add")
def tensor_scatter_nd_add(
    tensor: Any, indices: Any, updates: Any, bad_indices_policy: str = "", name: str | None = None
) -> Any:
    """Returns `tensor` with `updates` added at coordinates."""
    _refuse_policy("tf.tensor_scatter_nd_add", bad_indices_policy)
    return _scattered_into("tf.tensor_scatter_nd_add", tensor, updates, indices, "add")


@export("tensor_scatter_nd_sub")
def tensor_scatter_nd_sub(
    tensor: Any, indices: Any, updates: Any, bad_indices_policy: str = "", name: str | None = None
) -> Any:
    """Returns `tensor` with `updates` subtracted at coordinates."""
    _refuse_policy("tf.tensor_scatter_nd_sub", bad_indices_policy)
    return _scattered_into("tf.tensor_scatter_nd_sub", tensor, -as_tensor(updates), indices, "add")


@export("tensor_scatter_nd_min")
def tensor_scatter_nd_min(
    tensor: Any, indices: Any, updates: Any, bad_indices_policy: str = "", name: str | None = None
) -> Any:
    """Returns `tensor` with the smaller of old and new at coordinates."""
    _refuse_policy("tf.tensor_scatter_nd_min", bad_indices_policy)
    return _scattered_into("tf.tensor_scatter_nd_min", tensor, updates, indices, "min")


@export("tensor_scatter_nd_max")
def tensor_scatter_nd_max(
    tensor: Any, indices: Any, updates: Any, bad_indices_policy: str = "", name: str | None = None
) -> Any:
    """Returns `tensor` with the larger of old and new at coordinates."""
    _refuse_policy("tf.tensor_scatter_nd_max", bad_indices_policy)
    return _scattered_into("tf.tensor_scatter_nd_max", tensor, updates, indices, "max")


@export("ops.scatter_update")
def scatter_update(inputs: Any, indices: Any, updates: Any, reduction: str | None = None) -> Any:
    """Returns `inputs` with `updates` at coordinates; `reduction` is None, "add", "mul", "min" or "max"."""
    kind = "update" if reduction is None else reduction
    if kind not in _KINDS:
        raise ValueError(f"keras.ops.scatter_update: unknown reduction {reduction!r}{at_user_location()}")
    return tensor_scatter(inputs, updates, indices, kind=kind)
