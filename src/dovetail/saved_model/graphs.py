"""Writing recorded functions as functions of TensorFlow's graphs."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.graph.node import CONSTANT, READ, OpCall
from dovetail.ops.protos import make_tensor_proto
from dovetail.saved_model.writers import WRITERS
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.dtype import DType, as_dtype
from dovetail.tensor.symbolic import SymbolicTensor
from dovetail.tensor.tensor import TensorLike
from dovetail.tensor.variable import Variable
from dovetail.wire.messages import AttrValue, FunctionDef, TensorShapeProto

RESOURCE = 20  # the number of the dtype of handles


class Written(NamedTuple):
    """An output of a node that was written: its name, and its dtype."""

    name: str
    dtype: Any
    shape: Any = None


def shape_message(shape: Any) -> TensorShapeProto:
    """Returns a shape as a message."""
    made = TensorShapeProto()
    if shape.rank is None:
        made.unknown_rank = True
    else:
        made.SetInParent()
        for size in shape:
            made.dim.add(size=-1 if size is None else size)
    return made


def attribute(value: Any) -> AttrValue:
    """Returns an attribute of a node as a message."""
    made = AttrValue()
    if isinstance(value, DType):
        made.type = value.as_datatype_enum
    elif isinstance(value, bool):
        made.b = value
    elif isinstance(value, int):
        made.i = value
    elif isinstance(value, float):
        made.f = value
    elif isinstance(value, str):
        made.s = value.encode()
    elif isinstance(value, list):
        made.list.SetInParent()
        made.list.i.extend(value)
    else:
        made.tensor.CopyFrom(value)
    return made


class FunctionWriter:
    """Writes one recorded function.

    Args:
        name: of the function in the graph.
        graph: a `FunctionGraph`.

    Attributes:
        message: the `FunctionDef`.
        variables: what it uses: its last inputs are their handles.
        kind, output_shape: of the node being written: TensorFlow's name, and the shape of what it gives.

    Raises:
        NotImplementedError: it has an operation that is not written.
    """

    def __init__(self, name: str, graph: Any) -> None:
        self.message = FunctionDef()
        self.message.signature.name = name
        self.variables = list(graph.variables)
        self._names: set[str] = set()
        self._written: dict[int, Written] = {}
        if graph.captures:
            raise self.not_written("a tensor of another function")
        for tensor in graph.inputs:
            label = self._unique(tensor.name.partition(":")[0])
            self.message.signature.input_arg.add(name=label, type=tensor.dtype.as_datatype_enum)
            self._written[id(tensor)] = Written(label, tensor.dtype)
        self._handles = {}
        for variable in self.variables:
            label = self._unique("variable")
            self.message.signature.input_arg.add(name=label, type=RESOURCE)
            self._handles[id(variable)] = label
        for node in graph.nodes:
            self._write(node)
        for place, tensor in enumerate(graph.outputs):
            label = f"output_{place}"
            found = self.op("Identity", "output", [tensor], T=self.dtype(tensor))
            self.message.signature.output_arg.add(name=label, type=found.dtype.as_datatype_enum)
            self.message.ret[label] = found.name

    def _unique(self, name: str) -> str:
        base, found, count = "".join(c if c.isalnum() or c in "_/" else "_" for c in name), "", 0
        found = base
        while found in self._names:
            count += 1
            found = f"{base}_{count}"
        self._names.add(found)
        return found

    def not_written(self, what: str) -> Exception:
        """Returns the error for what TensorFlow's graphs have, but is not written yet."""
        return NotImplementedError(
            f"tf.saved_model.save: {self.message.signature.name}: {what} is not written to SavedModels yet"
            f"{at_user_location()}"
        )

    def _write(self, node: Any) -> None:
        operation = node.operation
        if operation is READ:
            found = self._read(node.args[0])
        elif operation is CONSTANT:
            found = self.ref(node.args[0])
        elif type(operation) is OpCall and operation.op.name in WRITERS:
            self._prefix = node.name or operation.op.name
            self.kind, self.output_shape = operation.type, node.outputs[0].shape
            if len(node.outputs) != 1:
                raise self.not_written(f"the operation {operation.name!r}, which has several outputs,")
            found = WRITERS[operation.op.name](self, *node.args, **node.kwargs)
        else:
            raise self.not_written(
                f"the operation {getattr(operation, 'name', operation)!r} (at {node.where})"
            )
        self._written[id(node.outputs[0])] = found

    def _read(self, variable: Any) -> Written:
        if id(variable) not in self._handles:
            raise self.not_written("a variable that is made inside")
        dtype = as_dtype(variable._numpy_dtype)
        return self._node("ReadVariableOp", "value", [self._handles[id(variable)]], dtype, {"dtype": dtype})

    # ---- what writers use

    def dtype(self, value: Any) -> Any:
        return (
            self._known(value).dtype if isinstance(value, SymbolicTensor | Written) else _tensor(value).dtype
        )

    def common(self, *values: Any) -> Any:
        """Returns the dtype of operands of one dtype: that of a tensor among them, where there is one."""
        tensors = [one for one in values if isinstance(one, TensorLike | Written)]
        return self.dtype((tensors or values)[0])

    def _known(self, value: Any) -> Written:
        return value if isinstance(value, Written) else self._written[id(value)]

    def ref(self, value: Any, dtype: Any = None) -> Written:
        """Returns an output for a value: a constant where it is none."""
        if isinstance(value, SymbolicTensor | Written):
            return self._known(value)
        if isinstance(value, Variable):
            return self._read(value)
        tensor = value if isinstance(value, TensorLike) else convert_to_tensor(value, dtype)
        array = np.asarray(tensor._value)  # type: ignore[attr-defined]
        given = {"dtype": tensor.dtype, "value": make_tensor_proto(array)}
        return self._node("Const", "output", [], tensor.dtype, given)

    def whole(self, value: Any) -> Written:
        """Returns a constant of int32."""
        return self.ref(convert_to_tensor(np.asarray(value, np.int32)))

    def sizes(self, shape: Any) -> Written:
        """Returns a shape as a vector: known sizes and tensors."""
        if isinstance(shape, SymbolicTensor):
            return self._known(shape)
        parts = list(shape)
        if not any(isinstance(one, TensorLike) for one in parts):
            return self.whole([-1 if one is None else int(one) for one in parts])
        refs = [self.ref(one) if isinstance(one, TensorLike) else self.whole(one) for one in parts]
        return self.op("Pack", "output", refs, N=len(refs), T=as_dtype("int32"), axis=0)

    def op(self, kind: str, output: str, inputs: list, **attributes: Any) -> Written:
        """Writes a node, and returns its output."""
        names = [self.ref(one).name for one in inputs]
        return self._node(kind, output, names, _result(kind, attributes), attributes)

    def _node(self, kind: str, output: str, inputs: list[str], dtype: Any, attributes: dict) -> Written:
        name = self._unique(f"{getattr(self, '_prefix', '') or kind}/{kind}".lstrip("/"))
        node = self.message.node_def.add(name=name, op=kind)
        node.input.extend(inputs)
        for key, value in attributes.items():
            node.attr[key].CopyFrom(attribute(value))
        return Written(f"{name}:{output}:0", dtype)


_COMPARE = {"Less", "LessEqual", "Greater", "GreaterEqual", "Equal", "NotEqual", "LogicalAnd", "LogicalOr"}
_COMPARE |= {"LogicalNot", "IsNan", "IsInf", "IsFinite", "Any", "All"}
_DTYPES = ("DstT", "out_type", "output_type", "Tparams", "T", "dtype")


def _result(kind: str, attributes: dict) -> Any:
    """Returns the dtype of what an operation gives."""
    if kind in _COMPARE:
        return as_dtype("bool")
    return next(attributes[name] for name in _DTYPES if name in attributes)


def _tensor(value: Any) -> Any:
    return value if isinstance(value, TensorLike) else convert_to_tensor(value)
