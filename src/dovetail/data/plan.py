"""Datasets whose elements are rows of arrays: they are shuffled, repeated and batched as indices, and gathered once."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from dovetail.data.mapped_columns import MappedColumn, MappedRows
from dovetail.data.structure import rebuilder

CHUNK = 1024
_ROWS_AT_ONCE = 64
_MATERIALIZED_RANGE = 1 << 24


class RangeColumn:
    """The numbers start, start + step, ... as a column that computes its rows when they are asked for."""

    def __init__(self, start: int, step: int, size: int, dtype: np.dtype) -> None:
        self.start, self.step, self.dtype, self.shape = start, step, dtype, (size,)
        self.nbytes = 0

    def __getitem__(self, key: Any) -> np.ndarray:
        if type(key) is tuple:  # one row, as (index, ...)
            return np.asarray(self.start + self.step * key[0]).astype(self.dtype)
        return self.take(np.arange(*key.indices(self.shape[0]), dtype=np.int64))

    def take(self, indices: Any, axis: int = 0) -> np.ndarray:
        return (self.start + self.step * np.asarray(indices, np.int64)).astype(self.dtype)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self.take(np.arange(self.shape[0]))


@dataclasses.dataclass(frozen=True)
class ArrayPlan:
    """Columns of rows, and the order in which the rows come.

    Attributes:
        columns: the arrays, one a leaf; all have the same first dimension.
        tree: how the leaves nest.
        size: number of rows.
        runs: makes a fresh iterator over index runs (a `range` or an int64 array).  Without a batch size the runs
            follow each other as one long sequence of rows; with one, every run is a batch.
        batch_size: rows in a batch, None when elements are single rows.
        drop_remainder: whether a smaller last batch is left out.
        in_order: every row comes exactly once, in order, and always the same way.
        repeatable: every pass gives the same order.
    """

    columns: tuple
    tree: Any
    size: int
    runs: Callable[[], Iterator]
    batch_size: int | None = None
    drop_remainder: bool = False
    in_order: bool = False
    repeatable: bool = True

    @staticmethod
    def of_columns(columns: tuple, tree: Any, size: int) -> ArrayPlan:
        """Returns the plan that gives every row once, in order."""
        runs = (range(size),) if size else ()  # no run is empty
        return ArrayPlan(columns, tree, size, lambda: iter(runs), in_order=True)

    # ---- what the training loop uses ----

    @property
    def arrays(self) -> Any:
        """The columns as arrays, nested as elements are."""
        columns = tuple(np.asarray(column) for column in self.columns)
        for column in self.columns:
            if type(column) is MappedColumn:
                column.rows.forget()
        return rebuilder(self.tree)(columns)

    @property
    def is_materialized(self) -> bool:
        """False when a column is a range too long to be an array."""
        return self.size <= _MATERIALIZED_RANGE or not any(type(c) is RangeColumn for c in self.columns)

    def index_batches(self) -> Iterator[np.ndarray]:
        """Returns a fresh pass: the row numbers of each batch (of each run of rows when there is no batch size)."""
        return (as_indices(run) for run in self.runs())

    def row_bytes(self) -> int:
        """Returns the size of one row in bytes."""
        return sum(column.nbytes for column in self.columns) // max(self.size, 1)

    # ---- what datasets use ----

    def elements(self) -> Iterator[tuple]:
        """Returns a fresh iterator over the elements."""
        columns = self.columns
        if self.batch_size is not None:
            return (tuple(gather(column, run) for column in columns) for run in self.runs())
        if self.is_mapped:
            return self._mapped_elements()
        return (
            tuple(column[index, ...] for column in columns)
            for run in self.runs()
            for index in (run if type(run) is range else run.tolist())
        )

    @property
    def is_mapped(self) -> bool:
        """Whether columns are computed when they are asked for."""
        return any(type(column) is MappedColumn for column in self.columns)

    def _mapped_elements(self) -> Iterator[tuple]:
        for run in self.runs():
            for start in range(0, len(run), _ROWS_AT_ONCE):
                columns = [gather(column, run[start : start + _ROWS_AT_ONCE]) for column in self.columns]
                for row in range(len(columns[0])):
                    yield tuple(column[row, ...] for column in columns)

    def mapped(self, rows: MappedRows, tree: Any) -> ArrayPlan:
        """Returns the plan of the same rows, mapped."""
        return dataclasses.replace(self, columns=rows.columns(), tree=tree)

    def _with_runs(self, runs: Callable[[], Iterator], **changes: Any) -> ArrayPlan:
        return dataclasses.replace(self, runs=runs, in_order=False, **changes)

    def batch(self, size: int, drop_remainder: bool) -> ArrayPlan | None:
        if self.batch_size is not None:
            return None
        runs = self.runs
        return self._with_runs(
            lambda: _batches(runs(), size, drop_remainder), batch_size=size, drop_remainder=drop_remainder
        )

    def shuffle(
        self, buffer_size: int, generators: Callable[[], np.random.Generator], renew: bool
    ) -> ArrayPlan:
        runs, mix = self.runs, reservoir if self.batch_size is not None else _shuffled_runs
        return self._with_runs(
            lambda: mix(runs(), buffer_size, generators()), repeatable=self.repeatable and not renew
        )

    def repeat(self, count: int) -> ArrayPlan:
        return self._with_runs(lambda: repeated(self.runs, count))

    def take(self, count: int) -> ArrayPlan:
        runs = self.runs
        if self.batch_size is not None:
            return self._with_runs(lambda: itertools.islice(runs(), count))
        return self._with_runs(lambda: _first_rows(runs(), count))

    def skip(self, count: int) -> ArrayPlan:
        runs = self.runs
        if self.batch_size is not None:
            return self._with_runs(lambda: itertools.islice(runs(), count, None))
        return self._with_runs(lambda: _rows_after(runs(), count))

    def kept(self) -> ArrayPlan:
        """Returns the plan that keeps the order of the first complete pass, and the rows that it has computed."""
        plan = self if self.repeatable else self._with_runs(_Kept(self.runs), repeatable=True)
        if not self.is_mapped:
            return plan
        known: dict[int, tuple] = {}
        columns = []
        for column in self.columns:
            if type(column) is MappedColumn:
                kept = known.setdefault(id(column.rows), column.rows.kept().columns())
                column = kept[column.position]
            columns.append(column)
        return dataclasses.replace(plan, columns=tuple(columns))

    def shard(self, num_shards: int, index: int) -> ArrayPlan:
        runs = self.runs
        if self.batch_size is not None:
            return self._with_runs(lambda: itertools.islice(runs(), index, None, num_shards))
        return self._with_runs(lambda: _every(runs(), num_shards, index))


class _Kept:
    """The runs of the first complete pass, in every later one."""

    def __init__(self, runs: Callable[[], Iterator]) -> None:
        self._runs = runs
        self._known: list | None = None

    def __call__(self) -> Iterator:
        if self._known is not None:
            yield from self._known
            return
        known = []
        for run in self._runs():
            known.append(run)
            yield run
        self._known = known


def gather(column: Any, run: Any) -> np.ndarray:
    """Returns the rows of a run: a view where they are next to each other, a copy where not."""
    if type(run) is range and run.step == 1:
        return column[run.start : run.stop]
    return column.take(as_indices(run), axis=0)


def as_indices(run: Any) -> np.ndarray:
    return np.arange(run.start, run.stop, run.step, dtype=np.int64) if type(run) is range else run


def joined(runs: list) -> Any:
    """Returns several runs as one."""
    return runs[0] if len(runs) == 1 else np.concatenate([as_indices(run) for run in runs])


def _batches(runs: Iterator, size: int, drop_remainder: bool) -> Iterator:
    waiting: list = []
    num_waiting = 0
    for run in runs:
        position = 0
        while len(run) - position >= size - num_waiting:
            end = position + size - num_waiting
            waiting.append(run[position:end])
            yield joined(waiting)
            waiting, num_waiting, position = [], 0, end
        if position < len(run):
            waiting.append(run[position:])
            num_waiting += len(run) - position
    if waiting and not drop_remainder:
        yield joined(waiting)


def _first_rows(runs: Iterator, count: int) -> Iterator:
    for run in runs:
        if count <= 0:
            return
        yield run[:count]
        count -= len(run)


def _rows_after(runs: Iterator, count: int) -> Iterator:
    for run in runs:
        if count < len(run):
            yield run[count:]
        count = max(count - len(run), 0)


def _every(runs: Iterator, step: int, offset: int) -> Iterator:
    for run in runs:
        if offset < len(run):
            yield run[offset::step]
        offset = (offset - len(run)) % step if offset < len(run) else offset - len(run)


def repeated(make: Callable[[], Iterator], count: int) -> Iterator:
    """Goes through `make()` `count` times (-1: for ever, unless it is empty)."""
    while count != 0:
        item = _repeated_nothing = object()
        for item in make():
            yield item
        if item is _repeated_nothing:
            return
        count -= 1


def _shuffled_runs(runs: Iterator, buffer_size: int, rng: np.random.Generator) -> Iterator:
    """Shuffles rows: one permutation when all of them fit into the buffer, else as `reservoir` does."""
    held: list = []
    num_held = 0
    for run in runs:
        held.append(run)
        num_held += len(run)
        if num_held > buffer_size:
            break
    else:
        if held:
            yield rng.permutation(as_indices(joined(held)))
        return
    rows = itertools.chain.from_iterable(
        run if type(run) is range else run.tolist() for run in itertools.chain(held, runs)
    )
    mixed = reservoir(rows, buffer_size, rng)
    while (chunk := np.fromiter(itertools.islice(mixed, CHUNK), np.int64)).size:
        yield chunk


def reservoir(items: Iterable, buffer_size: int, rng: np.random.Generator) -> Iterator:
    """Shuffles a stream: keeps `buffer_size` items, gives a random one of them, puts the next item in its place."""
    items = iter(items)
    buffer = list(itertools.islice(items, buffer_size))
    if len(buffer) == buffer_size:
        draws: Iterator[int] = iter(())
        for item in items:
            place = next(draws, None)
            if place is None:
                draws = iter(rng.integers(0, buffer_size, CHUNK).tolist())
                place = next(draws)
            yield buffer[place]
            buffer[place] = item
    for place in rng.permutation(len(buffer)).tolist():
        yield buffer[place]
