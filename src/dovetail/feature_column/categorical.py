"""Columns of categories: by vocabulary, by hash, by number, and crosses of them."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.feature_column.base import (
    MISSING,
    CategoricalColumn,
    Features,
    check_key,
    check_kind,
    check_values,
    is_missing,
    padded,
    without_missing,
)
from dovetail.feature_column.numeric import NumericColumn
from dovetail.lookup import (
    KeyValueTensorInitializer,
    StaticHashTable,
    StaticVocabularyTable,
    TextFileIndex,
    TextFileInitializer,
)
from dovetail.ops import indexing
from dovetail.ops.hashing import cross_features, cross_integers, hash_integers, hash_strings, is_text
from dovetail.ops.padding import repeat
from dovetail.ops.shapes import reshape
from dovetail.ops.table import find
from dovetail.tensor import as_dtype
from dovetail.tensor.dtype import float32, string

_KEY = 0xDECAFCAFFE


@dataclasses.dataclass(frozen=True)
class _OfOneFeature(CategoricalColumn):
    """Categories of one feature."""

    key: str

    @property
    def name(self) -> str:
        return self.key

    @property
    def parents(self) -> list:
        return [self.key]

    @property
    def parse_example_spec(self) -> dict:
        return {self.key: find("tf.io", "VarLenFeature")(getattr(self, "dtype", as_dtype("int64")))}

    def ids(self, features: Features) -> Any:
        values = features.categories(self.key)
        return without_missing(values, self._numbers(values))

    def _numbers(self, values: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} does not define _numbers")


def _at_least_one(what: str, number: Any, key: Any) -> int:
    if number is None or number < 1:
        raise ValueError(f"{what} must be at least 1. {what}: {number}, key: {key}{at_user_location()}")
    return int(number)


# ---- by hash


@dataclasses.dataclass(frozen=True)
class HashedCategoricalColumn(_OfOneFeature):
    """See `categorical_column_with_hash_bucket`."""

    hash_bucket_size: int
    dtype: Any

    @property
    def num_buckets(self) -> int:
        return self.hash_bucket_size

    def _numbers(self, values: Any) -> Any:
        check_values(self, values, self.dtype)
        hashed = hash_strings if is_text(values) else hash_integers
        return hashed(values, buckets=self.hash_bucket_size)


def categorical_column_with_hash_bucket(
    key: str, hash_bucket_size: int, dtype: Any = string
) -> HashedCategoricalColumn:
    """Returns a column of the hashes of strings or integers.

    Args:
        key: the feature's name.
        hash_bucket_size: how many categories.
        dtype: of the feature.
    """
    size = _at_least_one("hash_bucket_size", hash_bucket_size, check_key(key))
    return HashedCategoricalColumn(key, size, check_kind(key, dtype))


# ---- by number


@dataclasses.dataclass(frozen=True)
class IdentityCategoricalColumn(_OfOneFeature):
    """See `categorical_column_with_identity`."""

    number_buckets: int
    default_value: int | None

    @property
    def num_buckets(self) -> int:
        return self.number_buckets

    def _numbers(self, values: Any) -> Any:
        ids = check_values(self, values, as_dtype("int64"))._astype("int64")
        if self.default_value is None:
            return ids
        outside = (ids < 0) | (ids >= self.number_buckets)
        return indexing.where(outside, np.int64(self.default_value), ids)


def categorical_column_with_identity(
    key: str, num_buckets: int, default_value: int | None = None
) -> IdentityCategoricalColumn:
    """Returns a column of integers that are the numbers of categories.

    Args:
        key: the feature's name.
        num_buckets: how many categories.
        default_value: stands for numbers outside of [0, num_buckets); None: those count nowhere.
    """
    if num_buckets < 1:
        raise ValueError(f"num_buckets {num_buckets} < 1, column_name {check_key(key)}{at_user_location()}")
    if default_value is not None and not 0 <= default_value < num_buckets:
        raise ValueError(
            f"default_value {default_value} not in range [0, {num_buckets}), column_name {key}{at_user_location()}"
        )
    return IdentityCategoricalColumn(check_key(key), num_buckets, default_value)


# ---- by vocabulary


def _vocabulary_table(initializer: Any, buckets: int, default: Any) -> Any:
    if buckets:
        return StaticVocabularyTable(initializer, buckets)
    return StaticHashTable(initializer, -1 if default is None else default)


def _check_others(key: str, default: Any, buckets: int) -> None:
    if buckets and default not in (None, -1):
        raise ValueError(
            f"Can't specify both num_oov_buckets and default_value in {key}.{at_user_location()}"
        )
    if buckets < 0:
        raise ValueError(f"Invalid num_oov_buckets {buckets} in {key}.{at_user_location()}")


class _ByVocabulary(_OfOneFeature):
    """Categories of words; subclasses have a table."""

    _table: Any
    dtype: Any

    @property
    def num_buckets(self) -> int:
        return int(self._table.size())

    def _numbers(self, values: Any) -> Any:
        check_values(self, values, self.dtype)
        return self._table.lookup(values if is_text(values) else values._astype(self._table.key_dtype))


@dataclasses.dataclass(frozen=True)
class VocabularyListCategoricalColumn(_ByVocabulary):
    """See `categorical_column_with_vocabulary_list`."""

    vocabulary_list: tuple
    dtype: Any
    default_value: int
    num_oov_buckets: int

    @functools.cached_property
    def _table(self) -> Any:  # type: ignore[override]
        kind = "string" if self.dtype == "string" else "int64"
        keys, numbers = np.array(self.vocabulary_list), range(len(self.vocabulary_list))
        initializer = KeyValueTensorInitializer(
            keys.astype(object) if kind == "string" else keys, numbers, kind, "int64"
        )
        return _vocabulary_table(initializer, self.num_oov_buckets, self.default_value)


def categorical_column_with_vocabulary_list(
    key: str, vocabulary_list: Any, dtype: Any = None, default_value: int = -1, num_oov_buckets: int = 0
) -> VocabularyListCategoricalColumn:
    """Returns a column of the places of strings or integers in a list.

    Args:
        key: the feature's name.
        vocabulary_list: strings or integers.
        dtype: of the feature; that of the list when None.
        default_value: the number of other values; -1: none.
        num_oov_buckets: how many further numbers other values share, by their hash.
    """
    words = tuple(np.asarray(vocabulary_list).tolist()) if vocabulary_list is not None else ()
    if not words:
        raise ValueError(
            f"vocabulary_list {vocabulary_list} must be non-empty, column_name: {key}{at_user_location()}"
        )
    if len(set(words)) != len(words):
        raise ValueError(
            f"Duplicate keys in vocabulary_list {list(vocabulary_list)}, column_name: {key}{at_user_location()}"
        )
    _check_others(check_key(key), default_value, num_oov_buckets)
    natural = as_dtype("string" if isinstance(words[0], str | bytes) else np.asarray(vocabulary_list).dtype)
    kind = check_kind(key, natural if dtype is None else dtype)
    if kind.is_integer != natural.is_integer:
        raise ValueError(
            f"dtype {kind.name} and vocabulary dtype {natural.name} do not match, column_name: {key}"
            f"{at_user_location()}"
        )
    return VocabularyListCategoricalColumn(key, words, kind, default_value, num_oov_buckets)


@dataclasses.dataclass(frozen=True)
class VocabularyFileCategoricalColumn(_ByVocabulary):
    """See `categorical_column_with_vocabulary_file`."""

    vocabulary_file: str
    vocabulary_size: int | None
    num_oov_buckets: int
    dtype: Any
    default_value: int | None
    file_format: str | None

    @functools.cached_property
    def _table(self) -> Any:  # type: ignore[override]
        kind = "string" if self.dtype == "string" else "int64"
        lines = TextFileIndex.WHOLE_LINE, "int64", TextFileIndex.LINE_NUMBER
        initializer = TextFileInitializer(self.vocabulary_file, kind, *lines, vocab_size=self.vocabulary_size)
        return _vocabulary_table(initializer, self.num_oov_buckets, self.default_value)


def categorical_column_with_vocabulary_file(
    key: str,
    vocabulary_file: Any,
    vocabulary_size: int | None = None,
    dtype: Any = string,
    default_value: int | None = None,
    num_oov_buckets: int = 0,
    file_format: str | None = None,
) -> VocabularyFileCategoricalColumn:
    """Returns a column of the lines of a file that strings or integers stand in.

    Args:
        key: the feature's name.
        vocabulary_file: path of a text file with a value a line.
        vocabulary_size: how many lines count; all when None.
        dtype: of the feature.
        default_value: the number of other values; None: none.
        num_oov_buckets: how many further numbers other values share, by their hash.
        file_format: "text".
    """
    if not vocabulary_file:
        raise ValueError(f"Missing vocabulary_file in {key}.{at_user_location()}")
    if vocabulary_size is not None and vocabulary_size < 1:
        raise ValueError(f"Invalid vocabulary_size in {key}.{at_user_location()}")
    if file_format not in (None, "text"):
        raise NotImplementedError(
            f"{key}: file_format must be 'text', received {file_format!r}{at_user_location()}"
        )
    _check_others(check_key(key), default_value, num_oov_buckets)
    kind = check_kind(key, dtype)
    return VocabularyFileCategoricalColumn(
        key, str(vocabulary_file), vocabulary_size, num_oov_buckets, kind, default_value, file_format
    )


# ---- crosses


@dataclasses.dataclass(frozen=True)
class CrossedColumn(CategoricalColumn):
    """See `crossed_column`."""

    keys: tuple
    hash_bucket_size: int
    hash_key: int | None

    @property
    def _leaves(self) -> list:
        """The features and columns that are crossed; crosses among them give their own."""
        found: list = []
        for key in self.keys:
            found += key._leaves if isinstance(key, CrossedColumn) else [key]
        return found

    @property
    def name(self) -> str:
        names = (leaf if isinstance(leaf, str) else leaf.name for leaf in self._leaves)
        return "_X_".join(sorted(names))

    @property
    def parents(self) -> list:
        return list(self.keys)

    @property
    def parse_example_spec(self) -> dict:
        named = {key: find("tf.io", "VarLenFeature")(string) for key in self.keys if isinstance(key, str)}
        return named | super().parse_example_spec

    @property
    def num_buckets(self) -> int:
        return self.hash_bucket_size

    def ids(self, features: Features) -> Any:
        columns = [_crossable(features, leaf) for leaf in self._in_order(features)]
        widths = [int(values.shape[1]) for values, _ in columns]
        spread = [_spread(values, place, widths) for place, (values, _) in enumerate(columns)]
        cross = cross_features if any(map(is_text, spread)) else cross_integers
        crossed = cross(
            *spread, buckets=self.hash_bucket_size, key=_KEY if self.hash_key is None else self.hash_key
        )
        for place, (_, missing) in enumerate(columns):
            if missing is not None:
                crossed = indexing.where(_spread(missing, place, widths), np.int64(MISSING), crossed)
        return crossed

    def _in_order(self, features: Features) -> list:
        """Returns what is crossed in the order of TensorFlow's hash, where dense features come last."""
        leaves = self._leaves
        last = [leaf for leaf in leaves if isinstance(leaf, str) and features.is_dense(leaf)]
        return [leaf for leaf in leaves if leaf not in last] + last


