"""TensorFlow's checkpoint files: named tensors in `PREFIX.data-00000-of-00001`, where they stand in `PREFIX.index`.

    write(prefix, {"w": array})
    Bundle(prefix).read("w")

Every tensor has a checksum, which is checked when it is read.  The files appear under their names only when they are
whole, the index last: a checkpoint without an index is none.  One that takes the place of another has its data in a
file that the index there does not name: in `PREFIX.data-00000-of-00002`, as if it were the first of two, until that
gets the usual name as a second one; where the file system has no links, until the next one takes its place.  So there
is a whole one whenever a process dies.
"""

from __future__ import annotations

import glob
import os
import struct
from typing import Any

import numpy as np

from dovetail.base.atomic import make_folder, replacing
from dovetail.base.errors import DataLossError, InvalidArgumentError, NotFoundError, at_user_location
from dovetail.tensor.dtype import as_dtype
from dovetail.wire import sorted_table
from dovetail.wire.crc32c import crc32c, mask
from dovetail.wire.messages import TensorShapeProto
from dovetail.wire.protobuf import DecodeError, Field, Message, read_varint, varint

_HEADER_KEY = b""
_STRING = 7  # the number of the dtype
_MAX_RANK = 64  # of arrays of NumPy


class _Version(Message):
    fields = {"producer": Field(1, "int32"), "min_consumer": Field(2, "int32")}


class _Header(Message):
    fields = {"num_shards": Field(1, "int32"), "endianness": Field(2, "enum"), "version": Field(3, _Version)}


class _Extent(Message):
    fields = {"start": Field(1, "int64"), "length": Field(2, "int64", oneof="has_length")}


class _Slice(Message):
    fields = {"extent": Field(1, _Extent, repeated=True)}


class _Entry(Message):
    fields = {
        "dtype": Field(1, "enum"),
        "shape": Field(2, TensorShapeProto),
        "shard_id": Field(3, "int32"),
        "offset": Field(4, "int64"),
        "size": Field(5, "int64"),
        "crc32c": Field(6, "fixed32"),
        "slices": Field(7, _Slice, repeated=True),
    }


def index_path(prefix: str) -> str:
    """Returns the path of a checkpoint's index."""
    return f"{prefix}.index"


def _data_path(prefix: str, shard: int, num_shards: int) -> str:
    return f"{prefix}.data-{shard:05d}-of-{num_shards:05d}"


# ---- writing


def write(prefix: str, tensors: dict[str, np.ndarray]) -> None:
    """Writes named arrays as a checkpoint.

    Args:
        prefix: path without the endings.
        tensors: the arrays; those of bytes, dtype object, are strings.
    """
    make_folder(os.path.dirname(prefix) or ".")
    live = _live_shards(prefix)  # the index there must find its own data until there is a new one
    num_shards = 2 if live == 1 else 1
    old = [path for path in _data_paths(prefix, live) if path != _data_path(prefix, 0, num_shards)]
    new = _data_path(prefix, 0, num_shards)
    items = []
    with replacing(new, like=old[0] if old else None) as partial, open(partial, "wb") as file:
        for name in sorted(tensors):
            entry = _write_tensor(file, np.asarray(tensors[name]))
            items.append((name.encode(), entry.SerializeToString()))
    _write_index(prefix, num_shards, items)
    for path in old:
        os.remove(path)
    if num_shards == 1:
        return
    try:
        os.link(new, _data_path(prefix, 0, 1))
    except OSError:  # a file system without links: the data keep this name
        return
    _write_index(prefix, 1, items)
    os.remove(new)


def _live_shards(prefix: str) -> int:
    """Returns how many data files the index of a checkpoint counts, 0 where there is none that can be read."""
    try:
        return Bundle(prefix).num_shards
    except (NotFoundError, DataLossError):
        return 0


def _data_paths(prefix: str, num_shards: int) -> list[str]:
    """Returns the data files that are there of a checkpoint of so many."""
    return sorted(glob.glob(f"{glob.escape(prefix)}.data-[0-9]*-of-{num_shards:05d}"))


def _write_index(prefix: str, num_shards: int, items: list[tuple[bytes, bytes]]) -> None:
    """Writes the index of a checkpoint whose data are in the first of so many files."""
    head = _Header(num_shards=num_shards, version=_Version(producer=1)).SerializeToString()
    with replacing(index_path(prefix)) as partial, open(partial, "wb") as file:
        file.write(sorted_table.dumps([(_HEADER_KEY, head), *items]))


def _write_tensor(file: Any, array: np.ndarray) -> _Entry:
    offset = file.tell()
    if array.dtype.kind == "O":
        content, checksum = _strings(array)
    else:
        content = np.ascontiguousarray(array).tobytes()
        checksum = crc32c(content)
    file.write(content)
    shape = TensorShapeProto()
    for size in array.shape:
        shape.dim.add(size=size)
    number = _STRING if array.dtype.kind == "O" else as_dtype(array.dtype).as_datatype_enum
    return _Entry(dtype=number, shape=shape, offset=offset, size=len(content), crc32c=mask(checksum))


