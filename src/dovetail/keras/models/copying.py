"""Deep copies of models: new weights with the same values, a graph of their own, the optimizer's state too."""

from __future__ import annotations

import copy
from typing import Any

from dovetail.keras.layers.core.input_layer import InputLayer
from dovetail.keras.layers.machinery.layer import Layer
from dovetail.keras.models.config import clone_graph
from dovetail.keras.models.pickling import MADE_ANEW
from dovetail.keras.models.plans import CallPlans
from dovetail.tensor.symbolic import SymbolicTensor


def copy_model(model: Any, memo: dict) -> Any:
    """Returns a deep copy of a model (`copy.deepcopy` calls this).

    Raises:
        NotImplementedError: `add_loss` was called with symbolic tensors.
    """
    if model._loss_outputs:
        raise NotImplementedError(
            f"{model.name}: a model with losses on symbolic tensors cannot be copied; add them in a layer's call()"
        )
    if model._graph is None or model._is_stack:
        new = _copy_attributes(model, memo)
        new._graph = new._run_graph = new._graph_layers = new._inputs_structure = new._outputs_structure = (
            None
        )
        _copy_compiled(model, new, memo)
        if model._is_stack:
            new._rebuild()
        return new
    inputs, outputs = clone_graph(
        model,
        lambda layer: _copy_layer(layer, memo),
        variable=lambda variable: copy.deepcopy(variable, memo),
    )
    new = _copy_attributes(model, memo)
    new._set_graph(inputs, outputs)
    _copy_compiled(model, new, memo)
    return new


def _copy_compiled(model: Any, new: Any, memo: dict) -> None:
    """Gives a copy what `compile` has noted of the layers, which are in `memo` now, and steps of its own."""
    new._flags_of_compile = copy.deepcopy(model._flags_of_compile, memo)
    new._reset_programs()


def _copy_layer(layer: Layer, memo: dict) -> Layer:
    if id(layer) in memo:
        return memo[id(layer)]
    if isinstance(layer, InputLayer):
        memo[id(layer)] = InputLayer.from_config(layer.get_config())
        return memo[id(layer)]
    return copy.deepcopy(layer, memo) if hasattr(layer, "_graph_layers") else _copy_attributes(layer, memo)


def _copy_attributes(layer: Any, memo: dict) -> Any:
    """Returns a new object of the same class with copies of the attributes, and with no place in any graph."""
    new = object.__new__(type(layer))
    memo[id(layer)] = new
    for name, value in vars(layer).items():
        if name in MADE_ANEW:
            continue
        if name == "_stack":
            value = [_copy_layer(item, memo) for item in value]
        elif not isinstance(value, SymbolicTensor):
            value = copy.deepcopy(value, memo)
        object.__setattr__(new, name, value)
    object.__setattr__(new, "_nodes", [])
    object.__setattr__(new, "_found", None)
    if hasattr(layer, "_plans"):
        object.__setattr__(new, "_plans", CallPlans())
    object.__setattr__(new, "_loss_outputs", [])
    return new
