"""Writing gradients that functions compute by tapes.

TensorFlow's graphs have no operation for a tape.  What is before a gradient in its function is done once more, under
the tape, in a module that XLA has compiled: it gets the inputs of the function, the variables as the function found
them, and all that was drawn, so that it computes what the operations beside it do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from dovetail.graph.construct import graphs_in, variables_in
from dovetail.graph.node import READ, WRITE, FunctionCall, Node, OpCall
from dovetail.graph.replay import Steps
from dovetail.graph.walking import Written
from dovetail.ops.arithmetic import masked
from dovetail.ops.indexed_slices import dense
from dovetail.saved_model.writing.calls import CALLS
from dovetail.saved_model.writing.draws import DRAWING, DROPOUT
from dovetail.saved_model.writing.modules import call_module, is_numeric
from dovetail.tensor.symbolic import SymbolicTensor
from dovetail.tensor.tensor import Tensor
from dovetail.tensor.variable import StatelessScope, Variable, enter_scope

_TAPE = "tf.GradientTape."
_STEERING = frozenset(
    {f"{_TAPE}{name}" for name in ["create", "enter", "exit", "pause", "resume", "watch", "reset"]}
)


class _Parts(NamedTuple):
    """What one call of `gradient` has found, in the slot of the graph that stands for all of it."""

    gradients: list[Written]


def _steer(w: Any, *args: Any) -> list:
    """Writes nothing: the tape is in the module."""
    return []


def _gradient(w: Any, *args: Any) -> list:
    (holder,) = w.node.outputs
    parts = [node for node in w.node.graph.nodes if _is_call(node, f"{_TAPE}part") and node.args[0] is holder]
    return [_Parts(_Section(w, [w.node, *parts]).write())]


def _part(w: Any, found: SymbolicTensor) -> Written:
    position = w.node.operation.function.args[0]
    return w.ref(found).gradients[position]


def _jacobian(w: Any, *args: Any) -> list:
    return _Section(w, [w.node]).write()


def _is_call(node: Node, name: str) -> bool:
    return type(node.operation) is FunctionCall and node.operation.name == name


def _changed_by(node: Node) -> Iterable[Variable]:
    """Returns the variables that a node assigns."""
    if node.operation is WRITE:
        return (node.args[0],)
    return node.operation.changes if type(node.operation) is FunctionCall else ()


def _op_of(node: Node) -> str:
    return node.operation.op.name if type(node.operation) is OpCall else ""


class _Section:
    """What a module does: the nodes of a function up to a gradient.

    Args:
        w: what writes the function.
        last: the node that differentiates, and those that take its results apart, in the order of these.
    """

    def __init__(self, w: Any, last: list[Node]) -> None:
        self._w, self._last, self._graph = w, last, last[0].graph
        self._outputs = [tensor for node in last[-1:] if len(last) == 1 for tensor in node.outputs]
        self._outputs += [tensor for node in self._in_order(last[1:]) for tensor in node.outputs]
        self._place = next(i for i, node in enumerate(self._graph.nodes) if node is last[0])
        self._given: list[SymbolicTensor] = []
        self._values: list[Written] = []
        self._variables: dict[int, Variable] = {}
        self._nodes: list[Node] = []
        self._live = {id(tensor) for node in last for tensor in node.inputs}
        self._collect()

    @staticmethod
    def _in_order(parts: list[Node]) -> list[Node]:
        return sorted(parts, key=lambda node: node.operation.function.args[0])

    def _refused(self, why: str) -> Exception:
        return self._w.not_written(f"a gradient of tf.GradientTape (at {self._last[0].where}) {why}")

    # ---- what is needed

    def _collect(self) -> None:
        for node in self._last:
            self._uses(node)
        for node in reversed(self._graph.nodes[: self._place]):
            if self._is_needed(node):
                self._take(node)
        self._nodes = [*reversed(self._nodes), *self._last]
        for tensor in (*self._graph.inputs, *self._graph.captured):
            if id(tensor) in self._live:
                self._give(tensor, self._w.ref(tensor))

    def _is_needed(self, node: Node) -> bool:
        if type(node.operation) is FunctionCall and node.operation.name in _STEERING:
            return True
        if any(id(one) in self._variables for one in _changed_by(node)):
            return True
        return any(id(tensor) in self._live for tensor in node.outputs)

    def _take(self, node: Node) -> None:
        name = _op_of(node)
        if name == DROPOUT:
            node = self._dropped(node)
        elif name in DRAWING:
            for tensor in node.outputs:
                self._give(tensor, self._w.ref(tensor))
            return
        if any(map(_changes_or_draws, graphs_in((node.args, node.kwargs)))):
            raise self._refused("of a loop or branch that assigns variables or draws numbers")
        self._nodes.append(node)
        self._live.update(id(tensor) for tensor in node.inputs)
        self._uses(node)

    def _uses(self, node: Node) -> None:
        if node.operation is not WRITE:
            found = [*variables_in((node.args, node.kwargs)), *_changed_by(node)]
            self._variables |= {id(one): one for one in found}

    def _give(self, tensor: SymbolicTensor, value: Any) -> None:
        if not isinstance(value, Written) or not is_numeric(value.dtype):
            raise self._refused(f"that depends on {tensor.name}, which has no numbers")
        self._given.append(tensor)
        self._values.append(value._replace(shape=tensor.shape))

    def _dropped(self, node: Node) -> Node:
        """Returns a node that drops what the operations beside the module drop."""
        kept = self._w.kept_by_dropout.get(id(node))
        x, rate = node.args[1], node.kwargs["rate"]
        if kept is None or node.kwargs.get("noise_shape") is not None:
            raise self._refused("of a dropout that drops elements together")
        mask = SymbolicTensor(x.shape, "bool")
        self._give(mask, kept)
        factor = 1 / (1 - rate) if rate < 1 else 0.0
        made = Node(
            FunctionCall(lambda x, mask: masked(x * factor, mask), "tf.nn.dropout"),
            (x, mask),
            {},
        )
        made.outputs = node.outputs
        return made

    # ---- the module

    def write(self) -> list[Written]:
        """Writes the module, and returns what it gives.

        Raises:
            NotImplementedError: it depends on sizes or values in a way that no module does.
        """
        variables = list(self._variables.values())
        inputs = [*self._values, *(self._as_found(one) for one in variables)]
        if any(not is_numeric(one.dtype) for one in self._outputs):
            raise self._refused("of a kind that has no numbers")
        steps, count = Steps(self._given, self._nodes, self._outputs), len(self._given)

        def run(*arrays: Any) -> list:
            tensors = list(map(Tensor, arrays))
            with enter_scope(StatelessScope(values=zip(variables, tensors[count:], strict=True))):
                return [dense(one)._value for one in steps.run(tensors[:count])]

        try:
            return call_module(self._w, run, inputs, self._outputs)
        except NotImplementedError as error:
            raise self._refused(f"which depends on sizes that are not known: {error}") from error

    def _as_found(self, variable: Variable) -> Written:
        """Returns the value that a variable has when the function begins."""
        for node in self._graph.nodes[: self._place]:
            if node.operation is READ and node.args[0] is variable:
                return self._w.ref(node.outputs[0])
            if any(one is variable for one in _changed_by(node)):
                raise self._refused(f"of {variable.name!r}, which is assigned before it is read")
        return self._w.read(variable)._replace(shape=variable.shape)


def _changes_or_draws(graph: Any) -> bool:
    """Whether a graph within a node does what must not be done once more."""
    inner = [one for node in graph.nodes for one in graphs_in((node.args, node.kwargs))]
    return (
        bool(graph.writes)
        or any(_op_of(node) in DRAWING or _op_of(node) == DROPOUT for node in graph.nodes)
        or any(map(_changes_or_draws, inner))
    )


_WRITERS: dict[str, Callable] = {
    **dict.fromkeys(_STEERING, _steer),
    f"{_TAPE}gradient": _gradient,
    f"{_TAPE}part": _part,
    f"{_TAPE}jacobian": _jacobian,
    f"{_TAPE}batch_jacobian": _jacobian,
}
CALLS.update(_WRITERS)