def _crossable(features: Features, leaf: Any) -> tuple[Any, Any]:
    """Returns the values of a column or a feature, and where a row has none (None: everywhere are some)."""
    if not isinstance(leaf, str):
        ids = leaf.ids(features)
        return ids, ids == MISSING
    values = features.categories(leaf)
    missing = None if features.is_dense(leaf) else is_missing(values)
    return (values if is_text(values) else values._astype("int64")), missing


def _spread(column: Any, place: int, widths: list[int]) -> Any:
    """Returns a column's values for every combination with those of the others: (batch, combinations)."""
    axes = [1] * len(widths)
    axes[place] = widths[place]
    apart = reshape(column, shape=(-1, *axes))
    for axis, width in enumerate(widths):
        if axis != place:
            apart = repeat(apart, width, axis=axis + 1)
    return reshape(apart, shape=(-1, int(np.prod(widths))))


def crossed_column(keys: Any, hash_bucket_size: int, hash_key: int | None = None) -> CrossedColumn:
    """Returns a column of the combinations of what several features hold in a row, hashed.

    Args:
        keys: two or more names of features, or columns of categories; none of hashes.
        hash_bucket_size: how many categories.
        hash_key: of the hash; that of TensorFlow when None.
    """
    size = _at_least_one("hash_bucket_size", hash_bucket_size, keys)
    if not isinstance(keys, list | tuple) or len(keys) < 2:
        raise ValueError(f"keys must be a list with length > 1. Given: {keys}{at_user_location()}")
    for key in keys:
        if isinstance(key, HashedCategoricalColumn):
            raise ValueError(
                "categorical_column_with_hash_bucket is not supported for crossing: hashing before crossing makes "
                f"collisions more likely. Use the feature's name. Given: {key}{at_user_location()}"
            )
        if not isinstance(key, str | CategoricalColumn):
            raise ValueError(
                "Unsupported key type. All keys must be either string, or categorical column except "
                f"HashedCategoricalColumn. Given: {key}{at_user_location()}"
            )
    return CrossedColumn(tuple(keys), size, hash_key)


