"""The names of `tf.compat.v1.io`, `python_io` and `train` that TensorFlow 2 does not have."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dovetail.wire.records import compression_of, opened, read


class TFRecordCompressionType:
    """The compressions of record files, as numbers."""

    NONE, ZLIB, GZIP = 0, 1, 2


def tf_record_iterator(path: Any, options: Any = None) -> Iterator[bytes]:
    """Yields the records of a file.

    Args:
        path: of the file.
        options: `TFRecordOptions`, or a compression type.
    """
    with opened(path, compression_of(options)) as file:
        yield from read(file, str(path))


NAMES = {"TFRecordCompressionType": TFRecordCompressionType, "tf_record_iterator": tf_record_iterator}
