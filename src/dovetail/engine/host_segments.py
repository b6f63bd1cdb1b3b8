"""Rows that belong together, on the host engine: by the number of a segment, or by row splits."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

from dovetail.engine.host_array import add_rows

_ACCUMULATE = {"sum": np.add, "prod": np.multiply, "max": np.maximum, "min": np.minimum}
_FEW_NUMBERS, _FEW_ROWS = 2048, 64  # up to which it is not worth a look whether the ids ascend
_FEW_PLACES = 4096


def segment_start(how: str, dtype: np.dtype) -> Any:
    """Returns what an empty segment holds."""
    if how in ("sum", "prod"):
        return dtype.type(how == "prod")
    limits = np.iinfo(dtype) if dtype.kind in "iu" else ml_dtypes.finfo(dtype)
    return dtype.type(limits.min if how == "max" else limits.max)


def beyond_start(how: str, dtype: np.dtype) -> Any:
    """Returns what no row of a segment can be beyond: infinite for floats, where `segment_start` is the last number."""
    if how in ("sum", "prod") or dtype.kind in "iu":
        return segment_start(how, dtype)
    return dtype.type(-np.inf if how == "max" else np.inf)


def _reduced_at(how: str, data: Any, starts: Any) -> Any:
    """Combines the rows from each start to the next, and what an empty segment holds."""
    out = _ACCUMULATE[how].reduceat(data, starts, axis=0, dtype=data.dtype)
    return out if how in ("sum", "prod") else _ACCUMULATE[how](out, segment_start(how, data.dtype), out=out)


def segment_reduce(how: str, data: Any, ids: Any, count: int, empty: Any = None) -> Any:
    """Combines the rows of `data` with the same id; negative ids are left out, too large ones are an error.

    Args:
        how: "sum", "prod", "max" or "min".
        data: (*shape of the ids, ...).
        ids: integers.
        count: segments.
        empty: what segments without rows hold; None: what the reduction begins with, which is finite and one of the
            rows of each segment.
    """
    rows = data.reshape(ids.size, *data.shape[ids.ndim :])
    flat = ids.reshape(-1)
    places = _checked(flat, count)
    few = _FEW_NUMBERS if rows.ndim == 1 else _FEW_ROWS
    ordered = flat.size > few and places is flat and bool((flat[1:] >= flat[:-1]).all())
    if not ordered and how == "sum" and rows.ndim > 1 and rows.dtype.kind in "iuf" and empty is None:
        return add_rows(rows, places, count + 1)[:count]
    start = (segment_start if empty is None else beyond_start)(how, data.dtype)
    shape = (count + 1, *rows.shape[1:])
    out = np.zeros(shape, data.dtype) if start == 0 else np.full(shape, start, data.dtype)
    if empty is not None and empty != start:
        out[:] = empty
        out[places] = start
    if ordered:
        starts: Any = np.append(0, np.flatnonzero(flat[1:] != flat[:-1]) + 1)
        out[flat[starts]] = _ACCUMULATE[how](
            _ACCUMULATE[how].reduceat(rows, starts, axis=0, dtype=rows.dtype), start
        )
        return out[:count]
    _ACCUMULATE[how].at(out, places, rows)
    return out[:count]


def _checked(ids: Any, count: int) -> Any:
    """Returns the ids with `count` for negative ones.

    Raises:
        ValueError: one is too large.
    """
    if not ids.size or (ids.dtype.kind == "i" and ids.view(f"u{ids.itemsize}").max() < count):
        return ids  # negative ones would be the largest of all
    if ids.max() >= count:
        raise ValueError(f"segment id {ids.max()} is out of range [0, {count})")
    return np.where(ids < 0, count, ids) if ids.min() < 0 else ids


# ---- rows between splits -----------------------------------------------------------------------------------------


def row_ids(splits: Any, size: int) -> Any:
    """Returns for each of `size` values the row that it belongs to."""
    lengths = splits[1:] - splits[:-1]
    if splits[0] == 0 and splits[-1] == size and not (lengths < 0).any():
        return np.repeat(np.arange(lengths.size, dtype=splits.dtype), lengths)
    ends = np.zeros(size + 1, splits.dtype)
    np.add.at(ends, splits[1:], splits.dtype.type(1))
    return np.cumsum(ends, dtype=splits.dtype)[:size]  # as many rows as have ended before


def reduce_rows(how: str, data: Any, splits: Any) -> Any:
    """Combines the values of each row: `data[splits[i]:splits[i + 1]]`."""
    shape = (splits.shape[0] - 1, *data.shape[1:])
    starts, total = splits[:-1], splits[-1]
    filled = starts < splits[1:]
    data = data if data.shape[0] == total else data[:total]
    if filled.all() and shape[0]:
        return _reduced_at(how, data, starts)
    out = np.full(shape, segment_start(how, data.dtype), data.dtype)
    starts = starts[filled]
    if starts.size:
        out[filled] = _reduced_at(how, data, starts)
    return out


def reduce_columns(how: str, data: Any, splits: Any, count: int) -> Any:
    """Combines the values that have the same place in their rows, of which the longest has `count`."""
    lengths = splits[1:] - splits[:-1]
    if 0 < lengths.size * count <= _FEW_PLACES + 4 * data.shape[0] and splits[-1] == data.shape[0]:
        shape = (lengths.size, count, *data.shape[1:])
        padded = np.full(shape, segment_start(how, data.dtype), data.dtype)
        padded[np.arange(count) < lengths[:, None]] = data
        return _ACCUMULATE[how].reduce(padded, axis=0, dtype=data.dtype)
    rows = np.minimum(row_ids(splits, data.shape[0]), lengths.size - 1)
    return segment_reduce(how, data, np.arange(data.shape[0]) - splits[rows], count)
