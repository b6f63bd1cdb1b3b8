"""`keras.ops`: a view on the op table that promotes dtypes."""

from dovetail.keras.ops import control as _control
from dovetail.keras.ops import image, linalg, nn, numpy
from dovetail.ops.table import whole as _whole

_OPS = _whole("keras.ops") | {"image": image, "linalg": linalg, "nn": nn, "numpy": numpy}

__all__ = sorted(_OPS)  # noqa: PLE0605

globals().update(_OPS)
