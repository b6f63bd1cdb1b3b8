"""Functional models as configs, in Keras 3's format, and back.

Each layer's entry lists its calls ("inbound_nodes"): the arguments, in which a symbolic tensor stands as
`[layer name, number of the call, number of the output]`.  Raw ops appear as layers of the class `TFOpLambda`, which
only Dovetail reads.
"""

from __future__ import annotations

from typing import Any

from dovetail.base import nest
from dovetail.base.errors import at_user_location
from dovetail.graph.node import Node, OpCall
from dovetail.keras.layers.input_layer import InputLayer
from dovetail.keras.layers.layer import Layer
from dovetail.keras.models.ordering import calls_of
from dovetail.keras.serialization import (
    SymbolicReference,
    deserialize_keras_object,
    serialize_keras_object,
)
from dovetail.ops.core import OPS
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
    places = _places(model)
    layers = []
    for layer in model._graph_layers:
        entry = _entry(layer)
        entry["name"] = layer.name
        calls = [] if _begins(layer, model) else calls_of(layer, model._graph)
        entry["inbound_nodes"] = [_call_config(node, places) for node in calls]
        layers.append(entry)
    return {
        "name": model.name,
        "trainable": model.trainable,
        "layers": layers,
        "input_layers": _references(model._inputs_structure, places),
        "output_layers": _references(model._outputs_structure, places),
    }


def _entry(layer: Any) -> dict:
    if not hasattr(layer, "_operation"):
        return serialize_keras_object(layer)
    operation = layer._operation
    if not isinstance(operation, OpCall) or layer._op_variables:
        why = "uses a variable" if isinstance(operation, OpCall) else "is a Python function"
        raise NotImplementedError(
            f"the raw op {layer.name!r} {why}, which a config cannot hold. Put it into a Layer with get_config()"
        )
    config = {"name": layer.name, "op": operation.op.name, "promote": operation.promote}
    return {"module": "keras.layers", "class_name": "TFOpLambda", "config": config, "registered_name": None}


def _begins(layer: Any, model: Any) -> bool:
    """True when the model begins with the output of this layer."""
    operation = getattr(layer, "_operation", layer)
    return any(tensor.node is not None and tensor.node.operation is operation for tensor in model.inputs)


def _places(model: Any) -> dict[int, list]:
    """Returns `[layer name, call, output]` of every symbolic tensor of a model, by id."""
    found: dict[int, list] = {}
    for layer in model._graph_layers:
        if _begins(layer, model):
            if not layer.is_input:
                raise NotImplementedError(
                    f"{model.name}: a model that begins in the middle of another (at {layer.name!r}) has no config; "
                    f"build it from a keras.Input{at_user_location()}"
                )
            found[id(layer.output)] = [layer.name, 0, 0]
            continue
        for call, node in enumerate(calls_of(layer, model._graph)):
            for index, tensor in enumerate(node.outputs):
                found[id(tensor)] = [layer.name, call, index]
    return found


def _references(structure: Any, places: dict[int, list]) -> Any:
    if isinstance(structure, SymbolicTensor):
        return places[id(structure)]
    if isinstance(structure, dict):
        return {key: _references(value, places) for key, value in structure.items()}
    return [_references(value, places) for value in structure]


def _call_config(node: Node, places: dict[int, list]) -> dict:
    def write(leaf: Any) -> Any:
        if not isinstance(leaf, SymbolicTensor):
            return leaf
        config = {"shape": list(leaf.shape), "dtype": leaf.dtype.name, "keras_history": places[id(leaf)]}
        return _Written({"class_name": "__keras_tensor__", "config": config})

    args, kwargs = nest.map_structure(write, (node.args, node.kwargs))
    return {"args": _plain(args), "kwargs": _plain(kwargs)}


class _Written:
    """A part of a config that is written already."""

    def __init__(self, config: dict) -> None:
        self.config = config


def _plain(value: Any) -> Any:
    if isinstance(value, _Written):
        return value.config
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return serialize_keras_object(value)


