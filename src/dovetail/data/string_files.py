"""Files whose elements are scalar strings: records, lines, pieces of a fixed length."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from typing import Any

from dovetail.base.errors import DataLossError, InvalidArgumentError, at_user_location
from dovetail.base.own import declare
from dovetail.data.dataset import Dataset
from dovetail.data.files import Opened, Paths, compression_of, paths_of, strings
from dovetail.data.groups import Regrouped, Rows
from dovetail.data.node import AUTOTUNE, UNKNOWN
from dovetail.data.sources import Described, Source
from dovetail.data.structure import LEAF
from dovetail.ops.attrs import static
from dovetail.tensor import SymbolicTensor, TensorSpec

__all__ = ["FixedLengthRecordDataset", "TextLineDataset"]

SPECS = (TensorSpec((), "string"),)
_BLOCK = 1 << 20


class StringFiles(Source):
    """The strings of files.  A subclass defines `_blocks(file, path)`, which yields lists of them.

    Args:
        paths: returns an iterator over the paths.
        compression: of the files.
        num_parallel: how many files take turns; 1: one file after the other.

    Attributes:
        label: the public class, for errors.
    """

    label = ""
    may_look_ahead = True

    def __init__(self, paths: Paths, compression: str, num_parallel: int) -> None:
        super().__init__(LEAF, SPECS, UNKNOWN)
        self._paths, self._compression, self._num_parallel = paths, compression, num_parallel

    def _blocks(self, file: Opened, path: str) -> Iterator[list[bytes]]:
        raise NotImplementedError(type(self).__name__)

    def _blocks_of(self, path: str) -> Iterator[list[bytes]]:
        with Opened(path, self._compression, self.label) as file:
            yield from self._blocks(file, path)

    def _groups(self) -> Iterator[tuple]:
        if self._num_parallel > 1:
            opened = (itertools.chain.from_iterable(self._blocks_of(path)) for path in self._paths())
            return ((strings([one]),) for one in _in_turn(opened, self._num_parallel))
        return ((strings(block),) for path in self._paths() for block in self._blocks_of(path) if block)

    def _generate(self) -> Iterator[tuple]:
        return Rows(self._groups())

    def batches(self, size: int) -> Iterator[tuple]:
        return Regrouped(self._groups(), size)


def _in_turn(sources: Iterator[Iterator], count: int) -> Iterator:
    """Yields an item of each of `count` sources in turn; the next source takes the place of one that has ended."""
    taking = list(itertools.islice(sources, count))
    while taking:
        kept: list = []
        for source in taking:
            found = next(source, None)
            following = source if found is not None else next(sources, None)
            if found is not None:
                yield found
            if following is not None:
                kept.append(following)
        taking = kept


def reading(kind: Any, filenames: Any, compression_type: Any, num_parallel_reads: Any, *more: Any) -> Any:
    """Returns the step that reads files, from the arguments of a public class.

    Args:
        kind: the class of the step, called with the label, paths, compression, number of files in turn, and `more`.

    Raises:
        ValueError: an argument is none of the possible ones.
    """
    label = kind.label
    compression = compression_of(compression_type, label)
    num_parallel = 1 if num_parallel_reads is None else int(static(num_parallel_reads))
    if num_parallel < 1 and num_parallel != AUTOTUNE:
        raise ValueError(
            f"{label}: num_parallel_reads must be at least 1, received {num_parallel}{at_user_location()}"
        )
    if isinstance(filenames, SymbolicTensor):
        known = (kind, filenames, compression_type, num_parallel_reads, *more)
        return Described(LEAF, SPECS, UNKNOWN, (reading, known))
    return kind(paths_of(filenames, label), compression, num_parallel, *more)


class _Lines(StringFiles):
    """The lines of files, without what ends them."""

    label = "TextLineDataset"

    def _blocks(self, file: Opened, path: str) -> Iterator[list[bytes]]:
        rest = b""
        while data := file.read(_BLOCK):
            lines = (rest + data.replace(b"\r", b"")).split(b"\n")
            rest = lines.pop()
            yield lines
        if rest:
            yield [rest]


@declare
class TextLineDataset(Dataset):
    """The lines of text files, as scalar strings without line ends (a line feed; carriage returns are left out).

    Args:
        filenames: path, a list or a tensor of paths, or a dataset of them.
        compression_type: None or "", "GZIP", or "ZLIB".
        buffer_size: accepted for compatibility; files are read in blocks of a megabyte.
        num_parallel_reads: so many files take turns, a line each; None or AUTOTUNE: one file after the other.
        name: accepted for compatibility; names nothing.
    """

    def __init__(
        self,
        filenames: Any,
        compression_type: Any = None,
        buffer_size: Any = None,
        num_parallel_reads: Any = None,
        name: str | None = None,
    ) -> None:
        super().__init__(reading(_Lines, filenames, compression_type, num_parallel_reads))


class _Pieces(StringFiles):
    """Pieces of `size` bytes, between a header and a footer."""

    label = "FixedLengthRecordDataset"

    def __init__(
        self, paths: Paths, compression: str, num_parallel: int, size: int, header: int, footer: int
    ) -> None:
        super().__init__(paths, compression, num_parallel)
        self._size, self._header, self._footer = size, header, footer

    def _blocks(self, file: Opened, path: str) -> Iterator[list[bytes]]:
        if not self._compression:
            self._check(os.path.getsize(path), path, InvalidArgumentError)
        size, held = self._size, b""
        total = len(file.read(self._header))
        step = max(_BLOCK // size, 1) * size
        while data := file.read(step):
            total += len(data)
            held += data
            end = (len(held) - self._footer) // size * size
            if end > 0:
                yield [held[start : start + size] for start in range(0, end, size)]
                held = held[end:]
        self._check(total, path, DataLossError)

    def _check(self, total: int, path: str, kind: type[Exception]) -> None:
        body = total - self._header - self._footer
        if body < 0 or body % self._size:
            raise kind(
                f"{self.label}: excluding the header ({self._header} bytes) and footer ({self._footer} bytes), "
                f"{path!r} has {body} bytes, which is not an exact multiple of the record length ({self._size} bytes)"
            )


@declare
class FixedLengthRecordDataset(Dataset):
    """Pieces of files, of so many bytes each, as scalar strings.

    Args:
        filenames: path, a list or a tensor of paths, or a dataset of them.
        record_bytes: the length of a piece.
        header_bytes, footer_bytes: what is left out at the beginning and at the end of each file.
        buffer_size: accepted for compatibility; files are read in blocks of a megabyte.
        compression_type: None or "", "GZIP", or "ZLIB".
        num_parallel_reads: so many files take turns, a piece each; None or AUTOTUNE: one file after the other.
        name: accepted for compatibility; names nothing.

    Raises:
        InvalidArgumentError: while it is read: a file does not hold a whole number of pieces (DataLossError where it is
            compressed, behind its last whole piece).
    """

    def __init__(
        self,
        filenames: Any,
        record_bytes: Any,
        header_bytes: Any = None,
        footer_bytes: Any = None,
        buffer_size: Any = None,
        compression_type: Any = None,
        num_parallel_reads: Any = None,
        name: str | None = None,
    ) -> None:
        given = (record_bytes, header_bytes, footer_bytes)
        size, header, footer = (0 if number is None else int(static(number)) for number in given)
        if size < 1 or header < 0 or footer < 0:
            raise InvalidArgumentError(
                "FixedLengthRecordDataset: expected record_bytes > 0, header_bytes >= 0 and footer_bytes >= 0, "
                f"received {size}, {header}, {footer}{at_user_location()}"
            )
        super().__init__(
            reading(_Pieces, filenames, compression_type, num_parallel_reads, size, header, footer)
        )
