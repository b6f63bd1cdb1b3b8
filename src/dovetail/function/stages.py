"""Dividing a recorded function into stages: what runs on the host, and what is compiled.

XLA has no strings, no look-ups of them, and no shapes that depend on values.  A graph that has some of each is divided:
even stages run op by op on the host, odd ones are compiled, and each node is in the first stage in which it can run.
Sizes that depend on values, such as the length of the longest row, are counted on the host.

    words = tf.strings.split(text)               # 0, in front
    logits = model(table.lookup(words))          # 0: the look-up; 1: the model
    return names.lookup(tf.argmax(logits, -1))   # 1: argmax; 2: the look-up, behind

What reads and writes variables, prints and draws random numbers keeps its order.  All that a tape sees is in one stage,
and nothing that has a gradient is on the host there; what cannot be divided like that is not divided at all.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from dovetail.base import nest
from dovetail.engine import dtypes
from dovetail.graph.connected import is_smooth, smooth_inputs
from dovetail.graph.construct import Construct, graphs_in, variables_in
from dovetail.graph.derivatives import Derivative
from dovetail.graph.node import WRITE, FunctionCall, Node, OpCall
from dovetail.graph.recording import FunctionGraph
from dovetail.ops.key_store import KeyStore
from dovetail.tensor.symbolic import SymbolicTensor
from dovetail.tensor.tensor import TensorLike
from dovetail.tensor.variable import Variable

_MOST_STAGES = 9
_LEAST_OF_NUMBERS = 6  # a few ops, where all are on numbers, are faster without compiled code between them
_TAPE = "tf.GradientTape."
_ORDERED = frozenset({"tf.print"})  # what has to keep its place among effects, and reads no variables
_KNOWN_IN_TRACES = frozenset(
    {"broadcast_dynamic_shape_", "broadcast_dynamic_shape"}
)  # where shapes are values
_CALLS_OF_PYTHON = frozenset({"tf.py_function", "tf.numpy_function"})
_OF_TABLES = frozenset({"insert", "remove", "size", "export"})  # of tables that change, which hold values
_OF_SHAPES = frozenset({"shape", "size", "rank"})  # read no values


@dataclass(frozen=True, slots=True)
class Stage:
    """A part of a graph.

    Attributes:
        on_host: whether it runs op by op on the host; else it is compiled.
        nodes: in program order.
        inputs: the tensors of other stages, and arguments, that it uses.
        outputs: its tensors that others use, or that are results.
    """

    on_host: bool
    nodes: list[Node]
    inputs: list[SymbolicTensor]
    outputs: list[SymbolicTensor]


def needs_host(node: Node) -> bool:
    """True for a node that XLA cannot run: it has strings, or its shapes depend on values."""
    if _has_strings(node) or _sizes_by_value(node.operation):
        return True
    return any(any(map(needs_host, graph.nodes)) for graph in graphs_in((node.args, node.kwargs)))


def _sizes_by_value(operation: Any) -> bool:
    """True for ops whose results have sizes that depend on values, and for calls of Python on values."""
    if isinstance(operation, Construct):
        return operation.name in _CALLS_OF_PYTHON
    if isinstance(operation, FunctionCall):
        return operation.name in _OF_TABLES
    if not isinstance(operation, OpCall) or operation.op.engine != "host":
        return False
    return operation.op.name not in _KNOWN_IN_TRACES


def _sizes_of(node: Node) -> list[SymbolicTensor]:
    """Returns the tensors that are attributes of an op, such as sizes: compiled code has to know their values."""
    if not isinstance(node.operation, OpCall):
        return []
    return [leaf for leaf in nest.flat(node.kwargs) if isinstance(leaf, SymbolicTensor)]


def _has_strings(node: Node) -> bool:
    return any(map(_is_of_strings, (*nest.flat((node.args, node.kwargs)), *node.outputs)))


def _is_of_strings(leaf: Any) -> bool:
    """True for string tensors and variables, and for graphs in which there are some."""
    if isinstance(leaf, FunctionGraph):
        return any(map(_is_of_strings, (*leaf.inputs, *leaf.captured, *leaf.outputs))) or any(
            map(_has_strings, leaf.nodes)
        )
    return isinstance(leaf, TensorLike) and dtypes.is_host_only(leaf.dtype.numpy_dtype)


def stages_of(graph: FunctionGraph) -> list[Stage] | None:
    """Returns the stages of a graph; None when it cannot be divided, or too little of it would be compiled."""
    on_host = list(map(needs_host, graph.nodes))
    if not any(on_host) and not any(map(_sizes_of, graph.nodes)):
        return None
    seen_by_tape = _seen_by_tapes(graph.nodes)
    if any(on_host[i] and _may_pass_gradient(graph.nodes[i]) for i in seen_by_tape):
        return None
    numbers = _Numbers(graph.nodes, on_host)
    floor = 0
    while floor <= _MOST_STAGES:
        found = numbers.given(dict.fromkeys(seen_by_tape, floor))
        of_tape = {found[i] for i in seen_by_tape if found[i] % 2}
        if len(of_tape) <= 1:
            least = 1 if _is_of_strings(graph) else _LEAST_OF_NUMBERS
            return _stages(graph, found) if sum(number % 2 for number in found) >= least else None
        floor = max(of_tape)
    return None


def _seen_by_tapes(nodes: list[Node]) -> range:
    """Returns the nodes from where the first tape begins, to where the last gradient is taken."""
    tapes = [i for i, node in enumerate(nodes) if str(getattr(node.operation, "name", "")).startswith(_TAPE)]
    derivatives = [i for i, node in enumerate(nodes) if type(node.operation) is Derivative]
    marks = tapes + derivatives
    if not marks:
        return range(0)
    return range(0 if derivatives else min(marks), max(marks) + 1)


def _may_pass_gradient(node: Node) -> bool:
    """Whether a node on the host could have a gradient that leads to what is computed elsewhere."""
    if not any(is_smooth(out) for out in node.outputs):
        return False
    return any(
        isinstance(leaf, Variable | SymbolicTensor) and is_smooth(leaf) for leaf in smooth_inputs(node)
    )


class _Numbers:
    """Gives nodes the numbers of their stages."""

    def __init__(self, nodes: list[Node], on_host: list[bool]) -> None:
        self._nodes, self._on_host = nodes, on_host
        self._helps_host = self._helping()

    def _helping(self) -> list[bool]:
        """Returns which nodes compute a few integers that nodes on the host ask for, such as ends of rows, or sizes."""
        wanted = {id(tensor) for node in self._nodes for tensor in _sizes_of(node)}
        helping = [False] * len(self._nodes)
        for i in reversed(range(len(self._nodes))):
            node = self._nodes[i]
            helping[i] = _is_light(node) and any(id(out) in wanted for out in node.outputs)
            if self._on_host[i] or helping[i]:
                wanted.update(id(tensor) for tensor in node.inputs)
        return helping

    def given(self, floors: dict[int, int]) -> list[int]:
        """Returns a number a node; those of `floors` have at least these, unless they are on the host."""
        made: dict[int, int] = {}
        state = _State()
        numbers = []
        for i, node in enumerate(self._nodes):
            on_host = self._on_host[i]
            lowest = max([made.get(id(t), 0) for t in node.inputs], default=0)
            lowest = max(lowest, state.floor(node), 0 if on_host else floors.get(i, 0))
            even = on_host or (self._helps_host[i] and lowest % 2 == 0 and _is_small(node, made))
            number = lowest + (lowest % 2 != (0 if even else 1))
            state.note(node, number)
            made.update((id(out), number) for out in node.outputs)
            numbers.append(number)
        return numbers


def _is_light(node: Node) -> bool:
    """True for ops on integers, and on shapes."""
    operation = node.operation
    if not isinstance(operation, OpCall) or operation.op.name.startswith("random"):
        return False
    read = [] if operation.op.name in _OF_SHAPES else node.inputs
    if any(isinstance(leaf, Variable) for leaf in nest.flat((node.args, node.kwargs))):
        return False
    return not any(is_smooth(tensor) for tensor in (*read, *node.outputs))


def _is_small(node: Node, made: dict) -> bool:
    """True where something on the host has made what a node reads, or where it makes scalars."""
    return any(id(t) in made for t in node.inputs) or all(out.shape.rank == 0 for out in node.outputs)


class _State:
    """The stages after which a node may read, write, print or draw."""

    def __init__(self) -> None:
        self._read: dict[Any, int] = {}
        self._written: dict[Any, int] = {}
        self._everything = 0  # a call that may have read and written anything
        self._latest = 0

    def floor(self, node: Node) -> int:
        reads, writes, everything = _touched(node)
        if everything:
            return self._latest
        found = [self._everything] if reads or writes else [0]
        found += [self._written.get(key, 0) for key in (*reads, *writes)]
        return max(found + [self._read.get(key, 0) for key in writes])

    def note(self, node: Node, number: int) -> None:
        reads, writes, everything = _touched(node)
        self._read.update((key, max(number, self._read.get(key, 0))) for key in reads)
        self._written.update((key, max(number, self._written.get(key, 0))) for key in writes)
        if everything:
            self._everything = number
        if reads or writes or everything:
            self._latest = max(self._latest, number)


def _touched(node: Node) -> tuple[set, set, bool]:
    """Returns what a node reads, what it writes, and whether that may be anything."""
    operation = node.operation
    arguments = (node.args, node.kwargs)
    reads: set[Any] = {id(variable) for variable in variables_in(arguments)}
    if operation is WRITE:
        return set(), reads, False
    if isinstance(operation, OpCall):
        tables = {id(value) for value in node.kwargs.values() if isinstance(value, KeyStore)}
        return reads | tables, {"draws"} if _draws(operation) else set(), False
    if isinstance(operation, FunctionCall):
        if operation.name.startswith(_TAPE):
            return reads, {"tape"}, False
        if operation.name in _ORDERED:
            return reads, {"effects"}, False
        return reads, {"effects"}, operation.effect or operation.name in _OF_TABLES
    if isinstance(operation, Construct):
        graphs = graphs_in(arguments)
        writes: set[Any] = {id(variable) for graph in graphs for variable in graph.writes}
        inner = [_touched(inside) for graph in graphs for inside in graph.nodes]
        writes |= {key for _, written, _ in inner for key in written if isinstance(key, str)}
        calls_python = not graphs or any(everything for _, _, everything in inner)
        return reads, writes | ({"effects"} if calls_python else set()), calls_python
    return reads, set(), False


def _draws(operation: OpCall) -> bool:
    return operation.op.name.startswith("random") or operation.op.name in ("dropout", "shuffle")


def _stages(graph: FunctionGraph, numbers: list[int]) -> list[Stage] | None:
    if max(numbers) > _MOST_STAGES:
        return None
    stage_of = {id(out): n for node, n in zip(graph.nodes, numbers, strict=True) for out in node.outputs}
    used = list(_used_elsewhere(graph, numbers, stage_of))
    found = []
    for number in sorted(set(numbers)):
        nodes = [node for node, own in zip(graph.nodes, numbers, strict=True) if own == number]
        inputs = {id(t): t for node in nodes for t in node.inputs if stage_of.get(id(t)) != number}
        outputs = {id(t): t for t in used if stage_of[id(t)] == number}
        if number % 2 and any(map(_is_of_strings, (*inputs.values(), *outputs.values()))):
            return None
        found.append(Stage(number % 2 == 0, nodes, list(inputs.values()), list(outputs.values())))
    return found


def _used_elsewhere(graph: FunctionGraph, numbers: list[int], stage_of: dict) -> Iterator[SymbolicTensor]:
    """Yields the tensors that are used in other stages than their own, or are results."""
    for node, number in zip(graph.nodes, numbers, strict=True):
        yield from (t for t in node.inputs if stage_of.get(id(t), number) != number)
    yield from (t for t in graph.outputs if isinstance(t, SymbolicTensor) and id(t) in stage_of)
