"""Recording: a call of an op on symbolic tensors becomes a node."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dovetail.base import nest
from dovetail.base.errors import (
    DataDependentShapeError,
    OperatorNotAllowedInGraphError,
    OpError,
    at_user_location,
)
from dovetail.base.settings import state
from dovetail.base.wording import BAD_CALL, is_ours, kind_of, plain
from dovetail.graph.node import FunctionCall, Node, OpCall
from dovetail.ops import infer
from dovetail.ops.arguments import as_tensors
from dovetail.ops.core import Op, use_symbolic_handler
from dovetail.tensor.symbolic import SymbolicTensor
from dovetail.tensor.variable import Variable


def symbolic_outputs(node: Node, described: list, structure: Any = None) -> Any:
    """Gives `node` its outputs, and returns them in `structure` (one tensor when None).

    Args:
        node: the node that makes them.
        described: objects with `shape`, `dtype` and optionally `partial`.
    """
    base = getattr(node.operation, "name", "tensor")
    node.outputs = [
        SymbolicTensor(d.shape, d.dtype, name=base, node=node, index=i, partial=getattr(d, "partial", None))
        for i, d in enumerate(described)
    ]
    node.structure = structure
    if state.scope is not None and state.scope.graph is not None:
        state.scope.graph.add(node)
    return node.outputs[0] if structure is None else nest.unflatten(structure, node.outputs)


def record_op(op: Op, args: tuple, attributes: dict, promote: bool) -> Any:
    """Adds a node for a call of `op`, and returns its symbolic outputs.

    Raises:
        InvalidArgumentError: the shapes or dtypes do not fit, named with the user's line.
    """
    converted = as_tensors(op, args, promote)
    kept = tuple(
        arg
        if isinstance(arg, Variable) and type(new) is not SymbolicTensor and arg.dtype == new.dtype
        else new
        for arg, new in zip(args, converted, strict=True)
    )
    try:
        described, several = infer.infer(op, kept, attributes)
    except (OpError, DataDependentShapeError, OperatorNotAllowedInGraphError):
        raise
    except BAD_CALL as error:
        if is_ours(error, (kept, attributes)):
            raise
        raise kind_of(error)(_explain(op, kept, attributes, error)) from None
    node = Node(OpCall(op, promote), kept, dict(attributes))
    structure = nest.flatten_spec(tuple(described))[1] if several else None
    outputs = symbolic_outputs(node, described, structure)
    return tuple(outputs) if several else outputs


def record_call(function: Callable, name: str, args: tuple, kwargs: dict) -> None:
    """Adds a node without outputs, that calls a Python function each time the graph runs: a print, a check."""
    node = Node(FunctionCall(function, name, effect=True), args, kwargs)
    symbolic_outputs(node, [], nest.flatten_spec(())[1])


def _explain(op: Op, args: tuple, attributes: dict, error: Exception) -> str:
    names = list(op.tensors) + [f"input {i}" for i in range(len(op.tensors), len(args))]
    received = ", ".join(
        f"{name}: {arg.shape} {arg.dtype.name}"
        for name, arg in zip(names, args, strict=False)
        if arg is not None
    )
    needed = {key for key, (default, _) in op.attributes.items() if default is not None}
    extra = "".join(
        f", {key}={value!r:.60}" for key, value in attributes.items() if value is not None or key in needed
    )
    return f"{op.name}: {plain(error)}. Received {received}{extra}{at_user_location()}"


use_symbolic_handler(record_op)
