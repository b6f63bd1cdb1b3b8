"""Tables of `tf.lookup` that a dataset fills."""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail.base.errors import FailedPreconditionError, at_user_location
from dovetail.data.dataset import Dataset
from dovetail.lookup.initializers import Initializer
from dovetail.lookup.static import StaticHashTable, StaticVocabularyTable
from dovetail.tensor import as_dtype


class DatasetInitializer(Initializer):
    """Keys and values from a dataset of pairs `(key, value)` of scalars; it is read when a table is made.

    Args:
        dataset: of the pairs.

    Example:
        >>> pairs = tf.data.Dataset.from_tensor_slices((["a", "b"], [1, 2]))
        >>> table = tf.lookup.StaticHashTable(tf.data.experimental.DatasetInitializer(pairs), default_value=-1)
        >>> table.lookup(["b", "z"]).numpy().tolist()
        [2, -1]
    """

    def __init__(self, dataset: Dataset) -> None:
        spec = getattr(dataset, "element_spec", None)
        if (
            not isinstance(spec, tuple)
            or len(spec) != 2
            or any(part.shape.rank not in (0, None) for part in spec)
        ):
            raise ValueError(
                f"DatasetInitializer: expected a dataset of pairs (key, value) of scalars, received elements like "
                f"{spec}{at_user_location()}"
            )
        super().__init__(spec[0].dtype, spec[1].dtype)
        self._dataset = dataset

    def pairs(self) -> tuple[np.ndarray, np.ndarray]:
        rows = list(self._dataset.as_numpy_iterator())
        kinds = self.key_dtype.numpy_dtype, self.value_dtype.numpy_dtype
        keys, values = (np.array([row[i] for row in rows], kind) for i, kind in enumerate(kinds))
        return keys, values


def _limited(function: str, dataset: Any, vocab_size: int | None) -> Dataset:
    if not isinstance(dataset, Dataset):
        raise TypeError(
            f"{function}: expected a tf.data.Dataset, received {dataset!r:.60}{at_user_location()}"
        )
    if vocab_size is None:
        return dataset
    if vocab_size < 1:
        raise ValueError(
            f"{function}: vocab_size must be greater than 0, received {vocab_size}{at_user_location()}"
        )
    return dataset.take(vocab_size)


def _check_size(function: str, table: Any, vocab_size: int | None, buckets: int) -> None:
    found = int(table.size()) - buckets
    if vocab_size is not None and found < vocab_size:
        raise FailedPreconditionError(
            f"{function}: expected vocab_size={vocab_size} elements, the dataset has {found}{at_user_location()}"
        )


def table_from_dataset(
    dataset: Any = None,
    num_oov_buckets: int = 0,
    vocab_size: int | None = None,
    default_value: Any = None,
    hasher_spec: Any = None,
    key_dtype: Any = "string",
    name: str | None = None,
) -> Any:
    """Returns a table of the pairs `(key, value)` in a dataset.

    Args:
        dataset: of scalars.
        num_oov_buckets: how many numbers other keys share; 0: they get `default_value`.
        vocab_size: how many elements to take; all when None.
        default_value: for other keys, where there are no such numbers.
        hasher_spec: None; other hashes are not there.
        key_dtype: of the keys that are looked up.
        name: of the table.
    """
    label = "tf.data.experimental.table_from_dataset"
    if num_oov_buckets < 0:
        raise ValueError(
            f"{label}: num_oov_buckets must be at least 0, received {num_oov_buckets}{at_user_location()}"
        )
    if hasher_spec is not None:
        raise NotImplementedError(f"{label}: hasher_spec is not supported, leave it out{at_user_location()}")
    initializer = DatasetInitializer(_limited(label, dataset, vocab_size))
    if as_dtype(key_dtype).is_integer != initializer.key_dtype.is_integer:
        raise TypeError(
            f"{label}: key_dtype is {as_dtype(key_dtype).name}, the dataset's keys are {initializer.key_dtype.name}"
            f"{at_user_location()}"
        )
    if num_oov_buckets:
        table: Any = StaticVocabularyTable(initializer, num_oov_buckets, key_dtype, name)
    else:
        table = StaticHashTable(initializer, -1 if default_value is None else default_value, name)
    _check_size(label, table, vocab_size, num_oov_buckets)
    return table


def index_table_from_dataset(
    dataset: Any = None,
    num_oov_buckets: int = 0,
    vocab_size: int | None = None,
    default_value: Any = -1,
    hasher_spec: Any = None,
    key_dtype: Any = "string",
    name: str | None = None,
) -> Any:
    """Returns a table from the elements of a dataset to their places in it.

    The arguments are those of `table_from_dataset`; the elements are scalars.

    Example:
        >>> words = tf.data.Dataset.from_tensor_slices(["a", "b"])
        >>> tf.data.experimental.index_table_from_dataset(words, num_oov_buckets=1).lookup(["b", "z"]).numpy().tolist()
        [1, 2]
    """
    limited = _limited("tf.data.experimental.index_table_from_dataset", dataset, vocab_size)
    pairs = limited.enumerate().map(lambda number, element: (element, number))
    table = table_from_dataset(pairs, num_oov_buckets, None, default_value, hasher_spec, key_dtype, name)
    _check_size("tf.data.experimental.index_table_from_dataset", table, vocab_size, num_oov_buckets)
    return table
