"""Gradients of tables of which only rows were looked up: those rows, and where they stand (`tf.IndexedSlices`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dovetail.graph.connected import smooth_inputs
from dovetail.graph.node import READ, Node, OpCall
from dovetail.ops.array import concat
from dovetail.ops.indexed_slices import IndexedSlices
from dovetail.ops.shapes import reshape, shape_vector
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.symbolic import SymbolicTensor
from dovetail.tensor.variable import Variable


def look_ups(targets: list, source: Any) -> list[Node]:
    """Returns the nodes that look rows of a source up, when targets depend on it through such nodes alone.

    Args:
        targets: symbolic tensors.
        source: tensor or variable.
    """
    if source.shape.rank is None or None in tuple(source.shape)[1:]:
        return []
    standing = {id(source)}
    found: list[Node] = []
    for node in _between(targets):
        inputs = smooth_inputs(node)
        used = [leaf for leaf in inputs if id(leaf) in standing]
        if not used:
            continue
        if isinstance(source, Variable) and isinstance(node.operation, type(READ)):
            standing.update(id(out) for out in node.outputs)
        elif _is_look_up(node) and node.args[0] is used[0] and len(used) == 1:
            found.append(node)
        else:
            return []
    return [] if any(id(leaf) in standing for leaf in targets) else found


def _between(targets: list) -> list[Node]:
    """Returns the nodes that targets are made of, each after those that it depends on."""
    order: list[Node] = []
    done: set[int] = set()
    stack = [
        (leaf.node, False) for leaf in targets if isinstance(leaf, SymbolicTensor) and leaf.node is not None
    ]
    while stack:
        node, entered = stack.pop()
        if entered:
            order.append(node)
        elif id(node) not in done:
            done.add(id(node))
            stack.append((node, True))
            stack.extend((x.node, False) for x in smooth_inputs(node) if getattr(x, "node", None) is not None)
    return order


def _is_look_up(node: Node) -> bool:
    if not isinstance(node.operation, OpCall) or node.operation.op.name != "gather":
        return False
    axis, batch_dims = node.kwargs.get("axis"), node.kwargs.get("batch_dims")
    return not batch_dims and axis in (None, 0)


def _tensor(places: Any, inside: Callable) -> Any:
    return inside(places) if isinstance(places, SymbolicTensor) else convert_to_tensor(places)


def rows_of_look_ups(source: Any, nodes: list[Node], slopes: list, inside: Callable) -> IndexedSlices | None:
    """Returns the gradient of a table from those of what was looked up in it; None when there is none.

    Args:
        source: the table.
        nodes: see `look_ups`.
        slopes: the gradient of what each gives, or None.
        inside: returns what stands for a tensor in the graph that records.
    """
    pairs = [(slope, node.args[1]) for slope, node in zip(slopes, nodes, strict=True) if slope is not None]
    if not pairs:
        return None
    row = list(source.shape)[1:]
    values = [reshape(slope, shape=[-1, *row]) for slope, _ in pairs]
    places = [reshape(_tensor(places, inside), shape=[-1]) for _, places in pairs]
    known = source.shape.is_fully_defined()
    whole = list(source.shape) if known else shape_vector(source, out_type="int32")
    if len(pairs) == 1:
        return IndexedSlices(values[0], places[0], whole)
    same = places if len({one.dtype for one in places}) == 1 else [one._astype("int64") for one in places]
    return IndexedSlices(concat(values, 0), concat(same, 0), whole)
