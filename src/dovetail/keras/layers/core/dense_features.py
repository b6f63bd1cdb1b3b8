"""`keras.layers.DenseFeatures` of Keras 2: the columns of `tf.feature_column` as one tensor; and along time."""

from __future__ import annotations

import importlib
import math
from typing import Any, Self

from dovetail.base.errors import at_user_location
from dovetail.keras import permission
from dovetail.keras.initializers import TruncatedNormal
from dovetail.keras.layers.machinery.layer import Layer
from dovetail.keras.registration import own
from dovetail.keras.serialization import deserialize_keras_object
from dovetail.ops import array
from dovetail.ops.shapes import reshape
from dovetail.tensor.shape import TensorShape

__all__ = ["DenseFeatures"]


def _columns() -> Any:
    """Returns the module of feature columns."""
    return importlib.import_module("dovetail.feature_column.configs")


class _OfColumns(Layer):
    """Computes columns, in the order of their names.

    Args:
        feature_columns: one column of `tf.feature_column`, or several.
        trainable: whether embeddings are trained.
        name: of the layer.
    """

    def __init__(
        self, feature_columns: Any, trainable: bool = True, name: str | None = None, **kwargs: Any
    ) -> None:
        if kwargs.pop("partitioner", None) is not None:
            raise NotImplementedError(
                f"{type(self).__name__}: partitioner is not supported{at_user_location()}"
            )
        super().__init__(trainable=trainable, name=name, autocast=False, **kwargs)
        self._feature_columns = _checked(feature_columns, self._takes)
        self._tables: dict[Any, Any] = {}

    @staticmethod
    def _takes(column: Any) -> str | None:
        """Returns why a column does not belong here; None: it does."""
        raise NotImplementedError("subclasses define _takes")

    def build(self, input_shape: Any = None) -> None:
        for column in self._feature_columns:
            if column.table_key is not None and column.table_key not in self._tables:
                initializer = column.initializer or TruncatedNormal(stddev=1 / math.sqrt(column.dimension))
                self._tables[column.table_key] = self.add_weight(
                    name=f"{column.table_key}/embedding_weights",
                    shape=(column.categorical_column.num_buckets, column.dimension),
                    initializer=initializer,
                    trainable=self.trainable and column.trainable,
                )

    def _table_of(self, column: Any) -> Any:
        return self._tables.get(column.table_key)

    def get_config(self) -> dict:
        columns = [{"class_name": type(c).__name__, "config": c.get_config()} for c in self._feature_columns]
        return super().get_config() | {"feature_columns": columns, "partitioner": None}

    @classmethod
    def from_config(cls, config: dict) -> Self:
        _check_files(config["feature_columns"])
        columns = [_columns().column_of(one, _function) for one in config["feature_columns"]]
        return cls(**(config | {"feature_columns": columns}))


def _check_files(value: Any) -> None:
    """Refuses columns that name a file of their words: files that are loaded open no others.

    Raises:
        ValueError: one does, and nobody has allowed it.
    """
    if isinstance(value, dict):
        if value.get("class_name") == "VocabularyFileCategoricalColumn":
            path = value["config"].get("vocabulary_file")
            permission.require(
                f"a feature column would read the file {path!r}, which the config names",
                "Better: use a column with a vocabulary list",
            )
        _check_files(list(value.values()))
    elif isinstance(value, list | tuple):
        for one in value:
            _check_files(one)


def _function(value: Any) -> Any:
    return deserialize_keras_object(value) if isinstance(value, dict) else value


def _checked(columns: Any, refusal: Any) -> list:
    if isinstance(columns, _columns().FeatureColumn):
        columns = [columns]
    if isinstance(columns, dict | str):
        raise ValueError(
            f"Expected feature_columns to be iterable, found {type(columns).__name__}.{at_user_location()}"
        )
    columns = list(columns)
    if not columns:
        raise ValueError(f"feature_columns must not be empty.{at_user_location()}")
    names = set()
    for column in columns:
        if not isinstance(column, _columns().FeatureColumn):
            raise ValueError(
                f"Items of feature_columns must be a FeatureColumn. Given (type {type(column).__name__}): {column}."
                f"{at_user_location()}"
            )
        why = refusal(column)
        if why:
            raise ValueError(f"{why} Given: {column}{at_user_location()}")
        if column.name in names:
            raise ValueError(
                f"Duplicate feature column name found for columns: {column.name}{at_user_location()}"
            )
        names.add(column.name)
    return sorted(columns, key=lambda column: column.name)


