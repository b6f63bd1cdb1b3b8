"""`save_weights` and `load_weights`."""

from __future__ import annotations

import os
import warnings
from typing import Any

import h5py
import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.engine import dtypes
from dovetail.keras.layers.machinery.adaptable import Adaptable
from dovetail.keras.layers.machinery.layer import Layer
from dovetail.keras.optimizers import Optimizer
from dovetail.keras.saving import legacy
from dovetail.keras.saving.atomic import replacing
from dovetail.keras.saving.h5 import descend, member, read
from dovetail.keras.saving.layout import Place, places
from dovetail.tensor.tensor import Tensor
from dovetail.tensor.variable import Variable


def save_weights(model: Any, filepath: Any, overwrite: bool = True) -> None:
    """Writes the weights of a model to a file.

    Args:
        model: the model.
        filepath: ends in ".weights.h5" for the format of Keras 3, which has the state of the optimizer too, or in ".h5"
            for that of Keras 2, which `load_weights(by_name=True)` reads.
        overwrite: replace an existing file.

    Raises:
        ValueError: the path does not end so, or the model is not built.
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
    if not _is_built(model):
        raise ValueError(
            f"save_weights: {model.name!r} has no weights yet; build it or call it on data first"
        )
    with replacing(path) as partial, h5py.File(partial, "w") as file:
        if path.endswith(".weights.h5"):
            write_weights(model, file)
        else:
            legacy.write(model, file)


def _is_built(model: Any) -> bool:
    """Returns whether all weights are there: a model of models, with no `call` of its own, is never called itself."""
    layers = model._flatten_layers(include_self=False)
    return model.built or (bool(layers) and all(layer.built for layer in layers))


def write_weights(model: Any, file: Any) -> None:
    """Writes the weights of a model, and the state of its optimizer and metrics, into an open HDF5 file."""
    for place in places(model):
        group = file.create_group(place.vars_path)
        group.attrs["name"] = place.owner.name
        _write(place, group)


def _write(place: Place, group: Any) -> None:
    if _stores_itself(place.owner, "save_own_variables"):
        store: dict[str, Any] = {}
        place.owner.save_own_variables(store)
    else:
        store = {str(i): variable._plain()._value for i, variable in enumerate(place.variables)}
    for name, given in store.items():
        value = np.asarray(given)
        half = value.dtype == dtypes.BFLOAT16
        group[name] = value.view(np.uint16) if half else value
        if half:
            group[name].attrs["dtype"] = "bfloat16"


def _stores_itself(owner: Any, method: str) -> bool:
    """True for optimizers, and for layers that override how they are stored."""
    own = getattr(type(owner), method, None)
    if own is None or own is getattr(Layer, method):
        return False
    return own is not getattr(Adaptable, method) or owner.lora_enabled


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
    if not _is_built(model):
        raise ValueError(
            f"load_weights: {model.name!r} has no weights to load into; build it or call it on data first"
            f"{at_user_location()}"
        )
    skipped = {id(item) for item in objects_to_skip or []}
    with h5py.File(path, "r") as file:
        if legacy.is_legacy(file):
            loading = Loading()
            loading.pairs = legacy.pairs(model, file, by_name, skip_mismatch)
            loading.apply()
        elif by_name:
            raise ValueError(
                f"load_weights: by_name works for files of Keras 2, {path!r} is one of Keras 3. Save it to a path that "
                f"ends in '.h5' without '.weights'{at_user_location()}"
            )
        else:
            read_weights(model, file, skip_mismatch, skipped)


def read_weights(
    model: Any, file: Any, skip_mismatch: bool = False, skipped: frozenset | set[int] = frozenset()
) -> None:
    """Reads what `write_weights` wrote: all of it, or nothing when something does not fit.

    Args:
        model: a built model.
        file: an open HDF5 file.
        skip_mismatch: leave out layers that do not fit, with a warning.
        skipped: the ids of layers to leave out.
    """
    _loading(model, file, skip_mismatch, skipped).apply()


class Loading:
    """What a file holds for a model: read and checked, and not assigned yet.

    Attributes:
        pairs: variables, and their new values.
        own: owners that store themselves, and what the file has for them.
    """

    def __init__(self) -> None:
        self.pairs: list[tuple[Variable, Any]] = []
        self.own: list[tuple[Any, dict[str, Any]]] = []

    def apply(self) -> None:
        """Assigns all values."""
        tensors = [Tensor(np.asarray(value, variable._numpy_dtype)) for variable, value in self.pairs]
        for owner, store in self.own:
            owner.load_own_variables(store)
        for (variable, _), tensor in zip(self.pairs, tensors, strict=True):
            variable._store(tensor)


def _loading(model: Any, file: Any, skip_mismatch: bool, skipped: frozenset | set[int]) -> Loading:
    """Reads what the file has for a model, and checks all of it."""
    optimizer = getattr(model, "optimizer", None)
    if optimizer is not None and not optimizer.built and member(file, "optimizer") is not None:
        optimizer.build(model.trainable_variables)
    loading = Loading()
    for place in places(model):
        if id(place.owner) in skipped:
            continue
        group = descend(file, place.vars_path)
        if group is not None and _stores_itself(place.owner, "load_own_variables"):
            loading.own.append((place.owner, {name: _value(member(group, name)) for name in group}))
            continue
        try:
            loading.pairs.extend(_pairs_of(place, group))
        except ValueError as error:
            if not skip_mismatch and not isinstance(place.owner, Optimizer):
                raise
            warnings.warn(f"load_weights: {error}; left out", stacklevel=5)
    _tell_unused(model, file)
    return loading


def _tell_unused(model: Any, file: Any) -> None:
    """Warns of groups with variables that the model has no place for."""
    known = {place.vars_path for place in places(model)}
    unused: list[str] = []

    def visit(name: str, item: Any) -> None:
        if name.endswith("/vars") and isinstance(item, h5py.Group) and len(item) and name not in known:
            unused.append(name.removesuffix("/vars"))

    file.visititems(visit)
    unused = [name for name in unused if not name.startswith("optimizer")]
    if unused:
        warnings.warn(
            f"load_weights: the file has weights that the model {model.name!r} has no place for, at {unused}",
            stacklevel=5,
        )


def _pairs_of(place: Place, group: Any) -> list[tuple[Variable, Any]]:
    stored = 0 if group is None else len(group)
    layer = f"the layer {place.owner.name!r}"
    if stored != len(place.variables):
        raise ValueError(
            f"{layer} has {len(place.variables)} variables, the file has {stored} at {place.path!r}. Is it the same "
            "architecture? skip_mismatch=True leaves such layers out"
        )
    pairs = []
    for index, variable in enumerate(place.variables):
        dataset = member(group, str(index))
        if dataset is None:
            raise ValueError(
                f"{layer}: the file has no variable '{index}' at {place.path!r}, it has {list(group)}"
            )
        value = _value(dataset)
        if tuple(variable.shape) != value.shape:
            raise ValueError(
                f"{layer}: the weight {variable.name!r} has shape {tuple(variable.shape)}, the file has {value.shape} "
                f"at {place.path!r}"
            )
        pairs.append((variable, value))
    return pairs


def _value(dataset: Any) -> Any:
    value = read(dataset)
    return value.view(dtypes.BFLOAT16) if dataset.attrs.get("dtype") == "bfloat16" else value
