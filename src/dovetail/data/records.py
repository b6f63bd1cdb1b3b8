"""`tf.data.TFRecordDataset`: the records of files, and `tf.data.experimental.TFRecordWriter`, which writes them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from dovetail.base.errors import InvalidArgumentError, at_user_location
from dovetail.base.own import declare
from dovetail.data.dataset import Dataset
from dovetail.data.files import Opened, Paths, compression_of, paths_of, strings, text
from dovetail.data.node import UNKNOWN
from dovetail.data.sources import Described, Source
from dovetail.data.structure import LEAF
from dovetail.ops.attrs import static
from dovetail.tensor import SymbolicTensor, TensorSpec
from dovetail.wire import records

__all__ = ["TFRecordDataset", "TFRecordWriter"]

_SPECS = (TensorSpec((), "string"),)


class _Records(Source):
    """The records of files, each a scalar string.

    Args:
        paths: returns an iterator over the paths.
        compression: one of `records.COMPRESSIONS`.
        num_parallel: how many files take turns; 1: one file after the other.
    """

    def __init__(self, paths: Paths, compression: str, num_parallel: int) -> None:
        super().__init__(LEAF, _SPECS, UNKNOWN)
        self._paths, self._compression, self._num_parallel = paths, compression, num_parallel

    def _generate(self) -> Iterator[tuple]:
        if self._num_parallel > 1:
            opened = (itertools.chain.from_iterable(self._blocks(path)) for path in self._paths())
            found = _in_turn(opened, self._num_parallel)
        else:
            found = (record for path in self._paths() for block in self._blocks(path) for record in block)
        for record in found:
            element: Any = np.empty((), object)
            element[()] = record
            yield (element,)

    def _blocks(self, path: str) -> Iterator[list[bytes]]:
        with Opened(path, self._compression, "TFRecordDataset") as file:
            yield from records.read_blocks(file, path)

    def batches(self, size: int) -> Iterator[tuple] | None:
        return None if self._num_parallel > 1 else self._batches(size)

    def _batches(self, size: int) -> Iterator[tuple]:
        held: list[bytes] = []
        for path in self._paths():
            for block in self._blocks(path):
                held += block
                full = len(held) - len(held) % size
                for start in range(0, full, size):
                    yield (strings(held[start : start + size]),)
                del held[:full]
        if held:
            yield (strings(held),)


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


@declare
class TFRecordDataset(Dataset):
    """The records of one or more TFRecord files, as scalar strings.

    Args:
        filenames: path, a list or a tensor of paths, or a dataset of them.
        compression_type: None or "", "GZIP", or "ZLIB".
        buffer_size: accepted for compatibility; files are read in blocks of a megabyte.
        num_parallel_reads: so many files take turns, a record each; None or AUTOTUNE: one file after the other.
        name: accepted for compatibility; names nothing.

    Raises:
        NotFoundError: while it is read: a file is not there.
        DataLossError: while it is read: a checksum is wrong, or a file ends within a record.
    """

    def __init__(
        self,
        filenames: Any,
        compression_type: Any = None,
        buffer_size: Any = None,
        num_parallel_reads: Any = None,
        name: str | None = None,
    ) -> None:
        compression = compression_of(compression_type, "TFRecordDataset")
        num_parallel = 1 if num_parallel_reads is None else int(static(num_parallel_reads))
        if num_parallel < 1 and num_parallel != -1:
            raise ValueError(
                f"TFRecordDataset: num_parallel_reads must be at least 1, received {num_parallel}"
                f"{at_user_location()}"
            )
        if isinstance(filenames, SymbolicTensor):
            super().__init__(Described(LEAF, _SPECS, UNKNOWN))
        else:
            super().__init__(_Records(paths_of(filenames, "TFRecordDataset"), compression, num_parallel))


@declare
class TFRecordWriter:
    """Writes a dataset of scalar strings to a file of records.

    Args:
        filename: path.
        compression_type: None or "", "GZIP", or "ZLIB".
    """

    def __init__(self, filename: Any, compression_type: Any = None) -> None:
        self._path, compression = text(filename), text(compression_type)
        self._deflation = records.Deflation(compression)
        if compression not in records.COMPRESSIONS:
            raise InvalidArgumentError(
                f"tf.data.experimental.TFRecordWriter: compression_type must be one of {records.COMPRESSIONS}, "
                f"received {compression_type!r}{at_user_location()}"
            )

    def write(self, dataset: Any) -> None:
        """Writes the elements of a dataset, one record each.

        Raises:
            TypeError: `dataset` is no dataset, or its elements are no scalar strings.
        """
        if not isinstance(dataset, Dataset):
            raise TypeError(
                f"TFRecordWriter.write: expected a dataset, received {dataset!r:.60}{at_user_location()}"
            )
        spec = dataset.element_spec
        if not isinstance(spec, TensorSpec) or spec.dtype != "string" or spec.shape.rank not in (0, None):
            raise TypeError(
                f"TFRecordWriter.write: the elements must be scalar strings, received {spec}{at_user_location()}"
            )
        writer = records.Writer(self._path, self._deflation)
        try:
            for record in dataset.as_numpy_iterator():
                writer.write(record)
        finally:
            writer.close()
