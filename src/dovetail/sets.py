"""`tf.sets`: a view on the op table."""

from dovetail.ops.table import NAMESPACES as _NAMESPACES

__all__ = sorted(_NAMESPACES.get("tf.sets", {}))  # noqa: PLE0605

globals().update(_NAMESPACES.get("tf.sets", {}))
