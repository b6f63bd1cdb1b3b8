"""Writing recorded functions as functions of TensorFlow's graphs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.graph.construct import Construct
from dovetail.graph.node import WRITE, FunctionCall, OpCall
from dovetail.graph.recording import FunctionGraph
from dovetail.graph.walking import Names, Walker, Written
from dovetail.ops.protos import make_tensor_proto
from dovetail.saved_model.writing.calls import CALLS
from dovetail.saved_model.writing.constructs import CONSTRUCTS
from dovetail.saved_model.writing.modules import write_as_module
from dovetail.saved_model.writing.nodes import (
    BOOL,
    INT32,
    RESOURCE,
    number_of,
    state_attributes,
)
from dovetail.saved_model.writing.steps import write_step
from dovetail.saved_model.writing.table import WRITERS
from dovetail.saved_model.writing.tables import TableContent
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.dtype import as_dtype
from dovetail.tensor.symbolic import SymbolicTensor
from dovetail.tensor.tensor import TensorLike
from dovetail.tensor.variable import Variable
from dovetail.wire.messages import FunctionDef


class FunctionLibrary:
    """The functions of a graph that is being written.

    Args:
        dtype_of: called for the dtype of the argument by which a function gets an object of the model: the number of
            handles, or a dtype where it gets a value.

    Attributes:
        messages: the `FunctionDef`s.
        tables: what the functions look words up in, by the ids of the objects that they are made of.
    """

    def __init__(self, dtype_of: Callable[[Any], Any] = lambda resource: RESOURCE) -> None:
        self.messages: list[FunctionDef] = []
        self.tables: dict[int, TableContent] = {}
        self.dtype_of = dtype_of
        self.names = Names()

    def table(self, source: Any, content: Callable[[], tuple[Any, Any]]) -> TableContent:
        """Returns the table that is made of an object, once for all functions that use it.

        Args:
            content: called for its keys and values.
        """
        if id(source) not in self.tables:
            self.tables[id(source)] = TableContent(source, *content())
        return self.tables[id(source)]


class FunctionWriter(Walker):
    """Writes one function.

    Args:
        name: of the function in the graph.
        library: where it is kept with the functions that it calls.

    Attributes:
        message: the `FunctionDef`.
        resources: the variables and tables that it uses: its last inputs are their handles.
        changed: the ids of those that it changes.
        kept_by_dropout: by the ids of nodes, which elements a dropout has kept.

    Raises:
        NotImplementedError: it has an operation that is not written.
    """

    def __init__(self, name: str, library: FunctionLibrary) -> None:
        super().__init__()
        self.message = FunctionDef()
        self.message.signature.name = library.names.unique(name)
        self.library = library
        self.resources: list[Any] = []
        self.changed: set[int] = set()
        self._names = Names()
        self._handles: dict[int, Written] = {}
        self._last_change: dict[int, str] = {}
        self._last_effect = ""
        self._uses: dict[int, list[str]] = {}
        self.kept_by_dropout: dict[int, Written] = {}

    @property
    def name(self) -> str:
        return self.message.signature.name

    def not_written(self, what: str = "") -> Exception:
        """Returns the error for what TensorFlow's graphs have, but is not written yet."""
        what = what or f"what the operation {self.node.operation.name!r} gives"
        return NotImplementedError(
            f"tf.saved_model.save: {self.name}: {what} is not written to SavedModels yet{at_user_location()}"
        )

    def _unique(self, name: str) -> str:
        base = "".join(c if c.isascii() and (c.isalnum() or c in "_/") else "_" for c in name)
        return self._names.unique(base if base[:1].isalpha() else f"n{base}")

    # ---- inputs and outputs

    def argument(self, name: str, dtype: Any, shape: Any = None, stands_for: Any = None) -> Written:
        """Adds an input of the function.

        Args:
            stands_for: a symbolic tensor that has its value.
        """
        label = self._unique(name.partition(":")[0].replace("/", "_").lower())
        self.message.signature.input_arg.add(name=label, type=number_of(dtype))
        made = Written(label, dtype, shape)
        if stands_for is not None:
            self._note(stands_for, made)
        return made

    def give(self, values: list) -> None:
        """States what the function returns."""
        for place, value in enumerate(values):
            found, label = self.ref(value), f"output_{place}"
            if not isinstance(found.dtype, int):
                found = self.op("Identity", "output", [found], T=found.dtype)
            self.message.signature.output_arg.add(name=label, type=number_of(found.dtype))
            self.message.ret[label] = found.name

    def handle(self, resource: Any) -> Written:
        """Returns the handle of a variable or a table, for which the function gets an input."""
        found = self._handles.get(id(resource))
        if found is None:
            found = self.argument("resource", self.library.dtype_of(resource))
            self._handles[id(resource)] = found
            self.resources.append(resource)
        return found

    # ---- nodes

    def write(self, graph: FunctionGraph, captures: list | None = None) -> None:
        if graph.captures and captures is None:
            raise self.not_written("a tensor of another function")
        super().write(graph, captures)

    def child(self, label: str) -> FunctionWriter:
        """Returns what writes a function that this one calls."""
        return type(self)(f"{self.name}_{label}", self.library)

    def finish(self) -> None:
        """Puts the function among those of its library."""
        self.message.signature.is_stateful = bool(self.resources or self.message.control_ret)
        self.library.messages.append(self.message)

    def _by_form(self, node: Any, operation: Any) -> Any:
        if operation is WRITE:
            self.assign(*node.args)
            return []
        if type(operation) is OpCall:
            return self._op_call(node, WRITERS.get(operation.op.name))
        if type(operation) is Construct and operation.name in CONSTRUCTS:
            return CONSTRUCTS[operation.name](self, *node.args)
        if type(operation) is FunctionCall and operation.changes:
            return write_step(self, node)
        if type(operation) is FunctionCall and operation.name in CALLS:
            return CALLS[operation.name](self, *node.args, **node.kwargs)
        raise self.not_written(f"the operation {getattr(operation, 'name', operation)!r} (at {node.where})")

    def _op_call(self, node: Any, write: Callable | None) -> Any:
        """Writes a call of an op: as TensorFlow's operations, or else as a module."""
        if write is None:
            return write_as_module(self, node)
        try:
            return write(self, *node.args, **node.kwargs)
        except NotImplementedError as reason:
            try:
                return write_as_module(self, node)
            except NotImplementedError:
                raise reason from None

    # ---- variables

    def read(self, variable: Variable) -> Written:
        """Writes a read of a variable."""
        handle = self.handle(variable)
        if handle.dtype != RESOURCE:
            return handle
        dtype = as_dtype(variable._numpy_dtype)
        made = self._node("ReadVariableOp", [handle.name], {"dtype": dtype}, uses=[variable])
        return Written(f"{made}:value:0", dtype, variable.shape)

    def assign(self, variable: Variable, value: Any) -> None:
        """Writes an assignment."""
        dtype = as_dtype(variable._numpy_dtype)
        inputs = [self.handle(variable).name, self.ref(value, dtype).name]
        self._node("AssignVariableOp", inputs, {"dtype": dtype}, changes=[variable], effect=True)

    # ---- what writers use

    def _known(self, value: Any) -> Written:
        return value if isinstance(value, Written) else self._values[id(value)]

    def ref(self, value: Any, dtype: Any = None) -> Written:
        """Returns an output for a value: a constant where it is none."""
        if isinstance(value, SymbolicTensor | Written):
            return self._known(value)
        if isinstance(value, Variable):
            return self.read(value)
        tensor = value if isinstance(value, TensorLike) else convert_to_tensor(value, dtype)
        array = np.asarray(tensor._value)  # type: ignore[attr-defined]
        given = {"dtype": tensor.dtype, "value": make_tensor_proto(array)}
        return Written(f"{self._node('Const', [], given)}:output:0", tensor.dtype, tensor.shape)

    def whole(self, value: Any) -> Written:
        """Returns a constant of int32."""
        return self.ref(convert_to_tensor(np.asarray(value, np.int32)))

    def no_sizes(self) -> Written:
        """Returns the shape of a scalar, a constant."""
        return self.ref(convert_to_tensor(np.zeros(0, np.int32)))

    def sizes(self, shape: Any) -> Written:
        """Returns a shape as a vector: known sizes and tensors."""
        if isinstance(shape, SymbolicTensor | Written):
            return self.as_int32(shape)
        parts = list(shape)
        if not any(isinstance(one, TensorLike | Written) for one in parts):
            return self.whole([-1 if one is None else int(one) for one in parts])
        refs = [
            self.as_int32(one) if isinstance(one, TensorLike | Written) else self.whole(one) for one in parts
        ]
        return self.op("Pack", "output", refs, N=len(refs), T=INT32, axis=0)

    def as_int32(self, value: Any) -> Written:
        """Returns a number as int32."""
        found = self.ref(value)
        if found.dtype == INT32:
            return found
        return self.op("Cast", "y", [found], SrcT=found.dtype, DstT=INT32)

    def op(self, kind: str, output: str, inputs: list, **attributes: Any) -> Written:
        """Writes a node, and returns its output."""
        return self.ops(kind, {output: _result(kind, attributes)}, inputs, **attributes)[0]

    def ops(self, kind: str, outputs: dict[str, Any], inputs: list, **attributes: Any) -> list[Written]:
        """Writes a node with several outputs, and returns them.

        Args:
            outputs: their dtypes by name; a list of dtypes is that many outputs of one name.
        """
        node = self._node(kind, [self.ref(one).name for one in inputs], attributes)
        return self._outputs(node, outputs)

    def effect(self, kind: str, outputs: dict[str, Any], inputs: list, **attributes: Any) -> list[Written]:
        """Writes a node that is run for what it does, after the effects before it."""
        node = self._node(kind, [self.ref(one).name for one in inputs], attributes, effect=True)
        return self._outputs(node, outputs)

    def call(
        self,
        kind: str,
        outputs: dict[str, Any],
        inputs: list,
        called: list[FunctionWriter],
        **attributes: Any,
    ) -> list[Written]:
        """Writes a node that calls functions, whose last inputs are the handles of what they use."""
        every = {id(one): one for function in called for one in function.resources}
        changed = set().union(*(function.changed for function in called))
        node = self._node(
            kind,
            [self.ref(one).name for one in inputs],
            attributes,
            uses=[one for key, one in every.items() if key not in changed],
            changes=[one for key, one in every.items() if key in changed],
            effect=any(function.message.control_ret for function in called),
        )
        return self._outputs(node, outputs)

    @staticmethod
    def _outputs(node: str, outputs: dict[str, Any]) -> list[Written]:
        made = []
        for label, dtype in outputs.items():
            many = dtype if isinstance(dtype, list) else [dtype]
            made += [Written(f"{node}:{label}:{place}", one) for place, one in enumerate(many)]
        return made

    def _node(
        self,
        kind: str,
        inputs: list[str],
        attributes: dict,
        uses: Any = (),
        changes: Any = (),
        effect: bool = False,
    ) -> str:
        """Adds a node, and returns its name.

        Args:
            uses: the variables that it reads: after their last change.
            changes: those that it changes: after all that uses them.
            effect: it is run although nobody uses what it gives.
        """
        name = self._unique(f"{self._prefix or kind}/{kind}".lstrip("/"))
        node = self.message.node_def.add(name=name, op=kind)
        node.input.extend(inputs)
        waits: dict[str, None] = {}
        for one in uses:
            waits.update(dict.fromkeys(filter(None, [self._last_change.get(id(one))])))
            self._uses.setdefault(id(one), []).append(name)
        for one in changes:
            waits.update(dict.fromkeys(filter(None, [self._last_change.get(id(one))])))
            waits.update(dict.fromkeys(self._uses.pop(id(one), [])))
            self._last_change[id(one)] = name
            self.changed.add(id(one))
        if effect:
            waits.update(dict.fromkeys(filter(None, [self._last_effect])))
            self._last_effect = name
        node.input.extend([f"^{other}" for other in waits])
        state_attributes(node, attributes)
        if effect or changes:
            self.message.control_ret[name] = name
            self.message.signature.control_output.append(name)
        return name


_COMPARE = {"Less", "LessEqual", "Greater", "GreaterEqual", "Equal", "NotEqual", "LogicalAnd", "LogicalOr"}
_COMPARE |= {"LogicalNot", "IsNan", "IsInf", "IsFinite", "Any", "All"}
_DTYPES = ("DstT", "out_type", "output_type", "Tparams", "T", "dtype")


def _result(kind: str, attributes: dict) -> Any:
    """Returns the dtype of what an operation gives."""
    if kind in _COMPARE:
        return BOOL
    return next(attributes[name] for name in _DTYPES if name in attributes)


def write_function(name: str, graph: FunctionGraph, library: FunctionLibrary) -> FunctionWriter:
    """Writes a recorded function, with those that it calls."""
    made = FunctionWriter(name, library)
    for tensor in graph.inputs:
        made.argument(tensor.name, tensor.dtype, tensor.shape, tensor)
    made.write(graph)
    made.give(graph.outputs)
    made.finish()
    return made
