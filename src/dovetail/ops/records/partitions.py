"""How the values of a record divide into rows, for many records at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dovetail.base.errors import InvalidArgumentError
from dovetail.ops.records.features import (
    RowLengths,
    RowLimits,
    RowSplits,
    RowStarts,
    UniformRowLength,
    ValueRowIds,
)
from dovetail.wire.example_columns import Column


def splits_of(counts: Any) -> Any:
    """Returns where rows of some lengths begin, and where the last one ends: int64 (n + 1,)."""
    splits: Any = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=splits[1:])
    return splits


def _per_row(column: Column, per_record: Any) -> Any:
    """Returns a number of each record, once for each of the column's values."""
    return np.repeat(per_record, column.counts)


def _from_splits(column: Column, counts: Any, starts: Any) -> tuple[Any, Any]:
    absolute = column.values + _per_row(column, starts)
    own = splits_of(column.counts)
    filled = column.counts > 0
    keep: Any = np.ones(len(absolute), bool)
    keep[own[1:][filled] - 1] = False  # a record's last split is the next one's first
    rows = np.maximum(column.counts - 1, 0)
    begun = absolute[own[:-1][filled]] if filled.any() else absolute[:0]
    if (begun != starts[filled]).any():
        raise ValueError("row splits must begin with 0")
    ended = absolute[own[1:][filled] - 1]
    if (ended != (starts + counts)[filled]).any() or counts[~filled].any():
        raise ValueError("row splits must end with the number of values")
    return np.append(absolute[keep], counts.sum()), rows


def _from_lengths(column: Column, counts: Any, starts: Any) -> tuple[Any, Any]:
    if (column.values < 0).any():
        raise ValueError("row lengths must not be negative")
    return splits_of(column.values), column.counts


def _from_starts(column: Column, counts: Any, starts: Any) -> tuple[Any, Any]:
    absolute = column.values + _per_row(column, starts)
    return np.append(absolute, counts.sum()), column.counts


def _from_limits(column: Column, counts: Any, starts: Any) -> tuple[Any, Any]:
    absolute = column.values + _per_row(column, starts)
    return np.append(0, absolute), column.counts


def _from_row_ids(column: Column, counts: Any, starts: Any) -> tuple[Any, Any]:
    if (column.counts != counts).any():
        raise ValueError("there must be one row id for each value")
    ends = splits_of(column.counts)[1:]
    filled = column.counts > 0
    rows: Any = np.zeros(len(counts), np.int64)
    rows[filled] = column.values[ends[filled] - 1] + 1
    if (column.values < 0).any() or (rows > 1 << 31).any():
        raise ValueError("row ids are out of range")
    absolute = column.values + _per_row(column, splits_of(rows)[:-1])
    if (np.diff(absolute) < 0).any():
        raise ValueError("row ids must not descend")
    return np.searchsorted(absolute, np.arange(rows.sum() + 1)).astype(np.int64), rows


_MAKERS: dict[type, Callable] = {
    RowSplits: _from_splits,
    RowLengths: _from_lengths,
    RowStarts: _from_starts,
    RowLimits: _from_limits,
    ValueRowIds: _from_row_ids,
}


def rows_of(partition: Any, columns: dict[bytes, Column], counts: Any) -> tuple[Any, Any]:
    """Returns the row splits of a partition, all records one after the other, and how many rows each record has.

    Args:
        partition: one of a `RaggedFeature`.
        columns: the features by key.
        counts: int64 (n,), how many values (or inner rows) each record has.

    Raises:
        InvalidArgumentError: the partition does not fit the values.
    """
    try:
        if isinstance(partition, UniformRowLength):
            return _uniform(int(partition.length), counts)
        splits, rows = _MAKERS[type(partition)](
            columns[partition.key.encode()], counts, splits_of(counts)[:-1]
        )
        if splits[0] != 0 or splits[-1] != counts.sum() or (np.diff(splits) < 0).any():
            raise ValueError("the rows do not hold each value once, in order")
    except ValueError as error:
        raise InvalidArgumentError(
            f"RaggedFeature: the partition {partition} does not fit: {error}"
        ) from None
    return splits, rows


def _uniform(length: int, counts: Any) -> tuple[Any, Any]:
    if length < 1 or (counts % length).any():
        raise ValueError(f"the records have {counts[:8].tolist()} values, no multiples of {length}")
    rows = counts // length
    return np.arange(rows.sum() + 1) * length, rows
