"""Columns from their configs, and the records that columns need."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from dovetail.base.errors import at_user_location
from dovetail.feature_column.base import DenseColumn, FeatureColumn, Features
from dovetail.feature_column.categorical import (
    CrossedColumn,
    HashedCategoricalColumn,
    IdentityCategoricalColumn,
    SequenceCategoricalColumn,
    VocabularyFileCategoricalColumn,
    VocabularyListCategoricalColumn,
    WeightedCategoricalColumn,
)
from dovetail.feature_column.dense import EmbeddingColumn, IndicatorColumn, SharedEmbeddingColumn
from dovetail.feature_column.numeric import BucketizedColumn, NumericColumn, SequenceNumericColumn
from dovetail.tensor import as_dtype

__all__ = ["CLASSES", "DenseColumn", "FeatureColumn", "Features", "column_of", "make_parse_example_spec"]

CLASSES: dict[str, Any] = {
    kind.__name__: kind
    for kind in (
        *(BucketizedColumn, NumericColumn, SequenceNumericColumn),
        *(CrossedColumn, HashedCategoricalColumn, IdentityCategoricalColumn, SequenceCategoricalColumn),
        *(VocabularyFileCategoricalColumn, VocabularyListCategoricalColumn, WeightedCategoricalColumn),
        *(EmbeddingColumn, IndicatorColumn, SharedEmbeddingColumn),
    )
}
_FUNCTIONS = ("normalizer_fn", "initializer")


def column_of(config: dict, made: Callable[[Any], Any]) -> Any:
    """Returns a column.

    Args:
        config: its class's name and config.
        made: makes functions of their configs.
    """
    kind = CLASSES.get(config["class_name"])
    if kind is None:
        raise ValueError(
            f"{config['class_name']!r} is no feature column: {sorted(CLASSES)}{at_user_location()}"
        )
    return kind(**{name: _read(name, value, made) for name, value in config["config"].items()})


def _read(name: str, value: Any, made: Callable[[Any], Any]) -> Any:
    if name in _FUNCTIONS:
        return made(value)
    if name == "dtype":
        return as_dtype(value)
    if isinstance(value, dict) and "class_name" in value:
        return column_of(value, made)
    return tuple(_read("", item, made) for item in value) if isinstance(value, list | tuple) else value


def make_parse_example_spec(feature_columns: Iterable) -> dict:
    """Returns what `tf.io.parse_example` needs to know to give the features of columns.

    Example:
        >>> column = tf.feature_column.numeric_column("height")
        >>> tf.feature_column.make_parse_example_spec([column])["height"].shape
        (1,)
    """
    spec: dict = {}
    for column in feature_columns:
        if not isinstance(column, FeatureColumn):
            raise ValueError(
                f"All feature_columns must be FeatureColumn instances. Given: {column}{at_user_location()}"
            )
        for key, feature in column.parse_example_spec.items():
            if spec.setdefault(key, feature) != feature:
                raise ValueError(
                    f"feature_columns contain different parse_spec for key {key}: {spec[key]} and {feature}"
                    f"{at_user_location()}"
                )
    return spec
