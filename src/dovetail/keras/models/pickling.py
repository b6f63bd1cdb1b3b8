"""Pickles of models: layers with their attributes, the graph as rows; compiled steps and plans are made anew."""

from __future__ import annotations

from typing import Any

from dovetail.base import nest
from dovetail.base.errors import at_user_location
from dovetail.graph.flat import Numbers, Tensors, described
from dovetail.keras.layers.core.input_layer import InputLayer
from dovetail.keras.layers.machinery.layer import Layer
from dovetail.keras.models.plans import CallPlans
from dovetail.tensor.symbolic import SymbolicTensor

# What belongs to a graph or to compiled steps, and is made anew.
MADE_ANEW = frozenset(
    {
        *(
            "_nodes",
            "_found",
            "_graph",
            "_run_graph",
            "_graph_layers",
            "_inputs_structure",
            "_outputs_structure",
        ),
        *(
            "_plans",
            "_loss_outputs",
            "_executors",
            "_found_metrics",
            "_members",
            "_flags_of_compile",
        ),
    }
)


def reduce_model(model: Any) -> tuple:
    """Returns how `pickle` makes a model again.

    Raises:
        NotImplementedError: `add_loss` was called with symbolic tensors.
    """
    if model._loss_outputs:
        raise NotImplementedError(
            f"{model.name}: a model with losses on symbolic tensors cannot be pickled; add them in a layer's call()"
            f"{at_user_location()}"
        )
    attributes = {name: value for name, value in vars(model).items() if name not in MADE_ANEW}
    attributes["_flags_of_compile"] = model._flags_of_compile
    functional = model._graph is not None and not model._is_stack
    if any(isinstance(leaf, SymbolicTensor) for leaf in nest.flatten(model._init_arguments)):
        attributes["_init_arguments"] = ((), {})  # the graph tells what they were
    return _new, (type(model),), (attributes, _graph_rows(model) if functional else None), None, None, restore


def _new(kind: type) -> Any:
    return object.__new__(kind)


def _graph_rows(model: Any) -> dict:
    graph = model._graph
    numbers = Numbers(graph.inputs)
    return {
        "starts": [_start(tensor) for tensor in graph.inputs],
        "rows": [numbers.row(node) for node in graph.nodes],
        "inputs": nest.mapped(numbers.ref, model._inputs_structure),
        "outputs": nest.mapped(numbers.ref, model._outputs_structure),
    }


def _start(tensor: SymbolicTensor) -> Any:
    """Returns the input layer of a tensor, or what describes one where a model begins in the middle of another."""
    operation = tensor.node.operation if tensor.node is not None else None
    return (operation, tensor.index) if isinstance(operation, InputLayer) else described(tensor)


def restore(model: Any, state: tuple) -> None:
    """Fills a new model from what `reduce_model` returned."""
    attributes, rows = state
    for name, value in attributes.items():
        object.__setattr__(model, name, value)
    model._nodes, model._found, model._plans, model._loss_outputs = [], None, CallPlans(), []
    model._graph = model._run_graph = model._graph_layers = None
    model._inputs_structure = model._outputs_structure = None
    model._reset_programs()
    if rows is not None:
        _restore_graph(model, rows)
    elif model._is_stack:
        model._rebuild()


def _restore_graph(model: Any, state: dict) -> None:
    tensors = Tensors([_input_of(start) for start in state["starts"]])
    for row in state["rows"]:
        node = tensors.node(row)
        if isinstance(node.operation, Layer):
            node.operation._nodes.append(node)
    model._set_graph(nest.mapped(tensors.of, state["inputs"]), nest.mapped(tensors.of, state["outputs"]))


def _input_of(start: Any) -> SymbolicTensor:
    if isinstance(start[0], InputLayer):
        return start[0]._nodes[0].outputs[start[1]]
    shape, dtype, _, _ = start
    return InputLayer(batch_shape=shape, dtype=dtype).output
