"""Functional models as configs, in Keras 3's format, and back.

Each layer's entry lists its calls ("inbound_nodes"): the arguments, in which a symbolic tensor stands as
`[layer name, number of the call, number of the output]`.  Raw ops appear as layers of the class `TFOpLambda`, which
only Dovetail reads.
"""

from __future__ import annotations

from typing import Any

from dovetail.base import nest
from dovetail.base.errors import at_user_location
from dovetail.graph.construct import Construct
from dovetail.graph.flat import copied
from dovetail.graph.node import Node
from dovetail.graph.recording import FunctionGraph
from dovetail.keras import permission
from dovetail.keras.layers.core.input_layer import InputLayer
from dovetail.keras.layers.core.op_layer import unwritable
from dovetail.keras.layers.machinery.layer import Layer
from dovetail.keras.models.codec import (
    LayerNotBuiltError,
    Reader,
    Writer,
)
from dovetail.keras.models.members import Members
from dovetail.keras.models.older import alone, as_layer, calls_of, counted_from_0, has_calls_of_keras_2, op_of
from dovetail.keras.serialization import (
    SymbolicReference,
    deserialize_keras_object,
    serialize_keras_object,
)
from dovetail.tensor.composite import CompositeTensor
from dovetail.tensor.symbolic import SymbolicTensor
from dovetail.tensor.variable import Variable

_KEYS = {"layers", "input_layers", "output_layers"}


# ---- models to configs


def functional_config(model: Any) -> dict:
    """Returns the config of a functional model.

    Raises:
        NotImplementedError: a raw op in it cannot be written down.
    """
    if model._loss_outputs:
        raise NotImplementedError(
            f"{model.name}: the losses that add_loss() put on symbolic tensors cannot be written into a config; add "
            "them in a layer's call()"
        )
    members = model._members
    write = Writer(_symbolic_writer(members), _owners(model))
    layers = []
    for layer in model._graph_layers:
        entry = serialize_keras_object(layer)
        entry["name"] = layer.name
        entry["inbound_nodes"] = [_call_config(layer, node, write) for node in members.calls(layer)]
        layers.append(entry)
    return {
        "name": model.name,
        "trainable": model.trainable,
        "layers": layers,
        "input_layers": _references(model._inputs_structure, members, write),
        "output_layers": _references(model._outputs_structure, members, write),
    }


def _references(structure: Any, members: Members, write: Writer) -> Any:
    if isinstance(structure, SymbolicTensor):
        return _history(structure, members)
    if isinstance(structure, CompositeTensor):
        return write(structure)
    if isinstance(structure, dict):
        return {key: _references(value, members, write) for key, value in structure.items()}
    return [_references(value, members, write) for value in structure]


def _history(tensor: SymbolicTensor, members: Members) -> list:
    """Returns `[layer name, call, output]` of a symbolic tensor of a model."""
    place: Any = members.place(tensor)
    return [place.layer.name, place.call, place.output]


def _symbolic_writer(members: Members) -> Any:
    def write(tensor: SymbolicTensor) -> dict:
        config = {
            "shape": list(tensor.shape),
            "dtype": tensor.dtype.name,
            "keras_history": _history(tensor, members),
        }
        return {"class_name": "__keras_tensor__", "config": config}

    return write


def _owners(model: Any) -> dict[int, tuple]:
    """Returns the layer's name and the position of each weight of a layer, by the variable's id."""
    return {
        id(variable): (layer.name, index)
        for layer in model._graph_layers
        if not layer.is_op
        for index, variable in enumerate(layer.weights)
    }


def _call_config(layer: Any, node: Node, write: Writer) -> dict:
    tuples = isinstance(node.operation, Construct)
    if not layer.is_op:
        return {"args": write(node.args), "kwargs": write(node.kwargs)}
    try:
        return {"args": write(list(node.args), tuples), "kwargs": write(node.kwargs, tuples)}
    except TypeError as error:
        raise unwritable(layer.name, error) from error


# ---- configs to models


def is_functional_config(config: dict) -> bool:
    return config.keys() >= _KEYS


def functional_from_config(kind: Any, config: dict) -> Any:
    """Makes a functional model of class `kind` from the config that `functional_config` returned."""
    entries, inputs, outputs = config["layers"], config["input_layers"], config["output_layers"]
    if any(map(has_calls_of_keras_2, entries)):
        entries, (inputs, outputs) = counted_from_0(entries, [inputs, outputs])
        entries = [entry | {"inbound_nodes": calls_of(entry)} for entry in entries]
        inputs, outputs = alone(inputs), alone(outputs)
    rebuilding = _Rebuilding(entries)
    model = kind(
        inputs=rebuilding.tensors(inputs),
        outputs=rebuilding.tensors(outputs),
        name=config.get("name"),
    )
    model._trainable = config.get("trainable", True)
    return model


