"""`tf.dtypes`: element types and casts."""

from __future__ import annotations

from typing import Any

from dovetail.ops.table import NAMESPACES
from dovetail.tensor import dtype as _dtype

_TYPES = {dtype.name: dtype for dtype in _dtype.ALL if not dtype.name.startswith("float8")}
_ALIASES = {
    "DType": _dtype.DType,
    "as_dtype": _dtype.as_dtype,
    "double": _dtype.double,
    "half": _dtype.half,
}
_OPS: dict[str, Any] = {
    **{
        name: NAMESPACES["tf"][name]
        for name in ("cast", "complex", "saturate_cast")
        if name in NAMESPACES["tf"]
    },
    **NAMESPACES.get("tf.dtypes", {}),
}
globals().update(_TYPES | _ALIASES | _OPS)

__all__ = sorted(_TYPES | _ALIASES | _OPS)  # noqa: PLE0605
