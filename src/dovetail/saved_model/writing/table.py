"""The table of what writes ops as nodes of TensorFlow's graphs; `writes("name")` is the decorator of its functions."""

from __future__ import annotations

from typing import Any

from dovetail.graph.walking import table

WRITERS, writes = table()


def z(w: Any, kind: str, x: Any, y: Any, dtype: Any) -> Any:
    """Writes an operation with two operands of one dtype."""
    return w.op(kind, "z", [w.ref(x, dtype), w.ref(y, dtype)], T=dtype)
