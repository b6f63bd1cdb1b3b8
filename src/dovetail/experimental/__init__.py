"""`tf.experimental`: 8-bit floats and the exchange of arrays with other frameworks."""

from dovetail.experimental import dlpack
from dovetail.tensor.dtype import float8_e4m3fn, float8_e5m2

__all__ = ["dlpack", "float8_e4m3fn", "float8_e5m2"]
