"""What comes out of the feature lists of SequenceExamples; the same protocol as in `outputs.py`.

Their columns are `ListColumn`s: the values of all steps of all records, and how they divide.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from dovetail.base.errors import InvalidArgumentError
from dovetail.ops.ragged.tensor import RaggedTensor
from dovetail.ops.records.features import UniformRowLength
from dovetail.ops.records.outputs import (
    INT64,
    NUMPY,
    Output,
    divided,
    nested,
    padded,
    partitioned,
    sparse,
    sparse_alone,
    text,
)
from dovetail.ops.records.partitions import splits_of
from dovetail.wire.example_columns import Column, of_features


class ListColumn(NamedTuple):
    """A feature list of many records.

    Attributes:
        values, counts: all values one after the other, and how many each step has.
        steps: int64 (n,), how many steps each record has.
        present: bool (n,), whether a record has the list at all.
        filled: bool, whether each step says of which kind its values are.
    """

    values: Any
    counts: Any
    steps: Any
    present: Any
    filled: Any

    @property
    def column(self) -> Column:
        """The steps as if each were a record."""
        return Column(self.values, self.counts, self.filled)


def read_lists(messages: Sequence[Any], wanted: dict[bytes, str]) -> dict[bytes, ListColumn]:
    """Returns the wanted feature lists of SequenceExamples; raises KindError for values of another kind."""
    return {key: _list_column(messages, key, kind) for key, kind in wanted.items()}


def _list_column(messages: Sequence[Any], key: bytes, kind: str) -> ListColumn:
    name = text(key)
    found = [
        message.feature_lists.feature_list[name].feature
        if name in message.feature_lists.feature_list
        else None
        for message in messages
    ]
    columns = [of_features(steps or (), key, kind, index=i) for i, steps in enumerate(found)]
    empty = of_features((), key, kind)
    values, counts, filled = (np.concatenate(parts) for parts in zip(*columns, empty, strict=True))
    steps = np.array([len(column.counts) for column in columns], np.int64)
    return ListColumn(values, counts, steps, np.array([one is not None for one in found], bool), filled)


def require(column: ListColumn, key: bytes, kind: str) -> None:
    """Raises InvalidArgumentError where a record lacks the list."""
    if not column.present.all():
        raise InvalidArgumentError(
            f"Index: {int(column.present.argmin())}. Feature list {text(key)!r} (data type: {kind}) is required but "
            "could not be found. A FixedLenSequenceFeature with allow_missing=True takes it as empty"
        )


@dataclass(frozen=True)
class PaddedList(Output):
    """A `FixedLenSequenceFeature`: its steps, filled up to the longest, and how many there are."""

    key: bytes
    kind: str
    shape: tuple
    allow_missing: bool

    how: ClassVar[str] = "Dense"

    def columns(self) -> dict[bytes, str]:
        return {self.key: self.kind}

    def specs(self, count: int | None) -> list[tuple]:
        return [((count, None, *self.shape), NUMPY[self.kind]), ((count,), INT64)]

    def arrays(self, columns: dict[bytes, ListColumn], count: int, default: Any) -> list:
        column, size = columns[self.key], math.prod(self.shape)
        if not self.allow_missing:
            require(column, self.key, self.kind)
        wrong = (column.counts != size) | ~column.filled
        if wrong.any():
            at = int(wrong.argmax())
            ends = splits_of(column.steps)
            record = int(np.searchsorted(ends[1:], at, side="right"))
            raise InvalidArgumentError(
                f"Index: {record}, Feature list: {text(self.key)}, step {at - ends[record]}: number of {self.kind} "
                f"values != expected.  Values size: {column.counts[at]} but output shape: {list(self.shape)}"
            )
        return [padded(column.values, column.steps, self.shape, None), column.steps]

    def alone(self, arrays: list) -> list:
        return [array[0, ...] for array in arrays]

    def alone_specs(self) -> list[tuple]:
        return [((None, *self.shape), NUMPY[self.kind]), ((), INT64)]

    def build(self, parts: Sequence[Any], single: bool) -> Any:
        return parts[0]


@dataclass(frozen=True)
class VarlenList(Output):
    """A `VarLenFeature`: a sparse tensor over records, steps and values."""

    key: bytes
    kind: str

    how: ClassVar[str] = "Sparse"

    def columns(self) -> dict[bytes, str]:
        return {self.key: self.kind}

    def specs(self, count: int | None) -> list[tuple]:
        return [((None, 3), INT64), ((None,), NUMPY[self.kind]), ((3,), INT64)]

    def arrays(self, columns: dict[bytes, ListColumn], count: int, default: Any) -> list:
        column = columns[self.key]
        require(column, self.key, self.kind)
        starts = splits_of(column.steps)[:-1]
        records: Any = np.repeat(np.arange(count), column.steps)
        step = np.arange(len(records)) - np.repeat(starts, column.steps)
        place = np.arange(len(column.values)) - np.repeat(splits_of(column.counts)[:-1], column.counts)
        indices = np.stack([np.repeat(records, column.counts), np.repeat(step, column.counts), place], axis=1)
        sizes = [part.max() if len(part) else 0 for part in (column.steps, column.counts)]
        return [indices, column.values, np.array([count, *sizes], np.int64)]

    def alone(self, arrays: list) -> list:
        return sparse_alone(arrays)

    def alone_specs(self) -> list[tuple]:
        return [((None, 2), INT64), ((None,), NUMPY[self.kind]), ((2,), INT64)]

    def build(self, parts: Sequence[Any], single: bool) -> Any:
        return sparse(parts, [None, None, None], single)


@dataclass(frozen=True)
class RaggedList(Output):
    """A `RaggedFeature`: rows of steps of values."""

    key: bytes
    kind: str
    partitions: tuple
    splits_dtype: np.dtype

    how: ClassVar[str] = "Ragged"

    def columns(self) -> dict[bytes, str]:
        keys = [p.key.encode() for p in self.partitions if not isinstance(p, UniformRowLength)]
        return {**dict.fromkeys(keys, "int64"), self.key: self.kind}

    def specs(self, count: int | None) -> list[tuple]:
        outer, inner = divided(self.partitions)
        splits = [((None,), self.splits_dtype) for _ in (None, *outer)]
        records = (None if count is None else count + 1,)
        return [((None, *inner), NUMPY[self.kind]), (records, self.splits_dtype), *splits]

    def arrays(self, columns: dict[bytes, ListColumn], count: int, default: Any) -> list:
        column = columns[self.key]
        for key, kind in self.columns().items():
            require(columns[key], key, kind)
            if (columns[key].steps != column.steps).any():
                raise InvalidArgumentError(
                    f"RaggedFeature: {text(key)} and {text(self.key)} must have as many steps as each other, received "
                    f"{columns[key].steps.tolist()!r:.60} and {column.steps.tolist()!r:.60}"
                )
        steps = {key: columns[key].column for key in self.columns()}
        flat, splits, counts = partitioned(column.values, column.counts, self.partitions, steps)
        divisions = (splits_of(column.steps), splits_of(counts), *splits)
        return [flat, *(part.astype(self.splits_dtype) for part in divisions)]

    def alone(self, arrays: list) -> list:
        return [arrays[0], *arrays[2:]]

    def alone_specs(self) -> list[tuple]:
        flat, _, *splits = self.specs(None)
        return [flat, *splits]

    def build(self, parts: Sequence[Any], single: bool) -> Any:
        outer, _ = divided(self.partitions)
        steps = parts[1:] if single else parts[2:]
        rows = RaggedTensor._of(nested(parts[0], steps[1:], outer), steps[0])
        return rows if single else RaggedTensor._of(rows, parts[1])