def _strings(array: np.ndarray) -> tuple[bytes, int]:
    """Returns lengths, a checksum of them, and the strings; and the checksum of all."""
    parts = [item.encode() if isinstance(item, str) else bytes(item) for item in array.reshape(-1)]
    plain = struct.pack(f"<{len(parts)}I", *map(len, parts))
    of_lengths = struct.pack("<I", mask(crc32c(plain)))
    content = b"".join(parts)
    return b"".join(map(varint, map(len, parts))) + of_lengths + content, crc32c(plain + of_lengths + content)


# ---- reading


class Bundle:
    """A checkpoint: reads its index, and tensors by name.

    Args:
        prefix: path without the endings.

    Raises:
        NotFoundError: there is no such checkpoint.
        DataLossError: its index is damaged.
    """

    def __init__(self, prefix: str) -> None:
        path = index_path(prefix)
        if not os.path.exists(path):
            raise NotFoundError(f"there is no checkpoint {prefix!r}: no file {path!r}{at_user_location()}")
        self.prefix = prefix
        with open(path, "rb") as file:
            items = list(sorted_table.loads(file.read(), path))
        try:
            header = _Header.FromString(dict(items[:1]).get(_HEADER_KEY, b""))
            self.num_shards = int(header.num_shards) or 1
            self._entries = {key.decode(): _Entry.FromString(value) for key, value in items[1:]}
        except (DecodeError, UnicodeDecodeError, OverflowError) as error:
            raise DataLossError(f"{path}: the index of the checkpoint is damaged: {error}") from error
        if header.endianness:
            raise DataLossError(f"{path}: the checkpoint was written on a machine with the other byte order")

    def __contains__(self, name: str) -> bool:
        return name in self._entries

    def names(self) -> list[str]:
        """Returns the names of the tensors, in order."""
        return list(self._entries)

    def shape(self, name: str) -> list[int]:
        return [dim.size for dim in self._entry(name).shape.dim]

    def dtype(self, name: str) -> Any:
        number = int(self._entry(name).dtype)
        try:
            return as_dtype(number)
        except (TypeError, ValueError) as error:
            raise DataLossError(
                f"{self.prefix}: {name!r} is of the dtype {number}, which is not known"
            ) from error

    def _entry(self, name: str) -> _Entry:
        if name not in self._entries:
            raise NotFoundError(
                f"the checkpoint {self.prefix!r} has no tensor {name!r} among its {len(self._entries)}"
                f"{at_user_location()}"
            )
        return self._entries[name]

    def read(self, name: str) -> np.ndarray:
        """Returns a tensor as an array; strings as bytes of dtype object.

        Raises:
            NotFoundError: there is none of that name.
            DataLossError: its checksum is wrong, or the file ends before.
        """
        entry = self._entry(name)
        shape = self.shape(name)
        if any(size < 0 for size in shape) or len(shape) > _MAX_RANK:
            raise DataLossError(f"{self.prefix}: {name!r} has the shape {shape}, which no tensor has")
        if entry.slices:
            raise InvalidArgumentError(
                f"{self.prefix!r}: the tensor {name!r} is stored in slices, which are not read{at_user_location()}"
            )
        path = _data_path(self.prefix, entry.shard_id, self.num_shards)
        content = self._content(path, entry, name)
        count = int(np.prod(shape, dtype=object)) if shape else 1
        if entry.dtype == _STRING:
            return _strings_of(content, count, entry.crc32c, f"{path}: {name!r}").reshape(shape)
        dtype = self.dtype(name).numpy_dtype
        if len(content) != count * dtype.itemsize:
            raise DataLossError(f"{path}: {name!r} has {len(content)} bytes, not those of {count} of {dtype}")
        if mask(crc32c(content)) != entry.crc32c:
            raise DataLossError(f"{path}: the checksum of {name!r}, at {entry.offset}, is wrong")
        return np.frombuffer(content, dtype).reshape(shape)

    @staticmethod
    def _content(path: str, entry: _Entry, name: str) -> bytes:
        try:
            with open(path, "rb") as file:
                available = os.fstat(file.fileno()).st_size
                if entry.offset < 0 or entry.size < 0 or entry.offset + entry.size > available:
                    raise DataLossError(
                        f"{path}: {name!r} stands at {entry.offset} with {entry.size} bytes, the file has {available}"
                    )
                file.seek(entry.offset)
                return file.read(entry.size)
        except FileNotFoundError:
            raise DataLossError(f"{path}: the file with the values of the checkpoint is missing") from None


def _strings_of(content: bytes, count: int, checksum: int, where: str) -> np.ndarray:
    """Returns `count` strings; see `_strings`."""
    lengths, place = [], 0
    try:
        for _ in range(min(count, len(content) + 1)):
            length, place = read_varint(content, place)
            lengths.append(length)
    except IndexError as error:
        raise DataLossError(f"{where}: the lengths of its strings are damaged") from error
    if len(lengths) != count or place + 4 + sum(lengths) != len(content):
        raise DataLossError(f"{where}: the lengths of its strings do not fit its {len(content)} bytes")
    if mask(crc32c(struct.pack(f"<{count}I", *lengths) + content[place:])) != checksum:
        raise DataLossError(f"{where}: its checksum is wrong")
    place += 4
    result: np.ndarray = np.empty(count, object)
    for i, length in enumerate(lengths):
        result[i] = content[place : place + length]
        place += length
    return result
