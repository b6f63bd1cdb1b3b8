"""Graphs written by hand as `GraphDef` messages: what they are made of, for those who look at graphs."""

from __future__ import annotations

from typing import Any

from dovetail.graph.node import CONSTANT, Node
from dovetail.ops.protos import make_tensor_proto
from dovetail.tensor.symbolic import SymbolicTensor
from dovetail.wire.messages import GraphDef

_PRODUCER = 2129  # the version of TensorFlow's graphs whose names of operations these are


def graph_definition(graph: Any) -> GraphDef:
    """Returns the operations of a graph: their names, types, inputs, and the dtypes of what they give."""
    made = GraphDef()
    made.versions.producer = _PRODUCER
    for operation in graph.get_operations():
        node = made.node.add(name=operation.name, op=operation.type, device=operation.device)
        node.input.extend([_input_name(graph, tensor) for tensor in operation.inputs])
        node.input.extend([f"^{waited.name}" for waited in operation.control_inputs])
        if operation.outputs:
            key = "dtype" if operation.type in ("Const", "Placeholder", "PlaceholderWithDefault") else "T"
            node.attr[key].type = operation.outputs[0].dtype.as_datatype_enum
        if operation.type == "Placeholder":
            _set_shape(node.attr["shape"].shape, operation.outputs[0])
        if isinstance(operation, Node) and operation.operation is CONSTANT:
            node.attr["value"].tensor.CopyFrom(make_tensor_proto(operation.args[0]))
    return made


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
