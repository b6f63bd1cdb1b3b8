"""Text with delimiters (CSV, RFC 4180): blocks of bytes become records, a list of fields each.

Blocks without quotes are split, those with well-formed quotes go through Python's `csv`.  Only what is damaged, or
reaches over the end of a block, is taken apart field by field; a record that is wrong comes as a `Fault`.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol

import numpy as np

from dovetail.base.errors import InvalidArgumentError

_BLOCK = 1 << 18
_MOST = 1 << 28  # no record is longer
_CUTS = 64
_UNQUOTED = "Unquoted fields cannot have quotes inside"
_LONE_QUOTE = "Quote inside a string has to be escaped by another quote"
_OPEN = "Reached end of file without closing quoted field in record"


class Fault(NamedTuple):
    """What is wrong with a record that is no list of fields."""

    message: str


class Grid:
    """Records of one number of fields: all fields one after the other.  (A list a record would cost four times that.)

    Args:
        fields: bytes.
        width: fields in a record.
    """

    def __init__(self, fields: list[bytes], width: int) -> None:
        self.fields, self.width = fields, width

    def __len__(self) -> int:
        return len(self.fields) // self.width

    def __iter__(self) -> Iterator[list[bytes]]:
        return (self.fields[i : i + self.width] for i in range(0, len(self.fields), self.width))


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


class Reader(Iterator):
    """The records of an open file, many at a time.

    They come as a `Grid`, or as lists of fields (bytes, or text in Latin-1) with `Fault`s among them.

    Args:
        file: of bytes.
        delimiter: one character.
        has_quotes: fields may stand in double quotes.
    """

    def __init__(self, file: _Readable, delimiter: str, has_quotes: bool) -> None:
        self._file, self._form = file, _Form(delimiter, has_quotes)
        self._held, self._ended = b"", False

    def skip_line(self) -> bool:
        """Passes over the first line; returns whether there was one."""
        while b"\n" not in self._held and not self._ended:
            self._fill()
        line, _, rest = self._held.partition(b"\n")
        self._held = rest
        return bool(line or rest)

    def _fill(self) -> None:
        data = self._file.read(_BLOCK)
        self._held += data
        self._ended = not data
        if len(self._held) > _MOST:
            raise InvalidArgumentError(f"a record is longer than {_MOST} bytes: is a quote not closed?")

    def __next__(self) -> list | Grid:
        while True:
            if not self._ended:
                self._fill()
            if not self._held:
                if self._ended:
                    raise StopIteration
                continue
            rows, used = self._form.split(self._held, self._ended)
            self._held = self._held[used:]
            if len(rows):
                return rows


class _Form:
    """How records are written: a delimiter, and whether there are quotes."""

    def __init__(self, delimiter: str, has_quotes: bool) -> None:
        self._delimiter, self._has_quotes = delimiter, has_quotes
        self._bytes = delimiter.encode("latin-1")
        ends = f"{re.escape(delimiter)}\\r\\n"
        self._quoted = re.compile(rf'"((?:[^"]|""|"(?![{ends}"]|\Z))*)"(?=[{ends}]|\Z)')
        self._whole = re.compile(rf'(?:(?<=[{ends}])|\A)"(?:[^"]|"")*"(?=[{ends}]|\Z)')
        self._plain = re.compile(f"[^{ends}]*")

    def split(self, data: bytes, is_all: bool) -> tuple[list | Grid, int]:
        """Returns the records at the beginning of some bytes, and how many bytes they take.

        Args:
            is_all: nothing follows, so the last record needs no end.
        """
        if not (self._has_quotes and b'"' in data):
            end = len(data) if is_all else _last_line_end(data)
            data = data[:end]
            if b"\r" in data:
                data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
            return self._grid(data) or [line.split(self._bytes) for line in _lines(data)], end
        end = len(data) if is_all else _even_line_end(data)
        if end:
            rows = self._well_formed(data[:end].decode("latin-1"))
            if rows is not None:
                return rows, end
        return self._one_by_one(data.decode("latin-1"), is_all)

    def _grid(self, data: bytes) -> Grid | None:
        """Returns the records of lines, None where they have different numbers of fields."""
        if data[-1:] != b"\n":
            return None
        width = data.count(self._bytes, 0, data.index(b"\n")) + 1
        places: Any = np.frombuffer(data, np.uint8)
        ends: Any = places == ord("\n")
        marks = ends[
            ends | (places == self._bytes[0])
        ]  # what stands behind each field: whether it is a line end
        if len(marks) % width or not marks[width - 1 :: width].all() or ends.sum() * width != len(marks):
            return None
        return Grid(data[:-1].replace(b"\n", self._bytes).split(self._bytes), width)

    def _well_formed(self, text: str) -> list | None:
        """Returns the records of a text, None where its quotes are not as they should be."""
        if '"' in self._whole.sub("", text):
            return None
        try:
            reader = csv.reader(io.StringIO(text, newline=""), delimiter=self._delimiter, strict=True)
            return [row or [""] for row in reader]
        except csv.Error:  # such as a field that is too long for it
            return None

    def _one_by_one(self, text: str, is_all: bool) -> tuple[list, int]:
        rows, place = [], 0
        while place < len(text):
            row, end = self._record(text, place, is_all)
            if end < 0:
                break
            rows.append(row)
            place = end
        return rows, place

    def _record(self, text: str, place: int, is_all: bool) -> tuple[Any, int]:
        """Returns the record that begins at `place`, and where the next one begins: -1 where it may not be whole."""
        fields, fault = [], None
        while True:
            if text.startswith('"', place):
                found = self._quoted.match(text, place)
                if found is None or (found.end() == len(text) and not is_all):
                    return (Fault(_OPEN), len(text)) if is_all else (None, -1)
                value, pairs = found[1], found[1].count('""')
                if value.count('"') != 2 * pairs:
                    fault = fault or Fault(_LONE_QUOTE)
                fields.append(value.replace('""', '"'))
            else:
                found = self._plain.match(text, place)
                value = found[0]  # type: ignore[index]
                if '"' in value:
                    fault = fault or Fault(_UNQUOTED)
                fields.append(value)
            place = found.end()  # type: ignore[union-attr]
            if text.startswith(self._delimiter, place):
                place += 1
                continue
            if not is_all and place + 1 >= len(text):  # a line feed may follow a carriage return
                return None, -1
            end = place + (2 if text.startswith("\r\n", place) else 1 if place < len(text) else 0)
            return fault or fields, end


def _lines(data: bytes) -> list[bytes]:
    lines = data.split(b"\n")
    if not lines[-1]:
        lines.pop()
    return lines


def _last_line_end(data: bytes) -> int:
    """Returns where the last whole line ends; a carriage return at the very end may belong to a line feed."""
    return max(data.rfind(b"\n"), data.rfind(b"\r", 0, len(data) - 1)) + 1


def _even_line_end(data: bytes) -> int:
    """Returns where the last line ends before which all quotes are closed, 0 where none of the last ones is it."""
    end = len(data)
    for _ in range(_CUTS):
        end = data.rfind(b"\n", 0, end)
        if end < 0:
            return 0
        if data.count(b'"', 0, end) % 2 == 0:
            return end + 1
    return 0
