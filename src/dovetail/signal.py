"""`tf.signal`: a view on the op table."""

from dovetail.ops.table import whole as _whole

__all__ = sorted(_whole("tf.signal"))  # noqa: PLE0605

globals().update(_whole("tf.signal"))
