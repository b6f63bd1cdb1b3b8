"""Which nodes compute every row of a batch by itself, so that they may run for all rows at once."""

from __future__ import annotations

import math
from collections.abc import Callable
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
# Other ops with one batch among their inputs, and when they make rows of rows.
ROWS_OF_ROWS: dict[str, Callable[[Node], bool]] = {
    "vectorize_text": lambda node: node.kwargs.get("length") is not None,  # else as long as the longest
    "count_text": lambda node: True,
    "getitem": lambda node: _keeps_rows(node.kwargs["spec"], node.args[0].shape.rank),
}


def _keeps_rows(spec: Any, rank: int) -> bool:
    """Whether an index begins with an ellipsis that stands for the first axis, as in x[..., 0]."""
    return spec[0] == ("e",) and len(spec) <= rank and all(item[0] == "i" for item in spec[1:])


def row_bytes(tensors: list[SymbolicTensor]) -> int | None:
    """Returns how large a row of some tensors is, None where that is not known."""
    shapes = [tuple(tensor.shape)[1:] for tensor in tensors]
    if any(None in shape for shape in shapes):
        return None
    sizes = [tensor.dtype.numpy_dtype.itemsize for tensor in tensors]
    return sum(math.prod(shape) * size for shape, size in zip(shapes, sizes, strict=True))


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
    if not isinstance(operation, OpCall) or len(node.outputs) != 1:
        return False
    rule = ROWS_OF_ROWS.get(operation.op.name)
    if rule is not None:
        return (
            len(node.inputs) == 1
            and node.inputs[0] is node.args[0]
            and id(node.args[0]) in rows
            and rule(node)
        )
    if operation.op.name not in ELEMENTWISE:
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
