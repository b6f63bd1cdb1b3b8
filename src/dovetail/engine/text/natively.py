"""Native kernels for arrays of byte strings, where there are enough of them; functions return None where not."""

from __future__ import annotations

import functools
import importlib
import sys
from typing import Any

import numpy as np

from dovetail.base.settings import settings

FEWEST = 512  # strings: fewer cost less than the way to the library, which may have to be compiled


def _texts(array: Any) -> Any:
    if array.size < FEWEST or array.dtype.kind != "O" or not array.flags.c_contiguous:
        return None
    return _found()


def _found() -> Any:
    """Returns the functions of the compiled library, which knows CPython's objects only."""
    return _loaded() if settings.native and sys.implementation.name == "cpython" else None


@functools.cache
def _loaded() -> Any:
    """Imports what compiles a library when it is first wanted: that costs 30 ms."""
    native = importlib.import_module("dovetail.engine.native")
    native.host_kernels()  # which say how many threads there are
    library = native.library()
    return None if library is None else importlib.import_module("dovetail.engine.native.texts").Texts(library)


def in_case(array: Any, first: bytes) -> Any:
    """Returns strings with ASCII letters of the other case; `first`: b"A" or b"a", of those that change."""
    texts = _texts(array)
    return None if texts is None else texts.in_case(array, first)


def words(array: Any) -> Any:
    """Returns how many words each string of a vector has, and all words, at white space."""
    texts = _texts(array)
    return None if texts is None else texts.words(array)


def fingerprints(array: Any) -> Any:
    """Returns FarmHash's fingerprint of each string, uint64."""
    texts = _texts(array)
    return None if texts is None else texts.fingerprints(array)


def csv(lines: list[bytes], delimiter: bytes, quotes: bool, kinds: list[np.dtype]) -> Any:
    """Returns the columns of lines of comma-separated values, None too where anything is special about one."""
    texts = _found() if len(lines) >= FEWEST // 8 else None
    return None if texts is None else texts.csv(lines, delimiter, quotes, kinds)


def parts(data: bytes, begins: Any, ends: Any) -> Any:
    """Returns the parts of some bytes from `begins` up to `ends`, an array of strings."""
    texts = _found() if len(begins) >= FEWEST else None
    return None if texts is None else texts.parts(data, begins, ends)
