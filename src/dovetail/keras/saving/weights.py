"""`save_weights` and `load_weights`."""

from __future__ import annotations

import os
import warnings
from typing import Any

import h5py
import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.engine import dtypes
from dovetail.keras.optimizers import Optimizer
from dovetail.keras.saving import legacy
from dovetail.keras.saving.h5 import descend, member, read
from dovetail.keras.saving.layout import Place, places
from dovetail.tensor.tensor import Tensor
from dovetail.tensor.variable import Variable


def save_weights(model: Any, filepath: Any, overwrite: bool = True) -> None:
    """Writes the weights of a model, and the state of its optimizer, to a file in Keras' format.

    Raises:
        ValueError: the path does not end in ".weights.h5" or ".h5", or the model is not built.
        FileExistsError: the file exists and `overwrite` is False.
    """
    path = os.fspath(filepath)
    if not path.endswith((".weights.h5", ".h5")):
        raise ValueError(
            f"save_weights: the path must end in '.weights.h5', received {path!r}{at_user_location()}"
        )
    if not overwrite and os.path.exists(path):
        raise FileExistsError(
            f"save_weights: {path!r} exists; pass overwrite=True to replace it{at_user_location()}"
        )
    if not model.built:
        raise ValueError(
            f"save_weights: {model.name!r} has no weights yet; build it or call it on data first"
        )
    partial = f"{path}.partial"
    with h5py.File(partial, "w") as file:
        for place in places(model):
            group = file.create_group(place.vars_path)
            group.attrs["name"] = place.owner.name
            _write(place, group)
    os.replace(partial, path)


def _write(place: Place, group: Any) -> None:
    custom = getattr(type(place.owner), "save_own_variables", None)
    if custom is not None:
        store: dict[str, Any] = {}
        place.owner.save_own_variables(store)
        for name, value in store.items():
            group[name] = np.asarray(value)
        return
    for index, variable in enumerate(place.variables):
        value = np.asarray(variable._plain()._value)
        if value.dtype == dtypes.BFLOAT16:
            value = value.view(np.uint16)
            group[str(index)] = value
            group[str(index)].attrs["dtype"] = "bfloat16"
        else:
            group[str(index)] = value


def load_weights(
    model: Any, filepath: Any, skip_mismatch: bool = False, by_name: bool = False, objects_to_skip: Any = None
) -> None:
    """Reads weights into a built model.  Either all of them are assigned, or, on an error, none.

    Args:
        model: the model.
        filepath: a ".weights.h5" file of Keras 3 or Dovetail, or an HDF5 file of Keras 2.
        skip_mismatch: leave out layers that do not fit, with a warning.
        by_name: match layers by name; files of Keras 2 only.
        objects_to_skip: layers to leave out.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the model is not built, or a layer's variables differ in number or shape.
    """
    path = os.fspath(filepath)
    if not os.path.exists(path):
        raise FileNotFoundError(f"load_weights: there is no file {path!r}{at_user_location()}")
    if not h5py.is_hdf5(path):
        raise ValueError(f"load_weights: {path!r} is not an HDF5 file{at_user_location()}")
    if not model.built:
        raise ValueError(
            f"load_weights: {model.name!r} has no weights to load into; build it or call it on data first"
            f"{at_user_location()}"
        )
    skipped = {id(item) for item in objects_to_skip or []}
    with h5py.File(path, "r") as file:
        if "layer_names" in file.attrs or "model_weights" in file:
            pairs = legacy.pairs(model, file, by_name, skip_mismatch)
        elif by_name:
            raise ValueError(f"load_weights: by_name works for files of Keras 2, {path!r} is one of Keras 3")
        else:
            pairs = _pairs(model, file, skip_mismatch, skipped)
    for variable, value in pairs:
        variable._store(Tensor(np.asarray(value, variable._numpy_dtype)))


def _pairs(model: Any, file: Any, skip_mismatch: bool, skipped: set[int]) -> list[tuple[Variable, Any]]:
    """Returns every variable with its new value, after checking all of them."""
    optimizer = getattr(model, "optimizer", None)
    if optimizer is not None and not optimizer.built and member(file, "optimizer") is not None:
        optimizer.build(model.trainable_variables)
    result: list[tuple[Variable, Any]] = []
    for place in places(model):
        if id(place.owner) in skipped:
            continue
        try:
            result.extend(_pairs_of(place, file))
        except ValueError as error:
            if not skip_mismatch and not isinstance(place.owner, Optimizer):
                raise
            warnings.warn(f"load_weights: {error}; left out", stacklevel=5)
    return result


def _pairs_of(place: Place, file: Any) -> list[tuple[Variable, Any]]:
    group = descend(file, place.vars_path)
    custom = getattr(type(place.owner), "load_own_variables", None)
    if custom is not None and group is not None:
        place.owner.load_own_variables({name: read(member(group, name)) for name in group})
        return []
    stored = 0 if group is None else len(group)
    if stored != len(place.variables):
        if stored and not place.variables:
            raise ValueError(
                f"the layer {place.owner.name!r} has no variables, the file has {stored} at {place.path!r}"
            )
        raise ValueError(
            f"the layer {place.owner.name!r} has {len(place.variables)} variables, the file has {stored} at "
            f"{place.path!r}. Is it the same architecture? skip_mismatch=True leaves such layers out"
        )
    pairs = []
    for index, variable in enumerate(place.variables):
        dataset = member(group, str(index))
        value = read(dataset)
        if dataset.attrs.get("dtype") == "bfloat16":
            value = value.view(dtypes.BFLOAT16)
        if tuple(variable.shape) != value.shape:
            raise ValueError(
                f"the layer {place.owner.name!r}: the weight {variable.name!r} has shape {tuple(variable.shape)}, the "
                f"file has {value.shape} at {place.path!r}"
            )
        pairs.append((variable, value))
    return pairs
