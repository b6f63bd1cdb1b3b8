"""`tf.data.experimental.SqlDataset`: the rows that a query of a database gives."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any

import numpy as np

from dovetail.base.errors import InvalidArgumentError, UnknownError, at_user_location
from dovetail.base.own import declare
from dovetail.data.dataset import Dataset
from dovetail.data.files import text
from dovetail.data.node import UNKNOWN
from dovetail.data.sources import Source
from dovetail.data.structure import flatten
from dovetail.tensor import TensorSpec, as_dtype

__all__ = ["SqlDataset"]

_KINDS = ("string", "int8", "int16", "int32", "int64", "uint8", "uint16", "bool", "float64")


class _Rows(Source):
    """The rows of a query; the database is open during a pass, for reading only."""

    def __init__(self, path: str, query: str, tree: Any, specs: tuple) -> None:
        super().__init__(tree, specs, UNKNOWN)
        self._path, self._query = path, query

    def _generate(self) -> Iterator[tuple]:
        try:
            connection = sqlite3.connect(self._path)
            connection.text_factory = bytes
        except sqlite3.Error as error:
            raise UnknownError(f"SqlDataset: {self._path!r} cannot be opened: {error}") from None
        try:
            yield from self._rows(connection)
        except sqlite3.Error as error:
            raise UnknownError(f"SqlDataset: {error}: {self._query} (database {self._path!r})") from None
        finally:
            connection.close()

    def _rows(self, connection: Any) -> Iterator[tuple]:
        cursor = connection.execute(self._query)
        count = len(cursor.description or ())
        if count != len(self.specs):
            raise InvalidArgumentError(
                f"SqlDataset: the query gives {count} columns, output_types has {len(self.specs)} elements"
            )
        kinds = [spec.dtype.numpy_dtype for spec in self.specs]
        for row in cursor:
            yield tuple([_value(value, kind) for value, kind in zip(row, kinds)])


def _value(value: Any, kind: np.dtype) -> np.ndarray:
    """Returns a value of a database as an array without axes; SQLite's own rules say what it is as another type."""
    if kind.kind not in "iufb":
        out: Any = np.empty((), object)
        out[()] = _as_bytes(value)
        return out
    number = value if isinstance(value, int | float) else _leading_number(value)
    if kind.kind in "iu":
        return np.asarray(int(number)).astype(kind)
    return np.asarray(number != 0 if kind.kind == "b" else number, kind)


def _as_bytes(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    return b"" if value is None else str(value).encode()


def _leading_number(value: Any) -> float:
    try:
        return float(value) if value is not None else 0
    except ValueError:
        return 0


@declare
class SqlDataset(Dataset):
    """The rows that an SQL query gives, as tuples of scalars.

    Args:
        driver_name: "sqlite".
        data_source_name: the path of the database.
        query: a SELECT statement.
        output_types: a tuple of the columns' dtypes: string, int8 to int64, uint8, uint16, bool, float64.

    Raises:
        UnknownError: while it is read: what the database says.

    Example:
        tf.data.experimental.SqlDataset("sqlite", "people.db", "SELECT name, age FROM people", (tf.string, tf.int32))
    """

    def __init__(self, driver_name: Any, data_source_name: Any, query: Any, output_types: Any) -> None:
        if text(driver_name) != "sqlite":
            raise InvalidArgumentError(
                f"SqlDataset: the driver {driver_name!r} is not supported, only 'sqlite' is{at_user_location()}"
            )
        types, tree = flatten(output_types)
        dtypes = [as_dtype(kind) for kind in types]
        for dtype in dtypes:
            if dtype.name not in _KINDS:
                raise InvalidArgumentError(
                    f"SqlDataset: output_types can be {', '.join(_KINDS)}, received {dtype.name}{at_user_location()}"
                )
        specs = tuple(TensorSpec((), dtype) for dtype in dtypes)
        super().__init__(_Rows(text(data_source_name), text(query), tree, specs))
