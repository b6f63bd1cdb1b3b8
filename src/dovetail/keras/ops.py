"""`keras.ops`: a view on the op table that promotes dtypes."""

from dovetail.ops import table as _table  # noqa: F401 - registers every family
from dovetail.ops.views import contents as _contents

__all__ = sorted(_contents("keras.ops"))  # noqa: PLE0605

globals().update(_contents("keras.ops"))
