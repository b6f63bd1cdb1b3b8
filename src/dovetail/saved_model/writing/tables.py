"""Tables of a SavedModel: resources that are made and filled when it is loaded."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from dovetail.saved_model.writing.nodes import RESOURCE
from dovetail.saved_model.writing.table import writes
from dovetail.tensor.convert import convert_to_tensor


class TableContent(NamedTuple):
    """A table with its keys and values.

    Attributes:
        source: the object that it is made of.
        keys, values: arrays of one size.
    """

    source: Any
    keys: Any
    values: Any

    @property
    def dtypes(self) -> dict[str, Any]:
        """The dtypes of its keys and values, as attributes."""
        return {
            "key_dtype": convert_to_tensor(self.keys).dtype,
            "value_dtype": convert_to_tensor(self.values).dtype,
        }


def look_up(w: Any, content: TableContent, keys: Any, default: Any) -> Any:
    """Writes a look-up."""
    kinds = content.dtypes
    given = {"Tin": kinds["key_dtype"], "Tout": kinds["value_dtype"]}
    inputs = [w.handle(content), keys, w.ref(convert_to_tensor(default, kinds["value_dtype"]))]
    return w.ops("LookupTableFindV2", {"values": kinds["value_dtype"]}, inputs, **given)[0]


def made(w: Any, content: TableContent, name: str) -> Any:
    """Writes what makes a table, and returns its handle."""
    given = {"container": "", "shared_name": name, "use_node_name_sharing": True}
    return w.effect("HashTableV2", {"table_handle": RESOURCE}, [], **given, **content.dtypes)[0]


def filled(w: Any, content: TableContent, handle: Any) -> None:
    """Writes what fills a table."""
    kinds = content.dtypes
    w.effect(
        "LookupTableImportV2",
        {},
        [handle, w.ref(convert_to_tensor(content.keys)), w.ref(convert_to_tensor(content.values))],
        Tin=kinds["key_dtype"],
        Tout=kinds["value_dtype"],
    )


def of_tokens(table: Any) -> tuple[Any, Any]:
    """Returns the keys and values of an `ops.lookup.Table`."""
    numbers = table.numbers
    keys: np.ndarray = np.empty(len(numbers), object)
    keys[:] = list(numbers)
    return keys, np.array(list(numbers.values()), np.int64)


@writes("look_up_strings")
def _look_up_strings(w: Any, x: Any, *, table: Any, default: int) -> Any:
    return look_up(w, w.library.table(table, lambda: of_tokens(table)), x, np.int64(default))


@writes("look_up_stored")
def _look_up_stored(w: Any, keys: Any, default: Any, *, store: Any) -> Any:
    """Writes a look-up in a table of fixed content; one that changes keeps what it had when it was saved."""
    if store.key_shape or store.value_shape:
        raise w.not_written("a table whose keys or values are no scalars")
    content = w.library.table(store, store.contents)
    kinds = content.dtypes
    given = {"Tin": kinds["key_dtype"], "Tout": kinds["value_dtype"]}
    found = w.ops(
        "LookupTableFindV2", {"values": kinds["value_dtype"]}, [w.handle(content), keys, default], **given
    )
    return found[0]
