"""Weights in the HDF5 files of Keras 2: layers by name or in order, weights by the names listed in attributes."""

from __future__ import annotations

import warnings
from typing import Any

from dovetail.keras.saving.h5 import descend, member, read
from dovetail.tensor.variable import Variable


def pairs(model: Any, file: Any, by_name: bool, skip_mismatch: bool) -> list[tuple[Variable, Any]]:
    """Returns every variable with its value in the file.

    Raises:
        ValueError: the numbers of layers, or a layer's weights, differ.
    """
    root = member(file, "model_weights") or file
    stored = [(name, _arrays(member(root, name))) for name in _names(root, "layer_names")]
    if by_name:
        by = {layer.name: layer for layer in model._flatten_layers(include_self=False)}
        matched = [(by[name], name, arrays) for name, arrays in stored if name in by and arrays]
    else:
        layers = [layer for layer in model.layers if layer.weights]
        stored = [(name, arrays) for name, arrays in stored if arrays]
        if len(layers) != len(stored):
            raise ValueError(
                f"the file has {len(stored)} layers with weights, the model {model.name!r} has {len(layers)}"
            )
        matched = [(layer, name, arrays) for layer, (name, arrays) in zip(layers, stored, strict=True)]
    result: list[tuple[Variable, Any]] = []
    for layer, name, arrays in matched:
        try:
            result.extend(_fitted(layer, name, arrays))
        except ValueError as error:
            if not skip_mismatch:
                raise
            warnings.warn(f"load_weights: {error}; left out", stacklevel=5)
    return result


def _names(group: Any, attribute: str) -> list[str]:
    """Returns a list of names from an attribute, which Keras splits into chunks when it is long."""
    if attribute in group.attrs:
        values = list(group.attrs[attribute])
    else:
        values, chunk = [], 0
        while f"{attribute}{chunk}" in group.attrs:
            values.extend(group.attrs[f"{attribute}{chunk}"])
            chunk += 1
    return [value.decode() if isinstance(value, bytes) else str(value) for value in values]


def _arrays(group: Any) -> list:
    return [] if group is None else [read(descend(group, name)) for name in _names(group, "weight_names")]


def _fitted(layer: Any, name: str, arrays: list) -> list[tuple[Variable, Any]]:
    weights = layer.weights
    if len(weights) != len(arrays):
        raise ValueError(
            f"the layer {layer.name!r} has {len(weights)} weights, the file has {len(arrays)} for {name!r}"
        )
    for variable, array in zip(weights, arrays, strict=True):
        if tuple(variable.shape) != array.shape:
            raise ValueError(
                f"the layer {layer.name!r}: the weight {variable.name!r} has shape {tuple(variable.shape)}, "
                f"the file has {array.shape} for {name!r}"
            )
    return list(zip(weights, arrays, strict=True))