class _Rebuilding:
    """Makes the layers of a config, and calls them in an order that works.

    Args:
        entries: the config's "layers".
    """

    def __init__(self, entries: list[dict]) -> None:
        self._made: dict[tuple, list] = {}
        self._layers: dict[str, Any] = {}
        self._read = Reader(self._layers.get)
        waiting = []
        for entry in entries:
            layer = self._layers[entry["name"]] = _layer_of(entry)
            if isinstance(layer, InputLayer):
                self._made[entry["name"], 0] = nest.flat(layer.output)
            waiting.append((entry["name"], layer, list(enumerate(entry["inbound_nodes"]))))
        while waiting:
            left = [row for row in waiting if self._call(*row)]
            if sum(len(row[2]) for row in left) == sum(len(row[2]) for row in waiting) and left == waiting:
                raise ValueError(
                    f"the config's layers {[row[0] for row in left]} depend on tensors that none makes"
                )
            waiting = left

    def _call(self, name: str, layer: Any, calls: list) -> bool:
        """Makes the next calls of a layer for which all inputs are there; returns whether some are left."""
        while calls:
            number, written = calls[0]
            try:
                args, kwargs = tuple(self._read(written["args"])), self._read(written["kwargs"])
            except LayerNotBuiltError:
                return True
            references = [leaf for leaf in nest.flat((args, kwargs)) if isinstance(leaf, SymbolicReference)]
            if any(tuple(r.keras_history[:2]) not in self._made for r in references):
                return True
            args, kwargs = nest.mapped(self._filled, (args, kwargs))
            if getattr(layer, "is_op", False):
                _check_takes_tensors(name, (args, kwargs))
            self._made[name, number] = nest.flat(layer(*args, **kwargs))
            calls.pop(0)
        return False

    def _filled(self, leaf: Any) -> Any:
        if not isinstance(leaf, SymbolicReference):
            return leaf
        name, call, index = leaf.keras_history
        return self._made[name, call][index]

    def tensors(self, references: Any) -> Any:
        """Returns the tensors of "input_layers" or "output_layers", in their structure."""
        if isinstance(references, dict) and "class_name" in references:
            return nest.mapped(self._filled, self._read(references))
        if isinstance(references, dict):
            return {key: self.tensors(value) for key, value in references.items()}
        if len(references) == 3 and isinstance(references[0], str):
            return self._made[references[0], references[1]][references[2]]
        return [self.tensors(value) for value in references]


def _check_takes_tensors(name: str, arguments: Any) -> None:
    """Refuses an op of plain values: a file may describe a computation, and not run one."""
    kinds = (SymbolicTensor, Variable, FunctionGraph)
    if not any(isinstance(leaf, kinds) for leaf in nest.flat(arguments)):
        raise ValueError(f"the config applies the op {name!r} to no tensor of the model{at_user_location()}")


def _layer_of(entry: dict) -> Any:
    layer = op_of(entry) or deserialize_keras_object(as_layer(entry))
    if layer.name != entry["name"]:
        layer.name = entry["name"]
    return layer


# ---- copies


def clone_layer(layer: Layer) -> Layer:
    """Returns a layer with the same config and weights of its own."""
    with permission.allowing(False):  # the layer is there: what it opens it has opened already
        return type(layer).from_config(layer.get_config())


def copy_variable(variable: Variable) -> Variable:
    """Returns a variable with the same value."""
    return Variable(variable.numpy(), trainable=variable.trainable, name=variable.name, dtype=variable.dtype)


def clone_graph(
    model: Any, clone: Any, call: Any = None, inputs: Any = None, variable: Any = copy_variable
) -> tuple[Any, Any]:
    """Calls copies of a functional model's layers as the model calls its layers.

    Args:
        model: a functional model.
        clone: `clone(layer) -> layer`.
        call: `call(layer, *args, **kwargs)`, None: calls it.
        inputs: symbolic tensors to begin with; None: new inputs.
        variable: `variable(variable) -> variable`, for those that raw ops use.

    Returns:
        the new inputs and outputs, in the structures of the model's.
    """
    copies: dict[int, Any] = {}
    owners = {
        id(weight): (layer, index)
        for layer in model._graph_layers
        if not layer.is_op
        for index, weight in enumerate(layer.weights)
    }

    def copy_of(item: Any) -> Any:
        if id(item) not in copies:
            copies[id(item)] = variable(item) if isinstance(item, Variable) else clone(item)
        return copies[id(item)]

    def own_leaf(leaf: Any) -> Any:
        if isinstance(leaf, FunctionGraph):
            return copied(leaf, own_leaf)
        return own_variable(leaf) if isinstance(leaf, Variable) else leaf

    def own_variable(leaf: Variable) -> Variable:
        """Returns the copy's weight for the weight of a layer, a variable of its own for others."""
        if id(leaf) in owners:
            layer, index = owners[id(leaf)]
            own = copy_of(layer)
            if not own.built:
                own.build_from_config(layer.get_build_config())
            return own.weights[index]
        return copy_of(leaf)

    def run(operation: Any, args: tuple, kwargs: dict) -> Any:
        if isinstance(operation, Layer):
            copy = copy_of(operation)
            return copy(*args, **kwargs) if call is None else call(copy, *args, **kwargs)
        own = nest.mapped(own_leaf, (args, kwargs))
        return operation(*own[0], **own[1])

    given = _inputs_like(model) if inputs is None else nest.flat(inputs)
    results = model._graph.run(given, run)
    return (
        nest.pack(model._inputs_structure, given),
        nest.pack(model._outputs_structure, results),
    )


def _inputs_like(model: Any) -> list[SymbolicTensor]:
    """Returns new inputs like a functional model's; the parts of one composite tensor belong together again."""
    layers: dict[int, InputLayer] = {}
    found = []
    for tensor in model.inputs:
        name = model._members.name_of(tensor)
        layer: Any = None if tensor.node is None else tensor.node.operation
        if not isinstance(layer, InputLayer) or isinstance(layer.output, SymbolicTensor):
            found.append(InputLayer(batch_shape=tuple(tensor.shape), dtype=tensor.dtype, name=name).output)
            continue
        if id(layer) not in layers:
            layers[id(layer)] = InputLayer.from_config(layer.get_config() | {"name": name})
        found.append(nest.flat(layers[id(layer)].output)[tensor.index])
    return found
