"""Columns of numbers: as they are, in buckets, and along time."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.feature_column.base import (
    CategoricalColumn,
    DenseColumn,
    Features,
    check_key,
    padded,
    size_of,
)
from dovetail.ops import create, indexing, reduction
from dovetail.ops.shapes import reshape
from dovetail.ops.sorting import searchsorted
from dovetail.ops.table import find
from dovetail.tensor import DType, as_dtype
from dovetail.tensor.dtype import float32


def _shape_of(shape: Any, key: str) -> tuple:
    sizes = tuple(shape) if isinstance(shape, list | tuple) else (shape,)
    for size in sizes:
        if not isinstance(size, int | np.integer):
            raise TypeError(
                f"shape dimensions must be integer. shape: {sizes}, key: {key}{at_user_location()}"
            )
        if size < 1:
            raise ValueError(
                f"shape dimensions must be greater than 0. shape: {sizes}, key: {key}{at_user_location()}"
            )
    return tuple(int(size) for size in sizes)


def _floating(dtype: Any, key: str) -> DType:
    kind = as_dtype(dtype)
    if not (kind.is_floating or kind.is_integer):
        raise ValueError(
            f"dtype must be convertible to float. dtype: {kind.name}, key: {key}{at_user_location()}"
        )
    return kind


def _check_normalizer(normalizer_fn: Any) -> None:
    if normalizer_fn is not None and not callable(normalizer_fn):
        raise TypeError(
            f"normalizer_fn must be a callable, received {normalizer_fn!r:.60}{at_user_location()}"
        )


@dataclasses.dataclass(frozen=True)
class NumericColumn(DenseColumn):
    """See `numeric_column`."""

    key: str
    shape: tuple
    default_value: Any
    dtype: Any
    normalizer_fn: Callable | None

    @property
    def name(self) -> str:
        return self.key

    @property
    def parents(self) -> list:
        return [self.key]

    @property
    def parse_example_spec(self) -> dict:
        return {self.key: find("tf.io", "FixedLenFeature")(self.shape, self.dtype, self.default_value)}

    @property
    def variable_shape(self) -> tuple:
        return self.shape

    def dense(self, features: Features, table: Any = None) -> Any:
        values = features.number(self.key)
        if values.dtype == "string" or values.dtype.is_bool:
            raise ValueError(
                f"the feature {self.key!r} must hold numbers, received {values.dtype.name}{at_user_location()}"
            )
        if self.normalizer_fn is not None:
            values = self.normalizer_fn(values)
        values = values._astype("float32")
        sizes = tuple(values.shape)[1:]
        if None not in sizes and size_of(sizes) != size_of(self.shape):
            raise ValueError(
                f"the feature {self.key!r} has rows of shape {sizes}, the column's shape is {self.shape}"
                f"{at_user_location()}"
            )
        return reshape(values, shape=(-1, *self.shape))


def numeric_column(
    key: str,
    shape: Any = (1,),
    default_value: Any = None,
    dtype: Any = float32,
    normalizer_fn: Callable | None = None,
) -> NumericColumn:
    """Returns a column of numbers.

    Args:
        key: the feature's name.
        shape: of a row.
        default_value: of records that lack the feature: a number, or one for each of a row.
        dtype: of the feature in records.
        normalizer_fn: applied to the feature.
    """
    shape = _shape_of(shape, check_key(key))
    kind = _floating(dtype, key)
    _check_normalizer(normalizer_fn)
    return NumericColumn(key, shape, _defaults(key, shape, default_value), kind, normalizer_fn)


def _defaults(key: str, shape: tuple, value: Any) -> Any:
    """Returns the default of each number of a row, as nested tuples."""
    if value is None:
        return None
    try:
        whole = np.broadcast_to(np.asarray(value), shape)
    except ValueError:
        raise ValueError(
            f"default_value {value!r} does not fit the shape {shape}, key: {key}{at_user_location()}"
        ) from None
    if whole.dtype.kind not in "iuf":
        raise TypeError(
            f"default_value must hold numbers, received {value!r}, key: {key}{at_user_location()}"
        )
    return _tuples(whole.tolist())


def _tuples(values: Any) -> Any:
    return tuple(map(_tuples, values)) if isinstance(values, list) else values


@dataclasses.dataclass(frozen=True)
class BucketizedColumn(DenseColumn, CategoricalColumn):
    """See `bucketized_column`."""

    source_column: NumericColumn
    boundaries: tuple

    @property
    def name(self) -> str:
        return f"{self.source_column.name}_bucketized"

    @property
    def parents(self) -> list:
        return [self.source_column]

    @property
    def variable_shape(self) -> tuple:
        return (*self.source_column.shape, len(self.boundaries) + 1)

    @property
    def num_buckets(self) -> int:
        return size_of(self.variable_shape)

    def _buckets(self, features: Features) -> Any:
        values = self.source_column.dense(features)
        edges = np.array(self.boundaries, np.float32)
        flat = searchsorted(edges, reshape(values, shape=(-1,)), side="right")
        return reshape(flat, shape=(-1, *self.source_column.shape))

    def dense(self, features: Features, table: Any = None) -> Any:
        return create.one_hot(self._buckets(features), len(self.boundaries) + 1)

    def ids(self, features: Features) -> Any:
        size = size_of(self.source_column.shape)
        buckets = reshape(self._buckets(features), shape=(-1, size))._astype("int64")
        return buckets + np.arange(size, dtype=np.int64) * (len(self.boundaries) + 1)


def bucketized_column(source_column: Any, boundaries: Any) -> BucketizedColumn:
    """Returns a column of the buckets that numbers fall into: (-inf, b0), [b0, b1), ..., [bn, inf).

    Args:
        source_column: what `numeric_column` returned, for rows of one axis.
        boundaries: numbers in ascending order.
    """
    if not isinstance(source_column, NumericColumn):
        raise ValueError(
            f"source_column must be a column generated with numeric_column(). Given: {source_column}"
            f"{at_user_location()}"
        )
    if len(source_column.shape) > 1:
        raise ValueError(
            f"source_column must be one-dimensional column. Given: {source_column}{at_user_location()}"
        )
    edges = tuple(boundaries) if isinstance(boundaries, list | tuple | np.ndarray) else ()
    if not edges:
        raise ValueError(f"boundaries must not be empty.{at_user_location()}")
    if any(after <= before for before, after in zip(edges, edges[1:], strict=False)):
        raise ValueError(f"boundaries must be a sorted list. Given: {edges}{at_user_location()}")
    return BucketizedColumn(source_column, edges)


@dataclasses.dataclass(frozen=True)
class SequenceNumericColumn(DenseColumn):
    """See `sequence_numeric_column`."""

    is_sequence = True

    key: str
    shape: tuple
    default_value: float
    dtype: Any
    normalizer_fn: Callable | None

    @property
    def name(self) -> str:
        return self.key

    @property
    def parents(self) -> list:
        return [self.key]

    @property
    def parse_example_spec(self) -> dict:
        return {self.key: find("tf.io", "VarLenFeature")(self.dtype)}

    @property
    def variable_shape(self) -> tuple:
        return self.shape

    def dense(self, features: Features, table: Any = None) -> Any:
        """Returns (batch, time, *shape)."""
        values = padded(features[self.key], self.default_value)
        if self.normalizer_fn is not None:
            values = self.normalizer_fn(values)
        values = values._astype("float32")
        return reshape(values, shape=(-1, *_steps(values, self.shape), *self.shape))

    def lengths(self, features: Features) -> Any:
        """Returns how many steps each row has."""
        given = features[self.key]
        whole = given.with_values(create.ones_like(given.values)) if hasattr(given, "with_values") else given
        if hasattr(given, "with_flat_values"):
            whole = given.with_flat_values(create.ones_like(given.flat_values))
        there = padded(whole, 0) if whole is not given else create.ones_like(given)
        there = reshape(there, shape=(-1, size_of(there.shape[1:]))) > 0
        return -(-steps_in(there) // size_of(self.shape))


def _steps(values: Any, shape: tuple) -> tuple:
    return (size_of(values.shape[1:]) // size_of(shape),)


def steps_in(there: Any) -> Any:
    """Returns the place behind the last true value of each row: (batch, time) -> (batch,)."""
    places: Any = np.arange(1, int(there.shape[1]) + 1, dtype=np.int64)
    marked = indexing.where(there, places, np.int64(0))
    return reduction.reduce_max(marked, axis=1) if places.size else reduction.reduce_sum(marked, axis=1)


def sequence_numeric_column(
    key: str,
    shape: Any = (1,),
    default_value: float = 0.0,
    dtype: Any = float32,
    normalizer_fn: Callable | None = None,
) -> SequenceNumericColumn:
    """Returns a column of numbers along time, for `keras.experimental.SequenceFeatures`.

    Args:
        key: the name of a sparse or ragged feature.
        shape: of a step.
        default_value: fills shorter rows.
        dtype: of the feature in records.
        normalizer_fn: applied to the padded feature.
    """
    shape = _shape_of(shape, check_key(key))
    kind = _floating(dtype, key)
    _check_normalizer(normalizer_fn)
    return SequenceNumericColumn(key, shape, default_value, kind, normalizer_fn)
