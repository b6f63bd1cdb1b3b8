"""Tables that change: `MutableHashTable`, `DenseHashTable`."""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail.base.errors import InvalidArgumentError, at_user_location
from dovetail.lookup.table import Table, known
from dovetail.ops.key_store import KeyStore
from dovetail.ops.lookup import look_up_stored
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.spec import TensorSpec
from dovetail.tensor.symbolic import SymbolicTensor

_FEWEST_BUCKETS = 4
_SAVED_NAMES = ("table-keys", "table-values")


class _Changing(Table):
    """A table that programs insert into and remove from, in program order, also inside of functions.

    Functions that use one run op by op: what a table holds is known when they run.
    """

    def __init__(
        self,
        key_dtype: Any,
        value_dtype: Any,
        default_value: Any,
        name: str | None,
        key_shape: tuple = (),
    ) -> None:
        super().__init__(key_dtype, value_dtype, name)
        self._default = convert_to_tensor(default_value, self._value_dtype)
        self._store = KeyStore(
            self._label,
            self._key_dtype.numpy_dtype,
            self._value_dtype.numpy_dtype,
            key_shape,
            tuple(known(self._default, self._label).shape),
        )

    def _check(self, keys: Any) -> None:
        """Refuses keys that cannot be in the table."""

    def __saved_values__(self) -> dict[str, np.ndarray]:
        """Returns what a checkpoint holds, by TensorFlow's names."""
        return dict(zip(_SAVED_NAMES, self._store.contents(), strict=True))

    def __load_values__(self, values: dict[str, np.ndarray]) -> None:
        keys, found = (values[name] for name in _SAVED_NAMES)
        store = self._store
        self._store.replace(
            *self._kept(keys.reshape(-1, *store.key_shape), found.reshape(-1, *store.value_shape))
        )

    def _kept(self, keys: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns those of the keys and values in a checkpoint that the table holds."""
        return keys, values

    def _found(self, keys: Any, default: Any) -> Any:
        if not isinstance(keys, SymbolicTensor):
            self._require_values("lookup")
            self._check(known(keys, self._label))
        return look_up_stored(keys, default, store=self._store)

    def _find(self, keys: Any) -> Any:
        return self._found(keys, self._default)

    def insert(self, keys: Any, values: Any, name: str | None = None) -> None:
        """Sets the values of keys, whether they are there or not.

        Args:
            keys: tensor of `key_dtype`.
            values: tensor of `value_dtype`: a value for each key.

        Raises:
            TypeError: a dtype is another one.
            InvalidArgumentError: there is not one value for each key.
        """
        given = convert_to_tensor(values, dtype_hint=self._value_dtype)
        if given.dtype != self._value_dtype:
            raise TypeError(
                f"{self._label}: values must be {self._value_dtype.name}, received {given.dtype.name}"
                f"{at_user_location()}"
            )
        self._now("insert", self._insert_known, self._keys(keys), given)

    def _insert_known(self, keys: Any, values: Any) -> None:
        array = known(keys, self._label)
        self._check(array)
        self._store.insert(array, known(values, self._label))

    def remove(self, keys: Any, name: str | None = None) -> None:
        """Removes keys with their values; keys that are not there do not matter."""
        self._now("remove", self._remove_known, self._keys(keys))

    def _remove_known(self, keys: Any) -> None:
        array = known(keys, self._label)
        self._check(array)
        self._store.remove(array)

    def size(self, name: str | None = None) -> Any:
        """Returns how many keys there are, an int64 scalar."""
        return self._asked("size", lambda: [self._size()], [TensorSpec((), "int64")])[0]

    def export(self, name: str | None = None) -> tuple[Any, Any]:
        """Returns all keys, in the order in which they came, and their values."""
        store = self._store
        shapes = [(None, *store.key_shape), (None, *store.value_shape)]
        kinds = [self._key_dtype, self._value_dtype]
        described = [TensorSpec(shape, kind) for shape, kind in zip(shapes, kinds, strict=True)]
        keys, values = self._asked("export", lambda: list(self._export()), described)
        return keys, values


class MutableHashTable(_Changing):
    """A table that changes.

    Args:
        key_dtype: string or an integer dtype.
        value_dtype: of the values.
        default_value: for keys that are not there; its shape is that of a value.
        name: for messages.
        checkpoint: makes no difference: a `tf.train.Checkpoint` that holds the table keeps its keys and values.
        experimental_is_anonymous: makes no difference.

    Example:
        >>> table = tf.lookup.experimental.MutableHashTable(tf.string, tf.int64, default_value=0)
        >>> table.insert(["a", "b"], [1, 2])
        >>> table.remove(["a"])
        >>> table.lookup(["a", "b"]).numpy().tolist()
        [0, 2]
    """

    def __init__(
        self,
        key_dtype: Any,
        value_dtype: Any,
        default_value: Any,
        name: str | None = "MutableHashTable",
        checkpoint: bool = True,
        experimental_is_anonymous: bool = False,
    ) -> None:
        super().__init__(key_dtype, value_dtype, default_value, name)

    def lookup(  # type: ignore[override]
        self, keys: Any, dynamic_default_values: Any = None, name: str | None = None
    ) -> Any:
        """Returns the value of each key.

        Args:
            keys: tensor of `key_dtype`, dense, ragged or sparse.
            dynamic_default_values: what stands for keys that are not there, one for all or one for each; the table's
                `default_value` when None.
        """
        if dynamic_default_values is None:
            return super().lookup(keys)
        default = convert_to_tensor(dynamic_default_values, self._value_dtype)
        return self._on_values(keys, lambda flat: self._found(flat, default))


class DenseHashTable(_Changing):
    """A table that changes, with two keys that it cannot hold.

    Args:
        key_dtype: string or an integer dtype.
        value_dtype: of the values.
        default_value: for keys that are not there; its shape is that of a value.
        empty_key, deleted_key: two keys that never occur; their shape is that of a key.
        initial_num_buckets: a power of 2, at least 4; makes no difference.
        name: for messages.
        checkpoint: makes no difference: a `tf.train.Checkpoint` that holds the table keeps its keys and values.
        experimental_is_anonymous: makes no difference.

    Differs from TensorFlow: `export` gives the keys that were inserted, TensorFlow's all its buckets, with `empty_key`
    in those that are free.
    """

    def __init__(
        self,
        key_dtype: Any,
        value_dtype: Any,
        default_value: Any,
        empty_key: Any,
        deleted_key: Any,
        initial_num_buckets: int | None = None,
        name: str | None = "MutableDenseHashTable",
        checkpoint: bool = True,
        experimental_is_anonymous: bool = False,
    ) -> None:
        reserved = [
            known(convert_to_tensor(key, key_dtype), "DenseHashTable") for key in (empty_key, deleted_key)
        ]
        super().__init__(key_dtype, value_dtype, default_value, name, reserved[0].shape)
        if reserved[0].shape != reserved[1].shape or (reserved[0] == reserved[1]).all():
            raise InvalidArgumentError(
                f"{self._label}: empty_key and deleted_key must be two keys of one shape, received {empty_key!r} and "
                f"{deleted_key!r}{at_user_location()}"
            )
        buckets = _FEWEST_BUCKETS if initial_num_buckets is None else initial_num_buckets
        if buckets < _FEWEST_BUCKETS or buckets & (buckets - 1):
            raise InvalidArgumentError(
                f"{self._label}: initial_num_buckets must be a power of 2, at least {_FEWEST_BUCKETS}, received "
                f"{initial_num_buckets!r}{at_user_location()}"
            )
        self._reserved = dict(zip(("empty_key", "deleted_key"), reserved, strict=True))

    def _check(self, keys: Any) -> None:
        for name, key in self._reserved.items():
            if self._store.holds(keys, key):
                raise InvalidArgumentError(
                    f"{self._label}: {key.tolist()!r} is the {name}, which must not be used as a key"
                    f"{at_user_location()}"
                )

    def _kept(self, keys: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Leaves out the free buckets, which TensorFlow writes with the others."""
        keep: np.ndarray = np.ones(len(keys), bool)
        for reserved in self._reserved.values():
            keep &= (keys != reserved).reshape(len(keys), -1).any(axis=1)
        return keys[keep], values[keep]

    insert_or_assign = _Changing.insert

    def erase(self, keys: Any, name: str | None = None) -> None:
        """Removes keys with their values, as `remove` does."""
        self.remove(keys)
