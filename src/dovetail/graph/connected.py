"""What depends on what in a graph, as far as derivatives go."""

from __future__ import annotations

from typing import Any

from dovetail.base import nest
from dovetail.graph.construct import variables_in
from dovetail.graph.node import Node, OpCall
from dovetail.tensor.symbolic import SymbolicTensor
from dovetail.tensor.tensor import TensorLike
from dovetail.tensor.variable import Variable


def differentiable_inputs(node: Node) -> set[int]:
    """Returns the ids of the tensors and variables that a node's outputs may have a gradient in."""
    return {id(leaf) for leaf in smooth_inputs(node)}


def smooth_inputs(node: Node) -> list:
    operation = node.operation
    if isinstance(operation, OpCall):
        op = operation.op
        if not op.differentiable:
            return []
        if op.gradients is not None and not op.variadic:
            pairs = zip(node.args, (*op.gradients, *[True] * len(node.args)), strict=False)
            return [leaf for leaf, rule in pairs if rule is not None and isinstance(leaf, TensorLike)]
    arguments = (node.args, node.kwargs)
    known = [leaf for leaf in nest.flat(arguments) if isinstance(leaf, TensorLike)]
    return [*known, *variables_in(arguments), *getattr(operation, "variables", ())]


def is_smooth(tensor: Any) -> bool:
    """True for tensors of floating or complex dtype."""
    return tensor.dtype.is_floating or tensor.dtype.is_complex


def reached(targets: list, stops: list) -> set[int]:
    """Returns the ids of the tensors and variables that the targets have a gradient in.

    Args:
        targets: symbolic tensors; others depend on themselves alone.
        stops: tensors that count as constants: what they are made of is not reached through them.
    """
    fixed = {id(leaf) for leaf in stops}
    found: set[int] = set()
    stack = [leaf for leaf in targets if isinstance(leaf, Variable) or is_smooth(leaf)]
    while stack:
        leaf = stack.pop()
        if id(leaf) in found:
            continue
        found.add(id(leaf))
        if isinstance(leaf, SymbolicTensor) and leaf.node is not None and id(leaf) not in fixed:
            stack.extend(x for x in smooth_inputs(leaf.node) if isinstance(x, Variable) or is_smooth(x))
    return found
