"""The table of what writes operations as nodes of TensorFlow's graphs.

A writer is called with what writes the function, the arguments by their places, and the attributes by their names.  It
returns the output, or a list of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

WRITERS: dict[str, Callable] = {}


def writes(*names: str) -> Callable[[Callable], Callable]:
    """Decorator: makes a function the writer of ops."""

    def decorate(function: Callable) -> Callable:
        WRITERS.update(dict.fromkeys(names, function))
        return function

    return decorate


def z(w: Any, kind: str, x: Any, y: Any, dtype: Any) -> Any:
    """Writes an operation with two operands of one dtype."""
    return w.op(kind, "z", [w.ref(x, dtype), w.ref(y, dtype)], T=dtype)