class DenseFeatures(_OfColumns):
    """Returns columns of numbers beside each other: (batch, sum of their sizes), in the order of their names.

    Args:
        feature_columns: one column, or several: of numbers, buckets, indicators and embeddings.
        trainable: whether embeddings are trained.
        name: of the layer.

    It is called with a dict: name of a feature -> tensor, dense, ragged or sparse. A dict that is passed as
    `cols_to_output_tensors` gets what each column gave.

    Example:
        >>> columns = [tf.feature_column.numeric_column("height")]
        >>> keras.layers.DenseFeatures(columns)({"height": tf.constant([[1.5], [2.0]])}).numpy().tolist()
        [[1.5], [2.0]]
    """

    @staticmethod
    def _takes(column: Any) -> str | None:
        if not isinstance(column, _columns().DenseColumn):
            return (
                "Items of feature_columns must be columns of numbers. You can wrap a categorical column with an "
                "embedding_column or indicator_column."
            )
        if column.is_sequence:
            return "Sequence columns go into keras.experimental.SequenceFeatures."
        return None

    def __call__(self, features: Any, *args: Any, cols_to_output_tensors: Any = None, **kwargs: Any) -> Any:
        outputs = super().__call__(_dict_of(self, features), *args, **kwargs)
        if cols_to_output_tensors is not None:
            start = 0
            for column in self._feature_columns:
                stop = start + math.prod(column.variable_shape)
                cols_to_output_tensors[column] = outputs[:, start:stop]
                start = stop
        return outputs

    def call(self, features: Any, training: Any = None) -> Any:
        read = _columns().Features(features)
        parts = [
            reshape(column.dense(read, self._table_of(column)), shape=(-1, math.prod(column.variable_shape)))
            for column in self._feature_columns
        ]
        return parts[0] if len(parts) == 1 else array.concat(parts, -1)

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        shape = next(iter(input_shape.values())) if isinstance(input_shape, dict) else input_shape
        return TensorShape(
            [shape[0], sum(math.prod(column.variable_shape) for column in self._feature_columns)]
        )


def _dict_of(layer: Any, features: Any) -> dict:
    if not isinstance(features, dict):
        raise ValueError(
            f"{layer.name}: expected a dict of features, received {features!r:.60}{at_user_location()}"
        )
    read = _columns().Features(features)
    return {name: read[name] for name in features}


class SequenceFeatures(_OfColumns):
    """Returns columns along time beside each other, (batch, time, sum of their sizes), and the lengths of the rows.

    Args:
        feature_columns: one column, or several: `sequence_numeric_column`, and indicators and embeddings of
            `sequence_categorical_column_with_...`.
        trainable: whether embeddings are trained.
        name: of the layer.
    """

    @staticmethod
    def _takes(column: Any) -> str | None:
        if column.is_sequence:
            return None
        return "All feature_columns must be sequence columns of numbers."

    def __call__(self, features: Any, *args: Any, **kwargs: Any) -> Any:
        return super().__call__(_dict_of(self, features), *args, **kwargs)

    def call(self, features: Any, training: Any = None) -> Any:
        read = _columns().Features(features, sequence=True)
        columns: Any = self._feature_columns
        parts = []
        for column in columns:
            values = column.dense(read, self._table_of(column))
            parts.append(reshape(values, shape=(-1, values.shape[1], math.prod(column.variable_shape))))
        return (parts[0] if len(parts) == 1 else array.concat(parts, -1)), columns[0].lengths(read)


own("keras.experimental", [SequenceFeatures])
