"""Graphs written by hand as `GraphDef` messages: what they are made of, for those who look at graphs."""

from __future__ import annotations

from typing import Any

from dovetail.graph.node import CONSTANT, Node, OpCall
from dovetail.ops.protos import make_tensor_proto
from dovetail.tensor.symbolic import SymbolicTensor
from dovetail.tensor.tensor import Tensor
from dovetail.wire.messages import GraphDef, NodeDef

_PRODUCER = 2129  # the version of TensorFlow's graphs whose names of operations these are


def graph_definition(graph: Any) -> GraphDef:
    """Returns the operations of a graph: their names, types, inputs, and the dtypes of what they give.

    Attributes of operations, such as axes, and what loops and branches hold, are not written.
    """
    made = GraphDef()
    made.versions.producer = _PRODUCER
    for operation in graph.get_operations():
        node = NodeDef(name=operation.name, op=_type_of(operation), device=operation.device)
        node.input.extend(_inputs(graph, operation, made))
        node.input.extend([f"^{waited.name}" for waited in operation.control_inputs])
        if operation.outputs:
            key = "dtype" if operation.type in ("Const", "Placeholder", "PlaceholderWithDefault") else "T"
            node.attr[key].type = operation.outputs[0].dtype.as_datatype_enum
        if operation.type == "Placeholder":
            _set_shape(node.attr["shape"].shape, operation.outputs[0])
        if isinstance(operation, Node) and operation.operation is CONSTANT:
            node.attr["value"].tensor.CopyFrom(make_tensor_proto(operation.args[0]))
        made.node.append(node)
    return made


def _type_of(operation: Any) -> str:
    """Returns the type of an operation; one of our own for what has attributes, which are not written.

    Nobody takes it for the operation without them then.
    """
    kind = getattr(operation, "operation", None)
    if not isinstance(kind, OpCall):
        return operation.type
    usual = {name: default for name, (default, _) in kind.op.attributes.items()}
    differs = any(value is not None and value != usual.get(name) for name, value in operation.kwargs.items())
    return f"Dovetail{operation.type}" if differs else operation.type


def _inputs(graph: Any, operation: Any, made: GraphDef) -> list[str]:
    """Returns the names of what an operation takes; values among its arguments become constants of their own."""
    if not isinstance(operation, Node) or not isinstance(operation.operation, OpCall):
        return [_input_name(graph, tensor) for tensor in operation.inputs]
    names = []
    for position, arg in enumerate(operation.args):
        if isinstance(arg, SymbolicTensor):
            names.append(_input_name(graph, arg))
        elif isinstance(arg, Tensor):
            constant = NodeDef(name=f"{operation.name}/value_{position}", op="Const")
            constant.attr["dtype"].type = arg.dtype.as_datatype_enum
            constant.attr["value"].tensor.CopyFrom(make_tensor_proto(arg))
            made.node.append(constant)
            names.append(constant.name)
    return names


def _input_name(graph: Any, tensor: SymbolicTensor) -> str:
    maker = graph.operation_of(tensor)
    position = next(i for i, output in enumerate(maker.outputs) if output is tensor)
    return maker.name if position == 0 else f"{maker.name}:{position}"


def _set_shape(message: Any, tensor: SymbolicTensor) -> None:
    if tensor.shape.rank is None:
        message.unknown_rank = True
        return
    for size in tensor.shape:
        message.dim.add(size=-1 if size is None else size)
