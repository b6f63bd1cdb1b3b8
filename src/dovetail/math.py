"""`tf.math`: a view on the op table."""

from dovetail.ops.table import NAMESPACES

__all__ = sorted(NAMESPACES.get("tf.math", {}))  # noqa: PLE0605

globals().update(NAMESPACES.get("tf.math", {}))
