"""Functions of an imported graph: each node is looked up among the raw operations and run.

Run inside a `tf.function`, an imported function is traced, compiled and differentiated as written code is.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from dovetail.base.errors import DataLossError, UnimplementedError, at_user_location
from dovetail.ops.protos import make_ndarray
from dovetail.raw_ops.row import ROWS, Row
from dovetail.saved_model.frames import BRANCH, LOOP, Frames, run_construct
from dovetail.saved_model.reaching import guarded
from dovetail.saved_model.sources import node_of, source_of
from dovetail.tensor.dtype import as_dtype
from dovetail.tensor.shape import TensorShape

_OPAQUE = {20: "resource", 21: "variant"}  # numbers of dtypes that no tensor here has
_STRING = 7
_REFERENCE = 100  # what numbers of references to dtypes have more


class Ref(NamedTuple):
    """An output of a node, or an argument.

    Attributes:
        node: the name of the node.
        output: the name of the output; "" where graphs count outputs instead.
        place: which, among those of the name.
    """

    node: str
    output: str = ""
    place: int = 0


def reference(text: str) -> Ref:
    """Returns what an input names: "x", "x:1" or "x:output:1".

    Raises:
        DataLossError: it is none of these.
    """
    node, *rest = text.split(":")
    if not rest:
        return Ref(node)
    if len(rest) > 2 or not (rest[-1].isascii() and rest[-1].isdigit()):
        raise DataLossError(f"the graph is damaged: an operation takes {text!r:.80}")
    return Ref(node, "" if len(rest) == 1 else rest[0], int(rest[-1]))


class Step(NamedTuple):
    """One node made ready to run."""

    name: str
    row: Row
    attributes: dict
    inputs: list[Ref]


class Library:
    """The functions of a file.

    Args:
        functions: messages, `FunctionDef`.
        where: the file, for errors.
        folder: of the SavedModel, whose files its graphs may read; None: the graph stands alone.
        allow_file_access: they may read and write any.
    """

    def __init__(
        self,
        functions: Iterable[Any],
        where: str,
        folder: str | None = None,
        allow_file_access: bool = False,
    ) -> None:
        self.where = where
        self._folder, self._is_free = folder, allow_file_access
        self._defs = {one.signature.name: one for one in functions}
        self._made: dict[str, ImportedFunction] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._defs

    def function(self, name: str) -> ImportedFunction:
        """Returns a function by its name.

        Raises:
            DataLossError: there is none of that name.
        """
        if name not in self._made:
            if name not in self._defs:
                raise DataLossError(f"{self.where}: the graph has no function {name!r}")
            found = self._defs[name]
            arguments = [one.name for one in found.signature.input_arg]
            returned = [found.ret.get(one.name, "") for one in found.signature.output_arg]
            kept = [*found.control_ret.values()]
            made = ImportedFunction(self, name, found.node_def, arguments, returned, kept)
            ends = (*found.signature.input_arg, *found.signature.output_arg)
            made.has_strings = any(one.type == _STRING for one in ends)
            self._made[name] = made
        return self._made[name]

    def row(self, operation: str) -> Row | None:
        """Returns what does an operation, None when it is not known; see `reaching`."""
        found = ROWS.get(operation)
        return found if found is None or self._is_free else guarded(found, self._folder, self.where)

    def attribute(self, value: Any) -> Any:
        """Returns the value of an attribute."""
        kind = value.WhichOneof("value")
        if kind is None:
            return None
        held = getattr(value, kind)
        if kind == "list":
            lists = ((name, getattr(held, name)) for name in held.fields)
            return next(([self._one(name, one) for one in many] for name, many in lists if many), [])
        return self._one(kind, held)

    def _one(self, kind: str, held: Any) -> Any:
        if kind == "s":
            return held.decode("utf-8", "surrogateescape")
        if kind == "type":
            return dtype_of(held)
        if kind == "shape":
            return shape_of(held)
        if kind == "tensor":
            return make_ndarray(held)
        return self.function(held.name) if kind == "func" else held


def dtype_of(number: int) -> Any:
    """Returns a dtype by its number; a word for resources and the like."""
    number = number - _REFERENCE if number > _REFERENCE else number
    return _OPAQUE.get(number) or as_dtype(int(number))


def shape_of(message: Any) -> TensorShape:
    """Returns the shape that a message holds."""
    if message.unknown_rank:
        return TensorShape(None)
    return TensorShape([None if dim.size < 0 else dim.size for dim in message.dim])


class ImportedFunction:
    """A part of a graph, from some values to others: called with the inputs, it returns the list of outputs.

    Args:
        library: of the functions that it may call.
        name: for errors.
        nodes: messages, `NodeDef`; or a graph whose loops and branches are found already.
        arguments: names of the nodes, or of the arguments, that get values.
        outputs: what is returned, as nodes name their inputs.
        effects: names of nodes that are run for what they do.

    Attributes:
        has_strings: it takes or gives strings, which are not compiled.
    """

    has_strings = False

    def __init__(
        self,
        library: Library,
        name: str,
        nodes: Iterable[Any] | Frames,
        arguments: list[str],
        outputs: list[str],
        effects: list[str],
    ) -> None:
        self.name, self._library, self.arguments = name, library, arguments
        self._frames = nodes if isinstance(nodes, Frames) else None
        self._nodes = nodes.nodes if isinstance(nodes, Frames) else {node.name: node for node in nodes}
        if self._frames is None and Frames.needed(self._nodes.values()):
            self._frames = Frames(self._nodes, library.where)
            self._nodes = self._frames.nodes
        self._outputs = [reference(one) for one in outputs]
        self._effects = effects
        self._steps: list[Step] | None = None

    def __repr__(self) -> str:
        return f"<imported function {self.name}>"

    def keeps(self, place: int) -> bool:
        """Returns whether an output is an input of that place, as it was."""
        ref = reference(source_of(self._nodes, ":".join(map(str, self._outputs[place])), self._library.where))
        return ref.node == self.arguments[place] and ref.node not in self._nodes

    def __call__(self, *inputs: Any) -> list:
        """Runs the nodes.

        Raises:
            UnimplementedError: one of them is an operation that is not known here.
            DataLossError: the graph is damaged.
        """
        if len(inputs) != len(self.arguments):
            raise DataLossError(f"{self}: expected {len(self.arguments)} inputs, received {len(inputs)}")
        if self._steps is None:
            self._steps = self._ordered()
        # Twice: what a `Switch` of a loop stands for has the second output of that.
        values: dict[str, Any] = dict(zip(self.arguments, ([value] * 2 for value in inputs), strict=True))
        rows: dict[str, Row] = {}
        for step in self._steps:
            given = [self._value(ref, values, rows) for ref in step.inputs]
            values[step.name] = step.row.run(given, step.attributes)
            rows[step.name] = step.row
        return [self._value(ref, values, rows) for ref in self._outputs]

    def _value(self, ref: Ref, values: dict[str, Any], rows: dict[str, Row]) -> Any:
        try:
            found = values[ref.node]
            names = rows[ref.node].outputs if ref.output and ref.node in rows else ()
            return found[(names.index(ref.output) if names else 0) + ref.place]
        except (KeyError, IndexError, ValueError):
            raise DataLossError(
                f"{self._library.where}: {self.name} uses {':'.join(map(str, ref))}, which is not there"
            ) from None

    def _ordered(self) -> list[Step]:
        """Returns the nodes that are needed, each after those that it waits for."""
        steps: list[Step] = []
        done, opened = set(self.arguments), set()
        stack = [*reversed([*(ref.node for ref in self._outputs), *self._effects])]
        while stack:
            name = stack[-1]
            if name in done:
                stack.pop()
                continue
            node = self._nodes.get(name)
            if node is None:
                raise DataLossError(f"{self._library.where}: {self.name} has no node {name!r}")
            waiting = [one for one in (node_of(text) for text in node.input) if one not in done]
            if waiting and name in opened:
                raise DataLossError(f"{self._library.where}: {self.name}: the node {name!r} waits for itself")
            opened.add(name)
            if waiting:
                stack.extend(reversed(waiting))
                continue
            steps.append(self._step(node))
            done.add(stack.pop())
        return steps

    def _construct(self, node: Any, frames: Frames) -> Step:
        """Returns the step of a loop or a branch of TensorFlow 1."""
        construct = frames.constructs[node.name]
        parts = [
            ImportedFunction(
                self._library, f"{node.name} in {self.name}", frames, part.arguments, part.outputs, []
            )
            for part in construct.parts
        ]
        run = run_construct(construct, parts)
        return Step(node.name, Row(node.op, ("*inputs",), {}, run), {}, inputs_of(node))

    def _step(self, node: Any) -> Step:
        if node.op in self._library:  # a function that is called by its name
            function = self._library.function(node.op)
            row = Row(node.op, ("*inputs",), {}, lambda inputs: function(*inputs))
            return Step(node.name, row, {}, inputs_of(node))
        if node.op in (LOOP, BRANCH) and self._frames is not None:
            return self._construct(node, self._frames)
        row_of = self._library.row(node.op)
        if row_of is None:
            raise UnimplementedError(
                f"{self._library.where}: the node {node.name!r} of {self.name} is the operation {node.op!r}, which is "
                f"not known here{at_user_location()}"
            )
        attributes = {
            name: value for name, value in node.attr.items() if name in row_of.attributes or _tells(value)
        }
        wanted = row_of.wanted(attributes)
        given = {name: self._library.attribute(value) for name, value in wanted.items()}
        return Step(node.name, row_of, given, inputs_of(node))


def _tells(value: Any) -> bool:
    """Returns whether an attribute may say more than the dtypes of inputs do."""
    kind = value.WhichOneof("value")
    return kind is not None and kind != "type" and not (kind == "list" and len(value.list.type) > 0)


def inputs_of(node: Any) -> list[Ref]:
    """Returns what a node takes, but for what it only waits for."""
    return [reference(text) for text in node.input if not text.startswith("^")]
