"""What a functional model consists of: its layers and raw ops in order, their calls, and which makes each tensor."""

from __future__ import annotations

from typing import NamedTuple

from dovetail.base.errors import at_user_location
from dovetail.graph.node import Node
from dovetail.graph.replay import Graph
from dovetail.keras.layers.core.input_layer import InputLayer
from dovetail.keras.layers.core.op_layer import SlicingOpLambda, TFOpLambda
from dovetail.keras.layers.machinery.layer import Layer
from dovetail.keras.models.ordering import operations_in_order
from dovetail.tensor.symbolic import SymbolicTensor


class Place(NamedTuple):
    """Where a symbolic tensor comes from: an output of a call of a layer."""

    layer: Layer
    call: int
    output: int


class Members:
    """The layers of a functional model; raw ops are among them, under names of this model's.

    Attributes:
        layers: in Keras' order.
    """

    def __init__(self, graph: Graph) -> None:
        starts = _stand_ins(graph.inputs)
        operations = [*starts.values(), *operations_in_order(graph.inputs, graph.outputs, graph.nodes)]
        calls: dict[int, list[Node]] = {}
        for node in graph.nodes:
            calls.setdefault(id(node.operation), []).append(node)
        self.layers = _as_layers(operations, calls)
        self._calls: dict[int, list[Node]] = {}
        self._places = {key: Place(layer, 0, 0) for key, layer in starts.items()}
        for layer, operation in zip(self.layers, operations, strict=True):
            self._enter(layer, calls.get(id(operation), []))
        _require_unique([layer.name for layer in self.layers])

    def _enter(self, layer: Layer, nodes: list[Node]) -> None:
        made = {id(node): i for i, node in enumerate(layer._nodes)}
        self._calls[id(layer)] = nodes = sorted(nodes, key=lambda node: made.get(id(node), 0))
        for call, node in enumerate(layer._nodes[:1] if layer.is_input else nodes):
            for index, tensor in enumerate(node.outputs):
                self._places[id(tensor)] = Place(layer, call, index)

    def calls(self, layer: Layer) -> list[Node]:
        """Returns the calls of a layer in the model, in the order of their making; none of what it begins with."""
        return self._calls.get(id(layer), [])

    def place(self, tensor: SymbolicTensor) -> Place | None:
        """Returns where a tensor comes from, None for one that is not of the model."""
        return self._places.get(id(tensor))

    def name_of(self, tensor: SymbolicTensor) -> str:
        """Returns the name by which the model shows what makes a tensor."""
        place = self.place(tensor)
        if place is not None:
            return place.layer.name
        return tensor.name if tensor.node is None else tensor.node.operation.name


def _stand_ins(inputs: list[SymbolicTensor]) -> dict[int, InputLayer]:
    """Returns input layers that show where a model begins at a tensor that no input layer makes, by its id."""
    made: dict[int, InputLayer] = {}
    for tensor in inputs:
        if tensor.node is None or not tensor.node.operation.is_input:
            made[id(tensor)] = InputLayer(batch_shape=tuple(tensor.shape), dtype=tensor.dtype)
    return made


def _as_layers(operations: list, calls: dict[int, list[Node]]) -> list[Layer]:
    """Returns the operations as layers: raw ops under names that are unique in the model."""
    layers: list[Layer] = []
    used = {operation.name for operation in operations if isinstance(operation, Layer)}
    for operation in operations:
        if isinstance(operation, Layer):
            layers.append(operation)
            continue
        name, number = operation.name, 0
        while name in used:
            number += 1
            name = f"{operation.name}_{number}"
        used.add(name)
        kind = SlicingOpLambda if operation.type == "StridedSlice" else TFOpLambda
        layers.append(kind(name, calls[id(operation)][0], operation))
    return layers


def _require_unique(names: list[str]) -> None:
    repeated = {name for name in names if names.count(name) > 1}
    if repeated:
        raise ValueError(
            f"Model: layer names must be unique, {sorted(repeated)} occur more than once{at_user_location()}"
        )
