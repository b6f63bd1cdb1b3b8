"""Rows of tables.  The handle of a table is a `Table` here: it gets its keys and values after it is made."""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail.base.errors import FailedPreconditionError, at_user_location
from dovetail.lookup import KeyValueTensorInitializer, StaticHashTable, TextFileInitializer
from dovetail.raw_ops.row import raw
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.dtype import as_dtype


class Table:
    """A table that is filled once.

    Args:
        key_dtype, value_dtype: of what it holds.
    """

    def __init__(self, key_dtype: Any, value_dtype: Any) -> None:
        self.key_dtype, self.value_dtype = as_dtype(key_dtype), as_dtype(value_dtype)
        self._initializer: Any = None
        self._tables: dict[Any, StaticHashTable] = {}

    def fill(self, initializer: Any) -> None:
        self._initializer = initializer
        self._tables.clear()

    def table(self, default: Any) -> StaticHashTable:
        """Returns the table that gives `default` for keys it does not have."""
        if self._initializer is None:
            raise FailedPreconditionError(f"a table has not been filled{at_user_location()}")
        known = np.asarray(default).item()
        if known not in self._tables:
            self._tables[known] = StaticHashTable(self._initializer, known)
        return self._tables[known]


@raw("HashTableV2 MutableHashTableV2")
def hash_table(*, key_dtype: Any, value_dtype: Any, shared_name: str = "") -> Table:
    return Table(key_dtype, value_dtype)


@raw("AnonymousHashTable")
def anonymous_table(*, key_dtype: Any, value_dtype: Any) -> Table:
    return Table(key_dtype, value_dtype)


@raw("InitializeTableV2 LookupTableImportV2")
def fill(table_handle: Any, keys: Any, values: Any) -> None:
    table_handle.fill(
        KeyValueTensorInitializer(keys, values, table_handle.key_dtype, table_handle.value_dtype)
    )


@raw("InitializeTableFromTextFileV2")
def fill_from_file(
    table_handle: Any,
    filename: Any,
    *,
    key_index: int,
    value_index: int,
    vocab_size: int = -1,
    delimiter: str = "\t",
    offset: int = 0,
) -> None:
    table_handle.fill(
        TextFileInitializer(
            filename,
            table_handle.key_dtype,
            key_index,
            table_handle.value_dtype,
            value_index,
            None if vocab_size < 0 else vocab_size,
            delimiter,
            value_index_offset=offset,
        )
    )


@raw("LookupTableFindV2")
def find(table_handle: Any, keys: Any, default_value: Any) -> Any:
    return table_handle.table(default_value).lookup(keys)


@raw("LookupTableSizeV2")
def size(table_handle: Any) -> Any:
    empty = "" if table_handle.value_dtype == "string" else table_handle.value_dtype.as_numpy_dtype(0)
    return convert_to_tensor(table_handle.table(empty).size(), "int64")
