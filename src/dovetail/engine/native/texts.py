"""Native kernels on arrays of byte strings. They hold Python's lock, which what makes objects must."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

_size, _pointer = ctypes.c_int64, ctypes.c_void_p
_INT64 = np.dtype(np.int64)


class _Python(ctypes.Structure):
    """The functions of `PythonBytes` in texts.h, of Python's stable interface."""

    _fields_ = [(name, _pointer) for name in ("make", "text", "size", "hold", "drop")]


class _Csv(ctypes.Structure):
    """`Csv` in csv.h."""

    _fields_ = [
        *(("text", ctypes.c_char_p), ("size", _size), ("rows", _size), ("width", _size)),
        *(
            ("delimiter", ctypes.c_char),
            ("quotes", ctypes.c_char),
            ("kinds", _pointer),
            ("columns", _pointer),
        ),
    ]


_KINDS = {
    np.dtype(name): number for number, name in enumerate(("int32", "int64", "float32", "float64", "O"), 1)
}


class Texts:
    """What a compiled library does with arrays of byte strings, which lie in one block each.

    Args:
        library: the compiled library.
    """

    def __init__(self, library: ctypes.CDLL) -> None:
        locked = ctypes.PyDLL(None, handle=library._handle)
        api = ctypes.pythonapi
        functions = (api.PyBytes_FromStringAndSize, api.PyBytes_AsString, api.PyBytes_Size)
        counting = (api.Py_IncRef, api.Py_DecRef)
        self._python = _Python(*(ctypes.cast(function, _pointer) for function in (*functions, *counting)))
        self._in_case, self._csv = locked.texts_in_case, locked.texts_csv
        self._count_words, self._make_words = locked.texts_count_words, locked.texts_make_words
        self._fingerprints, self._make_parts = locked.texts_fingerprints, locked.texts_make_parts
        self._count_words.restype = _size

    def in_case(self, texts: np.ndarray, first: bytes) -> np.ndarray:
        """Returns strings with ASCII letters of the other case; `first` is b"A" to make small ones of large ones."""
        found = np.empty(texts.shape, object)
        self._in_case(self._by(), _at(texts), _at(found), _size(texts.size), ctypes.c_char(first))
        return found

    def words(self, texts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns how many words each of (n,) strings has, and all words: what white space does not belong to."""
        lengths: np.ndarray = np.empty(texts.size, _INT64)
        count = self._count_words(self._by(), _at(texts), _size(texts.size), _at(lengths))
        found: np.ndarray = np.empty(count, object)
        if not self._make_words(self._by(), _at(texts), _size(texts.size), _at(found)):
            raise MemoryError
        return lengths, found

    def fingerprints(self, texts: np.ndarray) -> np.ndarray:
        """Returns FarmHash's fingerprint of each string, uint64 of the same shape."""
        found: np.ndarray = np.empty(texts.shape, np.uint64)
        if not self._fingerprints(self._by(), _at(texts), _size(texts.size), _at(found)):
            raise MemoryError
        return found

    def parts(self, data: bytes, begins: np.ndarray, ends: np.ndarray) -> np.ndarray | None:
        """Returns the strings from `begins` up to `ends`, int64 (n,) each; None where one is not in `data`."""
        found: np.ndarray = np.empty(begins.size, object)
        from_, to = (np.ascontiguousarray(each, _INT64) for each in (begins, ends))
        sizes = _size(len(data)), _size(begins.size)
        done = self._make_parts(self._by(), ctypes.c_char_p(data), *sizes, _at(from_), _at(to), _at(found))
        return found if done else None

    def csv(self, lines: list[bytes], delimiter: bytes, quotes: bool, kinds: list[np.dtype]) -> list | None:
        """Returns the columns of lines, arrays of (len(lines),); None where there is anything special about one.

        Args:
            lines: at least one.
            delimiter: one byte.
            quotes: fields may stand in double quotes.
            kinds: the dtypes of the columns.
        """
        text = b"\n".join(lines)
        columns = [np.empty(len(lines), kind) for kind in kinds]
        numbers: Any = np.array([_KINDS[kind] for kind in kinds], np.int32)
        places: Any = np.array([column.ctypes.data for column in columns], np.uintp)
        csv = _Csv(
            text, len(text), len(lines), len(kinds), delimiter, bytes([quotes]), _at(numbers), _at(places)
        )
        return columns if self._csv(self._by(), ctypes.byref(csv)) else None

    def _by(self) -> Any:
        return ctypes.byref(self._python)


def _at(array: np.ndarray) -> ctypes.c_void_p:
    return _pointer(array.ctypes.data)
