"""`tf.io`: a view on the op table, and the writer of records."""

from dovetail.io.records import TFRecordOptions, TFRecordWriter
from dovetail.ops.table import whole as _whole

__all__ = sorted({*_whole("tf.io"), "TFRecordOptions", "TFRecordWriter"})  # noqa: PLE0605

globals().update(_whole("tf.io"))
