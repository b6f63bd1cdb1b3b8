"""Graphs that a program has written as `GraphDef`s, which TensorFlow and `import_graph_def` read.

Operations stand under their names.  What TensorFlow has no operation for (a derivative, a step of Adam, a Python
function) stands as one that TensorFlow reads, and refuses to run; `graph_reader` makes of it what it was, where it can.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from dovetail.base import nest
from dovetail.graph.by_hand import DEFAULT, use_definition
from dovetail.graph.derivatives import Derivative
from dovetail.graph.hand_variable import HANDLE, GraphVariable
from dovetail.graph.node import NOTHING, Node, OpCall
from dovetail.graph.walking import Names, Written
from dovetail.saved_model.writing import WRITERS, FunctionLibrary, FunctionWriter
from dovetail.saved_model.writing.nodes import RESOURCE, kinds, shape_message
from dovetail.tensor.dtype import DType, as_dtype
from dovetail.tensor.symbolic import SymbolicTensor
from dovetail.tensor.variable import Variable
from dovetail.wire.messages import GraphDef

_PRODUCER = 2129  # the version of TensorFlow's graphs whose names of operations these are
TOKEN = "dovetail:"  # how what is not written begins, in the attribute "token" of a PyFunc


class GraphWriter(FunctionWriter):
    """Writes a whole graph.

    Args:
        graph: a graph that a program writes.

    Attributes:
        result: the `GraphDef`.
    """

    def __init__(self, graph: Any) -> None:
        super().__init__("graph", FunctionLibrary())
        self._graph = graph
        self._renamed: dict[str, str] = {}
        operations = graph.get_operations()
        self._names = Names(operation.name for operation in operations)
        for operation in operations:
            self._write_operation(operation)
        self.result = self._finished()

    def child(self, label: str) -> FunctionWriter:
        return FunctionWriter(f"{self.name}_{label}", self.library)

    def handle(self, resource: Any) -> Written:
        if not isinstance(resource, GraphVariable) or resource.graph is not self._graph:
            raise self.not_written(f"{resource!r:.60}, which does not belong to the graph,")
        return Written(resource.op.name, RESOURCE)

    def read(self, variable: Variable) -> Written:
        dtype = as_dtype(variable._numpy_dtype)
        made = self._node("ReadVariableOp", [self.handle(variable).name], {"dtype": dtype})
        return Written(made, dtype, variable.shape)

    def _write_operation(self, operation: Any) -> None:
        nodes = self.message.node_def
        before, names = len(nodes), self._names.copy()
        try:
            found = self._results(operation)
        except NotImplementedError:
            del nodes[before:]
            self._names = names
            found = self._hole(operation)
        self._settle(operation, found, before)

    def _results(self, operation: Any) -> list:
        """Writes an operation, and returns its outputs."""
        self._prefix = operation.name
        if not isinstance(operation, Node):
            tensor = operation.outputs[0]
            given = {"dtype": tensor.dtype, "shape": shape_message(tensor.shape)}
            return [Written(self._node("Placeholder", [], given), tensor.dtype)]
        kind = operation.operation
        if kind is HANDLE:
            return [self._variable(operation.args[0])]
        if kind is DEFAULT:
            tensor = operation.outputs[0]
            value, given = self.ref(operation.args[0]), {"shape": shape_message(tensor.shape)}
            return self.ops(
                "PlaceholderWithDefault", {"output": tensor.dtype}, [value], dtype=tensor.dtype, **given
            )
        if any(kind is one for one in NOTHING.values()):
            self._node("NoOp", [], {})
            return []
        if isinstance(kind, OpCall) and kind.op.name not in WRITERS:
            raise self.not_written(kind.name)
        self._begin(operation)
        found = self._found(operation, kind)
        return found if isinstance(found, list) else [] if found is None else [found]

    def _variable(self, variable: GraphVariable) -> Written:
        shared, dtype = variable.op.name, as_dtype(variable._numpy_dtype)
        given = {
            "dtype": dtype,
            "shape": shape_message(variable.shape),
            "shared_name": shared,
            "container": "",
        }
        return Written(self._node("VarHandleOp", [], given), RESOURCE)

    # ---- names

    def _settle(self, operation: Any, found: list, before: int) -> None:
        """Gives the node that makes an operation's outputs its name; all its nodes wait for what it waits for."""
        nodes = self.message.node_def
        added = {node.name: node for node in nodes[before:]}
        source = found[0].name.partition(":")[0] if found else next(reversed(added), "")
        in_order = [one.name.partition(":")[0] for one in found] == [source] * len(found)
        if source not in added or not in_order:
            outputs = {"output": [one.dtype for one in found]}
            given = {"T": kinds(found)}
            found = self.ops("IdentityN", outputs, found, **given) if found else found
            source = found[0].name.partition(":")[0] if found else self._node("NoOp", [], {})
            added = {node.name: node for node in nodes[before:]}
        self._renamed[source] = operation.name
        for tensor, one in zip(operation.outputs, found, strict=False):
            self._note(tensor, one._replace(shape=tensor.shape))
        waits = [f"^{waited.name}" for waited in operation.control_inputs]
        for node in added.values():
            if node.op != "Const" or node.name == source:
                node.input.extend(waits)
            node.device = operation.device

    @staticmethod
    def _outputs(node: str, outputs: dict[str, Any]) -> list[Written]:
        """Returns outputs as graphs name them: by the node and their place among all of them."""
        dtypes = [
            one for dtype in outputs.values() for one in (dtype if isinstance(dtype, list) else [dtype])
        ]
        return [Written(f"{node}:{place}" if place else node, dtype) for place, dtype in enumerate(dtypes)]

    def _node(
        self,
        kind: str,
        inputs: list[str],
        attributes: dict,
        uses: Any = (),
        changes: Any = (),
        effect: bool = False,
    ) -> str:
        """Adds a node; the order is that which the program states, and no other."""
        return super()._node(kind, inputs, attributes)

    def _finished(self) -> GraphDef:
        made = GraphDef()
        made.versions.producer = _PRODUCER
        for node in self.message.node_def:
            node.name = self._renamed.get(node.name, node.name)
            inputs = [self._named(text) for text in node.input]
            del node.input[:]
            node.input.extend(inputs)
            made.node.append(node)
        made.library.function.extend(self.library.messages)
        return made

    def _named(self, text: str) -> str:
        """Returns an input by its name in the graph: "x", "x:1" or "^x"."""
        mark = "^" if text.startswith("^") else ""
        node, *rest = text.removeprefix("^").split(":")
        place = int(rest[-1]) if rest else 0
        return f"{mark}{self._renamed.get(node, node)}{f':{place}' if place else ''}"

    # ---- what TensorFlow does not have

    def _hole(self, operation: Any) -> list[Written]:
        """Writes an operation that TensorFlow reads, and does not run."""
        kind = operation.operation
        try:
            what, inputs, facts = _described(operation)
            refs = [self.handle(x) if isinstance(x, Variable) else self.ref(x) for x in inputs]
            text = json.dumps(facts, default=_as_json)
        except (KeyError, TypeError, ValueError, NotImplementedError):
            what, refs, text = f"none:{kind.type}", [], ""
        return self.ops(
            "PyFunc",
            {"output": [tensor.dtype for tensor in operation.outputs]},
            refs,
            token=f"{TOKEN}{what}",
            Tin=kinds(refs),
            Tout=[tensor.dtype for tensor in operation.outputs],
            _facts=text,
            _shapes=[shape_message(tensor.shape) for tensor in operation.outputs],
        )


