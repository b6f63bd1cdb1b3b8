"""Files that datasets read: the arguments that name them, and opening them, plain or compressed."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from dovetail.base import filesystem
from dovetail.base.atomic import replacing
from dovetail.base.errors import DataLossError, NotFoundError, at_user_location
from dovetail.data.structure import is_dataset
from dovetail.ops.attrs import static
from dovetail.tensor import TensorSpec, convert_to_tensor
from dovetail.wire import records

Paths = Callable[[], Iterator[str]]


def text(value: Any) -> str:
    """Returns a string that may be given as a tensor; "" for None."""
    return "" if value is None else os.fsdecode(static(value))


def compression_of(compression_type: Any, label: str) -> str:
    """Returns a `compression_type` argument.

    Raises:
        ValueError: it is none of `records.COMPRESSIONS`.
    """
    compression = text(compression_type)
    if compression not in records.COMPRESSIONS:
        raise ValueError(
            f"{label}: compression_type must be one of {records.COMPRESSIONS}, received "
            f"{compression_type!r}{at_user_location()}"
        )
    return compression


def paths_of(given: Any, label: str) -> Paths:
    """Returns what makes an iterator over paths: one, a list or a tensor of them; a dataset is run through each time.

    Raises:
        TypeError: it is a dataset of other things than strings.
    """
    if is_dataset(given):
        spec = given.element_spec
        if not isinstance(spec, TensorSpec) or spec.dtype != "string":
            raise TypeError(
                f"{label}: a dataset of file names must hold strings, received elements {spec}{at_user_location()}"
            )
        return lambda: (os.fsdecode(p) for element in given.as_numpy_iterator() for p in np.ravel(element))
    if isinstance(given, os.PathLike):
        given = os.fspath(given)
    if isinstance(given, list | tuple):
        given = [os.fspath(path) if isinstance(path, os.PathLike) else path for path in given]
    found = [os.fsdecode(path) for path in np.ravel(np.asarray(convert_to_tensor(given, dtype="string")))]
    return lambda: iter(found)


class Opened:
    """A file of bytes that is being read; a context manager.

    Args:
        path: of the file.
        compression: one of `records.COMPRESSIONS`.
        label: who reads it, for errors.

    Raises:
        NotFoundError: there is no such file.
    """

    def __init__(self, path: str, compression: str, label: str) -> None:
        if filesystem.found(path) is None:
            raise NotFoundError(f"{label}: there is no file {path!r}")
        self._path, self._label, self._place = path, label, 0
        self._file = records.opened(path, compression)

    def __enter__(self) -> Opened:
        return self

    def __exit__(self, *exc: Any) -> None:
        self.close()

    def close(self) -> None:
        self._file.close()

    @property
    def num_compressed(self) -> int | None:
        """How many bytes of a compressed file have been read; None for others."""
        return getattr(self._file, "num_compressed", None)

    def read(self, size: int) -> bytes:
        """Returns `size` bytes, fewer at the end.

        Raises:
            DataLossError: the compressed data are damaged, or end early.
        """
        try:
            data = self._file.read(size)
        except (zlib.error, EOFError) as error:
            raise DataLossError(
                f"{self._label}: the compressed data of {self._path!r} are damaged or of another compression, behind "
                f"{self._place} good bytes ({error})"
            ) from error
        self._place += len(data)
        return data


def strings(values: list[bytes]) -> np.ndarray:
    """Returns byte strings as an array of (len(values),)."""
    array: Any = np.empty(len(values), object)
    array[:] = values
    return array


def write_whole(path: str, data: bytes) -> None:
    """Writes a file that is there whole, or not at all."""
    with replacing(path) as part, open(part, "wb") as file:
        file.write(data)
