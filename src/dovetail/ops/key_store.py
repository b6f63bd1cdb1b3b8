"""What tables of `tf.lookup` keep: keys with their values, on the host."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from dovetail.base.errors import FailedPreconditionError, InvalidArgumentError, at_user_location
from dovetail.base.own import declare

_FIRST_SIZE = 16


@declare
class KeyStore:
    """Keys with values: rows of two arrays, and the row of each key.

    Several threads may use one: each method is one step.

    Args:
        label: the table's name, for messages.
        key_dtype, value_dtype: NumPy's.
        key_shape, value_shape: of one key and of one value.
    """

    def __init__(
        self,
        label: str,
        key_dtype: np.dtype,
        value_dtype: np.dtype,
        key_shape: tuple = (),
        value_shape: tuple = (),
    ) -> None:
        self.label, self.key_shape, self.value_shape = label, key_shape, value_shape
        self._rows: dict[Any, int] = {}
        self._free: list[int] = []
        self._keys: Any = np.empty((_FIRST_SIZE, *key_shape), key_dtype)
        self._values: Any = np.empty((_FIRST_SIZE, *value_shape), value_dtype)
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._rows)

    def __getstate__(self) -> dict:
        return {name: value for name, value in vars(self).items() if name != "_lock"}

    def __setstate__(self, state: dict) -> None:
        vars(self).update(state, _lock=threading.Lock())

    # ---- keys

    def _hashable(self, keys: np.ndarray) -> list:
        """Returns keys as a flat list of what a dict takes."""
        if not self.key_shape:
            return keys.reshape(-1).tolist()
        size = int(np.prod(self.key_shape))
        return list(map(tuple, keys.reshape(-1, size).tolist()))

    def _outer(self, keys: np.ndarray) -> tuple:
        """Returns the shape of an array of keys."""
        rank = len(self.key_shape)
        outer, inner = keys.shape[: keys.ndim - rank], keys.shape[keys.ndim - rank :]
        if inner != self.key_shape:
            raise InvalidArgumentError(
                f"{self.label}: expected keys of shape {self.key_shape}, received {keys.shape}{at_user_location()}"
            )
        return outer

    def _rows_for(self, keys: np.ndarray, values: np.ndarray) -> tuple[list, np.ndarray]:
        outer = self._outer(keys)
        if values.shape != (*outer, *self.value_shape):
            raise InvalidArgumentError(
                f"{self.label}: expected values of shape {(*outer, *self.value_shape)} for keys of shape {keys.shape}, "
                f"received {values.shape}{at_user_location()}"
            )
        return self._hashable(keys), values.reshape(-1, *self.value_shape)

    # ---- what tables do

    def find(self, keys: np.ndarray, default: np.ndarray) -> np.ndarray:
        """Returns the value of each key, `default` (which broadcasts) for those that are not there."""
        outer = self._outer(keys)
        shape = (*outer, *self.value_shape)
        with self._lock:
            rows = self._rows
            found: Any = np.array([rows.get(key, -1) for key in self._hashable(keys)], np.int64)
            out = self._values[found].reshape(shape)  # the last row for those that are not there
        unknown = found.reshape(outer) < 0
        if unknown.any():
            out[unknown] = self._spread(default, shape)[unknown]
        return out

    def _spread(self, default: np.ndarray, shape: tuple) -> np.ndarray:
        try:
            return np.broadcast_to(default, shape)
        except ValueError:
            raise InvalidArgumentError(
                f"{self.label}: default values of shape {default.shape} do not fit a result of shape {shape}"
                f"{at_user_location()}"
            ) from None

    def insert(self, keys: np.ndarray, values: np.ndarray) -> None:
        """Sets the values of keys; the last one counts for a key that comes twice."""
        wanted, values = self._rows_for(keys, values)
        with self._lock:
            self._put(wanted, keys, values)

    def insert_once(self, keys: np.ndarray, values: np.ndarray) -> None:
        """Sets the values of keys that have none yet.

        Raises:
            FailedPreconditionError: a key has another value.
        """
        wanted, values = self._rows_for(keys, values)
        with self._lock:
            self._put(wanted, keys, values)
            kept = self._values[[self._rows[key] for key in wanted]]
            differ = np.asarray(kept != values).reshape(len(wanted), max(1, kept[:1].size)).any(axis=1)
        if differ.any():
            place = int(differ.argmax())
            raise FailedPreconditionError(
                f"{self.label}: the key {wanted[place]!r} has two values, {values[place]!r} and {kept[place]!r}"
                f"{at_user_location()}"
            )

    def _put(self, wanted: list, keys: np.ndarray, values: np.ndarray) -> None:
        places, rows, free = [], self._rows, self._free
        for key in wanted:
            place = rows.get(key)
            if place is None:
                place = rows[key] = free.pop() if free else len(rows)
            places.append(place)
        if len(rows) > len(self._keys):
            size = max(len(rows), 2 * len(self._keys))
            self._keys, self._values = (_grown(array, size) for array in (self._keys, self._values))
        self._keys[places] = keys.reshape(-1, *self.key_shape)
        self._values[places] = values

    def remove(self, keys: np.ndarray) -> None:
        """Forgets keys; those that are not there do not matter."""
        self._outer(keys)
        with self._lock:
            for key in self._hashable(keys):
                place = self._rows.pop(key, None)
                if place is not None:
                    self._free.append(place)

    def replace(self, keys: np.ndarray, values: np.ndarray) -> None:
        """Forgets all keys, and sets the values of others."""
        wanted, values = self._rows_for(keys, values)
        with self._lock:
            self._rows, self._free = {}, []
            self._put(wanted, keys, values)

    def contents(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns all keys and their values, in the order in which the keys came."""
        with self._lock:
            places = list(self._rows.values())
            return self._keys[places], self._values[places]

    def holds(self, keys: np.ndarray, key: np.ndarray) -> bool:
        """Returns whether a key is among keys."""
        self._outer(keys)
        return self._hashable(key)[0] in self._hashable(keys)


def _grown(array: np.ndarray, size: int) -> np.ndarray:
    return np.concatenate([array, np.empty((size - len(array), *array.shape[1:]), array.dtype)])
