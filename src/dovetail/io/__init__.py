"""`tf.io`: a view on the op table, and what is no op: the writer of records, and `gfile`."""

from dovetail.io import gfile
from dovetail.io.records import TFRecordOptions, TFRecordWriter
from dovetail.ops.table import whole as _whole

__all__ = sorted({*_whole("tf.io"), "TFRecordOptions", "TFRecordWriter", "gfile"})  # noqa: PLE0605

globals().update(_whole("tf.io"))
