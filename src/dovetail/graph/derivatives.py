"""Derivatives as nodes: what `tf.gradients` leaves in a graph, and how it is computed when the graph runs.

The node has the targets, the sources and the factors as its inputs, as any node has.  A run of the graph puts a tape
over the nodes for each of them, which follows the sources from where they are made: nothing is computed twice, random
numbers are drawn once, and the tapes around the run see what is done, so that derivatives can be differentiated.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dovetail.autodiff.tape import GradientTape
from dovetail.base.joints import Joint
from dovetail.base.settings import state
from dovetail.ops.arithmetic import identity
from dovetail.ops.create import zeros_like
from dovetail.ops.indexed_slices import dense
from dovetail.tensor.spec import TensorSpec
from dovetail.tensor.symbolic import SymbolicTensor
from dovetail.tensor.tensor import TensorLike

_again = Joint(
    "record_derivative", set_by="dovetail.graph.symbolic_gradients", called_by="a recorded derivative"
)


def use_derivative_recorder(recorder: Callable) -> None:
    """Tells what records a derivative anew: `recorder(derivative, targets, sources, factors, stops) -> results`."""
    _again.set(recorder)


def _of_first_order(tape: GradientTape, targets: list, sources: list, factors: list | None) -> list:
    return tape.gradient(targets, sources, factors, unconnected_gradients="zero")


def _of_second_order(tape: GradientTape, targets: list, sources: list, factors: list | None) -> list:
    return [tape.jacobian(targets[0], source, unconnected_gradients="zero") for source in sources]


KINDS: dict[str, tuple[Callable, str]] = {
    "tf.gradients": (_of_first_order, "SymbolicGradient"),
    "tf.hessians": (_of_second_order, "Jacobian"),
}


class Derivative:
    """The operation of a node that differentiates its graph.

    Its arguments are `(targets, sources, factors or None, stops)`, lists of tensors and variables.

    Args:
        name: which derivative, a key of `KINDS`.
    """

    is_input = False
    gives_rows = True  # what it gives may be `tf.IndexedSlices`

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    def type(self) -> str:
        return KINDS[self.name][1]

    def __reduce__(self) -> tuple:
        return Derivative, (self.name,)

    def __call__(self, targets: list, sources: list, factors: Any, stops: list) -> tuple:
        """Records the derivative of other symbolic tensors: a graph is copied."""
        return _again.target(self, targets, sources, factors, stops)

    def __repr__(self) -> str:
        return f"<{self.name}>"


class Watch:
    """The tapes of one run of a graph's nodes.

    Args:
        nodes: the nodes that differentiate.
        slots: the places of the symbolic tensors among the values of a run, by id.
    """

    def __init__(self, nodes: list, slots: dict[int, int]) -> None:
        self._stations: dict[
            int, list[tuple[int, bool]]
        ] = {}  # by slot: node's number, whether its tape stops
        self._fixed: list[list[TensorLike]] = []
        for number, node in enumerate(nodes):
            _, sources, _, stops = node.args
            self._fixed.append([leaf for leaf in sources if not isinstance(leaf, SymbolicTensor)])
            for leaf in stops:
                self._add(leaf, slots, number, True)
            for leaf in sources:
                self._add(leaf, slots, number, False)
        self.slots = frozenset(self._stations)
        self._numbers = {id(node): number for number, node in enumerate(nodes)}

    def _add(self, leaf: Any, slots: dict[int, int], number: int, stops: bool) -> None:
        if isinstance(leaf, SymbolicTensor):
            found = self._stations.setdefault(slots[id(leaf)], [])
            if not any(known == number for known, _ in found):
                found.append((number, stops))

    def opened(self) -> list[GradientTape]:
        """Returns new tapes, which see what this thread does from here on; none where a graph records the run."""
        if state.scope is not None and state.scope.graph is not None:
            return []
        tapes = [GradientTape(watch_accessed_variables=False) for _ in self._fixed]
        for tape, fixed in zip(tapes, self._fixed, strict=True):
            tape.__enter__()
            tape.watch(fixed)
        return tapes

    def station(self, slot: int, value: Any, tapes: list[GradientTape]) -> Any:
        """Returns the tensor that stands for a source from here on: one of its own, which the tapes follow."""
        if not tapes:
            return _recorded(value)
        stopped = {id(tapes[number]) for number, stops in self._stations[slot] if stops}
        before, state.tapes = state.tapes, tuple(tape for tape in state.tapes if id(tape) not in stopped)
        try:
            fresh = _with_mask(identity(value), value)
        finally:
            state.tapes = before
        if type(fresh) is not SymbolicTensor:
            for number, _ in self._stations[slot]:
                tapes[number].watch(fresh)
        return fresh

    def derivative(self, node: Any, arguments: tuple, tapes: list[GradientTape]) -> Any:
        """Returns the values of a node that differentiates."""
        targets, sources, factors, stops = arguments
        if not tapes or any(type(leaf) is SymbolicTensor for leaf in (*targets, *sources)):
            return node.operation(targets, sources, factors, stops)
        tape = tapes[self._numbers[id(node)]]
        tape.__exit__()
        found = KINDS[node.operation.name][0](tape, targets, sources, factors)
        return tuple(zeros_like(s) if g is None else dense(g) for g, s in zip(found, sources, strict=True))


def _recorded(value: Any) -> Any:
    """Returns a source in the graph that records the run: a tensor of its own, even for a value that is known."""
    if type(value) is SymbolicTensor:
        return _with_mask(identity(value), value)
    described = [TensorSpec(value.shape, value.dtype)]
    return _with_mask(state.scope.graph.call(identity, "tf.identity", (value,), described)[0], value)


def _with_mask(fresh: Any, value: Any) -> Any:
    mask = getattr(value, "_keras_mask", None)
    if mask is not None:
        fresh._keras_mask = mask
    return fresh


def close(tapes: list[GradientTape]) -> None:
    """Ends the tapes of a run."""
    for tape in tapes:
        tape.__exit__()
