"""Constructs: nodes whose operation holds graphs, such as a loop on symbolic tensors.

A construct is a public function (`tf.while_loop`), its arguments with recorded graphs in place of the user's functions,
and the tensors that those graphs capture, which are inputs of the node.  Running the node calls the public function
with functions that replay the graphs: values, gradients and compilation are those of the real construct.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dovetail.base import nest
from dovetail.base.settings import state
from dovetail.graph.node import Node, type_of_op
from dovetail.graph.record import symbolic_outputs
from dovetail.graph.recording import FunctionGraph, recording
from dovetail.tensor.spec import TensorSpec
from dovetail.tensor.symbolic import SymbolicTensor
from dovetail.tensor.tensor import TensorLike
from dovetail.tensor.variable import Variable

# The public functions of constructs, by name: how configs find them.
CONSTRUCTS: dict[str, Callable] = {}


class Construct:
    """A public function that takes functions, as the operation of a node.

    Attributes:
        function: the public function.
        name: its public name, such as "tf.while_loop".
    """

    is_input = False

    def __init__(self, function: Callable, name: str) -> None:
        self.function, self.name = function, name

    @property
    def type(self) -> str:
        return type_of_op(self.name.rsplit(".", 1)[-1])

    def __call__(self, arguments: dict, captures: list) -> list:
        """Calls the function, and returns the tensors of its result, flat."""
        leaves, spec = nest.flatten_spec(arguments)
        given = iter(captures)
        filled = [leaf.bound(next(given)) if isinstance(leaf, FunctionGraph) else leaf for leaf in leaves]
        result = self.function(**nest.unflatten(spec, filled))
        return [leaf for leaf in nest.flat(result) if leaf is not None]

    def __reduce__(self) -> tuple:
        return Construct, (self.function, self.name)

    def __repr__(self) -> str:
        return f"<{self.name}>"


def record_construct(function: Callable, name: str, arguments: dict, described: Any) -> Any:
    """Adds a node for a call of a public function, and returns its symbolic result.

    Args:
        function: called as `function(**arguments)` each time the node runs, with functions for the graphs.
        name: its public name.
        arguments: all its arguments; a `FunctionGraph` in place of each function.
        described: the result's structure, with a `tf.TensorSpec` (or None) for each leaf.
    """
    graphs = graphs_in(arguments)
    node = Node(Construct(function, name), (arguments, [list(graph.captures) for graph in graphs]), {})
    leaves, spec = nest.flatten_spec(described)
    specs = [leaf for leaf in leaves if leaf is not None]
    outputs = iter(nest.flat(symbolic_outputs(node, specs, nest.flatten_spec(specs)[1])))
    around = recording()
    if around is not None:
        for graph in graphs:
            for variable in graph.variables:
                around.note_variable(variable)
            state.scope.changed(graph.writes)
    return nest.unflatten(spec, [None if leaf is None else next(outputs) for leaf in leaves])


def graphs_in(arguments: Any) -> list[FunctionGraph]:
    """Returns the graphs among a node's arguments."""
    return [leaf for leaf in nest.flat(arguments) if isinstance(leaf, FunctionGraph)]


def variables_in(arguments: Any) -> list[Variable]:
    """Returns the variables among a node's arguments and in the graphs there, each once."""
    found: dict[int, Variable] = {}
    for leaf in nest.flat(arguments):
        if isinstance(leaf, Variable):
            found[id(leaf)] = leaf
        elif isinstance(leaf, FunctionGraph):
            found |= {id(variable): variable for variable in leaf.variables}
    return list(found.values())


def is_recorded(*values: Any) -> bool:
    """True when a construct must be recorded: a symbolic tensor is among its arguments, or a graph records."""
    if state.scope is not None and state.scope.graph is not None:
        return True
    return any(type(leaf) is SymbolicTensor for leaf in nest.flat(values))


def spec_of(tensor: Any) -> TensorSpec:
    return TensorSpec(tensor.shape, tensor.dtype)


def spec_or_leaf(leaf: Any) -> Any:
    """Returns the spec of a tensor; what is none as it is."""
    return spec_of(leaf) if isinstance(leaf, TensorLike) else leaf


def merged(first: TensorSpec, second: TensorSpec) -> TensorSpec:
    """Returns the most special spec that both fit, which must be of one dtype.

    A `tf.TensorArray` whose rows have no shape yet fits one whose rows do.
    """
    for one, other in ((first, second), (second, first)):
        rank = other.shape.rank
        if one.shape.rank == 2 and one.shape[1] == 0 and rank is not None and rank not in (0, 2):
            return TensorSpec([None, *other.shape[1:]], other.dtype)
    return first.most_specific_compatible_type(second)


def _wider(before: TensorSpec, after: TensorSpec) -> TensorSpec:
    """Returns what both fit; a `tf.TensorArray` that a step gives its first rows has them from then on."""
    old, new = before.shape, after.shape
    if old.rank == 2 and old[1] == 0 and new.rank and tuple(new)[1:] != (0,) and new[0] in (old[0], None):
        return after
    return merged(before, after)


def settled(step: Callable[[list], list], specs: list, fixed: list | None = None) -> list:
    """Returns specs that `step` keeps: sizes that change from one step to the next become unknown.

    Args:
        step: `step(specs) -> specs after one step`.
        specs: where it begins.
        fixed: for each spec, a shape that a caller states (a shape invariant), or None.

    Raises:
        TypeError: a dtype changes; the message says which.
    """
    stated = fixed or [None] * len(specs)
    specs = [
        spec if shape is None else TensorSpec(shape, spec.dtype)
        for spec, shape in zip(specs, stated, strict=True)
    ]
    while True:
        after = step(specs)
        for i, (old, new) in enumerate(zip(specs, after, strict=True)):
            if old.dtype != new.dtype:
                raise TypeError(
                    f"variable {i} is {old.dtype.name} before a step and {new.dtype.name} after it"
                )
        wider = [
            old if shape is not None else _wider(old, new)
            for old, new, shape in zip(specs, after, stated, strict=True)
        ]
        if wider == specs:
            return specs
        specs = wider
