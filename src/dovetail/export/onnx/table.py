"""The table of what writes ops as nodes of ONNX graphs.

A writer is called with what writes the graph, the arguments by their places, and the attributes by their names.  It
returns the output, or a list of them.
"""

from __future__ import annotations

from collections.abc import Callable

WRITERS: dict[str, Callable] = {}


def writes(*names: str) -> Callable[[Callable], Callable]:
    """Decorator: makes a function the writer of ops."""

    def decorate(function: Callable) -> Callable:
        WRITERS.update(dict.fromkeys(names, function))
        return function

    return decorate
