"""Weights in an open HDF5 file, in the layout of Keras 3: written, and read whole or not at all."""

from __future__ import annotations

import operator
import warnings
from collections.abc import Callable
from typing import Any

import h5py
import numpy as np

from dovetail.engine import dtypes
from dovetail.keras.layers.machinery.adaptable import Adaptable
from dovetail.keras.layers.machinery.layer import Layer
from dovetail.keras.optimizers import Optimizer
from dovetail.keras.saving.h5 import attribute, descend, meet, member, read
from dovetail.keras.saving.layout import Place, places, places_in
from dovetail.tensor.tensor import Tensor
from dovetail.tensor.variable import Variable


def write_weights(model: Any, file: Any, put: Callable = operator.setitem) -> None:
    """Writes the weights of a model, and the state of its optimizer and metrics, into an open HDF5 file.

    Args:
        model: the model.
        file: the file.
        put: `f(group, name, array)` writes an array.
    """
    for place in places(model):
        write_place(place, file, put)


def write_place(place: Place, file: Any, put: Callable = operator.setitem) -> None:
    """Writes the variables of one group; `put` as of `write_weights`."""
    group = file.create_group(place.vars_path)
    group.attrs["name"] = place.owner.name
    _write(place, group, put)


def _write(place: Place, group: Any, put: Callable) -> None:
    if _stores_itself(place.owner, "save_own_variables"):
        store: dict[str, Any] = {}
        place.owner.save_own_variables(store)
    else:
        store = {str(i): variable._plain()._value for i, variable in enumerate(place.variables)}
    for name, given in store.items():
        write_value(group, name, np.asarray(given), put)


def write_value(group: Any, name: str, value: Any, put: Callable = operator.setitem) -> None:
    """Writes an array; one of bfloat16 as integers, with a mark; `put` as of `write_weights`."""
    half = value.dtype == dtypes.BFLOAT16
    put(group, name, value.view(np.uint16) if half else value)
    if half:
        group[name].attrs["dtype"] = "bfloat16"


def _stores_itself(owner: Any, method: str) -> bool:
    """True for optimizers, and for layers that override how they are stored."""
    own = getattr(type(owner), method, None)
    if own is None or own is getattr(Layer, method):
        return False
    return own is not getattr(Adaptable, method) or owner.lora_enabled


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
    met: set[int] = set()
    found = places_in(model, file)
    for place in found:
        if id(place.owner) in skipped:
            continue
        group = descend(file, place.vars_path)
        if group is not None and _stores_itself(place.owner, "load_own_variables"):
            loading.own.append((place.owner, read_values(group, met)))
            continue
        try:
            loading.pairs.extend(_pairs_of(place, group))
        except ValueError as error:
            if not skip_mismatch and not isinstance(place.owner, Optimizer):
                raise
            warnings.warn(f"load_weights: {error}; left out", stacklevel=5)
    _tell_unused(model, found, file)
    return loading


def _tell_unused(model: Any, found: list[Place], file: Any) -> None:
    """Warns of groups with variables that the model has no place for."""
    known = {place.vars_path for place in found}
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
        wanted, found = tuple(variable.shape), getattr(dataset, "shape", None)
        if (
            isinstance(dataset, h5py.Dataset) and not dataset.is_virtual and wanted != found
        ):  # before it is read
            raise ValueError(
                f"{layer}: the weight {variable.name!r} has shape {wanted}, the file has {found} at {place.path!r}"
            )
        pairs.append((variable, read_value(dataset, variable._numpy_dtype == dtypes.STRING, wanted)))
    return pairs


def read_values(group: Any, met: set[int]) -> dict[str, Any]:
    """Returns the arrays of a group by name; `met` and errors as of `h5.meet`."""
    found: dict[str, Any] = {}
    for name in group:
        dataset = member(group, name)
        if dataset is not None:  # in a damaged file, a group lists what it does not have
            meet(dataset, met)
        found[name] = read_value(dataset, strings=True)
    return found


def read_value(dataset: Any, strings: bool, shape: tuple | None = None) -> Any:
    """Returns what `write_value` wrote; arguments and errors as of `h5.read`."""
    value = read(dataset, strings, shape)
    if attribute(dataset, "dtype") != "bfloat16":
        return value
    if value.dtype.itemsize != dtypes.BFLOAT16.itemsize:
        raise ValueError(f"{dataset.name} is said to be bfloat16, it holds {value.dtype}")
    return value.view(dtypes.BFLOAT16)
