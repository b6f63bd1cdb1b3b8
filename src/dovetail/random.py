"""`tf.random`: a view on the op table."""

from dovetail.ops import table as _table  # noqa: F401 - registers every family
from dovetail.ops.views import contents as _contents

__all__ = sorted(_contents("tf.random"))  # noqa: PLE0605

globals().update(_contents("tf.random"))
