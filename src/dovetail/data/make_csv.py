"""`tf.data.experimental.make_csv_dataset`: batches of named columns of CSV files, whose types are found out."""

from __future__ import annotations

import collections
import itertools
import math
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.data.combine import InTurn
from dovetail.data.csv_files import CsvFiles, Form, Layout
from dovetail.data.dataset import Dataset
from dovetail.data.files import compression_of, text
from dovetail.data.methods import seed_of
from dovetail.data.node import AUTOTUNE, Node
from dovetail.data.seeds import Generators
from dovetail.data.sources import paths_matching
from dovetail.data.structure import flatten

__all__ = ["make_csv_dataset"]


def make_csv_dataset(
    file_pattern: Any,
    batch_size: Any,
    column_names: Any = None,
    column_defaults: Any = None,
    label_name: Any = None,
    select_columns: Any = None,
    field_delim: Any = ",",
    use_quote_delim: bool = True,
    na_value: Any = "",
    header: bool = True,
    num_epochs: Any = None,
    shuffle: bool = True,
    shuffle_buffer_size: Any = 10000,
    shuffle_seed: Any = None,
    prefetch_buffer_size: Any = None,
    num_parallel_reads: Any = None,
    sloppy: bool = False,
    num_rows_for_inference: Any = 100,
    compression_type: Any = None,
    ignore_errors: bool = False,
    encoding: str = "utf-8",
) -> Dataset:
    """Returns batches of CSV files: a dict of columns, or such a dict and a label.

    Args:
        file_pattern: glob patterns or paths.
        batch_size: records in a batch.
        column_names: of all columns; by default what the first line of the first file says.
        column_defaults: a default or a dtype for each (selected) column; by default they are found out: int32, int64,
            float32, float64 or string, with 0 or "" for empty fields.
        label_name: the column that comes as the label.
        select_columns: names or positions of the columns to take.
        field_delim, use_quote_delim, na_value, compression_type: see `CsvDataset`.
        header: the first line of each file holds names.
        num_epochs: passes over the files; None: without an end, and only full batches.
        shuffle: mix the files, and the records in a buffer of `shuffle_buffer_size`.
        shuffle_seed: makes the order repeat.
        prefetch_buffer_size: batches that are made ahead; None: a few.
        num_parallel_reads: so many files take turns, a record each; None or AUTOTUNE: one file after the other.
        sloppy: accepted for compatibility; the order is always kept.
        num_rows_for_inference: records that are looked at to find the types; None: all.
        ignore_errors: leave out the records that are wrong.
        encoding: of the names, and of what is looked at to find the types.

    Raises:
        ValueError: nothing matches, or the names do not fit.

    Example:
        tf.data.experimental.make_csv_dataset("people.csv", 32, label_name="label", num_epochs=1)
    """
    form = Form(
        compression_of(compression_type, "make_csv_dataset"),
        bool(header),
        text(field_delim),
        bool(use_quote_delim),
        (b"", text(na_value).encode()),
    )
    paths = paths_matching(file_pattern, "make_csv_dataset")
    names = _names(paths[0], form, encoding) if column_names is None else list(column_names)
    positions = _positions(names, select_columns)
    if column_defaults is None:
        column_defaults = _inferred(paths, form, positions, num_rows_for_inference)
    taken = [names[position] for position in positions]
    _check(names, taken, column_defaults, label_name)
    select = None if select_columns is None else positions
    layout = Layout(column_defaults, select, None, form.missing)
    files = _Files(paths, seed_of(shuffle_seed) if shuffle else None, shuffle)
    rows = _rows(files, form, layout, num_parallel_reads, ignore_errors)
    if shuffle:
        rows = rows.shuffle(shuffle_buffer_size, shuffle_seed)
    if num_epochs != 1:
        rows = rows.repeat(num_epochs)
    batches = Dataset(Named(rows._node, taken, label_name)).batch(
        batch_size, drop_remainder=num_epochs is None
    )
    return batches.prefetch(AUTOTUNE if prefetch_buffer_size is None else prefetch_buffer_size)


def _names(path: str, form: Form, encoding: str) -> list[str]:
    """Returns the names of the columns, from the first line of a file."""
    if not form.has_header:
        raise ValueError(
            f"make_csv_dataset: with header=False column_names must say the names of the columns{at_user_location()}"
        )
    first = next(form.with_header(False).rows([path], "make_csv_dataset"), None)
    if first is None:
        raise ValueError(f"make_csv_dataset: {path!r} is empty, so it has no header")
    return [field.decode(encoding) for field in first]


