"""`tf.data.TFRecordDataset`: the records of files."""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Iterator
from typing import IO, Any

import numpy as np

from dovetail.base.errors import NotFoundError, at_user_location
from dovetail.base.own import declare
from dovetail.data.dataset import Dataset
from dovetail.data.node import UNKNOWN
from dovetail.data.sources import Source
from dovetail.data.structure import LEAF
from dovetail.tensor import TensorSpec, convert_to_tensor
from dovetail.wire import records

__all__ = ["TFRecordDataset"]

_COMPRESSIONS = ("", "GZIP", "ZLIB")


class _Records(Source):
    """The records of files, one file after the other; each a scalar string."""

    def __init__(self, paths: list[str], compression: str) -> None:
        super().__init__(LEAF, (TensorSpec((), "string"),), UNKNOWN)
        self._paths, self._compression = paths, compression

    def _generate(self) -> Iterator[tuple]:
        for path in self._paths:
            if not os.path.exists(path):
                raise NotFoundError(f"TFRecordDataset: there is no file {path!r}")
            with _opened(path, self._compression) as file:
                for record in records.read(file, path):
                    element: Any = np.empty((), object)
                    element[()] = record
                    yield (element,)


def _opened(path: str, compression: str) -> IO[bytes]:
    if compression == "GZIP":
        return gzip.open(path, "rb")  # type: ignore[return-value]
    file = open(path, "rb")  # noqa: SIM115 - the caller closes it
    return file if not compression else _Inflated(file)  # type: ignore[return-value]


class _Inflated:
    """A zlib stream, read as the file that it holds."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._stream, self._held = file, zlib.decompressobj(), b""

    def __enter__(self) -> _Inflated:
        return self

    def __exit__(self, *exc: Any) -> None:
        self._file.close()

    def read(self, size: int) -> bytes:
        while len(self._held) < size:
            data = self._file.read(1 << 16)
            if not data:
                break
            self._held += self._stream.decompress(data)
        found, self._held = self._held[:size], self._held[size:]
        return found


@declare
class TFRecordDataset(Dataset):
    """The records of one or more TFRecord files, as scalar strings.

    Args:
        filenames: path, a list or a tensor of paths, or a dataset of them.
        compression_type: None or "", "GZIP", or "ZLIB".
        buffer_size, num_parallel_reads: accepted for compatibility; files are read one after the other, in order.
        name: accepted for compatibility; names nothing.

    Raises:
        DataLossError: while it is read: a checksum is wrong, or a file ends within a record.
    """

    def __init__(
        self,
        filenames: Any,
        compression_type: str | None = None,
        buffer_size: Any = None,
        num_parallel_reads: Any = None,
        name: str | None = None,
    ) -> None:
        compression = compression_type or ""
        if compression not in _COMPRESSIONS:
            raise ValueError(
                f"TFRecordDataset: compression_type must be one of {_COMPRESSIONS}, received {compression_type!r}"
                f"{at_user_location()}"
            )
        super().__init__(_Records(_paths(filenames), compression))


def _paths(given: Any) -> list[str]:
    if isinstance(given, os.PathLike):
        return [os.fspath(given)]
    if isinstance(given, Dataset):
        return [os.fsdecode(path) for element in given.as_numpy_iterator() for path in np.ravel(element)]
    if isinstance(given, list | tuple):
        given = [os.fspath(path) if isinstance(path, os.PathLike) else path for path in given]
    return [
        os.fsdecode(path) for path in np.ravel(np.asarray(convert_to_tensor(given, dtype="string")._value))
    ]
