"""Files of records (TFRecord): each one its length, a checksum of that, the bytes, and a checksum of those."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import IO

from dovetail.base.errors import DataLossError
from dovetail.wire.crc32c import masked

_LENGTH, _CHECKSUM = struct.Struct("<Q"), struct.Struct("<I")


def framed(record: bytes) -> bytes:
    """Returns a record as it stands in a file."""
    length = _LENGTH.pack(len(record))
    return b"".join((length, _CHECKSUM.pack(masked(length)), record, _CHECKSUM.pack(masked(record))))


def read(file: IO[bytes], name: str) -> Iterator[bytes]:
    """Yields the records of an open file.

    Args:
        file: of bytes.
        name: for errors.

    Raises:
        DataLossError: a checksum is wrong, or the file ends within a record.
    """
    place = 0
    while True:
        length = file.read(_LENGTH.size)
        if not length:
            return
        _check(length, file.read(_CHECKSUM.size), _LENGTH.size, name, place)
        size = _LENGTH.unpack(length)[0]
        record = file.read(size)
        _check(record, file.read(_CHECKSUM.size), size, name, place)
        yield record
        place += _LENGTH.size + size + 2 * _CHECKSUM.size


def _check(data: bytes, checksum: bytes, size: int, name: str, place: int) -> None:
    if len(data) != size or len(checksum) != _CHECKSUM.size:
        raise DataLossError(f"truncated record at {place} in {name!r}")
    if _CHECKSUM.unpack(checksum)[0] != masked(data):
        raise DataLossError(f"corrupted record at {place} in {name!r}: its checksum does not fit")
