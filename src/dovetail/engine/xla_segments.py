"""Rows that belong together, on the XLA engine: by the number of a segment, or by row splits."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from dovetail.engine import host_segments, platform_kernels
from dovetail.engine.kernels import kernel
from dovetail.engine.xla_native import standing_for

_SEGMENT = {
    "sum": jax.ops.segment_sum,
    "prod": jax.ops.segment_prod,
    "max": jax.ops.segment_max,
    "min": jax.ops.segment_min,
}
_COMBINE: dict[str, Any] = {"sum": jnp.add, "prod": jnp.multiply, "max": jnp.maximum, "min": jnp.minimum}
_REDUCE: dict[str, Any] = {"sum": jnp.sum, "prod": jnp.prod, "max": jnp.max, "min": jnp.min}
_FEW_PLACES = 4096


def segment_reduce(how: str, data: Any, ids: Any, count: int, empty: Any = None) -> Any:
    """Combines the rows of `data` with the same id; see the host engine's."""
    rows, ids = data.reshape(ids.size, *data.shape[ids.ndim :]), ids.reshape(-1)
    out = _SEGMENT[how](rows, ids, count)
    if how in ("max", "min") and empty is None:
        start = host_segments.segment_start(how, data.dtype)
        out = jnp.maximum(out, start) if how == "max" else jnp.minimum(out, start)
    if empty is None:
        return out
    some = jnp.zeros(count, bool).at[jnp.where(ids < 0, count, ids)].set(True, mode="drop")
    return jnp.where(some.reshape(-1, *[1] * (out.ndim - 1)), out, jnp.asarray(empty, out.dtype))


def row_ids(splits: Any, size: int) -> Any:
    """Returns for each of `size` values the row that it belongs to: as many as have ended before it."""
    ends = jnp.zeros(size + 1, splits.dtype).at[jnp.asarray(splits)[1:]].add(1)
    return platform_kernels.run("running sum", ends)[:size]


@kernel("running sum")
def _scanned(x: Any) -> Any:
    return jnp.cumsum(x)


@kernel("running sum", "cpu", why="0018: a third of XLA's time, which goes over the numbers some 17 times")
def _one_by_one(x: Any) -> Any:
    def step(total: Any, number: Any) -> tuple:
        return (total + number,) * 2

    return lax.scan(step, jnp.zeros((), x.dtype), x)[1]


def reduce_rows(how: str, data: Any, splits: Any) -> Any:
    """Combines the values of each row: `data[splits[i]:splits[i + 1]]`."""
    return platform_kernels.run("rows", how, data, splits)


@kernel("rows")
def _by_segment(how: str, data: Any, splits: Any) -> Any:
    return segment_reduce(how, data, row_ids(splits, data.shape[0]), splits.shape[0] - 1)


def _has_values(how: str, data: Any, splits: Any) -> bool:
    return data.shape[0] > 0 and splits.shape[0] > 1


@kernel("rows", "cpu", when=_has_values, why="0018: no row has to be known to a value")
def _by_place(how: str, data: Any, splits: Any) -> Any:
    """Takes the first values of all rows, then the second ones ..., where not too many rows are short."""

    def chosen(data: Any, splits: Any) -> tuple:
        most = (splits[1:] - splits[:-1]).max()
        few = most <= (_FEW_PLACES + 4 * data.shape[0]) // (splits.shape[0] - 1)
        return (lax.cond(few, functools.partial(_places, how), by_segment, data, splits),)

    by_segment = functools.partial(_by_segment, how)
    return standing_for(lambda data, splits: (by_segment(data, splits),), chosen)(
        jnp.asarray(data), jnp.asarray(splits)
    )[0]


def _places(how: str, data: Any, splits: Any) -> Any:
    starts, lengths = splits[:-1], splits[1:] - splits[:-1]
    start = jnp.asarray(host_segments.segment_start(how, data.dtype))

    def step(state: tuple) -> tuple:
        place, out = state
        inside = (place < lengths).reshape(-1, *[1] * (data.ndim - 1))
        values = data.at[starts + place].get(mode="clip")
        return place + 1, _COMBINE[how](out, jnp.where(inside, values, start))

    first = jnp.zeros((), splits.dtype), jnp.full((lengths.shape[0], *data.shape[1:]), start)
    return lax.while_loop(lambda state: state[0] < lengths.max(), step, first)[1]


def reduce_columns(how: str, data: Any, splits: Any, count: int) -> Any:
    """Combines the values that have the same place in their rows, of which the longest has `count`."""
    size, num_rows = data.shape[0], splits.shape[0] - 1
    start = host_segments.segment_start(how, data.dtype)
    if not size or not num_rows:
        return jnp.full((count, *data.shape[1:]), start, data.dtype)
    if num_rows * count <= _FEW_PLACES + 4 * size:
        places = jnp.arange(count, dtype=splits.dtype)
        inside = places < (splits[1:] - splits[:-1])[:, None]
        padded = data.at[splits[:-1, None] + places].get(mode="clip")
        padded = jnp.where(inside.reshape(*inside.shape, *[1] * (data.ndim - 1)), padded, start)
        return _REDUCE[how](padded, axis=0).astype(data.dtype)
    rows = jnp.minimum(row_ids(splits, size), num_rows - 1)
    return segment_reduce(how, data, jnp.arange(size) - jnp.asarray(splits)[rows], count)
