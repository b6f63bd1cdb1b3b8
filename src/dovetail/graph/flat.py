"""Graphs as rows: nodes in order, with numbers in place of symbolic tensors.  Copies, pickles and configs go this way.

A chain of a thousand nodes is a list of a thousand rows: nothing here calls itself along the graph.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dovetail.base import nest
from dovetail.graph.node import WRITE, Node
from dovetail.graph.recording import FunctionGraph
from dovetail.tensor.spec import Placeholder
from dovetail.tensor.symbolic import SymbolicTensor
from dovetail.tensor.tensor import TensorLike
from dovetail.tensor.variable import Variable


class Ref(Placeholder):
    """Stands for a symbolic tensor: the inputs are numbered first, then the outputs of the nodes, in order."""

    __slots__ = ("index",)

    def __init__(self, index: int) -> None:
        self.index = index

    def __repr__(self) -> str:
        return f"Ref({self.index})"


class Row:
    """A node: its operation, its arguments with `Ref`s inside, and what its outputs are like.

    Attributes:
        outputs: `(shape, dtype, name, known elements)` of each.
    """

    __slots__ = ("args", "kwargs", "name", "operation", "outputs", "structure", "where")

    def __init__(self, operation: Any, args: Any, kwargs: Any, outputs: list, structure: Any) -> None:
        self.operation, self.args, self.kwargs = operation, args, kwargs
        self.outputs, self.structure = outputs, structure
        self.name: str | None = None
        self.where: str | None = None


def described(tensor: SymbolicTensor) -> tuple:
    """Returns what makes an equal symbolic tensor."""
    shape = None if tensor.shape.rank is None else tuple(tensor.shape)
    return shape, tensor.dtype.name, tensor.name, tensor.partial


class Numbers:
    """The numbers of symbolic tensors."""

    def __init__(self, inputs: list[SymbolicTensor]) -> None:
        self._found = {id(tensor): i for i, tensor in enumerate(inputs)}
        self._count = len(inputs)

    def ref(self, leaf: Any) -> Any:
        """Returns the `Ref` of a symbolic tensor; other leaves as they are."""
        return Ref(self._found[id(leaf)]) if isinstance(leaf, SymbolicTensor) else leaf

    def row(self, node: Node) -> Row:
        """Returns a node as a row, and numbers its outputs."""
        args, kwargs = nest.mapped(self.ref, (node.args, node.kwargs))
        for tensor in node.outputs:  # a layer may give one tensor twice
            self._found.setdefault(id(tensor), self._count)
            self._count += 1
        row = Row(node.operation, args, kwargs, [described(t) for t in node.outputs], node.structure)
        row.name, row.where = node.name, node.where
        return row


class Tensors:
    """The symbolic tensors that numbers stand for."""

    def __init__(self, inputs: list[SymbolicTensor]) -> None:
        self._all = list(inputs)

    def of(self, leaf: Any) -> Any:
        return self._all[leaf.index] if isinstance(leaf, Ref) else leaf

    def filled(self, leaf: Any, replace: Callable | None) -> Any:
        """Returns the tensor of a `Ref`, what `replace` makes of other leaves."""
        return self.of(leaf) if isinstance(leaf, Ref) or replace is None else replace(leaf)

    def node(self, row: Row, replace: Callable | None = None) -> Node:
        """Returns a row as a node.

        Args:
            row: the row.
            replace: `replace(leaf) -> leaf`, for what is no symbolic tensor among its arguments.
        """

        args, kwargs = nest.mapped(lambda leaf: self.filled(leaf, replace), (row.args, row.kwargs))
        node = Node(row.operation, args, kwargs)
        node.outputs = [
            SymbolicTensor(shape, dtype, name=shown, node=node, index=i, partial=partial)
            for i, (shape, dtype, shown, partial) in enumerate(row.outputs)
        ]
        node.structure, node.name, node.where = row.structure, row.name, row.where or ""
        self._all.extend(node.outputs)
        return node


def to_rows(graph: FunctionGraph) -> dict:
    """Returns a recorded function as rows; what it captures is left to the node that holds it."""
    numbers = Numbers([*graph.inputs, *graph.captured])
    rows = [numbers.row(node) for node in graph.nodes]
    return {
        "name": graph.name,
        "inputs": [described(tensor) for tensor in graph.inputs],
        "captured": [described(tensor) for tensor in graph.captured],
        "rows": rows,
        "leaves": [numbers.ref(leaf) for leaf in graph._leaves],
        "spec": graph._spec,
        "taken": list(graph._taken),
    }


def from_rows(state: dict, replace: Callable | None = None) -> FunctionGraph:
    """Returns the recorded function of `to_rows`; `replace` as in `Tensors.node`."""
    graph = FunctionGraph(state["name"])
    graph.inputs = [_placeholder(graph, *one) for one in state["inputs"]]
    graph.captured = [_placeholder(graph, *one) for one in state["captured"]]
    tensors = Tensors([*graph.inputs, *graph.captured])
    for row in state["rows"]:
        node = tensors.node(row, replace)
        for tensor in node.outputs:
            graph.adopt(tensor)
        graph.keep(node)
        _note_variables(graph, node)
    graph._leaves = [tensors.filled(leaf, replace) for leaf in state["leaves"]]
    graph.outputs = [leaf for leaf in graph._leaves if isinstance(leaf, TensorLike)]
    graph._spec, graph._taken = state["spec"], list(state["taken"])
    return graph


def copied(graph: FunctionGraph, replace: Callable) -> FunctionGraph:
    """Returns a copy with other leaves; the graphs inside are copied as well."""

    def inner(leaf: Any) -> Any:
        return copied(leaf, replace) if isinstance(leaf, FunctionGraph) else replace(leaf)

    new = from_rows(to_rows(graph), inner)
    new.captures = list(graph.captures)
    return new


def _placeholder(graph: FunctionGraph, shape: Any, dtype: Any, name: str, partial: Any) -> SymbolicTensor:
    return graph.placeholder(shape, dtype, name.removesuffix(":0"), partial)


def _note_variables(graph: FunctionGraph, node: Node) -> None:
    for leaf in nest.flat((node.args, node.kwargs)):
        if isinstance(leaf, Variable):
            graph.note_variable(leaf, written=node.operation is WRITE)
        elif isinstance(leaf, FunctionGraph):
            for variable in leaf.variables:
                graph.note_variable(variable)
            for variable in leaf.writes:
                graph.note_variable(variable, written=True)


def _reduced(graph: FunctionGraph) -> tuple:
    return from_rows, (to_rows(graph),)


FunctionGraph.__reduce__ = _reduced  # type: ignore[method-assign,assignment]
