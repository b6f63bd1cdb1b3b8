"""What the data arguments of `fit`, `evaluate` and `predict` mean."""

from __future__ import annotations

import importlib
import warnings
from typing import Any

import numpy as np

from dovetail.base import nest
from dovetail.base.errors import at_user_location
from dovetail.engine import uses_xla, xla
from dovetail.keras.training.arrays import ArrayData, class_weighted, is_arrays
from dovetail.keras.training.streams import StreamData, generators_of
from dovetail.tensor.composite import CompositeTensor


def training_data(
    x: Any,
    y: Any,
    sample_weight: Any,
    batch_size: int | None,
    shuffle: bool,
    class_weight: dict | None,
    steps: int | None,
    split: float,
    validation: Any,
) -> tuple[Any, Any]:
    """Returns the training data, and the validation data as `(x, y, sample_weight)` or None."""
    if x is None:
        raise ValueError(f"fit: pass the data as x{at_user_location()}")
    if _holds_composites(x) and not split:
        batches = _in_batches(x, y, sample_weight, batch_size, bool(shuffle))
        return StreamData(batches, steps, False, class_weight), _as_triple(validation)
    if is_arrays(x):
        data = plain = ArrayData(x, y, sample_weight, batch_size, bool(shuffle))
        if class_weight is not None:
            weights = class_weighted(y, sample_weight, class_weight)
            data = ArrayData(x, y, weights, batch_size, bool(shuffle))
        if split and validation is None:
            return _split(data, plain, split)
        return data, _as_triple(validation)
    if y is not None:
        raise ValueError(
            f"fit: y must be None when x gives batches; they contain the targets{at_user_location()}"
        )
    if split:
        raise ValueError(
            f"fit: validation_split needs arrays, received {type(x).__name__}{at_user_location()}"
        )
    _only_in_batches("fit", sample_weight, batch_size)
    return _batches(x, steps, bool(shuffle), class_weight), _as_triple(validation)


def evaluation_data(x: Any, y: Any, sample_weight: Any, batch_size: int | None, steps: int | None) -> Any:
    """Returns data for `evaluate` and `predict`; what is data already stays as it is."""
    if isinstance(x, ArrayData):
        return x
    if _holds_composites(x):
        return StreamData(_in_batches(x, y, sample_weight, batch_size, False), steps)
    if is_arrays(x):
        return ArrayData(x, y, sample_weight, batch_size, False)
    if y is not None:
        raise ValueError(f"y must be None when x gives batches; they contain the targets{at_user_location()}")
    _only_in_batches("evaluate", sample_weight, None)
    return _batches(x, steps)


def _batches(source: Any, steps: int | None, shuffle: bool = False, class_weight: dict | None = None) -> Any:
    """Returns data for what gives batches: rows of arrays where that is what a dataset is made of, else a stream."""
    if hasattr(source, "_whole"):  # of a strategy: its replicas compute together here
        source = source._whole()
    stream = StreamData(source, steps, shuffle, class_weight)
    if uses_xla():
        xla("training")  # datasets compile what they map where that has been loaded
    plan = source._arrays() if isinstance(source, _dataset()) else None
    rows = None if plan is None else importlib.import_module("dovetail.keras.training.rows").RowData
    if rows is None or not rows.takes(plan, stream.num_batches):
        return stream
    return rows(plan, stream.num_batches, steps, class_weight, generators_of(source))


def _dataset() -> Any:
    """Returns `tf.data.Dataset`; training on arrays begins without it."""
    return importlib.import_module("dovetail.data").Dataset


def _split(data: ArrayData, plain: ArrayData, fraction: float) -> tuple[ArrayData, tuple]:
    """Splits data for training, and the same without class weights, which do not count in validation."""
    if not 0 < fraction < 1:
        raise ValueError(
            f"validation_split must lie between 0 and 1, received {fraction}{at_user_location()}"
        )
    cut = int(data.num_samples * (1 - fraction))
    if cut in (0, data.num_samples):
        raise ValueError(f"validation_split={fraction} of {data.num_samples} samples leaves one part empty")
    held = plain.part(cut, data.num_samples)
    held.shuffle = False
    return data.part(0, cut), (held, None, None)


def _holds_composites(x: Any) -> bool:
    """True for ragged and sparse tensors among the inputs: their rows are no rows of their components."""
    return type(x) is not np.ndarray and any(isinstance(leaf, CompositeTensor) for leaf in nest.flatten(x))


def _as_tuples(structure: Any) -> Any:
    """Returns inputs with tuples for lists, which are tensors to a dataset."""
    if isinstance(structure, list) and any(hasattr(item, "shape") for item in structure):
        return tuple(map(_as_tuples, structure))
    return structure


def _in_batches(x: Any, y: Any, sample_weight: Any, batch_size: int | None, shuffle: bool) -> Any:
    """Returns inputs with composite tensors among them as a dataset of batches."""
    parts: tuple = (_as_tuples(x), _as_tuples(y), sample_weight)
    while parts[-1] is None:
        parts = parts[:-1]
    rows = _dataset().from_tensor_slices(parts)
    if shuffle:
        rows = rows.shuffle(max(int(rows.cardinality()), 1))
    return rows.batch(32 if batch_size is None else batch_size)


def _only_in_batches(what: str, sample_weight: Any, batch_size: Any) -> None:
    """Refuses arguments that data in batches leaves no room for."""
    if sample_weight is not None:
        raise ValueError(
            f"{what}: sample_weight must be None when x gives batches; let them be (x, y, sample_weight)"
            f"{at_user_location()}"
        )
    if batch_size is not None:
        warnings.warn(f"{what}: batch_size says nothing when x gives batches", stacklevel=4)


def _as_triple(validation: Any) -> Any:
    if validation is None:
        return None
    if isinstance(validation, tuple | list) and not hasattr(validation, "shape"):
        if not 1 <= len(validation) <= 3:
            raise ValueError(
                f"validation_data must be (x, y) or (x, y, sample_weight), received {len(validation)} parts"
            )
        return (*validation, *(None,) * (3 - len(validation)))
    return validation, None, None
