"""Which nodes compute every row of a batch by itself, so that they may run for all rows at once."""

from __future__ import annotations

from typing import Any

from dovetail.graph.node import Node, OpCall
from dovetail.tensor.symbolic import SymbolicTensor
from dovetail.tensor.tensor import TensorLike
from dovetail.tensor.variable import Variable

# Ops whose results at a place depend on their inputs at that place alone; inputs broadcast.
ELEMENTWISE = frozenset(
    [
        *("hash_strings", "look_up_strings", "join", "as_string", "strings_upper", "strings_lower"),
        *("strings_strip", "strings_length", "regex_replace", "regex_full_match", "to_number"),
        *("cast", "equal", "not_equal", "where", "add", "subtract", "multiply", "maximum", "minimum"),
        *("logical_and", "logical_or", "logical_not"),
    ]
)


def run_by_rows(nodes: list[Node], inputs: list[SymbolicTensor], size: int) -> bool:
    """Whether nodes make each row of their outputs of the same rows of the inputs.

    Args:
        nodes: in program order.
        inputs: what they read of others.
        size: how many rows there are.
    """
    if not all(_is_batch(tensor, size) for tensor in inputs):
        return False
    rows = {id(tensor) for tensor in inputs}
    for node in nodes:
        if not _is_by_rows(node, rows):
            return False
        rows.update(id(out) for out in node.outputs)
    return True


def _is_batch(tensor: Any, size: int) -> bool:
    return bool(tensor.shape.rank) and tensor.shape[0] == size


def _is_by_rows(node: Node, rows: set[int]) -> bool:
    operation = node.operation
    if not isinstance(operation, OpCall) or operation.op.name not in ELEMENTWISE or len(node.outputs) != 1:
        return False
    given = [arg for arg in node.args if isinstance(arg, SymbolicTensor)]
    rank = node.outputs[0].shape.rank
    return (
        len(given) == len(node.inputs) > 0
        and all(id(arg) in rows and arg.shape.rank == rank for arg in given)
        and all(_is_spread(arg, rank) for arg in node.args if not isinstance(arg, SymbolicTensor))
    )


def _is_spread(arg: Any, rank: Any) -> bool:
    """Whether an argument is the same for all rows."""
    if isinstance(arg, Variable):
        return False
    return not isinstance(arg, TensorLike) or arg.shape.rank < rank or arg.shape[0] == 1
