"""Running a recorded graph on values (or on other symbolic tensors)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from dovetail.base import nest
from dovetail.base.errors import OpError, at_user_location
from dovetail.base.settings import state
from dovetail.graph.derivatives import Derivative, Watch, close
from dovetail.graph.node import Node
from dovetail.tensor.symbolic import SymbolicTensor


class Steps:
    """Nodes made ready to run, in their order.

    Args:
        inputs: symbolic tensors that get values.
        nodes: what runs, each after those it depends on.
        outputs: symbolic tensors whose values are wanted.
        tells_where: errors name the line in which the node that failed was written, not that of the run.
    """

    def __init__(
        self,
        inputs: list[SymbolicTensor],
        nodes: list[Node],
        outputs: list[SymbolicTensor],
        tells_where: bool = False,
    ) -> None:
        self._tells_where = tells_where
        self._slots = {id(tensor): i for i, tensor in enumerate(inputs)}
        for node in nodes:
            for tensor in node.outputs:
                self._slots.setdefault(id(tensor), len(self._slots))
        self._results = [self._slots[id(tensor)] for tensor in outputs]
        spent = self._last_uses(nodes)
        self._steps = [(*self._step(node), spent[i]) for i, node in enumerate(nodes)]
        self._nodes, self._num_inputs = nodes, len(inputs)
        differentiating = [node for node in nodes if type(node.operation) is Derivative]
        self._watch = Watch(differentiating, self._slots) if differentiating else None

    def run(self, values: list, call: Callable | None = None) -> list:
        """Returns the outputs for input `values`.

        Args:
            values: one value an input.
            call: `call(operation, args, kwargs)`, to change how nodes are run (masks, cloning).
        """
        slots: list[Any] = [None] * len(self._slots)
        slots[: len(values)] = values
        tapes = state.tapes
        try:
            if self._watch is not None and call is None:
                self._run_watched(slots, self._watch)
            else:
                self._run(slots, call)
        finally:
            state.tapes = tapes  # an error, or the end of what was wanted, may come amid a recorded tape
        return [slots[i] for i in self._results]

    def _run(self, slots: list, call: Callable | None) -> None:
        """Runs the nodes on the values in their slots."""
        fill: Any = None
        try:
            for operation, fill, targets, spent in self._steps:
                args, kwargs = fill(slots)
                result = operation(*args, **kwargs) if call is None else call(operation, args, kwargs)
                if len(targets) == 1 and not isinstance(result, list | tuple | dict):
                    slots[targets[0]] = result
                else:
                    for target, value in zip(targets, nest.flat(result), strict=True):
                        slots[target] = value
                for slot in spent:
                    slots[slot] = None
        except Exception as error:
            if self._tells_where:
                self._locate(error, fill)
            raise

    def _locate(self, error: Exception, fill: Callable) -> None:
        """Gives an error the line of the node whose arguments `fill` finds."""
        node = next(node for node, step in zip(self._nodes, self._steps, strict=True) if step[1] is fill)
        if not node.where or not error.args or not isinstance(error.args[0], str):
            return
        text, here, there = error.args[0], at_user_location(), f" (at {node.where})"
        if here and here in text:
            text = text.replace(here, there)
        elif isinstance(error, OpError) and " (at " not in text:
            text += there
        error.args = (text, *error.args[1:])
        if isinstance(error, OpError):
            error.message = text

    def _run_watched(self, slots: list, watch: Watch) -> None:
        """Runs nodes of which some differentiate what runs before them."""
        tapes = watch.opened()
        try:
            for slot in watch.slots.intersection(range(self._num_inputs)):
                slots[slot] = watch.station(slot, slots[slot], tapes)
            for node, (operation, fill, targets, _) in zip(self._nodes, self._steps, strict=True):
                args, kwargs = fill(slots)
                if type(operation) is Derivative:
                    result = watch.derivative(node, args, tapes)
                else:
                    result = operation(*args, **kwargs)
                plain = len(targets) == 1 and not isinstance(result, list | tuple | dict)
                for slot, value in zip(targets, [result] if plain else nest.flat(result), strict=True):
                    slots[slot] = watch.station(slot, value, tapes) if slot in watch.slots else value
        finally:
            close(tapes)

    def _last_uses(self, nodes: list[Node]) -> list[list[int]]:
        """Returns, a node, the slots that nothing uses after it: their values need not be kept."""
        last = {self._slots[id(t)]: i for i, node in enumerate(nodes) for t in (*node.outputs, *node.inputs)}
        spent: list[list[int]] = [[] for _ in nodes]
        for slot, at in last.items():
            if slot not in self._results:
                spent[at].append(slot)
        return spent

    def _step(self, node: Node) -> tuple:
        targets = [self._slots[id(tensor)] for tensor in node.outputs]
        return node.operation, self._filler(node.args, node.kwargs), targets

    def _filler(self, args: tuple, kwargs: dict) -> Callable:
        """Returns a function that puts slot values in the places of the symbolic tensors."""
        where = self._slots
        if not _has_symbolic(kwargs) and all(
            isinstance(a, SymbolicTensor) or not _has_symbolic(a) for a in args
        ):
            if len(args) == 1 and isinstance(args[0], SymbolicTensor):
                only = where[id(args[0])]
                return lambda slots: ((slots[only],), kwargs)
            template = list(args)
            places = [(i, where[id(a)]) for i, a in enumerate(args) if isinstance(a, SymbolicTensor)]

            def fill_flat(slots: list) -> tuple:
                filled = template.copy()
                for i, slot in places:
                    filled[i] = slots[slot]
                return filled, kwargs

            return fill_flat
        leaves, spec = nest.flatten_spec((args, kwargs))
        spots = [(i, where[id(leaf)]) for i, leaf in enumerate(leaves) if isinstance(leaf, SymbolicTensor)]

        def fill(slots: list) -> tuple:
            filled = leaves.copy()
            for i, slot in spots:
                filled[i] = slots[slot]
            return nest.unflatten(spec, filled)

        return fill


class DisconnectedError(ValueError):
    """What is to be computed depends on an input that gets no value."""


class Graph:
    """The nodes between some symbolic tensors and others, in an order in which they can run.

    Args:
        inputs: symbolic tensors that get values.
        outputs: symbolic tensors to compute.
        effects: nodes to run for what they do.

    Raises:
        DisconnectedError: an output depends on a symbolic input that is not among `inputs`.
    """

    def __init__(
        self, inputs: list[SymbolicTensor], outputs: list[SymbolicTensor], effects: Iterable[Node] = ()
    ) -> None:
        self.inputs, self.outputs = list(inputs), list(outputs)
        self.nodes = _ordered(self.inputs, [*self.outputs, *effects])
        self.run = Steps(self.inputs, self.nodes, self.outputs).run


def _has_symbolic(structure: Any) -> bool:
    return any(isinstance(leaf, SymbolicTensor) for leaf in nest.flat(structure))


def _ordered(inputs: list, wanted: list) -> list[Node]:
    """Returns the wanted nodes, and those that wanted tensors need, each after those it depends on.

    Depth first, without recursion.
    """
    given = {id(tensor) for tensor in inputs}
    done: set[int] = set()
    order: list[Node] = []
    for start in wanted:
        stack: list[tuple[Node, Iterator]] = []
        _visit(start, given, done, stack)
        while stack:
            node, pending = stack[-1]
            for tensor in pending:
                if _visit(tensor, given, done, stack):
                    break
            else:
                stack.pop()
                order.append(node)
    return order


def _visit(start: SymbolicTensor | Node, given: set, done: set, stack: list) -> bool:
    """Puts the node of a tensor on the stack; returns False when there is nothing to do for it."""
    if id(start) in given:
        return False
    node = start if isinstance(start, Node) else start.node
    if node is None or node.operation.is_input:
        raise DisconnectedError(
            f"the graph is disconnected: {start!r} is an input that the model does not have. Pass it in `inputs`, or "
            f"check that all layers are called on tensors that come from the inputs{at_user_location()}"
        )
    if id(node) in done:
        return False
    done.add(id(node))
    waited = [operation for operation in node.control_inputs if isinstance(operation, Node)]
    stack.append((node, iter([*waited, *node.inputs])))
    return True
