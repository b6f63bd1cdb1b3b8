"""Tables that are filled once: `StaticHashTable`, `StaticVocabularyTable`."""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.lookup.table import Table, key_kind, known
from dovetail.ops.hashing import hash_integers, hash_strings
from dovetail.ops.indexing import where
from dovetail.ops.key_store import KeyStore
from dovetail.ops.lookup import look_up_integers, look_up_stored
from dovetail.tensor import Tensor, as_dtype
from dovetail.tensor.convert import convert_to_tensor


class StaticHashTable(Table):
    """A table that does not change.

    Args:
        initializer: what fills it.
        default_value: for keys that are not there, a scalar.
        name: for messages.
        experimental_is_anonymous: makes no difference.

    Look-ups of integers are compiled like any op; those of strings run on the host.

    Raises:
        FailedPreconditionError: a key comes with two values.

    Example:
        >>> init = tf.lookup.KeyValueTensorInitializer(["a", "b"], [1, 2])
        >>> table = tf.lookup.StaticHashTable(init, default_value=0)
        >>> table.lookup(tf.ragged.constant([["a"], [], ["z", "b"]])).to_list()
        [[1], [], [0, 2]]
    """

    def __init__(
        self,
        initializer: Any,
        default_value: Any,
        name: str | None = None,
        experimental_is_anonymous: bool = False,
    ) -> None:
        super().__init__(initializer.key_dtype, initializer.value_dtype, name)
        self._default = convert_to_tensor(default_value, self._value_dtype)
        if len(self._default.shape):
            raise ValueError(
                f"{self._label}: default_value must be a scalar, received shape {tuple(self._default.shape)}"
                f"{at_user_location()}"
            )
        known(self._default, self._label)
        self._store = KeyStore(self._label, self._key_dtype.numpy_dtype, self._value_dtype.numpy_dtype)
        self._sorted: Any = None  # of integers
        self._initializer = initializer
        initializer.initialize(self)

    def _fill(self, keys: np.ndarray, values: np.ndarray) -> None:
        self._store.insert_once(keys, values)
        if self._key_dtype.is_integer:
            kept, belonging = self._store.contents()
            order = np.argsort(kept)
            self._sorted = Tensor(kept[order]), Tensor(belonging[order])

    def _find(self, keys: Any) -> Any:
        if self._sorted is None:
            return look_up_stored(keys, self._default, store=self._store)
        return look_up_integers(keys, *self._sorted, self._default)

    @property
    def default_value(self) -> Any:
        return self._default

    def size(self, name: str | None = None) -> Any:
        """Returns how many keys there are, an int64 scalar."""
        return self._size()

    def export(self, name: str | None = None) -> tuple[Any, Any]:
        """Returns all keys, and their values."""
        return self._export()


class StaticVocabularyTable(Table):
    """Numbers known words by a table, and others by their hash, from the table's size on.

    Args:
        initializer: what fills the table, with int64 values 0 to its size - 1; None: all words are hashed.
        num_oov_buckets: how many numbers the other words share, at least 1.
        lookup_key_dtype: of the keys that `lookup` takes: string, or an integer dtype; the initializer's when None.
        name: for messages.
        experimental_is_anonymous: makes no difference.

    The number of another word is `size of the table + tf.strings.to_hash_bucket_fast(word, num_oov_buckets)`; integers
    are hashed as their digits.

    Example:
        >>> init = tf.lookup.KeyValueTensorInitializer(["a", "b"], tf.constant([0, 1], tf.int64))
        >>> tf.lookup.StaticVocabularyTable(init, 1).lookup(tf.constant(["b", "z"])).numpy().tolist()
        [1, 2]
    """

    def __init__(
        self,
        initializer: Any,
        num_oov_buckets: int,
        lookup_key_dtype: Any = None,
        name: str | None = None,
        experimental_is_anonymous: bool = False,
    ) -> None:
        given = None if initializer is None else initializer.key_dtype
        super().__init__(lookup_key_dtype or given or "string", "int64", name)
        if num_oov_buckets <= 0:
            raise ValueError(
                f"{self._label}: num_oov_buckets must be > 0, received {num_oov_buckets!r}; use "
                f"tf.lookup.StaticHashTable for a table of known words only{at_user_location()}"
            )
        self._buckets = int(num_oov_buckets)
        self._table = None if initializer is None else self._made(initializer)

    def _made(self, initializer: Any) -> StaticHashTable:
        if as_dtype(initializer.value_dtype) != "int64":
            raise TypeError(
                f"{self._label}: values must be int64, received {initializer.value_dtype.name}{at_user_location()}"
            )
        kind = key_kind(self._label, initializer.key_dtype)
        if kind.is_integer != self._key_dtype.is_integer:
            raise TypeError(
                f"{self._label}: lookup_key_dtype is {self._key_dtype.name}, the initializer's keys are {kind.name}"
                f"{at_user_location()}"
            )
        return StaticHashTable(initializer, -1, self._name)

    def __children__(self) -> list[tuple[str, Any]]:
        return [] if self._table is None else [("_table", self._table)]

    @property
    def resource_handle(self) -> Any:
        return None if self._table is None else self._table.resource_handle

    def _find(self, keys: Any) -> Any:
        hashed = hash_integers if self._key_dtype.is_integer else hash_strings
        buckets = hashed(keys, buckets=self._buckets)
        if self._table is None:
            return buckets
        found = self._table.lookup(keys._astype(self._table.key_dtype))
        return where(found == -1, buckets + len(self._table._store), found)

    def size(self, name: str | None = None) -> Any:
        """Returns how many numbers there are, those of other words included."""
        known_words = 0 if self._table is None else len(self._table._store)
        return Tensor(np.asarray(known_words + self._buckets, np.int64))
