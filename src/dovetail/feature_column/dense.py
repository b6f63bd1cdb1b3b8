"""Columns that turn categories into numbers: indicators and embeddings."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.feature_column.base import CategoricalColumn, DenseColumn, Features
from dovetail.feature_column.categorical import SequenceCategoricalColumn
from dovetail.feature_column.numeric import steps_in
from dovetail.ops import arithmetic, create, indexing, math, reduction
from dovetail.ops.embedding import embedding_lookup

_COMBINERS = ("mean", "sqrtn", "sum")


def _check_categories(column: Any) -> None:
    if not isinstance(column, CategoricalColumn):
        raise ValueError(f"expected a column of categories. Given: {column}{at_user_location()}")


def _weights_of(column: Any, features: Features, ids: Any) -> Any:
    """Returns what each category counts, 0 where there is none."""
    there = (ids >= 0)._astype("float32")
    weights = column.weights(features)
    return there if weights is None else there * weights


class OfCategories(DenseColumn):
    """Numbers of a column of categories."""

    categorical_column: Any

    @property
    def parents(self) -> list:
        return [self.categorical_column]

    @property
    def is_sequence(self) -> bool:  # type: ignore[override]
        return isinstance(self.categorical_column, SequenceCategoricalColumn)

    def lengths(self, features: Features) -> Any:
        """Returns how many steps each row has."""
        return steps_in(self.categorical_column.there(features))


@dataclasses.dataclass(frozen=True)
class IndicatorColumn(OfCategories):
    """See `indicator_column`."""

    categorical_column: Any

    @property
    def name(self) -> str:
        return f"{self.categorical_column.name}_indicator"

    @property
    def variable_shape(self) -> tuple:
        return (1, self.categorical_column.num_buckets)

    def dense(self, features: Features, table: Any = None) -> Any:
        ids = self.categorical_column.ids(features)
        hot = create.one_hot(ids, self.categorical_column.num_buckets)
        weights = self.categorical_column.weights(features)
        return reduction.reduce_sum(hot if weights is None else hot * weights[..., None], axis=-2)


def indicator_column(categorical_column: Any) -> IndicatorColumn:
    """Returns a column that counts each category of a row.

    Args:
        categorical_column: of the categories.
    """
    _check_categories(categorical_column)
    return IndicatorColumn(categorical_column)


@dataclasses.dataclass(frozen=True)
class EmbeddingColumn(OfCategories):
    """See `embedding_column`."""

    categorical_column: Any
    dimension: int
    combiner: str
    initializer: Any
    ckpt_to_load_from: Any
    tensor_name_in_ckpt: Any
    max_norm: float | None
    trainable: bool
    use_safe_embedding_lookup: bool

    @property
    def name(self) -> str:
        return f"{self.categorical_column.name}_embedding"

    @property
    def table_key(self) -> Any:  # type: ignore[override]
        """What columns with the same table have in common."""
        return self.name

    @property
    def variable_shape(self) -> tuple:
        return (self.dimension,)

    def dense(self, features: Features, table: Any = None) -> Any:
        ids = self.categorical_column.ids(features)
        weights = _weights_of(self.categorical_column, features, ids)
        if self.combiner != "sum":
            weights = arithmetic.maximum(weights, np.float32(0))
        rows = embedding_lookup(table, indexing.where(ids >= 0, ids, np.int64(0)), max_norm=self.max_norm)
        total = reduction.reduce_sum(rows * weights[..., None], axis=-2)
        if self.combiner == "sum":
            return total
        size = reduction.reduce_sum(weights if self.combiner == "mean" else weights * weights, axis=-1)
        size = size if self.combiner == "mean" else math.sqrt(size)
        return total / indexing.where(size > 0, size, np.float32(1))[..., None]


@dataclasses.dataclass(frozen=True)
class SharedEmbeddingColumn(EmbeddingColumn):
    """See `shared_embeddings`."""

    shared_embedding_collection_name: str

    @property
    def name(self) -> str:
        return f"{self.categorical_column.name}_shared_embedding"

    @property
    def table_key(self) -> Any:  # type: ignore[override]
        return self.shared_embedding_collection_name


def _embedding(categories: list, dimension: Any, combiner: Any, initializer: Any, more: dict) -> dict:
    """Returns the arguments that columns of embeddings share, checked."""
    for column in categories:
        _check_categories(column)
    if dimension is None or dimension < 1:
        raise ValueError(f"Invalid dimension {dimension}.{at_user_location()}")
    if combiner not in _COMBINERS:
        raise ValueError(f"combiner must be one of {_COMBINERS}, received {combiner!r}{at_user_location()}")
    if initializer is not None and not callable(initializer):
        raise ValueError(
            f"initializer must be callable if specified. Embedding of column_name: {categories[0].name}"
            f"{at_user_location()}"
        )
    for name in ("ckpt_to_load_from", "tensor_name_in_ckpt"):
        if more[name] is not None:
            raise NotImplementedError(
                f"{name} is not supported: load weights into the layer once it is built{at_user_location()}"
            )
    return {"dimension": dimension, "combiner": combiner, "initializer": initializer, **more}


def embedding_column(
    categorical_column: Any,
    dimension: int,
    combiner: str = "mean",
    initializer: Any = None,
    ckpt_to_load_from: Any = None,
    tensor_name_in_ckpt: Any = None,
    max_norm: float | None = None,
    trainable: bool = True,
    use_safe_embedding_lookup: bool = True,
) -> EmbeddingColumn:
    """Returns a column of vectors that are trained, one a category; those of a row are combined.

    Args:
        categorical_column: of the categories.
        dimension: size of the vectors.
        combiner: "mean", "sqrtn" (the sum over the square root of the sum of squared weights) or "sum".
        initializer: of the vectors; by default normally distributed, with a deviation of 1 / sqrt(dimension).
        ckpt_to_load_from, tensor_name_in_ckpt: refused.
        max_norm: longer vectors are cut to this length.
        trainable: whether they are trained.
        use_safe_embedding_lookup: makes no difference: rows without categories give zeros.
    """
    more = {
        "ckpt_to_load_from": ckpt_to_load_from,
        "tensor_name_in_ckpt": tensor_name_in_ckpt,
        "max_norm": max_norm,
        "trainable": trainable,
        "use_safe_embedding_lookup": use_safe_embedding_lookup,
    }
    return EmbeddingColumn(
        categorical_column, **_embedding([categorical_column], dimension, combiner, initializer, more)
    )


def shared_embeddings(
    categorical_columns: Any,
    dimension: int,
    combiner: str = "mean",
    initializer: Any = None,
    shared_embedding_collection_name: str | None = None,
    ckpt_to_load_from: Any = None,
    tensor_name_in_ckpt: Any = None,
    max_norm: float | None = None,
    trainable: bool = True,
    use_safe_embedding_lookup: bool = True,
) -> list[SharedEmbeddingColumn]:
    """Returns a column for each of several, all of which have the same vectors within a layer.

    Args:
        categorical_columns: columns with equally many categories.
        shared_embedding_collection_name: of the vectors; made of the columns' names when None.

    The others are those of `embedding_column`.
    """
    more = {
        "ckpt_to_load_from": ckpt_to_load_from,
        "tensor_name_in_ckpt": tensor_name_in_ckpt,
        "max_norm": max_norm,
        "trainable": trainable,
        "use_safe_embedding_lookup": use_safe_embedding_lookup,
    }
    columns = list(categorical_columns)
    if not columns:
        raise ValueError(f"shared_embeddings: categorical_columns must not be empty{at_user_location()}")
    arguments = _embedding(columns, dimension, combiner, initializer, more)
    sizes = {column.num_buckets for column in columns}
    if len(sizes) > 1:
        raise ValueError(
            f"shared_embeddings: the columns must have equally many categories, they have {sorted(sizes)}"
            f"{at_user_location()}"
        )
    named = shared_embedding_collection_name or "_".join(sorted(column.name for column in columns))
    if shared_embedding_collection_name is None:
        named += "_shared_embedding"
    return [
        SharedEmbeddingColumn(column, **arguments, shared_embedding_collection_name=named)
        for column in columns
    ]
