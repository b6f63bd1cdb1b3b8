"""`tf.data.TFRecordDataset`: the records of files, and `tf.data.experimental.TFRecordWriter`, which writes them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dovetail.base.errors import InvalidArgumentError, at_user_location
from dovetail.base.own import declare
from dovetail.data.dataset import Dataset
from dovetail.data.files import Opened, text
from dovetail.data.string_files import StringFiles, reading
from dovetail.tensor import TensorSpec
from dovetail.wire import records

__all__ = ["TFRecordDataset", "TFRecordWriter"]


class _Records(StringFiles):
    """The records of files."""

    label = "TFRecordDataset"

    def _blocks(self, file: Opened, path: str) -> Iterator[list[bytes]]:
        return records.read_blocks(file, path)


@declare
class TFRecordDataset(Dataset):
    """The records of one or more TFRecord files, as scalar strings.

    Args:
        filenames: path, a list or a tensor of paths, or a dataset of them; URLs are opened through fsspec.
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
        super().__init__(reading(_Records, filenames, compression_type, num_parallel_reads))


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