# ---- weights and time


@dataclasses.dataclass(frozen=True)
class WeightedCategoricalColumn(CategoricalColumn):
    """See `weighted_categorical_column`."""

    categorical_column: Any
    weight_feature_key: str
    dtype: Any

    @property
    def name(self) -> str:
        return f"{self.categorical_column.name}_weighted_by_{self.weight_feature_key}"

    @property
    def parents(self) -> list:
        return [self.categorical_column, self.weight_feature_key]

    @property
    def parse_example_spec(self) -> dict:
        weight = find("tf.io", "VarLenFeature")(self.dtype)
        return self.categorical_column.parse_example_spec | {self.weight_feature_key: weight}

    @property
    def num_buckets(self) -> int:
        return self.categorical_column.num_buckets

    def ids(self, features: Features) -> Any:
        return self.categorical_column.ids(features)

    def weights(self, features: Features) -> Any:
        value = padded(features[self.weight_feature_key], 0)
        value = value[:, None] if len(value.shape) == 1 else value
        if not (value.dtype.is_floating or value.dtype.is_integer):
            raise ValueError(
                f"the feature {self.weight_feature_key!r} must hold numbers, received {value.dtype.name}"
                f"{at_user_location()}"
            )
        return value._astype("float32")


def weighted_categorical_column(
    categorical_column: Any, weight_feature_key: str, dtype: Any = float32
) -> WeightedCategoricalColumn:
    """Returns a column of categories that count as much as another feature says.

    Args:
        categorical_column: of the categories.
        weight_feature_key: name of the feature of weights, as many as there are categories.
        dtype: of the weights.
    """
    kind = as_dtype(dtype)
    if not (kind.is_floating or kind.is_integer):
        raise ValueError(f"dtype {kind.name} is not convertible to float.{at_user_location()}")
    if not isinstance(categorical_column, CategoricalColumn) or isinstance(categorical_column, NumericColumn):
        raise ValueError(
            f"weighted_categorical_column takes a column of categories. Given: {categorical_column}"
            f"{at_user_location()}"
        )
    return WeightedCategoricalColumn(categorical_column, check_key(weight_feature_key), kind)


