"""The order of a functional model's operations, which is the order of `model.layers` and of its weights.

Keras' rule: operations are sorted by depth (distance from the outputs, the farthest first), and within a depth by when
a walk from the outputs first meets them.
"""

from __future__ import annotations

from typing import Any

from dovetail.graph.node import Node


def operations_in_order(inputs: list, outputs: list, nodes: list[Node]) -> list[Any]:
    """Returns the operations of the graph, each once.

    Args:
        inputs: the symbolic inputs of the model.
        outputs: its symbolic outputs.
        nodes: its nodes, each after those it depends on; input nodes not among them.
    """
    met = _met_order(inputs, outputs)
    depths: dict[int, int] = {}
    operations: dict[int, Any] = {}
    node_depths: dict[int, int] = {}
    given = {id(tensor) for tensor in inputs}
    for node in reversed(nodes):
        depth = max(node_depths.get(id(node), 0), depths.get(id(node.operation), 0))
        node_depths[id(node)] = depths[id(node.operation)] = depth
        operations[id(node.operation)] = node.operation
        for tensor in node.inputs:
            parent = tensor.node
            if parent is None:
                continue
            if id(tensor) in given:
                if not parent.operation.is_input:
                    continue  # the model begins there: what makes the tensor is no part of it
                operations[id(parent.operation)] = parent.operation
                depths[id(parent.operation)] = max(depths.get(id(parent.operation), 0), depth + 1)
            else:
                node_depths[id(parent)] = max(node_depths.get(id(parent), 0), depth + 1)
    for tensor in inputs:
        operation = tensor.node.operation if tensor.node is not None else None
        if operation is not None and id(operation) not in operations and operation.is_input:
            operations[id(operation)] = operation
            depths[id(operation)] = 0
    return sorted(operations.values(), key=lambda o: (-depths[id(o)], met.get(id(o), -1)))


def _met_order(inputs: list, outputs: list) -> dict[int, int]:
    """Numbers the operations in the order in which a depth-first walk from the outputs meets them."""
    given = {id(tensor) for tensor in inputs}
    order: dict[int, int] = {}
    done: set[int] = set()
    stack = list(reversed(outputs))
    while stack:
        tensor = stack.pop()
        node = tensor.node
        if node is None or id(node) in done:
            continue
        done.add(id(node))
        order.setdefault(id(node.operation), len(order))
        if id(tensor) not in given:
            stack.extend(reversed(node.inputs))
    return order
