"""What users say of the features of records: `tf.io.FixedLenFeature` and its kin."""

from __future__ import annotations

from typing import Any, NamedTuple

from dovetail.ops.views import export
from dovetail.tensor import dtype as dt


@export("io.FixedLenFeature")
class FixedLenFeature(NamedTuple):
    """A feature with the same number of values in every record.

    Attributes:
        shape: of a record's values, fully known.
        dtype: tf.float32, tf.int64 or tf.string.
        default_value: for records without it, of that shape; None: it is an error.
    """

    shape: Any
    dtype: Any
    default_value: Any = None


@export("io.VarLenFeature")
class VarLenFeature(NamedTuple):
    """A feature with any number of values, parsed to a sparse tensor.

    Attributes:
        dtype: tf.float32, tf.int64 or tf.string.
    """

    dtype: Any


@export("io.FixedLenSequenceFeature")
class FixedLenSequenceFeature(NamedTuple):
    """A feature with any number of rows of one shape, padded to the longest record.

    Attributes:
        shape: of a row, fully known.
        dtype: tf.float32, tf.int64 or tf.string.
        allow_missing: records may lack it.
        default_value: what fills up shorter records, a scalar; None: zeros and empty strings.
    """

    shape: Any
    dtype: Any
    allow_missing: bool = False
    default_value: Any = None


class _SparseFields(NamedTuple):
    index_key: Any
    value_key: Any
    dtype: Any
    size: Any
    already_sorted: bool = False


@export("io.SparseFeature")
class SparseFeature(_SparseFields):
    """A sparse tensor whose indices and values are features of their own.

    Attributes:
        index_key: the feature with the indices, or a list, one for each dimension.
        value_key: the feature with the values.
        dtype: of the values.
        size: the size of each dimension, a number or a list.
        already_sorted: the indices are in order.
    """

    __slots__ = ()


class RowSplits(NamedTuple):
    """Row i of a partition holds the values from `key`'s value i up to its value i + 1."""

    key: str


class RowLengths(NamedTuple):
    """`key` holds the lengths of a partition's rows."""

    key: str


class RowStarts(NamedTuple):
    """`key` holds where a partition's rows begin."""

    key: str


class RowLimits(NamedTuple):
    """`key` holds where a partition's rows end."""

    key: str


class ValueRowIds(NamedTuple):
    """`key` holds for each value the row of a partition that it belongs to."""

    key: str


class UniformRowLength(NamedTuple):
    """All rows of a partition have this length."""

    length: int


class _RaggedFields(NamedTuple):
    dtype: Any
    value_key: Any = None
    partitions: Any = ()
    row_splits_dtype: Any = dt.int32
    validate: bool = False


@export("io.RaggedFeature")
class RaggedFeature(_RaggedFields):
    """A feature with any number of values, parsed to a ragged tensor.

    Attributes:
        dtype: tf.float32, tf.int64 or tf.string.
        value_key: the feature with the values; None: the key under which this stands.
        partitions: how a record's values divide into rows, the outermost first: `tf.io.RaggedFeature.RowSplits(key)`,
            `RowLengths`, `RowStarts`, `RowLimits`, `ValueRowIds` (of features), `UniformRowLength(length)`.
        row_splits_dtype: tf.int32 or tf.int64.
        validate: check that partitions fit; what does not fit is refused either way.
    """

    __slots__ = ()
    RowSplits = RowSplits
    RowLengths = RowLengths
    RowStarts = RowStarts
    RowLimits = RowLimits
    ValueRowIds = ValueRowIds
    UniformRowLength = UniformRowLength