def _positions(names: list[str], select: Any) -> list[int]:
    """Returns the positions of the selected columns, ascending.

    Raises:
        ValueError: a name comes twice, or there is no such column.
    """
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(
            f"make_csv_dataset: column names must differ, {twice} come twice{at_user_location()}"
        )
    if select is None:
        return list(range(len(names)))
    for column in select:
        there = column in names if isinstance(column, str) else 0 <= column < len(names)
        if not there:
            raise ValueError(
                f"make_csv_dataset: select_columns has {column!r}, the columns are {names}{at_user_location()}"
            )
    found = sorted({names.index(c) if isinstance(c, str) else int(c) for c in select})
    if len(found) != len(select):
        raise ValueError(
            f"make_csv_dataset: select_columns names a column twice: {select}{at_user_location()}"
        )
    return found


def _check(names: list[str], taken: list[str], defaults: Any, label: Any) -> None:
    if len(defaults) != len(taken):
        raise ValueError(
            f"make_csv_dataset: column_defaults has {len(defaults)} entries for {len(taken)} columns: {taken}"
            f"{at_user_location()}"
        )
    if label is not None and label not in taken:
        raise ValueError(
            f"make_csv_dataset: label_name must be one of the columns {taken}, received {label!r}{at_user_location()}"
        )


# ---- types


def _inferred(paths: list[str], form: Form, positions: list[int], num_rows: Any) -> list:
    """Returns the default of each column: 0 or "", of the first kind that holds all fields that are looked at."""
    kinds: list[int | None] = [None] * len(positions)
    for row in itertools.islice(form.rows(paths, "make_csv_dataset"), num_rows):
        for i, position in enumerate(positions):
            field = row[position] if position < len(row) else b""
            if field not in form.missing:
                kinds[i] = max(_kind(field), kinds[i] or 0)
    return [_DEFAULTS[-1 if kind is None else kind] for kind in kinds]


def _kind(field: bytes) -> int:
    return next(i for i, holds in enumerate(_HOLDS) if holds(field))


def _is_integer(field: bytes, bits: int) -> bool:
    try:
        return -(1 << (bits - 1)) <= int(field) < 1 << (bits - 1)
    except ValueError:
        return False


def _is_float(field: bytes, most: float) -> bool:
    try:
        value = float(field)
    except ValueError:
        return False
    return abs(value) <= most or value == -math.inf


_DEFAULTS = [np.int32(0), np.int64(0), np.float32(0), np.float64(0), ""]
_HOLDS = [
    lambda field: _is_integer(field, 32),
    lambda field: _is_integer(field, 64),
    lambda field: _is_float(field, float(np.finfo(np.float32).max)),
    lambda field: _is_float(field, sys.float_info.max),
    lambda field: True,
]


# ---- steps


class _Files:
    """Iterators over paths, in a new order each time where they are mixed."""

    def __init__(self, paths: list[str], seed: int | None, mixes: bool) -> None:
        self.paths = paths
        self.generators = Generators(seed, renew=True) if mixes and len(paths) > 1 else None

    def __call__(self) -> Iterator[str]:
        if self.generators is None:
            return iter(self.paths)
        return iter([self.paths[i] for i in self.generators().permutation(len(self.paths)).tolist()])


def _rows(files: _Files, form: Form, layout: Layout, num_parallel: Any, ignore_errors: bool) -> Dataset:
    """Returns the dataset of the records of files."""
    if num_parallel in (None, 1, AUTOTUNE) or len(files.paths) == 1:
        rows = Dataset(CsvFiles(files, layout, form))
    else:
        nodes = [CsvFiles(lambda path=path: iter([path]), layout, form) for path in files.paths]  # type: ignore[misc]
        rows = Dataset(InTurn(nodes, int(num_parallel)))
    return rows.ignore_errors() if ignore_errors else rows


class Named(Node):
    """The columns of a tuple under their names, one of them aside as the label.

    Args:
        source: gives tuples.
        names: of the components.
        label: the name of the component that comes behind the dict, or None.
    """

    passes_errors_on = True

    def __init__(self, source: Node, names: list[str], label: str | None) -> None:
        super().__init__(source)
        last = [] if label is None else [names.index(label)]
        self._order = [i for i in range(len(names)) if i not in last] + last
        named = collections.OrderedDict((names[i], i) for i in self._order[: len(names) - len(last)])
        self._tree = flatten(named if label is None else (named, 0))[1]

    @property
    def tree(self) -> Any:
        return self._tree

    @property
    def specs(self) -> tuple:
        specs = self.source.specs
        return tuple(specs[i] for i in self._order)

    def _arranged(self, leaves: tuple) -> tuple:
        return tuple([leaves[i] for i in self._order])

    def _generate(self) -> Iterator[tuple]:
        return map(self._arranged, self.source.elements())

    def batches(self, size: int) -> Iterator[tuple] | None:
        groups = self.source.batches(size)
        return None if groups is None else map(self._arranged, groups)
