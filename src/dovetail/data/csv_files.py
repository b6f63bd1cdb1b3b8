"""`tf.data.experimental.CsvDataset`: the records of files of text with delimiters."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from dovetail.base.errors import InvalidArgumentError, at_user_location
from dovetail.base.own import declare
from dovetail.data.csv_columns import BadFieldError, Column
from dovetail.data.dataset import Dataset
from dovetail.data.files import Opened, Paths, compression_of, paths_of, text
from dovetail.data.groups import Regrouped, Rows
from dovetail.data.node import UNKNOWN
from dovetail.data.sources import Described, Source
from dovetail.data.structure import tuple_tree
from dovetail.ops.attrs import static
from dovetail.tensor import SymbolicTensor, TensorSpec
from dovetail.wire import csv

__all__ = ["CsvDataset"]

_FEW = 256  # where a record is wrong, so many are looked at together


class Layout:
    """Which fields of a record become components.

    Args:
        defaults: a default or a dtype for each field that is taken.
        select, exclude: positions of the fields that are taken, or are not; None: all are taken.
        missing: texts that stand for an empty field.
    """

    def __init__(self, defaults: Any, select: Any, exclude: Any, missing: tuple[bytes, ...]) -> None:
        self.columns = [Column(i, default, missing) for i, default in enumerate(defaults)]
        if select is not None and exclude is not None:
            raise InvalidArgumentError(
                f"either select_cols or exclude_cols should be given, not both{at_user_location()}"
            )
        count = len(self.columns)
        self._is_exact = select is None
        if select is not None:
            self._positions = _ascending(select, "select_cols")
            if len(self._positions) != count:
                raise InvalidArgumentError(
                    f"select_cols names {len(self._positions)} fields, record_defaults has {count}{at_user_location()}"
                )
            self._total = self._positions[-1] + 1 if count else 0
        else:
            left_out = _ascending(exclude, "exclude_cols") if exclude is not None else []
            self._total = count + len(left_out)
            self._positions = [i for i in range(self._total) if i not in set(left_out)]

    @property
    def specs(self) -> tuple:
        return tuple(TensorSpec((), column.dtype) for column in self.columns)

    def components(self, rows: list | csv.Grid) -> tuple[np.ndarray, ...]:
        """Returns the fields of many records, an array for each component.

        Raises:
            BadFieldError: a record is wrong.
        """
        if isinstance(rows, csv.Grid):
            return self._of_grid(rows)
        if csv.Fault in set(map(type, rows)):
            raise BadFieldError(next(row.message for row in rows if type(row) is csv.Fault))
        sizes = set(map(len, rows))
        if min(sizes) < self._total or (self._is_exact and max(sizes) > self._total):
            raise BadFieldError(self._misfit(next(row for row in rows if self._misfits(row))))
        fields = list(zip(*rows, strict=False))
        return tuple([column.values(fields[p]) for column, p in zip(self.columns, self._positions)])

    def _of_grid(self, grid: csv.Grid) -> tuple[np.ndarray, ...]:
        if grid.width < self._total or (self._is_exact and grid.width > self._total):
            raise BadFieldError(self._misfit(grid.fields[: grid.width]))
        found = zip(self.columns, self._positions)
        return tuple([column.values(grid.fields[p :: grid.width]) for column, p in found])

    def _misfits(self, row: list) -> bool:
        return len(row) < self._total or (self._is_exact and len(row) > self._total)

    def _misfit(self, row: list) -> str:
        found = sum(position < len(row) for position in self._positions)
        have = "more" if len(row) > self._total else found
        return f"Expect {len(self.columns)} fields but have {have} in record"


def _ascending(columns: Any, name: str) -> list[int]:
    given = [int(static(column)) for column in static(columns)]
    if any(later <= earlier for earlier, later in zip(given, given[1:])) or any(c < 0 for c in given):
        raise InvalidArgumentError(
            f"{name} should be strictly increasing and not negative, received {given}{at_user_location()}"
        )
    return given


class Form(NamedTuple):
    """How the records of files are written.

    Attributes:
        compression: of the files.
        has_header: the first line of each file is no record.
        delimiter: between fields.
        has_quotes: fields may stand in double quotes.
        missing: texts that stand for an empty field.
    """

    compression: str
    has_header: bool
    delimiter: str
    has_quotes: bool
    missing: tuple[bytes, ...]

    def with_header(self, has_header: bool) -> Form:
        return self._replace(has_header=has_header)

    def opened(self, path: str, label: str) -> tuple[Opened, csv.Reader]:
        """Returns a file and the reader of its records, behind the header.

        Raises:
            InvalidArgumentError: there is no header.
        """
        file = Opened(path, self.compression, label)
        try:
            reader = csv.Reader(file, self.delimiter, self.has_quotes)
            if self.has_header and not reader.skip_line():
                raise InvalidArgumentError(f"{label}: can't read the header of {path!r}: the file is empty")
        except BaseException:
            file.close()
            raise
        return file, reader

    def rows(self, paths: list[str], label: str) -> Iterator[list[bytes]]:
        """Yields the fields of the records of files, but for those that are wrong."""
        for path in paths:
            file, reader = self.opened(path, label)
            with file:
                for row in itertools.chain.from_iterable(reader):
                    if type(row) is not csv.Fault:
                        yield [field if type(field) is bytes else field.encode("latin-1") for field in row]


class CsvFiles(Source):
    """The records of files, one file after the other.

    Args:
        paths: returns an iterator over the paths.
        layout: which fields are taken.
        form: how they are written.
    """

    def __init__(self, paths: Paths, layout: Layout, form: Form) -> None:
        super().__init__(tuple_tree(len(layout.columns)), layout.specs, UNKNOWN)
        self.paths, self.layout, self.form = paths, layout, form

    @property
    def generators(self) -> list:
        mixed = getattr(self.paths, "generators", None)
        return [] if mixed is None else [mixed]

    def _generate(self) -> Iterator[tuple]:
        return Rows(_Groups(self))

    def batches(self, size: int) -> Iterator[tuple]:
        return Regrouped(_Groups(self), size)


class _Groups(Iterator):
    """The records of files as components, many at a time; it goes on behind a record that is wrong."""

    def __init__(self, files: CsvFiles) -> None:
        self._files, self._paths = files, files.paths()
        self._path = ""
        self._open: tuple[Opened, csv.Reader] | None = None
        self._rows: list | csv.Grid = []
        self._place = self._passed = 0
        self._is_careful = False

    def __next__(self) -> tuple:
        while self._place == len(self._rows):
            self._passed += len(self._rows)
            self._rows, self._place, self._is_careful = self._block(), 0, False
        if isinstance(self._rows, csv.Grid):
            try:
                group = self._files.layout.components(self._rows)
            except BadFieldError:
                self._rows = list(self._rows)
            else:
                self._place = len(self._rows)
                return group
        start = self._place
        stop = min(start + _FEW, len(self._rows)) if self._is_careful else len(self._rows)
        try:
            group = self._files.layout.components(self._rows[start:stop])
        except BadFieldError:
            self._is_careful = True
            stop = start + self._num_good(self._rows[start : start + _FEW])
            group = self._files.layout.components(self._rows[start:stop]) if stop > start else ()
        self._place = stop
        return group or self.__next__()

    def _num_good(self, rows: list) -> int:
        """Returns how many records stand before the first that is wrong; raises for it where that are none."""
        for number, row in enumerate(rows):
            try:
                self._files.layout.components([row])
            except BadFieldError as error:
                if number:
                    return number
                self._place += 1
                raise InvalidArgumentError(
                    f"CsvDataset: {error} (record {self._passed + self._place} of {self._path!r})"
                ) from None
        return len(rows)

    def _block(self) -> list | csv.Grid:
        """Returns the next records of a file."""
        while True:
            if self._open is None:
                self._path = next(self._paths)
                self._open, self._passed = self._files.form.opened(self._path, "CsvDataset"), 0
            try:
                return next(self._open[1])
            except StopIteration:
                self._close()
            except BaseException:
                self._close()
                raise

    def _close(self) -> None:
        if self._open is not None:
            self._open[0].close()
        self._open = None

    def __del__(self) -> None:
        self._close()


@declare
class CsvDataset(Dataset):
    """The records of CSV files as tuples of scalars.

    Args:
        filenames: a path, a list or a tensor of paths, or a dataset of them.
        record_defaults: for each field that is taken a dtype (float32, float64, int32, int64, string), which makes it
            required, or a value that stands for an empty field.
        compression_type: None or "", "GZIP", or "ZLIB".
        buffer_size: accepted for compatibility; files are read in blocks.
        header: the first line of each file is left out.
        field_delim: one character.
        use_quote_delim: fields may stand in double quotes, and hold delimiters, line ends and doubled quotes there.
        na_value: another text that stands for an empty field.
        select_cols: positions of the fields to take, ascending; records may have more fields behind these.
        exclude_cols: positions of the fields to leave out.

    Raises:
        InvalidArgumentError: while it is read: a record has more or fewer fields, or one that shows no such value; the
            message names the file and the record.  The next element is the record behind it.

    Differs from TensorFlow: a default of 1, 2, 3, 7 or 9 is that number, and not the dtype whose number it is there.

    Example:
        tf.data.experimental.CsvDataset("people.csv", [tf.string, 0, -1.0], header=True)
    """

    def __init__(
        self,
        filenames: Any,
        record_defaults: Any,
        compression_type: Any = None,
        buffer_size: Any = None,
        header: Any = False,
        field_delim: Any = ",",
        use_quote_delim: Any = True,
        na_value: Any = "",
        select_cols: Any = None,
        exclude_cols: Any = None,
    ) -> None:
        delimiter = text(field_delim)
        if len(delimiter) != 1:
            raise InvalidArgumentError(f"field_delim should be only 1 char, received {field_delim!r}")
        form = Form(
            compression_of(compression_type, "CsvDataset"),
            bool(static(header)),
            delimiter,
            bool(static(use_quote_delim)),
            (b"", text(na_value).encode()),
        )
        layout = Layout(record_defaults, select_cols, exclude_cols, form.missing)
        if isinstance(filenames, SymbolicTensor):
            super().__init__(Described(tuple_tree(len(layout.columns)), layout.specs, UNKNOWN))
        else:
            super().__init__(CsvFiles(paths_of(filenames, "CsvDataset"), layout, form))
