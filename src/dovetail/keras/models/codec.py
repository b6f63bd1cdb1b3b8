"""What stands in the configs of models beside layers: constructs with their graphs, variables, specs.

Two tables, `_LEAVES` and `_READERS`, say how each is written, and under which mark it is found again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dovetail.base import nest
from dovetail.graph.flat import Ref, Row, from_rows, to_rows
from dovetail.graph.recording import FunctionGraph
from dovetail.graph.written import operation_config, operation_of
from dovetail.keras import permission
from dovetail.keras.serialization import array_of, deserialize_keras_object, listed, serialize_keras_object
from dovetail.tensor.composite import CompositeTensor
from dovetail.tensor.shape import TensorShape
from dovetail.tensor.symbolic import SymbolicTensor
from dovetail.tensor.variable import Variable


class LayerNotBuiltError(Exception):
    """A config names the weight of a layer that is not built yet: its turn comes later."""


def _marked(mark: str, **config: Any) -> dict:
    return {"class_name": mark, "config": config}


# ---- writing


class Writer:
    """Writes the arguments of nodes.

    Args:
        symbolic: `symbolic(tensor) -> config`, for the symbolic tensors of the model.
        owners: `{id of variable: (layer's name, index of the weight)}` for the weights of layers.
    """

    def __init__(self, symbolic: Callable, owners: dict[int, tuple]) -> None:
        self._symbolic, self._owners = symbolic, owners
        self._keys: dict[int, int] = {}

    def __call__(self, value: Any, tuples: bool = False) -> Any:
        """Returns the config of a value: a tensor, variable, graph, spec, or a structure of such.

        Args:
            value: the value.
            tuples: mark tuples; otherwise they become lists.
        """
        if isinstance(value, list | tuple) and type(value) in (list, tuple):
            items = [self(item, tuples) for item in value]
            return _marked("__tuple__", value=items) if tuples and type(value) is tuple else items
        if isinstance(value, dict):
            return {key: self(item, tuples) for key, item in value.items()}
        for kind, write in _LEAVES:
            if isinstance(value, kind):
                return write(self, value)
        return serialize_keras_object(value)

    def symbolic(self, tensor: SymbolicTensor) -> dict:
        return self._symbolic(tensor)

    def variable(self, variable: Variable) -> dict:
        """Writes a variable: as the weight of a layer, or with its value."""
        if id(variable) in self._owners:
            layer, index = self._owners[id(variable)]
            return _marked("__variable__", layer=layer, weight=index)
        facts = {"name": variable._name, "trainable": variable.trainable, "dtype": variable.dtype.name}
        key = self._keys.setdefault(id(variable), len(self._keys))
        return _marked("__variable__", key=key, value=listed(np.asarray(variable._array)), **facts)

    def composite(self, value: CompositeTensor) -> dict:
        """Writes a composite tensor: its spec, and its components."""
        parts = [self(part) for part in nest.flat(value)]
        return _marked("__composite__", spec=serialize_keras_object(value._type_spec), parts=parts)

    def graph(self, graph: FunctionGraph) -> dict:
        state = to_rows(graph)
        return _marked(
            "__graph__",
            name=state["name"],
            taken=state["taken"],
            inputs=[_tensor_config(one) for one in state["inputs"]],
            captured=[_tensor_config(one) for one in state["captured"]],
            nodes=[self._row(row) for row in state["rows"]],
            outputs=self(nest.unflatten(state["spec"], state["leaves"]), True),
        )

    def _row(self, row: Row) -> dict:
        config = operation_config(row.operation)
        if config is None:
            raise TypeError(
                f"{getattr(row.operation, 'name', row.operation)!r} is no op that a config can name"
            )
        return {
            "operation": config,
            "args": self(row.args, True),
            "kwargs": self(row.kwargs, True),
            "outputs": [_tensor_config(one) for one in row.outputs],
            "structure": None if row.structure is None else self(_template(row.structure), True),
        }


def _template(structure: Any) -> Any:
    return nest.unflatten(structure, list(range(structure.num_leaves)))


def _tensor_config(one: tuple) -> dict:
    shape, dtype, name, _ = one
    return {"shape": None if shape is None else list(shape), "dtype": dtype, "name": name}


def _shape_list(shape: TensorShape) -> Any:
    return None if shape.rank is None else list(shape)


_LEAVES: tuple[tuple[Any, Callable], ...] = (
    (Ref, lambda writer, ref: _marked("__ref__", index=ref.index)),
    (SymbolicTensor, Writer.symbolic),
    (Variable, Writer.variable),
    (FunctionGraph, Writer.graph),
    (TensorShape, lambda writer, shape: _marked("__shape__", sizes=_shape_list(shape))),
    (CompositeTensor, Writer.composite),
)


# ---- reading


class Reader:
    """Reads what a `Writer` wrote.

    Args:
        layer: `layer(name) -> layer` of the model.
    """

    def __init__(self, layer: Callable) -> None:
        self._layer = layer
        self._variables: dict[int, Variable] = {}

    def __call__(self, value: Any) -> Any:
        """Returns the value of a config; strings stay strings, whatever is registered under their name."""
        if isinstance(value, list | tuple):
            return [self(item) for item in value]
        if isinstance(value, dict):
            if "class_name" not in value:
                return {key: self(item) for key, item in value.items()}
            if value["class_name"] in _READERS:
                return _READERS[value["class_name"]](self, value["config"])
        return value if isinstance(value, str) else deserialize_keras_object(value)

    def variable(self, config: dict) -> Variable:
        """Returns a weight of a layer of the model, or a new variable; the same one for the same key.

        Raises:
            LayerNotBuiltError: the layer has no weights yet.
        """
        if "layer" in config:
            layer = self._layer(config["layer"])
            if layer is None or len(layer.weights) <= config["weight"]:
                raise LayerNotBuiltError(config["layer"])
            return layer.weights[config["weight"]]
        if config["key"] not in self._variables:
            self._variables[config["key"]] = Variable(
                array_of(config), trainable=config["trainable"], name=config["name"]
            )
        return self._variables[config["key"]]

    def composite(self, config: dict) -> Any:
        """Returns a composite tensor; where symbolic tensors are only mentioned, what describes it."""
        spec = deserialize_keras_object(config["spec"])
        return nest.pack(spec, [self(part) for part in config["parts"]])

    def graph(self, config: dict) -> FunctionGraph:
        leaves, spec = nest.flatten_spec(self(config["outputs"]))
        return from_rows(
            {
                "name": config["name"],
                "taken": config["taken"],
                "leaves": leaves,
                "spec": spec,
                "inputs": [_described(one) for one in config["inputs"]],
                "captured": [_described(one) for one in config["captured"]],
                "rows": [self._row(one) for one in config["nodes"]],
            }
        )

    def _row(self, config: dict) -> Row:
        structure, operation = config["structure"], config["operation"]
        permission.check_op(operation.get("op"), operation.get("op"))
        return Row(
            operation_of(operation),
            self(config["args"]),
            self(config["kwargs"]),
            [_described(one) for one in config["outputs"]],
            None if structure is None else nest.flatten_spec(self(structure))[1],
        )


def _described(config: dict) -> tuple:
    return config["shape"], config["dtype"], config["name"], None


_READERS: dict[str, Callable] = {
    "__ref__": lambda reader, config: Ref(config["index"]),
    "__tuple__": lambda reader, config: tuple(reader(config["value"])),
    "__variable__": Reader.variable,
    "__graph__": Reader.graph,
    "__shape__": lambda reader, config: TensorShape(config["sizes"]),
    "__composite__": Reader.composite,
}
