"""Files of records (TFRecord): each one its length, a checksum of that, the bytes, and a checksum of those.

They are read in blocks: where the records of a block begin follows from length to length, their checksums are compared
all at once.  A length counts only once its checksum is right, so that damaged files neither make us read nor reserve
more than a block.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from typing import IO, Any, NamedTuple, Protocol

import numpy as np

from dovetail.base import filesystem
from dovetail.base.errors import DataLossError
from dovetail.wire.crc32c import masked, masked_all
from dovetail.wire.inflation import is_absurd

_LENGTH, _CHECKSUM, _HEAD = struct.Struct("<Q"), struct.Struct("<I"), struct.Struct("<QI")
_BLOCK = 1 << 20
_PIECE = 1 << 24
_MOST = 1 << 31  # no protocol buffer is longer
COMPRESSIONS = ("", "GZIP", "ZLIB")
COMPRESSION_NUMBERS = {0: "", 1: "ZLIB", 2: "GZIP"}
_WINDOW_BITS = {"GZIP": 31, "ZLIB": 15}
_BITS_OF_GZIP = 16


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


def framed(record: bytes) -> bytes:
    """Returns a record as it stands in a file."""
    length = _LENGTH.pack(len(record))
    return b"".join((length, _CHECKSUM.pack(masked(length)), record, _CHECKSUM.pack(masked(record))))


# ---- reading


def read(file: _Readable, name: str) -> Iterator[bytes]:
    """Yields the records of an open file; see `read_blocks`."""
    for records in read_blocks(file, name):
        yield from records


def read_blocks(file: _Readable, name: str) -> Iterator[list[bytes]]:
    """Yields the records of an open file, many at a time.

    Args:
        file: of bytes.
        name: for errors.

    Raises:
        DataLossError: a checksum is wrong, or the file ends within a record; the records before it have come by then.
    """
    place, held, wanted = 0, b"", _BLOCK
    while True:
        data = _read(file, wanted, name, place) if wanted <= _BLOCK else _read_long(file, wanted, name, place)
        held = held + data if held else data
        found = _split(held)
        if found.records:
            good = _number_of_good(held, found)
            yield found.records[:good]
            if good < len(found.records):
                raise _corrupted(place + found.starts[good], name)
        place += found.used
        held = held[found.used :]
        wanted = max(_BLOCK, _missing(held, name, place))
        if not data:
            if held:
                raise DataLossError(f"truncated record at {place} in {name!r}")
            return


class _Split(NamedTuple):
    records: list[bytes]
    starts: list[int]
    used: int


def _split(held: bytes) -> _Split:
    """Returns the whole records at the beginning of some bytes, where they start, and how many bytes they take."""
    records: list[bytes] = []
    starts: list[int] = []
    start, last = 0, len(held) - _HEAD.size - _CHECKSUM.size
    unpack = _HEAD.unpack_from
    while start <= last:
        size = unpack(held, start)[0]
        if size > last - start:
            break
        begin = start + 12
        records.append(held[begin : begin + size])
        starts.append(start)
        start = begin + size + 4
    return _Split(records, starts, start)


def _number_of_good(held: bytes, found: _Split) -> int:
    """Returns how many records stand before the first whose checksums do not fit."""
    count = len(found.records)
    starts: Any = np.array(found.starts)
    heads = masked_all((held[start : start + 8] for start in found.starts), count)
    bodies = masked_all(found.records, count)
    bytes_: Any = np.frombuffer(held, np.uint8)
    ends: Any = np.append(starts[1:], found.used) - _CHECKSUM.size
    wrong = (heads != _numbers(bytes_, starts + _LENGTH.size)) | (bodies != _numbers(bytes_, ends))
    return int(wrong.argmax()) if wrong.any() else count


def _numbers(bytes_: np.ndarray, places: np.ndarray) -> np.ndarray:
    return bytes_[places[:, None] + np.arange(4)].view("<u4")[:, 0]


def _missing(held: bytes, name: str, place: int) -> int:
    """Returns how many bytes of the record that begins here are still to be read; its length is checked."""
    if len(held) < _HEAD.size:
        return 0
    size, checksum = _HEAD.unpack_from(held)
    if masked(held[: _LENGTH.size]) != checksum:
        raise _corrupted(place, name)
    if size > _MOST:
        raise DataLossError(
            f"corrupted record at {place} in {name!r}: it claims {size} bytes, more than any message has"
        )
    return size + _HEAD.size + _CHECKSUM.size - len(held)


def _corrupted(place: int, name: str) -> DataLossError:
    return DataLossError(f"corrupted record at {place} in {name!r}: its checksum does not fit")


def _read_long(file: _Readable, size: int, name: str, place: int) -> bytes:
    """Reads the rest of a long record piece by piece: the file may end long before what the record claims.

    Raises:
        DataLossError: the record is what very few compressed bytes become.
    """
    parts: list[bytes] = []
    found = 0
    while found < size and (data := _read(file, min(size - found, _PIECE), name, place)):
        parts.append(data)
        found += len(data)
        stored = getattr(file, "num_compressed", None)
        if stored is not None and is_absurd(found, stored):
            raise DataLossError(
                f"corrupted record at {place} in {name!r}: {stored} compressed bytes become {found} of one record"
            )
    return b"".join(parts)


def _read(file: _Readable, size: int, name: str, place: int) -> bytes:
    try:
        return file.read(size)
    except (zlib.error, EOFError) as error:
        raise DataLossError(
            f"the compressed data of {name!r} are damaged or of another compression, after {place} good bytes of "
            f"records ({error})"
        ) from error


# ---- compressed files


def compression_of(options: Any) -> str:
    """Returns "", "GZIP" or "ZLIB" for a name, TensorFlow's number of one, options that have a name, or None.

    Raises:
        ValueError: it is none of them.
    """
    kind = options
    while hasattr(kind, "compression_type"):
        kind = kind.compression_type
    kind = COMPRESSION_NUMBERS.get(kind, kind) if isinstance(kind, int) else kind or ""
    if kind not in COMPRESSIONS:
        raise ValueError(f"compression_type must be one of {COMPRESSIONS}, received {options!r}")
    return kind


def opened(path: str, compression: str) -> Any:
    """Returns a file of records, open for reading; a context manager.

    Args:
        path: of the file; see `base.filesystem`.
        compression: one of `COMPRESSIONS`.

    Raises:
        NotFoundError: there is no such file.
    """
    file = filesystem.opened(path)
    return Inflated(file, _WINDOW_BITS[compression]) if compression else file


class Inflated:
    """Compressed data, read as the file that they hold.  What is held is never more than what is asked for.

    Args:
        file: the compressed file.
        window_bits: as `zlib` has them.

    Attributes:
        num_compressed: how many bytes of the file have been read.
    """

    def __init__(self, file: IO[bytes], window_bits: int) -> None:
        self._file, self._bits = file, window_bits
        self._stream: Any = zlib.decompressobj(window_bits)
        self._input, self._began = b"", False
        self.num_compressed = 0

    def __enter__(self) -> Inflated:
        return self

    def __exit__(self, *exc: Any) -> None:
        self._file.close()

    def close(self) -> None:
        self._file.close()

    def read(self, size: int) -> bytes:
        """Returns `size` bytes, fewer only at the end.

        Raises:
            zlib.error, EOFError: the data are damaged, or end early.
        """
        parts: list[bytes] = []
        while size > 0:
            if self._stream.eof:  # another one may follow
                self._input = self._stream.unused_data + self._input
                self._stream, self._began = zlib.decompressobj(self._bits), False
            if not self._input:
                self._input = self._file.read(_BLOCK)
                self.num_compressed += len(self._input)
            data = self._stream.decompress(self._input, size)
            if not self._input and not data:
                if self._began and not self._stream.eof:
                    raise EOFError("they end early")
                break
            self._began = True
            self._input = b"" if self._stream.eof else self._stream.unconsumed_tail
            parts.append(data)
            size -= len(data)
        return b"".join(parts)


# ---- writing


class Deflation(NamedTuple):
    """How records are compressed.

    Attributes:
        compression: one of `COMPRESSIONS`.
        level: 0 (not at all) to 9 (best), -1: zlib's own choice.
        window_bits, mem_level, strategy, flush_mode: as zlib has them; None: its own choice.
    """

    compression: str = ""
    level: int = -1
    window_bits: int | None = None
    mem_level: int | None = None
    strategy: int | None = None
    flush_mode: int | None = None

    def start(self) -> Any:
        """Returns a new compressor."""
        bits = _WINDOW_BITS[self.compression]
        if self.window_bits is not None:
            bits = abs(self.window_bits) % _BITS_OF_GZIP + (bits & _BITS_OF_GZIP)
        memory = zlib.DEF_MEM_LEVEL if self.mem_level is None else self.mem_level
        strategy = zlib.Z_DEFAULT_STRATEGY if self.strategy is None else self.strategy
        return zlib.compressobj(self.level, zlib.DEFLATED, bits, memory, strategy)


_PLAIN = Deflation()


class Writer:
    """Writes a file of records.

    Args:
        path: of the file, which is made anew; see `base.filesystem`.
        deflation: how it is compressed.
    """

    def __init__(self, path: str | os.PathLike, deflation: Deflation = _PLAIN) -> None:
        self._flush_mode = zlib.Z_SYNC_FLUSH if deflation.flush_mode is None else deflation.flush_mode
        self._stream: Any = deflation.start() if deflation.compression else None
        self._file: Any = filesystem.opened(path, "wb")

    @property
    def closed(self) -> bool:
        return self._file.closed

    def write(self, record: bytes) -> None:
        data = framed(record)
        self._file.write(data if self._stream is None else self._stream.compress(data))

    def flush(self) -> None:
        """Hands all that was written to the operating system."""
        if self._stream is not None:
            self._file.write(self._stream.flush(self._flush_mode))
        self._file.flush()

    def close(self) -> None:
        if self._stream is not None and not self._file.closed:
            self._file.write(self._stream.flush(zlib.Z_FINISH))
        self._file.close()
