"""`tf.dtypes`: element types and casts."""

from __future__ import annotations

from dovetail.ops.table import NAMESPACES

_OPS = {
    **{
        name: NAMESPACES["tf"][name]
        for name in ("cast", "complex", "saturate_cast")
        if name in NAMESPACES["tf"]
    },
    **NAMESPACES.get("tf.dtypes", {}),
}
globals().update(_OPS)

_TYPES = (
    *("DType", "as_dtype", "bfloat16", "bool", "complex64", "complex128", "double", "float16", "float32"),
    *("float64", "half", "int8", "int16", "int32", "int64", "string", "uint8", "uint16", "uint32", "uint64"),
)
__all__ = sorted({*_TYPES, *_OPS})  # noqa: PLE0605
