"""Columns that are a function of other columns, computed for the rows that are asked for."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from dovetail.data.vectorized import RowFunction


class MappedRows:
    """The results of a pure function of rows.

    Args:
        function: of rows.
        columns: what it is a function of.
        size: number of rows.
        keeps: keep what has been computed.
    """

    def __init__(self, function: RowFunction, columns: tuple, size: int, keeps: bool = False) -> None:
        self.function, self.size = function, size
        self._columns = columns
        self._at_once = 1
        self._last: tuple = (None, None)
        self._done: np.ndarray | None = np.zeros(size, bool) if keeps else None
        self._kept = [np.empty((size, *shape), dtype) for shape, dtype in function.results] if keeps else []

    def columns(self) -> tuple[MappedColumn, ...]:
        return tuple(MappedColumn(self, i) for i in range(len(self.function.results)))

    def kept(self) -> MappedRows:
        """Returns the same rows, which are kept once they have been computed."""
        return MappedRows(self.function, self._columns, self.size, keeps=True)

    def take(self, rows: Any) -> list:
        """Returns all results for the rows of a slice or an array of numbers; several columns ask for the same."""
        asked, results = self._last
        if asked is rows or (type(rows) is slice and type(asked) is slice and asked == rows):
            return results
        results = self._computed(rows) if self._done is None else self._from_kept(rows)
        self._last = (rows, results)
        return results

    def forget(self) -> None:
        """Drops the results of the last call."""
        self._last = (None, None)

    def _computed(self, rows: Any) -> list:
        given = [c[rows] if type(rows) is slice else c.take(rows, axis=0) for c in self._columns]
        count = len(given[0])
        if not count:
            return [np.empty((0, *shape), dtype) for shape, dtype in self.function.results]
        self._at_once = max(self._at_once, min(count, self.function.chunk))
        return self.function.pure(given, self._at_once)

    def _from_kept(self, rows: Any) -> list:
        done: Any = self._done
        if not done[rows].all():
            numbers = np.arange(self.size)[rows]
            missing = np.unique(numbers[~done[numbers]])
            for kept, new in zip(self._kept, self._computed(missing), strict=True):
                kept[missing] = new
            done[missing] = True
        return [kept[rows] for kept in self._kept]


class MappedColumn:
    """One leaf of `MappedRows`: an array to look at, computed when it is."""

    def __init__(self, rows: MappedRows, position: int) -> None:
        self.rows, self.position = rows, position
        shape, self.dtype = rows.function.results[position]
        self.shape = (rows.size, *shape)
        self.nbytes = math.prod(self.shape) * self.dtype.itemsize

    def __getitem__(self, key: Any) -> np.ndarray:
        if type(key) is tuple:  # one row, as (index, ...)
            return self.take(np.asarray(key[:1]))[0, ...]
        return self.rows.take(key)[self.position]

    def take(self, indices: Any, axis: int = 0) -> np.ndarray:
        return self.rows.take(indices)[self.position]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self.rows.take(slice(0, self.shape[0]))[self.position]