@dataclasses.dataclass(frozen=True)
class SequenceCategoricalColumn(CategoricalColumn):
    """Categories along time."""

    categorical_column: Any

    @property
    def name(self) -> str:
        return self.categorical_column.name

    @property
    def parents(self) -> list:
        return [self.categorical_column]

    @property
    def num_buckets(self) -> int:
        return self.categorical_column.num_buckets

    def ids(self, features: Features) -> Any:
        """Returns (batch, time, values)."""
        return self.categorical_column.ids(features)

    def there(self, features: Features) -> Any:
        """Returns which steps hold a category: (batch, time)."""
        values = features.categories(self.categorical_column.key)
        return ~is_missing(values)[..., 0]


def sequence_categorical_column_with_identity(
    key: str, num_buckets: int, default_value: int | None = None
) -> SequenceCategoricalColumn:
    """Returns `categorical_column_with_identity` along time."""
    return SequenceCategoricalColumn(categorical_column_with_identity(key, num_buckets, default_value))


def sequence_categorical_column_with_hash_bucket(
    key: str, hash_bucket_size: int, dtype: Any = string
) -> SequenceCategoricalColumn:
    """Returns `categorical_column_with_hash_bucket` along time."""
    return SequenceCategoricalColumn(categorical_column_with_hash_bucket(key, hash_bucket_size, dtype))


def sequence_categorical_column_with_vocabulary_list(
    key: str, vocabulary_list: Any, dtype: Any = None, default_value: int = -1, num_oov_buckets: int = 0
) -> SequenceCategoricalColumn:
    """Returns `categorical_column_with_vocabulary_list` along time."""
    column = categorical_column_with_vocabulary_list(
        key, vocabulary_list, dtype, default_value, num_oov_buckets
    )
    return SequenceCategoricalColumn(column)


def sequence_categorical_column_with_vocabulary_file(
    key: str,
    vocabulary_file: Any,
    vocabulary_size: int | None = None,
    num_oov_buckets: int = 0,
    default_value: int | None = None,
    dtype: Any = string,
) -> SequenceCategoricalColumn:
    """Returns `categorical_column_with_vocabulary_file` along time."""
    column = categorical_column_with_vocabulary_file(
        key, vocabulary_file, vocabulary_size, dtype, default_value, num_oov_buckets
    )
    return SequenceCategoricalColumn(column)
