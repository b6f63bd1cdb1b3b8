"""Functions of strings for many elements at a time: `map` takes lines and records apart by the hundred.

A function is recorded once, as TensorFlow traces it.  Where each of its ops does for many elements at once what it does
for one, the ops run on stacked elements: what a call of an op costs is paid once for all of them.  Elements for which
that fails are computed one by one, so that errors come where, and as, they would have come.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from dovetail.data.functions import UserFunction, plain_execution
from dovetail.data.recorded import recorded
from dovetail.data.structure import stack
from dovetail.data.vectorized import mode
from dovetail.engine import dtypes
from dovetail.graph.node import Node, OpCall
from dovetail.graph.recording import FunctionGraph
from dovetail.graph.replay import Steps
from dovetail.ops.records.outputs import Dense
from dovetail.tensor import SymbolicTensor, Tensor, TensorSpec

_FEWEST, _MOST = 32, 1024  # elements at a time: the first ones are not kept waiting for many
_MOST_BYTES = 1 << 22

Rule = Callable[[tuple, dict], dict | None]


# ---- which ops -----------------------------------------------------------------------------------------------------


def _each(args: tuple, attributes: dict) -> dict | None:
    """Element by element: operands that every element shares must not have more axes than an element's have."""
    ranks = {len(arg.shape) for arg in args if type(arg) is SymbolicTensor}
    shared = [np.ndim(arg) for arg in args if type(arg) is not SymbolicTensor and arg is not None]
    return attributes if len(ranks) == 1 and max(shared, default=0) <= max(ranks) else None


def _of_first(args: tuple, attributes: dict) -> dict | None:
    """Any shape of the first operand; the others are shared."""
    return None if any(type(arg) is SymbolicTensor for arg in args[1:]) else attributes


def _stack(args: tuple, attributes: dict) -> dict | None:
    if not all(type(arg) is SymbolicTensor for arg in args) or len({tuple(arg.shape) for arg in args}) > 1:
        return None
    axis = attributes.get("axis", 0)
    return {**attributes, "axis": axis + 1 if axis >= 0 else axis}


def _parse(args: tuple, attributes: dict) -> dict | None:
    """Records, where all of them give tensors of one shape."""
    layout = attributes.get("layout")
    dense = layout is not None and all(type(output) is Dense for output in layout.outputs)
    if not attributes.get("single") or not dense or _of_first(args, attributes) is None:
        return None
    return {**attributes, "single": False}


_EACH = (
    *(
        "strings_lower",
        "strings_upper",
        "strings_strip",
        "strings_length",
        "regex_replace",
        "regex_full_match",
    ),
    *("to_number", "as_string", "hash_strings", "join", "substr", "cast", "logical_not", "negative", "abs"),
    *("add", "subtract", "multiply", "divide", "maximum", "minimum", "logical_and", "logical_or"),
    *("equal", "not_equal", "less", "less_equal", "greater", "greater_equal"),
)
# What turns the attributes of an op for one element into those for many; None: the op cannot.
_RULES: dict[str, Rule] = {
    **dict.fromkeys(_EACH, _each),
    "decode_csv": _of_first,
    "stack": _stack,
    "parse_examples": _parse,
}


def _of_many(node: Node) -> Node | None:
    """Returns the node for many elements, None where there is none."""
    operation = node.operation
    rule = _RULES.get(operation.op.name) if type(operation) is OpCall else None
    if rule is None or not all(_is_plain(arg) for arg in node.args):
        return None
    attributes = rule(node.args, node.kwargs)
    if attributes is None:
        return None
    made = Node(operation, node.args, attributes)
    made.outputs = node.outputs
    return made


def _is_plain(arg: Any) -> bool:
    if type(arg) is SymbolicTensor:
        return arg.shape.is_fully_defined()
    return arg is None or type(arg) in (Tensor, int, float, bool, str, bytes)


# ---- functions of many elements ------------------------------------------------------------------------------------


class StringRows:
    """A user's function of one element, for stacked elements.

    Attributes:
        tree: how the leaves of a result nest.
    """

    def __init__(self, graph: FunctionGraph, nodes: list[Node], tree: Any) -> None:
        self.tree = tree
        self._outputs = graph.outputs
        symbolic = [leaf for leaf in graph.outputs if type(leaf) is SymbolicTensor]
        self._steps = Steps(graph.inputs, nodes, symbolic)
        self._shapes = [tuple(leaf.shape) for leaf in graph.outputs]

    def __call__(self, group: list[tuple]) -> tuple:
        """Returns the results for elements: arrays of (len(group), ...)."""
        columns = [stack(list(leaves), "Dataset.map") for leaves in zip(*group, strict=True)]
        with plain_execution():
            found = iter(self._steps.run([Tensor(column) for column in columns]))
            made = [next(found) if type(leaf) is SymbolicTensor else leaf for leaf in self._outputs]
        arrays = [tensor._concrete("an element of a dataset") for tensor in made]
        count = len(group)
        shared = [type(leaf) is not SymbolicTensor for leaf in self._outputs]
        whole = [
            np.array(np.broadcast_to(array, (count, *array.shape))) if same else array
            for array, same in zip(arrays, shared, strict=True)
        ]
        if any(array.shape != (count, *shape) for array, shape in zip(whole, self._shapes, strict=True)):
            raise ValueError("the ops gave other shapes than the recorded ones")
        return tuple(whole)


