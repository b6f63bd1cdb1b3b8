"""Loops and branches of TensorFlow 1's graphs, as functions.

There a loop is a frame: `Enter` brings values in, `Merge` is a variable of the loop, `Switch` sends it on into the
body or out by `Exit`, and `NextIteration` ends a step.  A branch is a `Switch` for each value that goes in and a
`Merge` where both ways come together.  Here each frame, and each `Merge` of a branch, becomes one node that calls
functions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from dovetail.base.errors import DataLossError, UnimplementedError, at_user_location
from dovetail.raw_ops.flow import if_, while_
from dovetail.raw_ops.row import public
from dovetail.saved_model.sources import node_of, source_of
from dovetail.wire.messages import NodeDef

LOOP, BRANCH = "_Loop", "_Branch"  # the operations of the new nodes
_PARTS = {"Exit", "Merge"}


class Part(NamedTuple):
    """A function that is cut out of a graph.

    Attributes:
        arguments: the names of the nodes that get values.
        outputs: what it gives, as nodes name their inputs.
    """

    arguments: list[str]
    outputs: list[str]


class Construct(NamedTuple):
    """A loop or a branch.

    Attributes:
        parts: the condition and the body of a loop, the ways of a branch: that of a true condition is the first.
        variables: how many a loop has; 0 for a branch.
        is_first_true: whether the first input of the `Merge` of a branch is the way of a true condition.
    """

    parts: tuple[Part, Part]
    variables: int
    is_first_true: bool = True


class Frames:
    """A graph with its loops and branches as single nodes.

    Args:
        nodes: of the graph, by name.
        where: for errors.

    Attributes:
        nodes: those that are run.
        constructs: what the new ones do, by their names.
    """

    def __init__(self, nodes: dict[str, Any], where: str) -> None:
        self._old, self._where = nodes, where
        self.nodes = dict(nodes)
        self.constructs: dict[str, Construct] = {}
        frames: dict[str, list] = {}
        for node in nodes.values():
            if node.op == "Enter":
                frames.setdefault(node.attr["frame_name"].s.decode("utf-8", "replace"), []).append(node)
        self._edges = {node.name for enters in frames.values() for node in enters}  # of the insides of loops
        for name, enters in frames.items():
            self._loop(name, enters)
        for node in nodes.values():
            if node.op == "Merge" and node.name not in self._edges:
                self._branch(node)

    @staticmethod
    def needed(nodes: Iterable[Any]) -> bool:
        """Returns whether a graph has loops or branches of this kind."""
        return any(node.op in _PARTS for node in nodes)

    # ---- loops

    def _loop(self, name: str, enters: list) -> None:
        """Replaces the exits of a frame."""
        by_enter = {node.name: node for node in enters}
        merges = {}
        for node in self._old.values():
            held = [node_of(text) for text in node.input] if node.op == "Merge" else []
            entered = next((one for one in held if one in by_enter), None)
            if entered is not None:
                merges[node.name] = (entered, next(one for one in held if one != entered))
        switches = {
            node_of(node.input[0]): node
            for node in self._old.values()
            if node.op == "Switch" and node_of(node.input[0]) in merges
        }
        if not merges or not switches:
            raise DataLossError(f"{self._where}: the loop {name!r} has no variables")
        order = [merge for merge in merges if merge in switches]
        fixed = [one.name for one in enters if one.name not in {merges[merge][0] for merge in order}]
        condition = self._old[node_of(switches[order[0]].input[1])]
        cond = Part([*order, *fixed], [condition.input[0]])
        ends = [self._old[merges[merge][1]].input[0] for merge in order]
        body = Part([*(switches[merge].name for merge in order), *fixed], ends)
        label = f"{name}/{LOOP}"
        node = NodeDef(name=label, op=LOOP)
        node.input.extend([by_enter[merges[merge][0]].input[0] for merge in order])
        node.input.extend([by_enter[one].input[0] for one in fixed])
        self.nodes[label] = node
        self.constructs[label] = Construct((cond, body), len(order))
        places = {switches[merge].name: place for place, merge in enumerate(order)}
        for one in self._old.values():
            if one.op == "Exit" and node_of(one.input[0]) in places:
                made = NodeDef(name=one.name, op="Identity")
                made.input.append(f"{label}:{places[node_of(one.input[0])]}")
                self.nodes[one.name] = made
        self._edges |= {*merges, *(switch.name for switch in switches.values())}

    # ---- branches

    def _branch(self, merge: Any) -> None:
        """Replaces a `Merge` by a choice between its inputs."""
        ends = [text for text in merge.input if not text.startswith("^")]
        sides = [self._switches_before(end) for end in ends]
        found = self._condition(sides) if len(sides) == 2 else None
        if found is None:
            raise UnimplementedError(
                f"{self._where}: the node {merge.name!r} joins what no condition parts{at_user_location()}"
            )
        predicate, is_first_true = found
        names = dict.fromkeys(node.name for side in sides for key, _, node in side if key == predicate)
        ways = ends if is_first_true else ends[::-1]
        parts = Part(list(names), [ways[0]]), Part(list(names), [ways[1]])
        node = NodeDef(name=merge.name, op=BRANCH)
        node.input.append(predicate)
        node.input.extend([self._old[name].input[0] for name in names])
        self.nodes[merge.name] = node
        self.constructs[merge.name] = Construct(parts, 0, is_first_true)

    @staticmethod
    def _condition(sides: list) -> tuple[str, bool] | None:
        """Returns the predicate whose two values lead to the two sides, and whether the first is for a true one."""
        first, second = ({(key, place) for key, place, _ in side} for side in sides)
        for key in dict.fromkeys(key for key, _, _ in (*sides[0], *sides[1])):
            for place in (1, 0):
                here, there = (key, place), (key, 1 - place)
                only = (here in first or there in second) and there not in first and here not in second
                if only:
                    return key, place == 1
        return None

    def _switches_before(self, end: str) -> list[tuple[str, int, Any]]:
        """Returns `(predicate, which of its ways, switch)` of what leads to an input."""
        found, seen, pending = {}, set(), [end]
        while pending:
            text = pending.pop().removeprefix("^")
            name = node_of(text)
            if text in seen or name not in self.nodes or name in self._edges:
                continue
            seen.add(text)
            node = self.nodes[name]
            if node.op == "Switch":
                key, place = self._source(node.input[1]), _place_of(text)
                found[key, place, node.name] = (key, place, node)
            pending.extend(node.input)
        return list(found.values())

    def _source(self, text: str) -> str:
        """Returns what a predicate is a copy of."""
        return source_of(self._old, text, self._where)


def run_construct(construct: Construct, functions: Sequence[Callable]) -> Callable[[list], list]:
    """Returns what runs a loop or a branch for its inputs.

    Args:
        functions: of its parts.
    """
    if construct.variables:
        cond, body = functions
        step = _Step(body, construct.variables)
        return lambda inputs: while_(inputs, cond=cond, body=step)

    def choose(inputs: list) -> list:
        predicate, *values = inputs
        found = list(if_(predicate, values, then_branch=functions[0], else_branch=functions[1]))
        place = public("cast")(predicate, "int32")
        return [found[0], 1 - place if construct.is_first_true else place]

    return choose


class _Step:
    """The body of a loop, which also gives back what it never changes."""

    def __init__(self, body: Callable, count: int) -> None:
        self._body, self._count = body, count

    def keeps(self, place: int) -> bool:
        return place >= self._count

    def __call__(self, *values: Any) -> list:
        return [*self._body(*values), *values[self._count :]]


def _place_of(text: str) -> int:
    last = text.rpartition(":")[2]
    return int(last) if last.isdigit() and ":" in text else 0
