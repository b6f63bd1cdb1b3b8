"""The host engine's functions for indexing, gathering and rearranging; `engine/xla_array.py` has the same names."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from dovetail.engine import host_native


def as_shift(shift: Any) -> Any:
    """Returns what `roll` takes for an array of shifts."""
    return shift.tolist()


def reshape(x: Any, shape: Any) -> Any:
    """`np.reshape`, without the way to it."""
    return x.reshape(shape)


def transpose(x: Any, axes: Any = None) -> Any:
    """`np.transpose`, without the way to it."""
    return x.transpose(axes)


def broadcast_to(x: Any, shape: Any) -> Any:
    """`np.broadcast_to`, in a third of its time where the elements lie side by side."""
    if not x.flags.c_contiguous or type(shape) is not tuple or x.dtype.hasobject:
        return np.broadcast_to(x, shape)
    made: Any = np.ndarray(shape, x.dtype, x, 0, _spread_strides(x.shape, x.strides, shape))
    made.flags.writeable = False
    return made


@functools.lru_cache(maxsize=1024)
def _spread_strides(old: tuple, strides: tuple, shape: tuple) -> tuple:
    """Returns the strides of what repeats elements along axes of size 1 and along new ones in front.

    Raises:
        ValueError: the shapes do not fit.
    """
    added = len(shape) - len(old)
    if added < 0 or any(have not in (1, want) for have, want in zip(old, shape[added:], strict=True)):
        raise ValueError(f"cannot broadcast the shape {old} to {shape}")
    kept = [0 if have == 1 else stride for have, stride in zip(old, strides, strict=True)]
    return (*(0,) * added, *kept)


def pad(x: Any, paddings: Any, mode: Any = "constant", constant_values: Any = 0) -> Any:
    """`np.pad`, in a tenth of its time where what is added is one number."""
    if mode != "constant" or (x.dtype.hasobject and not x.ndim):
        return np.pad(x, paddings, mode=mode)
    if not isinstance(paddings, tuple | list) or not all(isinstance(one, tuple | list) for one in paddings):
        return np.pad(x, paddings, constant_values=constant_values)
    sizes = tuple([before + size + after for size, (before, after) in zip(x.shape, paddings, strict=True)])
    made = np.full(sizes, constant_values, x.dtype)
    made[tuple([slice(b, b + size) for size, (b, _) in zip(x.shape, paddings, strict=True)])] = x
    return made


def full(shape: Any, value: Any, dtype: Any = None) -> Any:
    """`np.full`, in half its time."""
    if dtype is None or np.dtype(dtype).hasobject or np.ndim(value):
        return np.full(shape, value, dtype)
    made = np.empty(shape, dtype)
    made.fill(value)
    return made


def ones(shape: Any, dtype: Any = np.float64) -> Any:
    """`np.ones`, in half its time."""
    made: Any = np.empty(shape, dtype)
    made.fill(1)
    return made


def eye(rows: int, columns: int | None = None, k: int = 0, dtype: Any = np.float64) -> Any:
    """`np.eye`, in half its time for whole diagonals."""
    if k or (columns is not None and columns != rows):
        return np.eye(rows, columns, k=k, dtype=dtype)
    made = np.zeros((rows, rows), dtype)
    made.reshape(-1)[:: rows + 1] = 1
    return made


def stack(arrays: Any, axis: int = 0) -> Any:
    """`np.stack`, in half its time for the first axis."""
    shape = arrays[0].shape
    if axis or arrays[0].dtype.hasobject or any(x.shape != shape for x in arrays):
        return np.stack(arrays, axis=axis)
    made = np.empty((len(arrays), *shape), arrays[0].dtype)
    for place, x in zip(range(len(arrays)), arrays, strict=True):
        made[place] = x
    return made


def meshgrid(*vectors: Any, indexing: str = "xy") -> list:
    """`np.meshgrid` of vectors, which are looked at in other shapes and not copied."""
    order = list(range(len(vectors)))
    if indexing == "xy" and len(vectors) > 1:
        order[:2] = 1, 0
    flat: list[Any] = [np.reshape(x, -1) for x in vectors]
    sizes = tuple([flat[i].size for i in order])
    return [
        broadcast_to(
            x.reshape((1,) * order.index(i) + (-1,) + (1,) * (len(order) - 1 - order.index(i))), sizes
        )
        for i, x in enumerate(flat)
    ]


def where(condition: Any, x: Any, y: Any) -> Any:
    """`np.where`, by bits where it would branch at each of many elements."""
    shape = condition.shape
    if (
        condition.size < _MANY_BRANCHES
        or condition.dtype.kind != "b"
        or not (isinstance(x, np.ndarray) and isinstance(y, np.ndarray))
        or not (shape == x.shape == y.shape and x.dtype == y.dtype and x.dtype.kind in "iuf")
    ):
        return np.where(condition, x, y)
    bits = np.dtype(f"i{x.dtype.itemsize}")
    mask = np.negative(condition.view(np.int8)).astype(bits)  # -1 has all bits
    of_y = y.view(bits)
    mask &= x.view(bits) ^ of_y
    mask ^= of_y
    return mask.view(x.dtype)


def linspace(start: Any, stop: Any, num: int, endpoint: bool = True, axis: int = 0) -> Any:
    """`np.linspace`, in a fifth of its time between two numbers."""
    if (
        start.ndim
        or stop.ndim
        or not endpoint
        or num < 2
        or start.dtype.kind != "f"
        or start.dtype.itemsize < 4
    ):
        return np.linspace(start, stop, num, endpoint=endpoint, axis=axis)
    made = np.arange(num, dtype=start.dtype)
    made *= (stop - start) / start.dtype.type(num - 1)
    made += start
    made[-1] = stop
    return made


def argsort(x: Any, axis: int = -1, stable: bool = True) -> Any:
    """`np.argsort` that keeps the order of equal elements: quickly first, slowly where there are some."""
    if x.dtype.kind != "f" or x.dtype.itemsize < 4 or x.size < _QUICKLY_SORTED:
        return np.argsort(x, axis=axis, stable=True)
    order = np.argsort(x, axis=axis)
    ranked = np.moveaxis(np.take_along_axis(x, order, axis), axis, -1)
    if np.all(ranked[..., 1:] > ranked[..., :-1]):  # neither equal ones nor NaN
        return order
    return np.argsort(x, axis=axis, stable=True)


def repeat_each(x: Any, repeats: Any, axis: int, total: int | None) -> Any:
    """Repeats slices along `axis`; `total` is the new size."""
    return np.repeat(x, repeats, axis=axis)


def add_rows(rows: Any, ids: Any, num: int) -> Any:
    """Returns `num` rows, each the sum of the `rows` whose id names it: out[ids[i]] += rows[i].

    `ids` may have any rank; `rows` has those axes first.
    """
    rest = rows.shape[ids.ndim :]
    width = int(np.prod(rest, dtype=np.int64))
    out = np.zeros(num * width, rows.dtype)
    if width == 1:
        np.add.at(out, ids.reshape(-1), rows.reshape(-1))
    else:  # one-dimensional `add.at` is the fast one
        places = ids.reshape(-1, 1).astype(np.int64) * width + np.arange(width)
        np.add.at(out, places.reshape(-1), rows.reshape(-1))
    return out.reshape((num, *rest))


_INT32 = np.dtype(np.int32)
_MANY_BRANCHES = 1 << 13  # elements
_QUICKLY_SORTED = 1 << 14  # elements from which on NumPy's vectors sort much faster than what keeps an order
_SMALL_SUM = 1 << 12  # elements from which on it counts how NumPy sums
_ONE_THREAD = 9216  # elements of a matrix beyond which BLAS asks its other threads
_NARROW = 256


def add_up(x: Any, axis: Any = None, keepdims: bool = False, dtype: Any = None) -> Any:
    """`np.add.reduce`, up to ten times as fast where the rows that are added up are short.

    NumPy starts a loop for each row.  Leading axes one by one make the rows longer; for the last axis but one, BLAS
    multiplies by a row of ones.
    """
    found = None if dtype is not None else host_native.reduced("sum", x, axis, keepdims)
    if found is not None:
        return found
    if x.size >= _SMALL_SUM and x.ndim > 2 and x.dtype.kind == "f" and x.shape[-1] <= _NARROW:
        axes = (axis,) if type(axis) is int else axis
        if (
            axes is not None
            and len(axes) > 1
            and tuple(sorted(axes)) == tuple(range(len(axes))) != (*range(x.ndim),)
        ):
            for _ in axes:
                x = np.add.reduce(x, axis=0)
            return x.reshape((1,) * len(axes) + x.shape) if keepdims else x
        rows = x.shape[-2]
        if axes in ((-2,), (x.ndim - 2,)) and rows * x.shape[-1] < _ONE_THREAD and x.flags.c_contiguous:
            total = np.matmul(np.ones((1, rows), x.dtype), x)  # (..., 1, columns)
            return total if keepdims else total[..., 0, :]
    return np.add.reduce(x, axis=axis, keepdims=keepdims, dtype=dtype)


def look_up(table: Any, indices: Any) -> Any:
    """Takes rows of a table, for ops whose gradients are rows (`tf.IndexedSlices`) in compiled programs too."""
    return take(table, indices, 0)


def summed_rows(rows: Any, ids: Any, num: int) -> tuple:
    """Adds up the rows that have one id.

    Args:
        rows: (n, ...)
        ids: (n,), in [0, num); an id out of range is an error here, on XLA it is clamped.

    Returns:
        `(sums, ids)`, each id once, in order.  On XLA there are n of each; those left over have the id `num`.
    """
    _check_range(ids, num)
    unique, group = np.unique(ids, return_inverse=True)
    return add_rows(rows, group.reshape(ids.shape), len(unique)), unique


def rows_at(x: Any, ids: Any) -> Any:
    """Returns the rows of `x` that ids from `summed_rows` name."""
    return x[ids]


def set_rows(x: Any, ids: Any, rows: Any) -> Any:
    """Returns `x` with other rows in the places that ids from `summed_rows` name."""
    out = np.array(x)
    out[ids] = rows
    return out


def _check_range(indices: Any, size: int) -> None:
    if indices.size and (indices.min() < 0 or indices.max() >= size):
        place = np.argwhere((indices < 0) | (indices >= size))[0]
        where = f"indices[{','.join(map(str, place))}]" if indices.ndim else "indices"
        raise IndexError(f"{where} = {indices[tuple(place)]} is not in [0, {size})")


def take(x: Any, indices: Any, axis: int) -> Any:
    """Returns the slices of `x` along `axis` that `indices` names; an index out of range is an error."""
    if indices.dtype == _INT32 and indices.size:
        try:
            return x.take(indices.view(np.uint32), axis)  # negative ones are out of range so
        except IndexError:
            pass
    if indices.size and indices.min() >= 0:
        try:
            return x.take(indices, axis)
        except IndexError:
            _check_range(indices, x.shape[axis])  # says which one
            raise
    _check_range(indices, x.shape[axis])
    return np.take(x, indices, axis=axis)


def checked_indices(indices: Any, size: int) -> Any:
    """Returns indices that are all in [0, size): here they are checked, on XLA clamped."""
    _check_range(indices, size)
    return indices


def checked_places(indices: Any, sizes: tuple) -> Any:
    """The same for tuples of indices: the last axis of `indices` holds one index an axis."""
    if all(_fit(indices[..., i], size) for i, size in enumerate(sizes)):
        return indices
    limits = np.array(sizes, np.int64)
    bad = ((indices < 0) | (indices >= limits)).any(axis=-1) if indices.size else np.zeros((), bool)
    if bad.any():
        place = tuple(np.argwhere(bad)[0])
        where = f"indices[{','.join(map(str, place))}]" if place else "indices"
        raise IndexError(f"{where} = {indices[place].tolist()} does not index into shape {tuple(sizes)}")
    return indices


def _fit(indices: Any, size: int) -> bool:
    if not indices.size:
        return True
    if indices.dtype.kind == "i":  # negative ones are large without their sign
        indices = indices.view(f"u{indices.itemsize}")
    return bool(indices.max() < size)


def index_min(x: Any, index: Any, values: Any) -> Any:
    """Returns a copy of `x` with the smaller of old and new at `index`."""
    result = x.copy()
    np.minimum.at(result, index, values)
    return result


def index_max(x: Any, index: Any, values: Any) -> Any:
    """Returns a copy of `x` with the larger of old and new at `index`."""
    result = x.copy()
    np.maximum.at(result, index, values)
    return result


def index_mul(x: Any, index: Any, values: Any) -> Any:
    """Returns a copy of `x` multiplied by `values` at `index`."""
    result = x.copy()
    np.multiply.at(result, index, values)
    return result


def index_div(x: Any, index: Any, values: Any) -> Any:
    """Returns a copy of `x` divided by `values` at `index`."""
    return (x / index_mul(np.ones_like(x), index, values)).astype(x.dtype)


def unslice(g: Any, shape: tuple, slices: tuple) -> Any:
    """Returns zeros of `shape` with `g` at `slices` (start, stop, step; steps are positive)."""
    out = np.zeros(shape, g.dtype)
    out[tuple(slice(*one) for one in slices)] = g
    return out


def dynamic_slice(x: Any, begin: Any, size: tuple) -> Any:
    """Returns the block of `size` that begins at `begin`."""
    return x[tuple(slice(int(b), int(b) + s) for b, s in zip(begin, size, strict=True))]


def dynamic_update(x: Any, begin: Any, values: Any) -> Any:
    """Returns a copy of `x` with `values` as the block that begins at `begin`."""
    out = x.copy()
    out[tuple(slice(int(b), int(b) + s) for b, s in zip(begin, values.shape, strict=True))] = values
    return out


def bitcast(x: Any, dtype: np.dtype) -> Any:
    """Reads the same bits as another dtype; a narrower one adds a last axis, a wider one takes it away."""
    if x.dtype.itemsize == dtype.itemsize:
        return x.view(dtype)
    if x.dtype.itemsize > dtype.itemsize:
        return np.ascontiguousarray(x)[..., None].view(dtype)
    return np.ascontiguousarray(x).view(dtype)[..., 0]


def search_rows(rows: Any, values: Any, side: Any) -> Any:
    """Returns where each value goes in its row: (n, k) sorted, (n, m) -> (n, m)."""
    found = [np.searchsorted(row, value, side=side) for row, value in zip(rows, values, strict=True)]
    return np.stack(found) if found else np.zeros(values.shape, np.int64)
