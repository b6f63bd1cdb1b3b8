"""Weights in safetensors files: names, dtypes, shapes and bytes, and nothing that runs.

Names are those of the attributes that lead to a weight: "layers/dense_1/kernel".  The state of the optimizer is not
among them.  The package `safetensors` checks the header: lengths, offsets, overlaps.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from dovetail.base.atomic import replacing
from dovetail.base.errors import at_user_location
from dovetail.base.optional import optional
from dovetail.engine import dtypes
from dovetail.keras.optimizers import Optimizer
from dovetail.keras.saving.layout import places
from dovetail.tensor.tensor import Tensor
from dovetail.tensor.variable import Variable

ENDING = ".safetensors"
_FACTS = {"format": "np", "written_by": "dovetail"}
# The format's names of dtypes.
_DTYPES: dict[str, Any] = {
    "BOOL": np.bool_,
    **{f"I{bits}": np.dtype(f"int{bits}") for bits in (8, 16, 32, 64)},
    **{f"U{bits}": np.dtype(f"uint{bits}") for bits in (8, 16, 32, 64)},
    **{f"F{bits}": np.dtype(f"float{bits}") for bits in (16, 32, 64)},
    "BF16": dtypes.BFLOAT16,
    "C64": np.complex64,
}


def _package() -> Any:
    return optional("safetensors", "a safetensors file", "safetensors")


def named_weights(model: Any) -> dict[str, Variable]:
    """Returns the weights of a model by their names in these files."""
    found: dict[str, Variable] = {}
    for place in places(model, older=False):
        if isinstance(place.owner, Optimizer):
            continue
        for variable in place.variables:
            last = variable.name.rpartition("/")[2].partition(":")[0]
            base = name = f"{place.path}/{last}" if place.path else last
            number = 0
            while name in found:
                number += 1
                name = f"{base}_{number}"
            found[name] = variable
    return found


def write(model: Any, path: str) -> None:
    """Writes the weights of a model; the file replaces an older one when it is whole.

    Raises:
        ImportError: the package safetensors is not installed.
        ValueError: a weight holds strings.
    """
    arrays = {name: np.asarray(variable._plain()._value) for name, variable in named_weights(model).items()}
    write_arrays(arrays, path)


def write_arrays(arrays: dict[str, np.ndarray], path: str) -> None:
    """Writes arrays by name."""
    package = _package()
    tensors, kept = {}, []
    for name, given in arrays.items():
        value = np.ascontiguousarray(given).reshape(given.shape)
        kept.append(value)  # the file is written from its memory
        if value.dtype.kind not in "biufc" and value.dtype != dtypes.BFLOAT16:
            raise ValueError(
                f"save_weights: {name!r} holds {value.dtype}, which safetensors files do not{at_user_location()}"
            )
        tensors[name] = package.TensorSpec(
            dtype=value.dtype.name, shape=list(value.shape), data_ptr=value.ctypes.data, data_len=value.nbytes
        )
    with replacing(path) as partial:
        package.serialize_file(tensors, partial, _FACTS)


def read_arrays(path: str) -> dict[str, np.ndarray]:
    """Returns the arrays of a file.

    Raises:
        ImportError: the package safetensors is not installed.
        ValueError: the file is damaged, or has a dtype that is not known.
    """
    package = _package()
    with open(path, "rb") as file:
        data = file.read()
    try:
        found = package.deserialize(data)
    except package.SafetensorError as error:
        raise ValueError(f"{path!r} is no whole safetensors file: {error}{at_user_location()}") from error
    arrays = {}
    for name, facts in found:
        if facts["dtype"] not in _DTYPES:
            raise ValueError(
                f"{path!r}: {name!r} is of the dtype {facts['dtype']}, which is not known{at_user_location()}"
            )
        arrays[name] = np.frombuffer(facts["data"], _DTYPES[facts["dtype"]]).reshape(facts["shape"])
    return arrays


def header(path: str) -> list[tuple[str, tuple, str]]:
    """Returns the name, shape and dtype of each array of a file, whose values are not read."""
    package = _package()
    try:
        with package.safe_open(path, "np") as file:
            parts = [(name, file.get_slice(name)) for name in file.keys()]  # noqa: SIM118 - it is no dict
            return [(name, tuple(part.get_shape()), part.get_dtype()) for name, part in parts]
    except package.SafetensorError as error:
        raise ValueError(f"{path!r} is no whole safetensors file: {error}{at_user_location()}") from error


def read(
    model: Any, path: str, skip_mismatch: bool = False, skipped: frozenset | set[int] = frozenset()
) -> None:
    """Reads the weights of a file into a model: all of them or, on an error, none.

    Args:
        model: a built model.
        path: of the file.
        skip_mismatch: leave out weights that do not fit, with a warning.
        skipped: the ids of layers to leave out.

    Raises:
        ValueError: the file has other names, or weights of other shapes.
    """
    arrays, known = read_arrays(path), named_weights(model)
    left_out = {
        id(v) for place in places(model, older=False) if id(place.owner) in skipped for v in place.variables
    }
    for name in [name for name, variable in known.items() if id(variable) in left_out]:
        del known[name]
        arrays.pop(name, None)
    problems = [f"{name!r} is not in the file" for name in known if name not in arrays]
    problems += [f"the model has no {name!r}" for name in arrays if name not in known]
    problems += [
        f"{name!r} has shape {tuple(known[name].shape)}, the file has {array.shape}"
        for name, array in arrays.items()
        if name in known and tuple(known[name].shape) != array.shape
    ]
    if problems and not skip_mismatch:
        shown = "; ".join(problems[:5]) + ("; ..." if len(problems) > 5 else "")
        raise ValueError(
            f"load_weights: {path!r} does not fit {model.name!r}: {shown}. skip_mismatch=True leaves such weights out"
            f"{at_user_location()}"
        )
    if problems:
        warnings.warn(f"load_weights: {'; '.join(problems)}; left out", stacklevel=4)
    for name, array in arrays.items():
        if name in known and tuple(known[name].shape) == array.shape:
            known[name]._store(Tensor(np.asarray(array, known[name]._numpy_dtype)))