def _described(operation: Node) -> tuple[str, list, Any]:
    """Returns the kind of an operation, its inputs, and all else that makes it again.

    Raises:
        TypeError: it cannot be made again.
    """
    kind = operation.operation
    if isinstance(kind, Derivative):
        targets, sources, factors, stops = operation.args
        groups = [targets, sources, factors or [], stops]
        inputs = [one for group in groups for one in group]
        return f"derivative:{kind.name}", inputs, [len(group) for group in groups]
    if isinstance(kind, OpCall):
        held = [i for i, one in enumerate(operation.args) if one is not None]
        if any(isinstance(one, SymbolicTensor) for one in nest.flat(operation.kwargs)):
            raise TypeError("an attribute is a tensor")
        facts = {"count": len(operation.args), "places": held, "attributes": _plain(operation.kwargs)}
        return f"op:{kind.op.name}", [operation.args[i] for i in held], facts
    raise TypeError(f"{kind!r} is not made again")


def _plain(value: Any) -> Any:
    """Returns attributes so that JSON keeps what they are: tuples are marked."""
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, tuple):
        return {"(": [_plain(one) for one in value]}
    return [_plain(one) for one in value] if isinstance(value, list) else value


def _as_json(value: Any) -> Any:
    if isinstance(value, DType):
        return {"dtype": value.name}
    if isinstance(value, np.dtype):
        return {"dtype": as_dtype(value).name}
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{value!r:.60} is no attribute that is written")


def of_json(value: Any) -> Any:
    """Returns attributes as they were."""
    if isinstance(value, dict):
        if set(value) == {"dtype"}:
            return as_dtype(value["dtype"])
        if set(value) == {"("}:
            return tuple(of_json(one) for one in value["("])
        return {key: of_json(one) for key, one in value.items()}
    return [of_json(one) for one in value] if isinstance(value, list) else value


def written_graph_def(graph: Any) -> GraphDef:
    """Returns a graph as a message; it is kept until the graph grows."""
    kept = graph.belongings.get("graph_def")
    if kept is None or kept[0] != graph.version:
        kept = graph.belongings["graph_def"] = (graph.version, GraphWriter(graph).result)
    copy = GraphDef()
    copy.CopyFrom(kept[1])
    return copy


use_definition(written_graph_def)
