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


def pairs(
    model: Any, file: Any, by_name: bool, skip_mismatch: bool, skipped: frozenset | set[int] = frozenset()
) -> list[tuple[Variable, Any]]:
    """Returns every variable with its value in the file, which is read when all of them fit.

    Args:
        model: a built model.
        file: an open file.
        by_name: match layers by name.
        skip_mismatch: leave out layers that do not fit, with a warning.
        skipped: the ids of layers to leave out.

    Raises:
        ValueError: the numbers of layers, or a layer's weights, differ.
    """
    root = member(file, "model_weights") or file
    result: list[tuple[Variable, Any]] = []
    matched = [(layer, layer.weights, name, found) for layer, name, found in _matched(model, root, by_name)]
    own = datasets(member(root, _OWN))
    if own:
        matched.append((model, model._stored_variables(), _OWN, own))
    for layer, variables, name, found in matched:
        if id(layer) in skipped:
            continue
        try:
            result.extend(_fitted(layer, variables, name, found))
        except ValueError as error:
            if not skip_mismatch:
                raise
            warnings.warn(f"load_weights: {error}; left out", stacklevel=5)
    inner = [layer for layer in model._flatten_layers() if id(layer) in skipped] if skipped else []
    left_out = {id(variable) for layer in inner for variable in layer.weights}
    return [(v, read(dataset, shape=tuple(v.shape))) for v, dataset in result if id(v) not in left_out]


def _matched(model: Any, root: Any, by_name: bool) -> list[tuple[Any, str, list[tuple[str, Any]]]]:
    """Returns layers, the names of their groups, and the datasets there."""
    stored = [(name, datasets(member(root, name))) for name in names(root, "layer_names")]
    stored = [(name, found) for name, found in stored if found]
    if by_name:
        inner = {layer.name: layer for layer in model._flatten_layers(include_self=False)}
        by = inner | {layer.name: layer for layer in model.layers}
        return [(by[name], name, found) for name, found in stored if name in by]
    layers = [layer for layer in model.layers if layer.weights]
    if len(layers) != len(stored):
        raise ValueError(
            f"the file has {len(stored)} layers with weights, the model {model.name!r} has {len(layers)}"
        )
    return [(layer, name, found) for layer, (name, found) in zip(layers, stored, strict=True)]


def names(group: Any, attribute: str) -> list[str]:
    """Returns a list of names from an attribute, which Keras splits into chunks when it is long."""
    values, chunk = h5.attribute(group, attribute), 0
    if values is None:
        values = []
        while (part := h5.attribute(group, f"{attribute}{chunk}")) is not None:
            values.extend(_listed(part, attribute))
            chunk += 1
    try:
        found = [
            value.decode() if isinstance(value, bytes) else value for value in _listed(values, attribute)
        ]
    except UnicodeDecodeError as error:
        raise ValueError(f"the attribute {attribute!r} holds names that are no text: {error}") from None
    if len(set(found)) < len(found):
        raise ValueError(f"the attribute {attribute!r} of {group.name} lists a name twice: {found!r:.80}")
    return found


def _listed(values: Any, attribute: str) -> list:
    found = list(values) if isinstance(values, np.ndarray | list) and np.ndim(values) == 1 else None
    if found is None or not all(isinstance(value, bytes | str) for value in found):
        raise ValueError(f"the attribute {attribute!r} should be a list of names, it holds {values!r:.80}")
    return found


def datasets(group: Any) -> list[tuple[str, Any]]:
    """Returns the names and datasets of a group's weights, of which nothing is read.

    Raises:
        ValueError: a name stands twice, or for nothing.
    """
    if group is None:
        return []
    found = [(name, descend(group, name)) for name in names(group, "weight_names")]
    for name, dataset in found:
        h5.check(dataset, f"{group.name}/{name}")
    return found


def _fitted(layer: Any, weights: list[Variable], name: str, found: list) -> list[tuple[Variable, Any]]:
    """Returns the variables of a layer with their datasets.

    Raises:
        ValueError: they differ in number or shape.
    """
    if len(weights) != len(found):
        raise ValueError(
            f"the layer {layer.name!r} has {len(weights)} weights, the file has {len(found)} for {name!r}"
        )
    weights = _ordered(weights, found)
    for variable, (_, dataset) in zip(weights, found, strict=True):
        if tuple(variable.shape) != dataset.shape:
            raise ValueError(
                f"the layer {layer.name!r}: the weight {variable.name!r} has shape {tuple(variable.shape)}, "
                f"the file has {dataset.shape} for {name!r}"
            )
    return [(variable, dataset) for variable, (_, dataset) in zip(weights, found, strict=True)]


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
