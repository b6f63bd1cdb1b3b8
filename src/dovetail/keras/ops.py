"""`keras.ops`: a view on the op table that promotes dtypes."""

from dovetail.ops.table import NAMESPACES

__all__ = sorted(NAMESPACES["keras.ops"])  # noqa: PLE0605

globals().update(NAMESPACES["keras.ops"])
