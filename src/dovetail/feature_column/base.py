"""What all feature columns share: what they are, the features they read, and their configs.

Categories are dense all the way, (batch, values) of int64 negative where a row has fewer, so that columns of integers
are compiled; sparse and ragged features are padded first.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.ops import indexing
from dovetail.ops.shapes import reshape
from dovetail.ops.table import find
from dovetail.tensor import DType, as_dtype
from dovetail.tensor.composite import CompositeTensor
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.tensor import TensorLike

MISSING = -(2**62)  # the number where a row has no value; -1 is that of a value which is no category
_ABSENT = -1  # what stands for no value in features of integers


class FeatureColumn:
    """A column: what is computed of one feature, or of several.

    Attributes:
        is_sequence: whether it has an axis of time.
        table_key: what columns with the same embedding have in common; None: there is none.
    """

    is_sequence: Any = False
    table_key: Any = None

    @property
    def name(self) -> str:
        """The column's name, by which columns are put into order."""
        raise NotImplementedError(f"{type(self).__name__} does not define name")

    @property
    def parents(self) -> list:
        """The columns and the names of features that this one is made of."""
        raise NotImplementedError(f"{type(self).__name__} does not define parents")

    @property
    def parse_example_spec(self) -> dict:
        """What `tf.io.parse_example` needs to know to give the features."""
        spec: dict = {}
        for parent in self.parents:
            if isinstance(parent, FeatureColumn):
                spec |= parent.parse_example_spec
        return spec

    def get_config(self) -> dict:
        """Returns the arguments; columns among them as their class's name and config."""
        return {field.name: _written(getattr(self, field.name)) for field in dataclasses.fields(self)}  # type: ignore[arg-type]


class DenseColumn(FeatureColumn):
    """A column of numbers."""

    @property
    def variable_shape(self) -> tuple:
        """The shape of a row."""
        raise NotImplementedError(f"{type(self).__name__} does not define variable_shape")

    def dense(self, features: Features, table: Any = None) -> Any:
        """Returns the numbers: (batch, *variable_shape).

        Args:
            features: what to compute them of.
            table: the weights of an embedding.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define dense")


class CategoricalColumn(FeatureColumn):
    """A column of categories."""

    @property
    def num_buckets(self) -> int:
        """How many categories there are."""
        raise NotImplementedError(f"{type(self).__name__} does not define num_buckets")

    def ids(self, features: Features) -> Any:
        """Returns the numbers of categories: (batch, values), `MISSING` where there are fewer."""
        raise NotImplementedError(f"{type(self).__name__} does not define ids")

    def weights(self, features: Features) -> Any:
        """Returns what each value counts: (batch, values); None: 1."""
        return None


class Features:
    """The features that columns read.

    Args:
        values: name -> tensor.
        sequence: whether an axis of time follows that of the batch.
    """

    def __init__(self, values: dict, sequence: bool = False) -> None:
        self._values, self.sequence = values, sequence
        self._padded: dict[str, Any] = {}

    def __getitem__(self, key: str) -> Any:
        if key not in self._values:
            raise ValueError(
                f"Feature {key} is not in features dictionary, which has {sorted(self._values)}{at_user_location()}"
            )
        value = self._values[key]
        known = isinstance(value, TensorLike | CompositeTensor)
        return value if known else convert_to_tensor(value)

    def is_dense(self, key: str) -> bool:
        """Returns whether a feature is neither ragged nor sparse."""
        return not isinstance(self[key], CompositeTensor)

    def number(self, key: str) -> Any:
        """Returns a dense feature: (batch, ...)."""
        value = self[key]
        if isinstance(value, CompositeTensor):
            raise ValueError(
                f"the feature {key!r} of a column of numbers must be a Tensor, received {type(value).__name__}"
                f"{at_user_location()}"
            )
        return value[:, None] if len(value.shape) == 1 else value

    def categories(self, key: str) -> Any:
        """Returns strings or integers, padded to a rectangle: (batch, values), or (batch, time, values)."""
        if key not in self._padded:
            value = padded(self[key])
            axes = 2 if self.sequence else 1
            if len(value.shape) == axes:
                value = value[..., None]
            elif len(value.shape) > axes + 1:
                value = reshape(
                    value,
                    shape=(
                        *[-1 if i == 0 else value.shape[i] for i in range(axes)],
                        size_of(value.shape[axes:]),
                    ),
                )
            if not value.dtype.is_integer and value.dtype != "string":
                raise ValueError(
                    f"the feature {key!r} must hold strings or integers, received {value.dtype.name}"
                    f"{at_user_location()}"
                )
            self._padded[key] = value
        return self._padded[key]


def size_of(shape: Any) -> int:
    """Returns how many elements a shape has."""
    return int(np.prod([int(size) for size in shape], dtype=np.int64))


def padded(value: Any, default: Any = None) -> Any:
    """Returns a ragged or sparse tensor as a dense one.

    Args:
        value: tensor.
        default: what fills gaps; what stands for no value when None.
    """
    if not isinstance(value, CompositeTensor):
        return value
    ragged: Any = value
    if default is None:
        default = "" if ragged.dtype == "string" else _ABSENT
    if hasattr(ragged, "to_tensor"):
        return ragged.to_tensor(default_value=default)
    return find("tf.sparse", "to_dense")(ragged, default_value=default)


def is_missing(values: Any) -> Any:
    """Returns where a feature has no values: empty strings, and -1."""
    return values == ("" if values.dtype == "string" else _ABSENT)


def without_missing(values: Any, ids: Any) -> Any:
    """Returns ids, `MISSING` where a feature has no values."""
    return indexing.where(is_missing(values), np.int64(MISSING), ids)


def check_key(key: Any) -> Any:
    """Refuses what is no name of a feature."""
    if not isinstance(key, str):
        raise ValueError(
            f"key must be a string, received {key!r:.60} of {type(key).__name__}{at_user_location()}"
        )
    return key


def check_kind(key: str, dtype: Any) -> DType:
    """Returns a dtype of categories: string or integer."""
    kind = as_dtype(dtype)
    if kind != "string" and not kind.is_integer:
        raise ValueError(
            f"dtype must be string or integer, received {kind.name}, key: {key}{at_user_location()}"
        )
    return kind


def check_values(column: Any, values: Any, kind: DType) -> Any:
    """Refuses strings where integers are expected, and integers where strings are."""
    if values.dtype.is_integer != kind.is_integer:
        raise ValueError(
            f"{column.name}: the column's dtype is {kind.name}, the feature's {values.dtype.name}{at_user_location()}"
        )
    return values


def _written(value: Any) -> Any:
    if isinstance(value, FeatureColumn):
        return {"class_name": type(value).__name__, "config": value.get_config()}
    if isinstance(value, DType):
        return value.name
    return tuple(map(_written, value)) if isinstance(value, tuple) else value
