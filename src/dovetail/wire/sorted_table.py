"""Sorted tables of keys and values, the format of LevelDB in which TensorFlow keeps the index of a checkpoint.

A file is a row of blocks, then a block that lists them, then a footer.  In a block each key is written as what it has
not in common with the one before; "restarts" are the places of keys that are written whole.

Source: https://github.com/google/leveldb/blob/main/doc/table_format.md
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

from dovetail.base.errors import DataLossError
from dovetail.wire.crc32c import masked
from dovetail.wire.protobuf import read_varint, varint

_MAGIC = 0xDB4775248B80FB57
_FOOTER_BYTES = 48
_TRAILER_BYTES = 5  # how a block is compressed, and its checksum
_BLOCK_BYTES = 1 << 18
_RESTART_EVERY = 16
_MAX_KEY_BYTES = 1 << 20
_MAX_INFLATION = 64  # of keys, which are written as what they have not in common


# ---- writing


class _Block:
    """Keys and values, in order, as bytes."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.last_key = b""
        self._restarts = [0]
        self._count = 0

    def add(self, key: bytes, value: bytes) -> None:
        shared = 0
        if self._count and self._count % _RESTART_EVERY == 0:
            self._restarts.append(len(self.data))
        else:
            shared = _num_common(self.last_key, key)
        self.data += varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value
        self.last_key = key
        self._count += 1

    def finished(self) -> bytes:
        return bytes(self.data) + struct.pack(
            f"<{len(self._restarts) + 1}I", *self._restarts, len(self._restarts)
        )


def _num_common(first: bytes, second: bytes) -> int:
    count = 0
    for a, b in zip(first, second):
        if a != b:
            break
        count += 1
    return count


def dumps(items: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Returns a table of keys and values, which must come in the order of the keys."""
    result = bytearray()
    index, block = _Block(), _Block()

    def close(block: _Block) -> None:
        if block.data:
            index.add(block.last_key, _append(result, block.finished()))

    for key, value in items:
        block.add(key, value)
        if len(block.data) >= _BLOCK_BYTES:
            close(block)
            block = _Block()
    close(block)
    handles = _append(result, _Block().finished()) + _append(result, index.finished())
    return bytes(result) + handles.ljust(_FOOTER_BYTES - 8, b"\0") + struct.pack("<Q", _MAGIC)


def _append(result: bytearray, block: bytes) -> bytes:
    """Appends a block; returns where it stands and how long it is."""
    handle = varint(len(result)) + varint(len(block))
    block += b"\0"  # not compressed
    result += block + struct.pack("<I", masked(block))
    return handle


# ---- reading


def loads(data: bytes, name: str) -> Iterator[tuple[bytes, bytes]]:
    """Yields the keys and values of a table.

    Args:
        data: the file.
        name: of the file, for errors.

    Raises:
        DataLossError: it is none, or damaged.
    """
    if len(data) < _FOOTER_BYTES or struct.unpack("<Q", data[-8:])[0] != _MAGIC:
        raise DataLossError(f"{name}: it is not the index of a checkpoint (its last eight bytes are others)")
    try:
        place = 0
        numbers = []
        for _ in range(4):
            number, place = read_varint(data[-_FOOTER_BYTES:], place)
            numbers.append(number)
        end, most = 0, _MAX_KEY_BYTES + _MAX_INFLATION * len(data)
        for _, handle in _entries(_block(data, numbers[2], numbers[3], name), most):
            begin, after = read_varint(handle, 0)
            if begin < end:
                raise DataLossError(f"{name}: the block at {begin} is listed twice")
            end = begin + read_varint(handle, after)[0]
            for key, value in _entries(_block(data, begin, end - begin, name), most):
                most -= len(key)
                yield key, value
    except (IndexError, struct.error) as error:
        raise DataLossError(f"{name}: the index of the checkpoint is damaged") from error


def _block(data: bytes, begin: int, size: int, name: str) -> bytes:
    end = begin + size
    if end + _TRAILER_BYTES > len(data):
        raise DataLossError(
            f"{name}: a block of {size} bytes at {begin} reaches over the end of the file ({len(data)})"
        )
    if struct.unpack("<I", data[end + 1 : end + 5])[0] != masked(data[begin : end + 1]):
        raise DataLossError(f"{name}: the checksum of the block at {begin} is wrong")
    if data[end]:
        raise DataLossError(
            f"{name}: the block at {begin} is compressed (kind {data[end]}), which is not read"
        )
    return data[begin:end]


def _entries(block: bytes, most: int) -> Iterator[tuple[bytes, bytes]]:
    """Yields the entries of a block, whose keys may have `most` bytes in all: they share what few bytes tell."""
    (num_restarts,) = struct.unpack("<I", block[-4:])
    end = len(block) - 4 * (num_restarts + 1)
    place, key = 0, b""
    while place < end:
        shared, place = read_varint(block, place)
        own, place = read_varint(block, place)
        size, place = read_varint(block, place)
        if place + own + size > end or shared > len(key):
            raise IndexError(place)
        most -= shared + own
        if most < 0:
            raise IndexError(place)
        key = key[:shared] + block[place : place + own]
        yield key, block[place + own : place + own + size]
        place += own + size
