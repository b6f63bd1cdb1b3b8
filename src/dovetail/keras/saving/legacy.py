"""Weights in the HDF5 files of Keras 2: layers by name or in order, weights by the names listed in attributes."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from dovetail.engine import dtypes
from dovetail.keras.saving import h5
from dovetail.keras.saving.h5 import descend, member, read
from dovetail.tensor.tensor import Tensor
from dovetail.tensor.variable import Variable

# Where the weights that belong to the model itself, and to no layer, stand.
_OWN = "top_level_model_weights"
# HDF5 keeps attributes in the header of an object, which is at most 64 KiB.
_MAX_ATTRIBUTE_BYTES = 64000


# ---- writing


def write(model: Any, file: Any) -> None:
    """Writes the weights of a model.

    Raises:
        ValueError: weights of a dtype that these files do not hold.
    """
    write_names(file, "layer_names", [layer.name for layer in model.layers])
    file.attrs["backend"], file.attrs["keras_version"] = b"tensorflow", b"2.15.0"
    for layer in model.layers:
        weights = [*layer.trainable_weights, *layer.non_trainable_weights]  # a frozen layer's: as they come
        _write_group(file.create_group(layer.name), layer.name, weights)
    _write_group(file.create_group(_OWN), model.name, model._stored_variables())


def _write_group(group: Any, owner: str, variables: list[Variable]) -> None:
    names: list[str] = []
    for variable in variables:
        base = getattr(variable, "path", variable.name).removesuffix(":0")
        base = base if "/" in base else f"{owner}/{base}"
        name, number = f"{base}:0", 0
        while name in names:
            number += 1
            name = f"{base}_{number}:0"
        value = np.asarray(variable._plain()._value)
        if value.dtype == dtypes.BFLOAT16:
            raise ValueError(
                f"save_weights: {variable.name!r} is bfloat16, which files of Keras 2 do not hold. Save to a path that "
                "ends in '.weights.h5'"
            )
        group[name] = value
        names.append(name)
    write_names(group, "weight_names", names)


def write_names(group: Any, attribute: str, names: list[str]) -> None:
    """Writes a list of names, in several attributes where one would be too long."""
    values = np.array([name.encode() for name in names], dtype="S") if names else np.zeros(0, "S1")
    parts = -(-values.nbytes // _MAX_ATTRIBUTE_BYTES)
    if parts <= 1:
        group.attrs[attribute] = values
        return
    for number, part in enumerate(np.array_split(values, parts)):
        group.attrs[f"{attribute}{number}"] = part


def _trained_first(variables: list[Variable]) -> list[Variable]:
    """Returns the variables in the order of these files: those made to be trained, then the rest."""
    return sorted(variables, key=lambda v: not getattr(v, "_declared_trainable", v.trainable))


# ---- reading


def read_into(model: Any, file: Any) -> None:
    """Reads the weights of a file into a model like the one that it was written from."""
    for variable, value in pairs(model, file, by_name=False, skip_mismatch=False):
        variable._store(Tensor(np.asarray(value, variable._numpy_dtype)))


def is_legacy(file: Any) -> bool:
    """Returns whether a file is one of Keras 2: of weights, or of a whole model."""
    names = ("layer_names", "layer_names0")
    return any(name in file.attrs for name in names) or file.get("model_weights", getlink=True) is not None


def pairs(model: Any, file: Any, by_name: bool, skip_mismatch: bool) -> list[tuple[Variable, Any]]:
    """Returns every variable with its value in the file.

    Raises:
        ValueError: the numbers of layers, or a layer's weights, differ.
    """
    root = member(file, "model_weights") or file
    stored = [(name, _arrays(member(root, name))) for name in names(root, "layer_names")]
    if by_name:
        inner = {layer.name: layer for layer in model._flatten_layers(include_self=False)}
        by = inner | {layer.name: layer for layer in model.layers}
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
            result.extend(_fitted(layer, layer.weights, name, arrays))
        except ValueError as error:
            if not skip_mismatch:
                raise
            warnings.warn(f"load_weights: {error}; left out", stacklevel=5)
    own = [] if by_name else _arrays(member(root, _OWN))
    return [*result, *_fitted(model, model._stored_variables(), _OWN, own)] if own else result


def names(group: Any, attribute: str) -> list[str]:
    """Returns a list of names from an attribute, which Keras splits into chunks when it is long."""
    values, chunk = h5.attribute(group, attribute), 0
    if values is None:
        values = []
        while (part := h5.attribute(group, f"{attribute}{chunk}")) is not None:
            values.extend(_listed(part, attribute))
            chunk += 1
    try:
        return [value.decode() if isinstance(value, bytes) else value for value in _listed(values, attribute)]
    except UnicodeDecodeError as error:
        raise ValueError(f"the attribute {attribute!r} holds names that are no text: {error}") from None


def _listed(values: Any, attribute: str) -> list:
    found = list(values) if isinstance(values, np.ndarray | list) and np.ndim(values) == 1 else None
    if found is None or not all(isinstance(value, bytes | str) for value in found):
        raise ValueError(f"the attribute {attribute!r} should be a list of names, it holds {values!r:.80}")
    return found


def _arrays(group: Any) -> list[tuple[str, Any]]:
    """Returns the names and values of a layer's weights."""
    if group is None:
        return []
    return [(name, read(descend(group, name))) for name in names(group, "weight_names")]


def _fitted(layer: Any, weights: list[Variable], name: str, arrays: list) -> list[tuple[Variable, Any]]:
    if len(weights) != len(arrays):
        raise ValueError(
            f"the layer {layer.name!r} has {len(weights)} weights, the file has {len(arrays)} for {name!r}"
        )
    weights = _ordered(weights, arrays)
    for variable, (_, array) in zip(weights, arrays, strict=True):
        if tuple(variable.shape) != array.shape:
            raise ValueError(
                f"the layer {layer.name!r}: the weight {variable.name!r} has shape {tuple(variable.shape)}, "
                f"the file has {array.shape} for {name!r}"
            )
    return [(variable, array) for variable, (_, array) in zip(weights, arrays, strict=True)]


def _ordered(weights: list[Variable], arrays: list) -> list[Variable]:
    """Returns the weights in the order of the file.

    Keras 2 writes what is trained first, and layer by layer what is frozen: the names tell which it was.
    """
    first = _trained_first(weights)
    for candidate in (first, weights):
        if all(_last(v.name) == _last(name) for v, (name, _) in zip(candidate, arrays, strict=True)):
            return candidate
    return first


def _last(name: str) -> str:
    return name.rpartition("/")[2].partition(":")[0]
