"""`tf.io.TFRecordWriter` and its options."""

from __future__ import annotations

import os
from typing import Any

from dovetail.base.errors import FailedPreconditionError, at_user_location
from dovetail.base.own import declare
from dovetail.tensor import Tensor
from dovetail.wire.records import COMPRESSION_NUMBERS, Deflation, Writer, compression_of

__all__ = ["TFRecordOptions", "TFRecordWriter"]


@declare
class TFRecordOptions:
    """How a file of records is compressed.

    Args:
        compression_type: None or "" (not at all), "GZIP", or "ZLIB"; other options to take it from.
        flush_mode, window_bits, mem_level, compression_strategy: as zlib has them; None: its own choice.
        compression_level: 0 (not at all) to 9 (best); None: zlib's own choice.
        input_buffer_size, output_buffer_size, compression_method: accepted for compatibility; zlib knows one method.
    """

    compression_type_map = COMPRESSION_NUMBERS

    def __init__(
        self,
        compression_type: Any = None,
        flush_mode: int | None = None,
        input_buffer_size: int | None = None,
        output_buffer_size: int | None = None,
        window_bits: int | None = None,
        compression_level: int | None = None,
        compression_method: int | None = None,
        mem_level: int | None = None,
        compression_strategy: int | None = None,
    ) -> None:
        self.get_compression_type_string(compression_type)
        self.compression_type = compression_type
        self.flush_mode = flush_mode
        self.input_buffer_size = input_buffer_size
        self.output_buffer_size = output_buffer_size
        self.window_bits = window_bits
        self.compression_level = compression_level
        self.compression_method = compression_method
        self.mem_level = mem_level
        self.compression_strategy = compression_strategy

    @classmethod
    def get_compression_type_string(cls, options: Any) -> str:
        """Returns "", "GZIP" or "ZLIB" for a string, a number, options, or None.

        Raises:
            ValueError: it is none of them.
        """
        try:
            return compression_of(options)
        except ValueError as error:
            raise ValueError(f"tf.io.TFRecordOptions: {error}{at_user_location()}") from None

    def _deflation(self) -> Deflation:
        level = -1 if self.compression_level is None else self.compression_level
        return Deflation(
            self.get_compression_type_string(self),
            level,
            self.window_bits,
            self.mem_level,
            self.compression_strategy,
            self.flush_mode,
        )


@declare
class TFRecordWriter:
    """Writes byte strings to a file of records, which `tf.data.TFRecordDataset` reads; a context manager.

    Args:
        path: of the file, which is made anew; URLs are opened through fsspec.
        options: None, "GZIP" or "ZLIB", or `tf.io.TFRecordOptions`.

    Raises:
        NotFoundError: there is no such folder.

    Example:
        >>> with tf.io.TFRecordWriter(path) as writer:
        ...     writer.write(example.SerializeToString())
    """

    def __init__(self, path: Any, options: Any = None) -> None:
        if not isinstance(options, TFRecordOptions):
            options = TFRecordOptions(options)
        self._path = os.fspath(path)
        self._writer = Writer(self._path, options._deflation())

    def __enter__(self) -> TFRecordWriter:
        return self

    def __exit__(self, *exc: Any) -> None:
        self.close()

    def _open(self) -> Writer:
        if self._writer.closed:
            raise FailedPreconditionError(f"TFRecordWriter: {self._path!r} is closed{at_user_location()}")
        return self._writer

    def write(self, record: Any) -> None:
        """Writes one record: bytes, or a string, which is written as UTF-8."""
        if isinstance(record, Tensor):
            record = record.numpy()
        if isinstance(record, str):
            record = record.encode()
        if not isinstance(record, bytes | bytearray | memoryview):
            raise TypeError(
                f"TFRecordWriter.write: expected bytes, received {record!r:.60}. "
                f"Call SerializeToString() on a message{at_user_location()}"
            )
        self._open().write(bytes(record))

    def flush(self) -> None:
        """Hands all that was written to the operating system."""
        self._open().flush()

    def close(self) -> None:
        """Writes what is left, and closes the file."""
        self._writer.close()
