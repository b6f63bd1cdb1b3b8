"""Derivatives inside of a loop's, a branch's or a function's graph of what was computed in the graphs around it.

The nodes between sources and targets are written once more into the graph that asks, upon the same captured tensors:
keys of random numbers, tables, variables as they were read.  All that differentiates is then in one graph, and can be
differentiated again.  Where the graph is compiled, XLA takes what a body computes anew in each step out of the loop.
"""

from __future__ import annotations

from typing import Any

from dovetail.base import nest
from dovetail.base.errors import GraphNeededError, at_user_location
from dovetail.engine import is_tracer
from dovetail.graph.connected import is_smooth, smooth_inputs
from dovetail.graph.construct import Construct, graphs_in
from dovetail.graph.derivatives import Derivative
from dovetail.graph.node import CONSTANT, READ, FunctionCall, Node, OpCall
from dovetail.tensor.symbolic import SymbolicTensor
from dovetail.tensor.tensor import Tensor
from dovetail.tensor.variable import Variable


def brought_inside(
    name: str, graph: Any, targets: list, sources: list, stops: list
) -> tuple[list, list[list], list] | None:
    """Writes what is between sources and targets into a graph; None when it is all there.

    Args:
        name: of the derivative, for messages.
        graph: the graph that records, None outside of one.
        targets, sources, stops: tensors and variables of the graph.

    Returns:
        the targets; for each source the tensors whose derivatives add up to its own (one for each time that a variable
        was read); the stops.

    Raises:
        NotImplementedError: something between them cannot be done twice: a layer of a model, a Python function, a
            loop that assigns variables.
        GraphNeededError: the ways go on in a trace around the graph, which must become a graph, too.
    """
    if graph is None:
        return None
    ways = _Ways(targets, sources, stops)
    if ways.go_on_in_trace:
        raise GraphNeededError(
            f"{name}: the derivative is of what a function around it computes{at_user_location()}"
        )
    if all(node.graph is graph for node in ways.nodes):
        return None
    inside: dict[int, Any] = {}
    for node in ways.nodes:
        _require_repeatable(name, node)
        args, kwargs = nest.mapped(lambda leaf: _stand_in(leaf, inside, graph), (node.args, node.kwargs))
        made = nest.flat(node.operation(*args, **kwargs))
        inside.update((id(old), new) for old, new in zip(node.outputs, made, strict=True))
    return (
        [_stand_in(leaf, inside, graph) for leaf in targets],
        [[_stand_in(leaf, inside, graph) for leaf in ways.places(source)] for source in sources],
        [_stand_in(leaf, inside, graph) for leaf in stops],
    )


def root(leaf: Any) -> Any:
    """Returns the tensor that a captured one is, in the graph around that made it."""
    while type(leaf) is SymbolicTensor and leaf.node is None and hasattr(leaf, "owner"):
        outer = leaf.owner.outside(leaf)
        if outer is None:
            return leaf
        leaf = outer
    return leaf


def _stand_in(leaf: Any, inside: dict[int, Any], graph: Any) -> Any:
    found = inside.get(id(root(leaf)))
    return graph.inside(leaf) if found is None else found


class _Ways:
    """What is between sources and targets, through all graphs around.

    Attributes:
        nodes: those that depend on a source and that a target depends on, each after those it depends on.
        go_on_in_trace: whether there may be more of them, in a trace around the outermost graph.
    """

    def __init__(self, targets: list, sources: list, stops: list) -> None:
        self._sources = {id(root(leaf)) for leaf in sources}
        self._fixed = {id(root(leaf)) for leaf in stops}
        self._reads: dict[int, list] = {}  # by variable
        self._in_constructs: set[int] = set()
        self._leading: set[int] = set()  # ids of tensors
        self.nodes: list[Node] = []
        ends = self._walk([root(leaf) for leaf in targets if isinstance(leaf, Variable) or is_smooth(leaf)])
        traced = {id(leaf) for leaf in ends if isinstance(leaf, Tensor) and is_tracer(leaf._value)}
        wanted = [leaf for leaf in map(root, sources) if isinstance(leaf, Tensor) and is_tracer(leaf._value)]
        self.go_on_in_trace = bool(wanted) and bool(traced - self._sources)

    def places(self, source: Any) -> list:
        """Returns the tensors that stand for a source in the nodes."""
        if not isinstance(source, Variable):
            return [source]
        return [*self._reads.get(id(source), ()), *([source] if id(source) in self._in_constructs else ())]

    def _walk(self, leaves: list) -> list:
        """Finds the nodes, depth first, without recursion; returns where the ways end."""
        ends, done = [], set()
        stack = [(leaf, False) for leaf in leaves]
        while stack:
            leaf, entered = stack.pop()
            node = leaf.node if type(leaf) is SymbolicTensor and id(leaf) not in self._fixed else None
            if node is None:
                ends.append(leaf)
            elif entered:
                self._note(node)
            elif id(node) not in done:
                done.add(id(node))
                stack.append((leaf, True))
                stack.extend((x, False) for x in self._parents(node))
        return ends

    @staticmethod
    def _parents(node: Node) -> list:
        found = [root(leaf) for leaf in smooth_inputs(node)]
        return [leaf for leaf in found if isinstance(leaf, Variable) or is_smooth(leaf)]

    def _note(self, node: Node) -> None:
        """Adds a node, whose parents are noted, if it depends on a source."""
        read = node.operation is READ
        known = {id(x): x for x in self._parents(node) if isinstance(x, Variable)}
        variables = [x for key, x in known.items() if key in self._sources]
        for variable in variables:
            if read:
                self._reads.setdefault(id(variable), []).extend(node.outputs)
            else:
                self._in_constructs.add(id(variable))
        lead = self._sources | self._leading
        if variables or any(id(leaf) in lead for leaf in self._parents(node)):
            self._leading.update(id(out) for out in node.outputs if id(out) not in self._fixed)
            if not read:
                self.nodes.append(node)


def _is_repeatable(node: Node) -> bool:
    operation = node.operation
    if isinstance(operation, Construct):
        graphs = graphs_in((node.args, node.kwargs))
        return bool(graphs) and all(
            not g.writes and all(n.operation is READ or _is_repeatable(n) for n in g.nodes) for g in graphs
        )
    if isinstance(operation, FunctionCall):
        return operation.name in ("tf.identity", "tf.TensorArray.write")
    return isinstance(operation, OpCall | Derivative) or operation is CONSTANT


def _require_repeatable(name: str, node: Node) -> None:
    if not _is_repeatable(node):
        raise NotImplementedError(
            f"{name}: inside the function of a loop, a branch or a map, what is differentiated was computed outside of "
            f"it with {node.operation!r:.60}, which cannot be computed once more. Compute the derivative outside, or "
            f"compute ys inside{at_user_location()}"
        )
