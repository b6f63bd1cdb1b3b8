"""`tf.audio`: a view on the op table."""

from dovetail.ops.table import whole as _whole

__all__ = sorted(_whole("tf.audio"))  # noqa: PLE0605

globals().update(_whole("tf.audio"))
