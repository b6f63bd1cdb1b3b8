"""The order of operations in graphs: `tf.control_dependencies`, `tf.group`, `tf.no_op`, `tf.tuple`.

Values are computed in the order in which a program states them; only a graph has operations that could wait.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dovetail.graph.recording import recording
from dovetail.ops.arithmetic import identity
from dovetail.ops.views import export


@export("control_dependencies")
@contextmanager
def control_dependencies(control_inputs: Any) -> Iterator[None]:
    """Makes the operations of a `with` block wait for others, in a graph.

    Args:
        control_inputs: operations and tensors of the graph; a function, which is called where there is no graph; None:
            the block waits for nothing.

    Outside of graphs it orders nothing: ops run in the order in which the program states them.
    """
    graph = recording()
    if graph is None:
        if callable(control_inputs):
            control_inputs()
        yield
        return
    with graph.control_dependencies(control_inputs):
        yield


@export("no_op")
def no_op(name: str | None = None) -> Any:
    """Returns an operation that does nothing; None where there is no graph."""
    return _grouped([], "tf.no_op", name)


@export("group")
def group(*inputs: Any, name: str | None = None) -> Any:
    """Returns an operation that is done when all inputs are; None where there is no graph: they are done."""
    return _grouped(list(inputs), "tf.group", name)


def _grouped(inputs: list, kind: str, name: str | None) -> Any:
    graph = recording()
    if graph is None:
        return None
    return graph.named(name, graph.group, inputs, kind) if name else graph.group(inputs, kind)


@export("tuple")
def tuple_(tensors: Any, control_inputs: Any = None, name: str | None = None) -> list:
    """Returns the tensors as a list; in a graph, each once all of them, and `control_inputs`, are computed."""
    waited = [x for x in (*tensors, *(control_inputs or ())) if x is not None]
    with control_dependencies(waited):
        return [None if tensor is None else identity(tensor) for tensor in tensors]
