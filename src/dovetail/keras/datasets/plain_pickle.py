"""Reading pickles of arrays, lists, numbers and strings, as old data sets have them: nothing else is made or called."""

from __future__ import annotations

import pickle
from typing import Any

from dovetail.base.errors import at_user_location


def _encoded(text: str, encoding: str) -> bytes:
    """Returns bytes that old pickles hold as text."""
    return text.encode("latin1") if encoding == "latin1" else text.encode("ascii")


# What pickles of arrays call, in the several places where NumPy has had it.
_ARRAYS = {
    "multiarray": ("_reconstruct", "scalar"),
    "numeric": ("_frombuffer",),
}
_KNOWN = frozenset(
    [("numpy", "ndarray"), ("numpy", "dtype")]
    + [
        (f"numpy.{core}.{module}", name)
        for core in ("core", "_core")
        for module, names in _ARRAYS.items()
        for name in names
    ]
)


class _Plain(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("_codecs", "encode"):
            return _encoded
        if (module, name) not in _KNOWN:
            raise pickle.UnpicklingError(
                f"the pickle names {module}.{name}, which could run any code; data sets are arrays, lists, numbers and "
                f"strings. Fetch the file again: delete it, and call load_data{at_user_location()}"
            )
        return super().find_class(module, name)


def load(file: Any) -> Any:
    """Returns what a pickle holds; strings of Python 2 are bytes.

    Args:
        file: open, of bytes.

    Raises:
        pickle.UnpicklingError: it holds something else.
    """
    return _Plain(file, encoding="bytes").load()