def string_rows(function: UserFunction) -> StringRows | None:
    """Returns a function for many elements; None where the elements hold no strings, or it must run one by one."""
    specs = function.source.specs
    if (
        not mode.compiles
        or function.changes
        or not all(map(_is_fixed, specs))
        or not any(map(_is_text, specs))
    ):
        return None
    found = recorded(function)
    if found is None:
        return None
    graph, tree = found
    nodes = [made for node in graph.nodes if (made := _of_many(node)) is not None]
    if (
        len(nodes) < len(graph.nodes)
        or graph.captures
        or graph.variables
        or not all(map(_is_result, graph.outputs))
    ):
        return None
    return StringRows(graph, nodes, tree) if any(type(x) is SymbolicTensor for x in graph.outputs) else None


def _is_fixed(spec: Any) -> bool:
    return isinstance(spec, TensorSpec) and spec.shape.is_fully_defined()


def _is_text(spec: Any) -> bool:
    return dtypes.is_host_only(spec.dtype.numpy_dtype)


def _is_result(leaf: Any) -> bool:
    return type(leaf) is Tensor or (type(leaf) is SymbolicTensor and leaf.shape.is_fully_defined())


# ---- passes --------------------------------------------------------------------------------------------------------


class _Pass(Iterator):
    """What a pass over the elements of a source needs.

    Args:
        many: a function of many elements.
        one: the same of one element and its number.
        elements: an iterator over the elements.
        first: the number of the first.
    """

    def __init__(self, many: StringRows, one: Callable, elements: Iterator[tuple], first: int = 0) -> None:
        self._many, self._one, self._elements, self._number = many, one, elements, first
        self._waiting: deque[tuple] = deque()  # elements that must be computed one by one

    def _computed(self, group: list[tuple]) -> tuple | None:
        """Returns the results for elements, None where one of them may be wrong."""
        try:
            return self._many(group)
        except Exception:  # noqa: BLE001  the element that is wrong will say so
            return None

    def _next_alone(self) -> tuple:
        leaves, number = self._waiting.popleft(), self._number
        self._number += 1
        return self._one(leaves, number)


class Singly(_Pass):
    """The results one by one; it goes on behind an element that fails."""

    _size = _FEWEST
    _error: Any = None
    _rows: Iterator[tuple] = iter(())

    def __next__(self) -> tuple:
        while True:
            row = next(self._rows, None)
            if row is not None:
                return row
            if self._waiting:
                return self._next_alone()
            if self._error is not None:
                error, self._error = self._error, None
                raise error
            self._fill()

    def _fill(self) -> None:
        """Takes elements; what the source raises meanwhile comes behind them."""
        group: list[tuple] = []
        room = _MOST_BYTES
        while len(group) < self._size and room > 0:
            try:
                group.append(next(self._elements))
            except Exception as error:  # noqa: BLE001  raised behind the elements before it
                self._error = error
                break
            room -= _bytes_of(group[-1])
        if not group:
            return
        columns = self._computed(group)
        if columns is None:
            self._waiting.extend(group)
            return
        self._size = min(2 * self._size, _MOST)
        self._number += len(group)
        self._rows = (tuple([column[i, ...] for column in columns]) for i in range(len(group)))


class Batched(_Pass):
    """The results in groups of `size`, stacked; it goes on behind an element that fails, without those before it."""

    def __init__(self, many: StringRows, one: Callable, elements: Iterator[tuple], size: int) -> None:
        super().__init__(many, one, elements)
        self._size = size

    def __next__(self) -> tuple:
        group: list[tuple] = []
        while len(group) < self._size:
            leaves = self._waiting.popleft() if self._waiting else next(self._elements, None)
            if leaves is None:
                break
            group.append(leaves)
        if not group:
            raise StopIteration
        columns = self._computed(group)
        if columns is not None:
            self._number += len(group)
            return columns
        self._waiting.extendleft(reversed(group))
        rows = [self._next_alone() for _ in group]
        return tuple([stack(list(leaves), "Dataset.batch") for leaves in zip(*rows, strict=True)])


def _bytes_of(leaves: tuple) -> int:
    return sum(_size_of(leaf) for leaf in leaves)


def _size_of(leaf: np.ndarray) -> int:
    if leaf.dtype.kind != "O":
        return leaf.nbytes
    return len(leaf[()]) if not leaf.ndim else sum(map(len, leaf.reshape(-1).tolist()))