# ---- configs to models


def is_functional_config(config: dict) -> bool:
    return config.keys() >= _KEYS


def functional_from_config(kind: Any, config: dict) -> Any:
    """Makes a functional model of class `kind` from the config that `functional_config` returned."""
    rebuilding = _Rebuilding(config["layers"])
    model = kind(
        inputs=rebuilding.tensors(config["input_layers"]),
        outputs=rebuilding.tensors(config["output_layers"]),
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
        waiting = []
        for entry in entries:
            layer = _layer_of(entry)
            if isinstance(layer, InputLayer):
                self._made[entry["name"], 0] = [layer.output]
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
            args, kwargs = _arguments(written)
            references = [
                leaf for leaf in nest.flatten((args, kwargs)) if isinstance(leaf, SymbolicReference)
            ]
            if any(tuple(r.keras_history[:2]) not in self._made for r in references):
                return True
            args, kwargs = nest.map_structure(self._filled, (args, kwargs))
            self._made[name, number] = nest.flatten(layer(*args, **kwargs))
            calls.pop(0)
        return False

    def _filled(self, leaf: Any) -> Any:
        if not isinstance(leaf, SymbolicReference):
            return leaf
        name, call, index = leaf.keras_history
        return self._made[name, call][index]

    def tensors(self, references: Any) -> Any:
        """Returns the tensors of "input_layers" or "output_layers", in their structure."""
        if isinstance(references, dict):
            return {key: self.tensors(value) for key, value in references.items()}
        if len(references) == 3 and isinstance(references[0], str):
            return self._made[references[0], references[1]][references[2]]
        return [self.tensors(value) for value in references]


def _layer_of(entry: dict) -> Any:
    config = entry["config"]
    if entry["class_name"] != "TFOpLambda":
        layer = deserialize_keras_object(entry)
        if layer.name != entry["name"]:
            layer.name = entry["name"]
        return layer
    if config.get("op") not in OPS:
        raise ValueError(
            f"the config names the op {config.get('op') or config.get('function')!r}, which is not known"
        )
    return OpCall(OPS[config["op"]], bool(config["promote"]))


def _arguments(written: dict) -> tuple[tuple, dict]:
    return tuple(_read(written["args"])), {key: _read(value) for key, value in written["kwargs"].items()}


def _read(value: Any) -> Any:
    """Reads an argument; strings stay strings, whatever is registered under their name."""
    if isinstance(value, list | tuple):
        return [_read(item) for item in value]
    if isinstance(value, dict) and "class_name" not in value:
        return {key: _read(item) for key, item in value.items()}
    return value if isinstance(value, str) else deserialize_keras_object(value)


# ---- copies


def clone_layer(layer: Layer) -> Layer:
    """Returns a layer with the same config and weights of its own."""
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

    def copy_of(item: Any) -> Any:
        if id(item) not in copies:
            copies[id(item)] = variable(item) if isinstance(item, Variable) else clone(item)
        return copies[id(item)]

    def run(operation: Any, args: tuple, kwargs: dict) -> Any:
        if isinstance(operation, Layer):
            copy = copy_of(operation)
            return copy(*args, **kwargs) if call is None else call(copy, *args, **kwargs)
        own = nest.map_structure(
            lambda leaf: copy_of(leaf) if isinstance(leaf, Variable) else leaf, (args, kwargs)
        )
        return operation(*own[0], **own[1])

    given = [_input_like(t) for t in model.inputs] if inputs is None else nest.flatten(inputs)
    results = model._graph.run(given, run)
    return (
        nest.pack_sequence_as(model._inputs_structure, given),
        nest.pack_sequence_as(model._outputs_structure, results),
    )


def _input_like(tensor: SymbolicTensor) -> SymbolicTensor:
    name = tensor.node.operation.name if tensor.node is not None else tensor.name
    return InputLayer(batch_shape=tuple(tensor.shape), dtype=tensor.dtype, name=name).output
