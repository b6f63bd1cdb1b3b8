"""`tf.random`: a view on the op table."""

from dovetail.ops.table import NAMESPACES

__all__ = sorted(NAMESPACES.get("tf.random", {}))  # noqa: PLE0605

globals().update(NAMESPACES.get("tf.random", {}))
