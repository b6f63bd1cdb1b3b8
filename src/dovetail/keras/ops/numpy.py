"""`keras.ops.numpy`: a view on the op table."""

from dovetail.ops.table import whole as _whole

_OPS = _whole("keras.ops.numpy")

__all__ = sorted(_OPS)  # noqa: PLE0605

globals().update(_OPS)
