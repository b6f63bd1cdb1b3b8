"""What comes out of parsing, one class for each kind of feature: its columns, its arrays, the value made of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from dovetail.base.errors import InvalidArgumentError
from dovetail.engine import dtypes
from dovetail.ops.ragged.tensor import RaggedTensor
from dovetail.ops.records.features import UniformRowLength
from dovetail.ops.records.partitions import rows_of, splits_of
from dovetail.ops.sparse.tensor import SparseTensor
from dovetail.tensor.shape import TensorShape
from dovetail.wire.example_columns import Column

INT64 = np.dtype(np.int64)
NUMPY = {"float32": np.dtype(np.float32), "int64": INT64, "string": dtypes.STRING}
_EMPTY = {"float32": 0.0, "int64": 0, "string": b""}


def text(key: bytes) -> str:
    """Returns a feature's name for messages."""
    return key.decode("utf-8", "replace")


class Output:
    """One feature, or one value that is put together of several.

    Attributes:
        how: in which manner it reads its features; a feature is read in one manner only.
    """

    how: ClassVar[str] = ""

    @property
    def takes_default(self) -> bool:
        """Whether `arrays` gets a default."""
        return False

    def columns(self) -> dict[bytes, str]:
        """Returns the features it reads: key -> kind."""
        raise NotImplementedError(type(self).__name__)

    def specs(self, count: int | None) -> list[tuple]:
        """Returns shape and dtype of each of its arrays for `count` records (None: unknown)."""
        raise NotImplementedError(type(self).__name__)

    def arrays(self, columns: dict[bytes, Any], count: int, default: Any) -> list:
        """Returns its arrays, all records together."""
        raise NotImplementedError(type(self).__name__)

    def alone(self, arrays: list) -> list:
        """Returns the arrays of one record, without the axis for the records."""
        raise NotImplementedError(type(self).__name__)

    def alone_specs(self) -> list[tuple]:
        """Returns shape and dtype of each of the arrays that `alone` gives."""
        raise NotImplementedError(type(self).__name__)

    def build(self, parts: Sequence[Any], single: bool) -> Any:
        """Returns the value that users see of the arrays as tensors; `single`: of what `alone` gives."""
        raise NotImplementedError(type(self).__name__)


@dataclass(frozen=True)
class Dense(Output):
    """A `FixedLenFeature`."""

    key: bytes
    kind: str
    shape: tuple
    has_default: bool

    how: ClassVar[str] = "Dense"

    @property
    def takes_default(self) -> bool:
        return self.has_default

    def columns(self) -> dict[bytes, str]:
        return {self.key: self.kind}

    def specs(self, count: int | None) -> list[tuple]:
        return [((count, *self.shape), NUMPY[self.kind])]

    def arrays(self, columns: dict[bytes, Column], count: int, default: Any) -> list:
        values, counts, present = columns[self.key]
        size = math.prod(self.shape)
        if count == 1 and len(values) == size and present[0]:
            return [values.reshape(1, *self.shape)]
        whole = bool(present.all())
        wrong = (counts != size) & present
        if wrong.any():
            raise InvalidArgumentError(
                f"Key: {text(self.key)}, Index: {wrong.argmax()}.  Number of {self.kind} values != expected.  "
                f"Values size: {counts[wrong.argmax()]} but output shape: {list(self.shape)}"
            )
        if not whole and not self.has_default:
            raise InvalidArgumentError(
                f"Feature: {text(self.key)} (data type: {self.kind}) is required but could not be found, "
                f"Index: {present.argmin()}. Give it a default_value if it may be missing"
            )
        if whole:
            return [values.reshape(count, *self.shape)]
        out = np.empty((count, size), values.dtype)
        out[present] = values.reshape(-1, size)
        out[~present] = default.reshape(size)
        return [out.reshape(count, *self.shape)]

    def alone(self, arrays: list) -> list:
        return [arrays[0][0, ...]]

    def alone_specs(self) -> list[tuple]:
        return [(self.shape, NUMPY[self.kind])]

    def build(self, parts: Sequence[Any], single: bool) -> Any:
        return parts[0]


