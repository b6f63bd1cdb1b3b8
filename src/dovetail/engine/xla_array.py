"""The XLA engine's functions for indexing, gathering and rearranging: the names of `engine/host_array.py`.

Indices out of range are clamped here: compiled code cannot raise.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from dovetail.base.errors import InvalidArgumentError, at_user_location
from dovetail.engine import effects


def as_shift(shift: Any) -> Any:
    return shift


def repeat_each(x: Any, repeats: Any, axis: int, total: int | None) -> Any:
    return jnp.repeat(x, np.asarray(repeats), axis=axis, total_repeat_length=total)


def add_rows(rows: Any, ids: Any, num: int) -> Any:
    ids = jnp.clip(ids, 0, max(num - 1, 0))  # where `take` has read
    return jnp.zeros((num, *rows.shape[ids.ndim :]), rows.dtype).at[ids].add(rows, mode="drop")


def take(x: Any, indices: Any, axis: int) -> Any:
    if x.shape[axis] == 0:
        return taken_from_nothing((*x.shape[:axis], *indices.shape, *x.shape[axis:][1:]), x.dtype, axis)
    return jnp.take(x, indices, axis=axis, mode="clip")


def look_up(table: Any, indices: Any) -> Any:
    return look_up_rows(table, indices) if table.shape[0] else take(table, indices, 0)


@jax.jit
def look_up_rows(table: Any, indices: Any) -> Any:
    """Takes rows of a table; by this function's name, programs know a look-up (see `jax_private.look_ups`)."""
    return jnp.take(table, indices, axis=0, mode="clip")


def taken_from_nothing(shape: tuple, dtype: Any, axis: int) -> Any:
    """Returns what compiled code has in place of elements of an axis of size 0: zeros of `shape`.

    There is nothing to clamp an index to, so the program raises when it comes here; in a loop or a branch that does
    not run it does not.
    """
    out = jnp.zeros(shape, dtype)
    if out.size:
        error = InvalidArgumentError(
            f"an index into axis {axis}, whose size is 0, is out of bounds{at_user_location()}"
        )
        effects.check(lambda: error)
    return out


def summed_rows(rows: Any, ids: Any, num: int) -> tuple:
    order = jnp.argsort(ids)
    ids = jnp.clip(jnp.asarray(ids)[order], 0, num - 1)  # where `take` has read
    new = jnp.concatenate([jnp.ones(1, bool), ids[1:] != ids[:-1]])[: ids.shape[0]]
    group = jnp.cumsum(new) - 1
    sums = jnp.zeros_like(rows).at[group].add(rows[order], indices_are_sorted=True)
    return sums, jnp.full_like(ids, num).at[group].set(ids, indices_are_sorted=True)


def rows_at(x: Any, ids: Any) -> Any:
    return x.at[ids].get(mode="fill", fill_value=0, indices_are_sorted=True)


def set_rows(x: Any, ids: Any, rows: Any) -> Any:
    return x.at[ids].set(rows, mode="drop", indices_are_sorted=True)


def checked_indices(indices: Any, size: int) -> Any:
    return jnp.clip(indices, 0, max(size - 1, 0))


def checked_places(indices: Any, sizes: tuple) -> Any:
    return indices


def index_min(x: Any, index: Any, values: Any) -> Any:
    return jnp.asarray(x).at[index].min(values)


def index_max(x: Any, index: Any, values: Any) -> Any:
    return jnp.asarray(x).at[index].max(values)


def index_mul(x: Any, index: Any, values: Any) -> Any:
    return jnp.asarray(x).at[index].multiply(values)


def index_div(x: Any, index: Any, values: Any) -> Any:
    return (x / index_mul(jnp.ones_like(x), index, values)).astype(x.dtype)


def unslice(g: Any, shape: tuple, slices: tuple) -> Any:
    edges = []
    for size, length, (start, _, step) in zip(shape, g.shape, slices, strict=True):
        covered = (length - 1) * step + 1 if length else 0
        edges.append((start if length else 0, size - covered - (start if length else 0), step - 1))
    if any(length == 0 for length in g.shape):
        return jnp.zeros(shape, g.dtype)
    return lax.pad(g, jnp.zeros((), g.dtype), edges)


def dynamic_slice(x: Any, begin: Any, size: tuple) -> Any:
    return lax.dynamic_slice(x, [begin[i] for i in range(len(size))], size)


def dynamic_update(x: Any, begin: Any, values: Any) -> Any:
    return lax.dynamic_update_slice(x, values, [begin[i] for i in range(values.ndim)])


def bitcast(x: Any, dtype: np.dtype) -> Any:
    return lax.bitcast_convert_type(x, dtype)


def search_rows(rows: Any, values: Any, side: str) -> Any:
    return jax.vmap(lambda row, value: jnp.searchsorted(row, value, side=side))(rows, values)


def sizes(shape: Any, dtype: Any) -> Any:
    """Returns a size, or a shape as a vector: a constant, unless they are names in a program for any sizes."""
    named = [shape] if not isinstance(shape, tuple) else list(shape)
    if all(isinstance(one, int) for one in named):
        return np.array(shape, dtype)
    parts = [jnp.asarray(one, dtype) for one in named]
    return jnp.stack(parts) if isinstance(shape, tuple) else parts[0]
