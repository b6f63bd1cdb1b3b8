"""`tf.RaggedTensor`: rows of different lengths, as flat values and row splits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dovetail.base.errors import InvalidArgumentError, at_user_location
from dovetail.ops.arithmetic import cast
from dovetail.ops.array import concat, stack_values
from dovetail.ops.attrs import static
from dovetail.ops.create import ones, range_of, zeros
from dovetail.ops.ragged import partition
from dovetail.ops.ragged.partition import as_splits, known
from dovetail.ops.segment import unsorted_segment_sum
from dovetail.ops.shapes import as_tensor, reshape
from dovetail.ops.shapes import shape as shape_of
from dovetail.ops.views import export
from dovetail.tensor import dtype as dt
from dovetail.tensor.composite import CompositeTensor
from dovetail.tensor.convert import stacked
from dovetail.tensor.shape import TensorShape
from dovetail.tensor.spec import BatchableTypeSpec, OfOneTensor, TensorSpec
from dovetail.tensor.tensor import TensorLike


@export("RaggedTensor")
class RaggedTensor(CompositeTensor):
    """A tensor whose rows differ in length: `values`, and how they are divided into rows.

    Use the `from_...` class methods or `tf.ragged.constant` to make one.  `values` is a tensor, or a ragged tensor
    again (then there are several ragged dimensions).

    Example:
        >>> rt = tf.RaggedTensor.from_row_splits([3, 1, 4, 1, 5], [0, 2, 2, 5])
        >>> rt.to_list()
        [[3, 1], [], [4, 1, 5]]
    """

    __slots__ = ("__weakref__", "_splits", "_uniform", "_values")
    _is_tensor = True
    __hash__ = None  # type: ignore[assignment]

    _values: Any
    _splits: Any
    _uniform: Any

    def __init__(self, *parts: Any, **named: Any) -> None:
        raise ValueError(
            "tf.RaggedTensor is made by its class methods, such as tf.RaggedTensor.from_row_splits(values, row_splits)"
            f" and from_row_lengths, or by tf.ragged.constant{at_user_location()}"
        )

    @classmethod
    def _of(cls, values: Any, row_splits: Any, uniform_row_length: Any = None) -> Any:
        """Returns the ragged tensor of parts that are known to fit."""
        made = cls.__new__(cls)
        made._values, made._splits, made._uniform = values, row_splits, uniform_row_length
        return made

    # ---- construction

    @classmethod
    def from_row_splits(
        cls, values: Any, row_splits: Any, name: str | None = None, validate: bool = True
    ) -> Any:
        """Row i holds `values[row_splits[i]:row_splits[i + 1]]`."""
        values, splits = _rows(values), as_splits(row_splits)
        return _made(cls, values, splits, validate, "from_row_splits")

    @classmethod
    def from_row_lengths(
        cls, values: Any, row_lengths: Any, name: str | None = None, validate: bool = True
    ) -> Any:
        """Row i holds the next `row_lengths[i]` values."""
        splits = partition.from_lengths(as_splits(row_lengths))
        return _made(cls, _rows(values), splits, validate, "from_row_lengths")

    @classmethod
    def from_row_starts(
        cls, values: Any, row_starts: Any, name: str | None = None, validate: bool = True
    ) -> Any:
        """Row i begins at `row_starts[i]` and ends where the next begins."""
        values, starts = _rows(values), as_splits(row_starts)
        splits = concat([starts, reshape(cast(num_rows(values), dtype=starts.dtype), shape=(1,))], axis=0)
        return _made(cls, values, splits, validate, "from_row_starts")

    @classmethod
    def from_row_limits(
        cls, values: Any, row_limits: Any, name: str | None = None, validate: bool = True
    ) -> Any:
        """Row i ends before `row_limits[i]`, and begins where the one before ended."""
        limits = as_splits(row_limits)
        splits = concat([limits[:1] * 0 if limits.shape[0] else [0], limits], axis=0)
        return _made(cls, _rows(values), splits, validate, "from_row_limits")

    @classmethod
    def from_value_rowids(
        cls, values: Any, value_rowids: Any, nrows: Any = None, name: str | None = None, validate: bool = True
    ) -> Any:
        """Value i belongs to the row `value_rowids[i]`; the ids ascend."""
        ids = as_splits(value_rowids)
        array = known(ids)
        if validate and array is not None and (np.diff(array) < 0).any():
            raise InvalidArgumentError(
                f"tf.RaggedTensor.from_value_rowids: the ids must not descend, received {array.tolist()!r:.60}"
                f"{at_user_location()}"
            )
        splits = splits_of_rowids(ids, nrows)
        return _made(cls, _rows(values), splits, validate, "from_value_rowids")

    @classmethod
    def from_uniform_row_length(
        cls,
        values: Any,
        uniform_row_length: Any,
        nrows: Any = None,
        validate: bool = True,
        name: str | None = None,
    ) -> Any:
        """Every row holds `uniform_row_length` values."""
        values = _rows(values)
        kind = next((n.dtype for n in (uniform_row_length, nrows) if isinstance(n, TensorLike)), None)
        length = int(static(uniform_row_length))
        if nrows is None:
            total = int(static(num_rows(values)))
            nrows = total // length if length else 0
        nrows = int(static(nrows))
        splits = range_of(nrows + 1, dtype=kind or splits_dtype(values)) * length
        made = _made(cls, values, splits, validate, "from_uniform_row_length")
        return cls._of(made._values, made._splits, length)

    @classmethod
    def from_nested_row_splits(
        cls, flat_values: Any, nested_row_splits: Any, name: str | None = None, validate: bool = True
    ) -> Any:
        """Nests the partitions, the outermost first."""
        return _nested(cls.from_row_splits, flat_values, nested_row_splits, validate)

    @classmethod
    def from_nested_row_lengths(
        cls, flat_values: Any, nested_row_lengths: Any, name: str | None = None, validate: bool = True
    ) -> Any:
        """Nests the partitions, the outermost first."""
        return _nested(cls.from_row_lengths, flat_values, nested_row_lengths, validate)

    @classmethod
    def from_nested_value_rowids(
        cls,
        flat_values: Any,
        nested_value_rowids: Any,
        nested_nrows: Any = None,
        name: str | None = None,
        validate: bool = True,
    ) -> Any:
        """Nests the partitions, the outermost first."""
        counts = [None] * len(nested_value_rowids) if nested_nrows is None else list(nested_nrows)
        result = flat_values
        for ids, count in zip(reversed(list(nested_value_rowids)), reversed(counts), strict=True):
            result = cls.from_value_rowids(result, ids, count, validate=validate)
        return result

    # ---- what it holds

    @property
    def values(self) -> Any:
        """The rows one after the other: a tensor, or a ragged tensor of one dimension less."""
        return self._values

    @property
    def flat_values(self) -> Any:
        """The values with no ragged dimension left."""
        values = self._values
        while isinstance(values, RaggedTensor):
            values = values._values
        return values

    @property
    def row_splits(self) -> Any:
        return self._splits

    @property
    def uniform_row_length(self) -> Any:
        """The length of every row when it was made with one, else None."""
        return None if self._uniform is None else as_splits(self._uniform, self._splits.dtype)

    @property
    def nested_row_splits(self) -> tuple:
        inner = self._values.nested_row_splits if isinstance(self._values, RaggedTensor) else ()
        return (self._splits, *inner)

    @property
    def dtype(self) -> Any:
        return self.flat_values.dtype

    @property
    def ragged_rank(self) -> int:
        return 1 + (self._values.ragged_rank if isinstance(self._values, RaggedTensor) else 0)

    @property
    def shape(self) -> TensorShape:
        """The shape, None for ragged and unknown sizes."""
        size = self._splits.shape[0]
        inner = self._values.shape
        if inner.rank is None:
            return TensorShape(None)
        return TensorShape([None if size is None else size - 1, self._uniform, *inner[1:]])

    def get_shape(self) -> TensorShape:
        return self.shape

    def nrows(self, out_type: Any = None, name: str | None = None) -> Any:
        """Returns the number of rows."""
        return shape_of(self._splits, out_type or self._splits.dtype)[0] - 1

    def row_starts(self, name: str | None = None) -> Any:
        return self._splits[:-1]

    def row_limits(self, name: str | None = None) -> Any:
        return self._splits[1:]

    def row_lengths(self, axis: int = 1, name: str | None = None) -> Any:
        """Returns the lengths of the rows of a ragged axis (a ragged tensor itself for axis 2 and on)."""
        if axis == 0:
            return self.nrows()
        if axis < 0:
            axis += len(self.shape)
        if axis == 1:
            return partition.lengths_of(self._splits)
        if isinstance(self._values, RaggedTensor):
            return self.with_values(self._values.row_lengths(axis - 1))
        size = shape_of(self._values, self._splits.dtype)
        lengths = ones(size[: axis - 1], self._splits.dtype) * size[axis - 1]
        return self.with_values(lengths)

    def nested_row_lengths(self, name: str | None = None) -> tuple:
        return tuple(map(partition.lengths_of, self.nested_row_splits))

    def value_rowids(self, name: str | None = None) -> Any:
        """Returns for each value the row that it belongs to."""
        return partition.value_rowids(self._splits, index_source(self._values))

    def nested_value_rowids(self, name: str | None = None) -> tuple:
        inner = self._values.nested_value_rowids() if isinstance(self._values, RaggedTensor) else ()
        return (self.value_rowids(), *inner)

    def bounding_shape(self, axis: Any = None, name: str | None = None, out_type: Any = None) -> Any:
        """Returns the shape of the smallest dense tensor that holds the rows."""
        sizes = [self.nrows(), partition.longest(self._splits)]
        inner = self._values
        dtype = out_type or self._splits.dtype
        rest = (
            inner.bounding_shape(out_type=dtype)
            if isinstance(inner, RaggedTensor)
            else shape_of(inner, dtype)
        )
        whole = concat([cast(stack_values(sizes), dtype=dtype), rest[1:]], axis=0)
        return (
            whole
            if axis is None
            else whole[axis]
            if isinstance(axis, int)
            else stack_values([whole[i] for i in axis])
        )

    def with_values(self, new_values: Any) -> Any:
        """Returns the same rows of other values."""
        return RaggedTensor._of(_rows(new_values), self._splits, self._uniform)

    def with_flat_values(self, new_values: Any) -> Any:
        """Returns the same rows of other flat values."""
        inner = self._values
        return self.with_values(
            inner.with_flat_values(new_values) if isinstance(inner, RaggedTensor) else new_values
        )

    def with_row_splits_dtype(self, dtype: Any) -> Any:
        """Returns the same rows with row splits of int32 or int64."""
        inner = self._values
        values = inner.with_row_splits_dtype(dtype) if isinstance(inner, RaggedTensor) else inner
        return RaggedTensor._of(values, as_splits(self._splits, dtype), self._uniform)

    def consumers(self) -> list:
        return []

    @property
    def _type_spec(self) -> RaggedTensorSpec:
        return RaggedTensorSpec.from_value(self)

    def _shape_invariant_to_type_spec(self, shape: Any) -> RaggedTensorSpec:
        return RaggedTensorSpec(shape, self.dtype, self.ragged_rank, self._splits.dtype)

    def _known_rows(self) -> int:
        """Returns the number of rows; raises TypeError where it is not known yet."""
        size = self._splits.shape[0]
        if size is None:
            raise TypeError(
                f"a ragged tensor of an unknown number of rows cannot be iterated over; use nrows(){at_user_location()}"
            )
        return size - 1

    def __bool__(self) -> bool:
        raise TypeError(f"RaggedTensor may not be used as a boolean.{at_user_location()}")


def _rows(values: Any) -> Any:
    if isinstance(values, RaggedTensor):
        return values
    tensor = as_tensor(values)
    if tensor.shape.rank == 0:
        raise ValueError(
            f"the values of a ragged tensor must have rows, received a scalar{at_user_location()}"
        )
    return tensor


def _made(cls: Any, values: Any, splits: Any, validate: bool, what: str) -> Any:
    if isinstance(values, RaggedTensor) and values._splits.dtype != splits.dtype:
        splits, values = as_splits(splits, "int64"), values.with_row_splits_dtype("int64")
    if validate:
        partition.check(splits, _static_rows(values), what)
    return cls._of(values, splits)


def _nested(make: Any, flat_values: Any, partitions: Any, validate: bool) -> Any:
    result = flat_values
    for each in reversed(list(partitions)):
        result = make(result, each, validate=validate)
    return result


def _static_rows(values: Any) -> int | None:
    return values.shape[0]


def num_rows(values: Any) -> Any:
    """Returns how many rows a dense or ragged tensor has, as a scalar tensor."""
    return values.nrows() if isinstance(values, RaggedTensor) else shape_of(values, "int64")[0]


def splits_dtype(values: Any) -> Any:
    return values._splits.dtype if isinstance(values, RaggedTensor) else dt.int64


def index_source(values: Any) -> Any:
    """Returns a tensor that has as many entries in its first axis as `values` has rows."""
    return values._splits[1:] if isinstance(values, RaggedTensor) else values


def splits_of_rowids(ids: Any, nrows: Any = None) -> Any:
    """Returns the row splits of ascending row ids."""
    if nrows is None:
        array = known(ids)
        nrows = (
            (int(array[-1]) + 1 if array.size else 0) if array is not None else partition.number(ids[-1] + 1)
        )
    counts = unsorted_segment_sum(ones(shape_of(ids), ids.dtype), ids, num_segments=partition.number(nrows))
    return partition.from_lengths(counts)


@export("RaggedTensorSpec")
class RaggedTensorSpec(OfOneTensor, BatchableTypeSpec):
    """Describes a ragged tensor: `tf.RaggedTensorSpec(shape=[None, None], dtype=tf.int32)`.

    Args:
        shape: sizes, None where unknown or ragged.
        dtype: of the values.
        ragged_rank: number of row partitions; by default all axes but the first are ragged.
        row_splits_dtype: int32 or int64.
        flat_values_spec: None; other values are not supported.
    """

    __slots__ = ("_dtype", "_ragged_rank", "_row_splits_dtype", "_shape")

    def __init__(
        self,
        shape: Any = None,
        dtype: Any = dt.float32,
        ragged_rank: int | None = None,
        row_splits_dtype: Any = dt.int64,
        flat_values_spec: Any = None,
    ) -> None:
        if flat_values_spec is not None:
            raise ValueError(f"tf.RaggedTensorSpec: flat_values_spec is not supported{at_user_location()}")
        self._shape, self._dtype = TensorShape(shape), dt.as_dtype(dtype)
        self._row_splits_dtype = dt.as_dtype(row_splits_dtype)
        rank = self._shape.rank
        if ragged_rank is None:
            if rank is None:
                raise ValueError("Must specify ragged_rank or a shape with known rank.")
            ragged_rank = rank - 1
        if rank is not None and ragged_rank >= max(rank, 1):
            raise ValueError(f"ragged_rank ({ragged_rank}) must be less than rank ({rank}).")
        self._ragged_rank = ragged_rank

    @property
    def ragged_rank(self) -> int:
        return self._ragged_rank

    @property
    def row_splits_dtype(self) -> Any:
        return self._row_splits_dtype

    @property
    def flat_values_spec(self) -> Any:
        return None

    @property
    def value_type(self) -> type:
        return RaggedTensor if self._ragged_rank > 0 else TensorLike

    @classmethod
    def from_value(cls, value: Any) -> RaggedTensorSpec:
        """Returns the spec of a ragged tensor."""
        return cls(value.shape, value.dtype, value.ragged_rank, value._splits.dtype)

    def _serialize(self) -> tuple:
        return (self._shape, self._dtype, self._ragged_rank, self._row_splits_dtype)

    @property
    def _component_specs(self) -> list:
        shape = self._shape
        if not self._ragged_rank:
            return [TensorSpec(shape, self._dtype)]
        inner = [None, *shape[self._ragged_rank + 1 :]] if shape.rank is not None else None
        sizes = self._num_splits()
        return [
            TensorSpec(inner, self._dtype),
            *[TensorSpec([size], self._row_splits_dtype) for size in sizes],
        ]

    def _num_splits(self) -> list:
        """Returns the lengths of the row splits, None where unknown."""
        rows = self._shape[0] if self._shape.rank is not None else None
        sizes = []
        for axis in range(1, self._ragged_rank + 1):
            sizes.append(None if rows is None else rows + 1)
            length = self._shape[axis] if self._shape.rank is not None else None
            rows = None if rows is None or length is None else rows * length
        return sizes

    def _to_components(self, value: Any) -> list:
        if not isinstance(value, RaggedTensor):
            return [as_tensor(value)]
        return [value.flat_values, *value.nested_row_splits]

    def _from_components(self, components: Any) -> Any:
        result, *splits = components
        if not self._ragged_rank:
            return result
        for axis, each in reversed(list(enumerate(splits, 1))):
            result = RaggedTensor._of(
                result, each, self._shape[axis] if self._shape.rank is not None else None
            )
        return result

    def is_compatible_with(self, spec_or_value: Any) -> bool:
        """True when a ragged tensor (or spec) has this dtype, these partitions, and a compatible shape."""
        other = spec_or_value._type_spec if isinstance(spec_or_value, RaggedTensor) else spec_or_value
        if not isinstance(other, RaggedTensorSpec):
            return self._ragged_rank == 0 and TensorSpec(self._shape, self._dtype).is_compatible_with(other)
        return super().is_compatible_with(other)

    def _batch(self, batch_size: int | None) -> RaggedTensorSpec:
        shape = self._shape_of_batch(batch_size)
        return RaggedTensorSpec(shape, self._dtype, self._ragged_rank + 1, self._row_splits_dtype)

    def _unbatch(self) -> Any:
        shape = self._shape_of_row()
        return RaggedTensorSpec(shape, self._dtype, self._ragged_rank - 1, self._row_splits_dtype)

    def _stack(self, values: Sequence[Any]) -> Any:
        if self._shape.rank == 0:
            return stacked(list(values))
        return stack_rows(list(values), self) if values else self._no_rows()

    def _no_rows(self) -> RaggedTensor:
        """Returns the batch of no values."""
        sizes = [] if self._shape.rank is None else [size or 0 for size in self._shape]
        whole: Any = zeros((0, *sizes[self._ragged_rank + 1 :]), self._dtype)
        for _ in range(self._ragged_rank + 1):
            whole = RaggedTensor._of(whole, as_splits([0], self._row_splits_dtype))
        return whole

    def _unstack(self, value: Any) -> list:
        return [value[i] for i in range(value._known_rows())]

    def __repr__(self) -> str:
        return f"RaggedTensorSpec({self._shape!r}, {self._dtype!r}, {self._ragged_rank}, {self._row_splits_dtype!r})"


def stack_rows(values: list, spec: RaggedTensorSpec) -> Any:
    """Returns values of different lengths as the rows of one ragged tensor."""
    rank = spec.ragged_rank
    lengths = [static(num_rows(value)) for value in values]
    splits = as_splits(np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]), spec.row_splits_dtype)
    if rank == 0:
        return RaggedTensor._of(concat([as_tensor(v) for v in values], axis=0), splits)
    return RaggedTensor._of(join_rows(values), splits)


def join_rows(values: list) -> Any:
    """Returns the rows of several tensors of one kind, one after the other."""
    if not isinstance(values[0], RaggedTensor):
        return concat(values, axis=0)
    offsets, parts = 0, []
    for i, value in enumerate(values):
        shifted = value._splits + offsets
        parts.append(shifted if i == 0 else shifted[1:])
        offsets = shifted[-1]
    return RaggedTensor._of(join_rows([value._values for value in values]), concat(parts, axis=0))