@dataclass(frozen=True)
class Padded(Output):
    """A `FixedLenSequenceFeature` of an Example."""

    key: bytes
    kind: str
    shape: tuple
    has_default: bool

    how: ClassVar[str] = "Dense"

    @property
    def takes_default(self) -> bool:
        return self.has_default

    def columns(self) -> dict[bytes, str]:
        return {self.key: self.kind}

    def specs(self, count: int | None) -> list[tuple]:
        return [((count, None, *self.shape), NUMPY[self.kind])]

    def arrays(self, columns: dict[bytes, Column], count: int, default: Any) -> list:
        values, counts, _ = columns[self.key]
        size = math.prod(self.shape)
        wrong = counts % size != 0 if size else counts != 0
        if wrong.any():
            at = int(wrong.argmax())
            raise InvalidArgumentError(
                f"Key: {text(self.key)}, Index: {at}.  Number of {self.kind} values is not a multiple of stride "
                f"length. Saw {counts[at]} values but output shape is: {list(self.shape)}"
            )
        return [padded(values, counts // size if size else counts, self.shape, default)]

    def alone(self, arrays: list) -> list:
        return [arrays[0][0, ...]]

    def alone_specs(self) -> list[tuple]:
        return [((None, *self.shape), NUMPY[self.kind])]

    def build(self, parts: Sequence[Any], single: bool) -> Any:
        return parts[0]


def padded(values: Any, rows: Any, shape: tuple, default: Any) -> Any:
    """Returns values as rows of `shape`, each record's filled up to the most rows: (n, most, *shape)."""
    size, most = math.prod(shape), int(rows.max()) if len(rows) else 0
    out = np.empty((len(rows), most * size), values.dtype)
    out[...] = default.reshape(()) if default is not None else _EMPTY[_kind_of(values)]
    out[np.arange(most * size) < rows[:, None] * size] = values
    return out.reshape(len(rows), most, *shape)


def _kind_of(values: Any) -> str:
    return "string" if values.dtype.kind == "O" else values.dtype.name


@dataclass(frozen=True)
class Varlen(Output):
    """A `VarLenFeature`."""

    key: bytes
    kind: str

    how: ClassVar[str] = "Sparse"

    def columns(self) -> dict[bytes, str]:
        return {self.key: self.kind}

    def specs(self, count: int | None) -> list[tuple]:
        return [((None, 2), INT64), ((None,), NUMPY[self.kind]), ((2,), INT64)]

    def arrays(self, columns: dict[bytes, Column], count: int, default: Any) -> list:
        values, counts, _ = columns[self.key]
        longest = counts.max() if count else 0
        return [coordinates(counts), values, np.array([count, longest], np.int64)]

    def alone(self, arrays: list) -> list:
        return sparse_alone(arrays)

    def alone_specs(self) -> list[tuple]:
        return [((None, 1), INT64), ((None,), NUMPY[self.kind]), ((1,), INT64)]

    def build(self, parts: Sequence[Any], single: bool) -> Any:
        return sparse(parts, [None, None], single)


def coordinates(counts: Any) -> Any:
    """Returns for each value its record, and its place in it: int64 (values, 2)."""
    out: Any = np.empty((int(counts.sum()), 2), np.int64)
    out[:, 0] = np.repeat(np.arange(len(counts)), counts)
    out[:, 1] = np.arange(len(out)) - np.repeat(splits_of(counts)[:-1], counts)
    return out


def sparse_alone(arrays: list) -> list:
    """Returns indices, values and shape without the first axis."""
    indices, values, dense_shape = arrays
    return [indices[:, 1:], values, dense_shape[1:]]


def sparse(parts: Sequence[Any], shape: list, single: bool) -> Any:
    """Returns a sparse tensor of indices, values and shape; `shape` is what is known of it with the records' axis."""
    indices, values, dense_shape = parts
    return SparseTensor._made(indices, values, dense_shape, TensorShape(shape[1:] if single else shape))


@dataclass(frozen=True)
class Indexed(Output):
    """A `SparseFeature`."""

    index_keys: tuple[bytes, ...]
    value_key: bytes
    kind: str
    sizes: tuple[int, ...]
    already_sorted: bool

    how: ClassVar[str] = "Sparse"

    def columns(self) -> dict[bytes, str]:
        return {**dict.fromkeys(self.index_keys, "int64"), self.value_key: self.kind}

    def specs(self, count: int | None) -> list[tuple]:
        rank = 1 + len(self.sizes)
        return [((None, rank), INT64), ((None,), NUMPY[self.kind]), ((rank,), INT64)]

    def arrays(self, columns: dict[bytes, Column], count: int, default: Any) -> list:
        values, counts, _ = columns[self.value_key]
        parts: list[Any] = [np.repeat(np.arange(count), counts)]
        for key in self.index_keys:
            if (columns[key].counts != counts).any():
                raise InvalidArgumentError(
                    f"SparseFeature: {text(key)} and {text(self.value_key)} must have as many values as each other, "
                    f"received {columns[key].counts.tolist()!r:.60} and {counts.tolist()!r:.60}"
                )
            parts.append(columns[key].values)
        if not self.already_sorted:
            order = np.lexsort(parts[::-1])
            parts, values = [part[order] for part in parts], values[order]
        return [np.stack(parts, axis=1), values, np.array([count, *self.sizes], np.int64)]

    def alone(self, arrays: list) -> list:
        return sparse_alone(arrays)

    def alone_specs(self) -> list[tuple]:
        rank = len(self.sizes)
        return [((None, rank), INT64), ((None,), NUMPY[self.kind]), ((rank,), INT64)]

    def build(self, parts: Sequence[Any], single: bool) -> Any:
        return sparse(parts, [None, *self.sizes], single)


@dataclass(frozen=True)
class Ragged(Output):
    """A `RaggedFeature`."""

    key: bytes
    kind: str
    partitions: tuple
    splits_dtype: np.dtype

    how: ClassVar[str] = "Ragged"

    def columns(self) -> dict[bytes, str]:
        keys = [p.key.encode() for p in self.partitions if not isinstance(p, UniformRowLength)]
        return {**dict.fromkeys(keys, "int64"), self.key: self.kind}

    def _division(self) -> tuple[tuple, tuple]:
        return divided(self.partitions)

    def specs(self, count: int | None) -> list[tuple]:
        outer, inner = self._division()
        splits = [((None,), self.splits_dtype) for _ in outer]
        records = (None if count is None else count + 1,)
        return [((None, *inner), NUMPY[self.kind]), (records, self.splits_dtype), *splits]

    def arrays(self, columns: dict[bytes, Column], count: int, default: Any) -> list:
        values, counts, _ = columns[self.key]
        flat, splits, counts = partitioned(values, counts, self.partitions, columns)
        return [flat, *(part.astype(self.splits_dtype) for part in (splits_of(counts), *splits))]

    def alone(self, arrays: list) -> list:
        return [arrays[0], *arrays[2:]]

    def alone_specs(self) -> list[tuple]:
        flat, _, *splits = self.specs(None)
        return [flat, *splits]

    def build(self, parts: Sequence[Any], single: bool) -> Any:
        outer, _ = self._division()
        if single:
            return nested(parts[0], parts[1:], outer)
        return RaggedTensor._of(nested(parts[0], parts[2:], outer), parts[1])


def divided(partitions: tuple) -> tuple[tuple, tuple]:
    """Returns the partitions that make ragged dimensions, and the sizes of the dense dimensions inside of them."""
    last = len(partitions)
    while last and isinstance(partitions[last - 1], UniformRowLength):
        last -= 1
    return partitions[:last], tuple(int(p.length) for p in partitions[last:])


def partitioned(values: Any, counts: Any, partitions: tuple, columns: dict) -> tuple[Any, list, Any]:
    """Returns `(flat values, the row splits of the ragged dimensions, how many rows each record has)`."""
    outer, inner = divided(partitions)
    splits: list = []
    for partition in reversed(partitions):
        own, counts = rows_of(partition, columns, counts)
        splits.insert(0, own)
    return values.reshape(-1, *inner), splits[: len(outer)], counts


def nested(values: Any, splits: Sequence[Any], partitions: tuple) -> Any:
    """Returns values as a ragged tensor of some dimensions, the outermost first; of none: as they are."""
    for own, partition in zip(reversed(splits), reversed(partitions), strict=True):
        uniform = int(partition.length) if isinstance(partition, UniformRowLength) else None
        values = RaggedTensor._of(values, own, uniform)
    return values
