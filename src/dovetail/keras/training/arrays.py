"""Data for `fit`, `evaluate` and `predict` that lies in memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from dovetail.base import nest
from dovetail.base.errors import at_user_location
from dovetail.base.settings import settings
from dovetail.keras import checks
from dovetail.keras.training.pace import Pace
from dovetail.keras.training.shuffling import draw_order, taken
from dovetail.keras.training.source import Source
from dovetail.keras.training.steps import pack_x_y_sample_weight
from dovetail.tensor.composite import is_composite
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.spec import join_batches
from dovetail.tensor.tensor import Tensor, TensorLike

_BYTES = {bytes}  # what the strings of tensors are
_WIDE = np.dtype(np.float64)


def fetched(value: Any) -> Any:
    """Returns an output of a model as users get it: an array; a composite tensor as it is."""
    return value if is_composite(value) else np.asarray(value)


def copied(value: Any) -> Any:
    """Returns an output that shares no memory with the model's."""
    if type(value) is Tensor:
        return value._concrete("predict").copy()
    return value if is_composite(value) else np.array(value)


def joined(*parts: Any) -> Any:
    """Returns the outputs for several batches as one."""
    return join_batches(parts) if is_composite(parts[0]) else np.concatenate(parts)


def as_numpy(value: Any) -> Any:
    """Returns a leaf of user data as a NumPy array (float64 becomes Keras' `floatx`), None for None."""
    if value is None:
        return None
    if type(value) is np.ndarray:
        array = value
    elif isinstance(value, TensorLike):
        tensor = value if isinstance(value, Tensor) else value._tensor()
        array = np.asarray(tensor._value)
    elif hasattr(value, "to_numpy"):
        array = value.to_numpy()
    elif hasattr(value, "toarray"):
        array = value.toarray()
    else:
        array = np.asarray(value)
    if array.dtype == _WIDE:
        array = array.astype(settings.floatx)
    if array.dtype == object and array.size and not isinstance(array.flat[0], str | bytes):
        raise ValueError(
            f"the data holds Python objects ({type(array.flat[0]).__name__}); arrays of numbers are expected. Rows of "
            f"different lengths? Pad them first{at_user_location()}"
        )
    kind = array.dtype.kind
    if kind in "US" or (kind == "O" and set(map(type, array.reshape(-1).tolist())) != _BYTES):
        return convert_to_tensor(array)._value
    return array


def structured(value: Any) -> Any:
    """Turns plain lists of numbers and tables into arrays, and leaves lists and dicts of arrays as structures."""
    if (
        isinstance(value, list | tuple)
        and value
        and not any(hasattr(item, "shape") or isinstance(item, dict | list | tuple) for item in value)
    ):
        return np.asarray(value)
    if isinstance(value, list) and value and isinstance(value[0], list | tuple):
        leaves = nest.flatten(value)
        if not any(hasattr(leaf, "shape") for leaf in leaves):
            return _table(value)
    return value


def _table(rows: list) -> np.ndarray:
    """Returns nested lists of numbers as an array."""
    try:
        return np.asarray(rows)
    except ValueError:
        raise ValueError(
            "the data is a list of rows of different lengths; pad them to one length first: "
            f"keras.utils.pad_sequences(rows){at_user_location()}"
        ) from None


@dataclass(frozen=True, slots=True)
class Stretch:
    """Batches that follow each other in one order of samples.

    Attributes:
        order: numbers of samples (int32), None for the order they have.
        num_samples: how many of them count.
        first, stop: the first batch, and the one after the last.
    """

    order: np.ndarray | None
    num_samples: int
    first: int
    stop: int


class ArrayData(Source):
    """Samples in memory.

    Attributes:
        leaves: flat arrays (None where a part is absent); first axis: samples.
        spec: how they are packed into what steps get: `x`, `(x, y)` or `(x, y, sample_weight)`.
        num_samples, batch_size: ints.
        shuffle: whether each epoch has its own order.
        order: the order of the samples in this pass, None for the one they have.
        position: the next batch of this pass; after an epoch has begun, of the next epoch.
        first: the first batch of the epoch in this pass.
        drawn_from: the state of NumPy's generator that the order comes from.
        on_device: the arrays where XLA can use them, None before they are needed.
        pace: how many steps the next dispatch runs.
        checked: whether the labels were compared with the model's outputs.
        numbers: what a step made of the strings among the arrays; see `DividedStep.numbers`.
    """

    numbers: tuple | None = None

    def __init__(self, x: Any, y: Any, sample_weight: Any, batch_size: int | None, shuffle: bool) -> None:
        parts = (structured(x), structured(y), structured(sample_weight))
        leaves, self.spec = nest.flatten_spec(pack_x_y_sample_weight(*parts))
        self.leaves = [as_numpy(leaf) for leaf in leaves]
        self.num_samples = _common_length(self.leaves, parts)
        self.batch_size = 32 if batch_size is None else checks.count(batch_size, "batch_size", 1)
        self.shuffle = shuffle
        self.on_device: list | None = None
        self.order: np.ndarray | None = None
        self.position = self.first = 0
        self.drawn_from: dict | None = None
        self.pace = Pace()
        self.checked = False

    @property
    def num_batches(self) -> int | None:
        return -(-self.num_samples // self.batch_size)

    def restart(self) -> None:
        """Begins a new pass, whatever is left of this one."""
        self.position, self.order = 0, None

    def standing(self, done: int | None) -> dict:
        place = self.position if done is None else self.first + done
        return {"place": place, "drawn_from": self.drawn_from if place else None}

    def resume(self, standing: dict, done: int) -> None:
        self.position, self.done = standing["place"] - done, done
        if standing["drawn_from"] is not None:
            draw_order(self, standing["drawn_from"])

    def stretches(self, steps: int | None) -> Iterator[Stretch]:
        """Yields the batches of an epoch: `steps` of them, all for None."""
        first, stop = taken(self, steps)
        yield Stretch(self.order, self.num_samples, first, stop)

    def batch(self, stretch: Stretch, index: int) -> list:
        """Returns the leaves of a batch of a stretch."""
        start, stop = index * self.batch_size, min((index + 1) * self.batch_size, stretch.num_samples)
        rows: Any = slice(start, stop) if stretch.order is None else stretch.order[start:stop]
        return [None if leaf is None else leaf[rows] for leaf in self.leaves]

    def part(self, start: int, stop: int) -> ArrayData:
        """Returns a stretch of the samples as data of their own."""
        other = self.with_leaves([None if leaf is None else leaf[start:stop] for leaf in self.leaves])
        other.num_samples = stop - start
        return other

    def with_leaves(self, leaves: list) -> ArrayData:
        """Returns data like these with other arrays."""
        other = object.__new__(ArrayData)
        other.__dict__.update(self.__dict__)
        other.leaves, other.on_device, other.numbers = leaves, None, None
        return other


def _common_length(leaves: list, parts: tuple) -> int:
    """Returns the number of samples; raises ValueError when the arrays disagree or there are none."""
    sizes: set[Any] = {leaf.shape[0] if leaf.ndim else None for leaf in leaves if leaf is not None}
    if len(sizes) != 1 or None in sizes or 0 in sizes:
        _refuse_lengths(parts)
    return int(sizes.pop())


def _refuse_lengths(parts: tuple) -> None:
    """Raises ValueError that says which arrays differ in length, or have none."""
    lengths: dict[str, list[int]] = {}
    for name, part in zip(("x", "y", "sample_weight"), parts, strict=True):
        for leaf in nest.flatten(part):
            if leaf is None:
                continue
            array = np.asarray(leaf) if not hasattr(leaf, "shape") else leaf
            if not len(array.shape):
                raise ValueError(
                    f"{name} must have a first axis of samples, received a scalar{at_user_location()}"
                )
            lengths.setdefault(name, []).append(int(array.shape[0]))
    if len({size for sizes in lengths.values() for size in sizes}) > 1:
        listed = ", ".join(f"{name}: {', '.join(map(str, sizes))}" for name, sizes in lengths.items())
        raise ValueError(
            f"the arrays have different numbers of samples ({listed}). Each sample of x needs one entry in the others; "
            f"check the first axes{at_user_location()}"
        )
    raise ValueError(
        f"the data is empty: there are no samples (the first axis has size 0){at_user_location()}"
    )


def is_arrays(x: Any) -> bool:
    """True for data in memory: arrays, tensors, tables, and structures of them."""
    if hasattr(x, "_numpy_batches"):
        return False
    if hasattr(x, "shape") or isinstance(x, dict) or hasattr(x, "to_numpy"):
        return True
    return isinstance(x, list | tuple) and (not x or not hasattr(x, "__next__"))


def class_weighted(y: Any, sample_weight: Any, class_weight: dict) -> Any:
    """Returns sample weights that contain the weight of each sample's class.

    Raises:
        ValueError: there are several targets.
    """
    if len(nest.flatten(structured(y))) != 1:
        raise ValueError(
            f"class_weight: the model has several outputs; pass sample_weight, one array an output{at_user_location()}"
        )
    labels = as_numpy(nest.flatten(structured(y))[0])
    if labels.ndim > 1 and labels.shape[-1] > 1:
        labels = labels.argmax(axis=-1)
    labels = labels.reshape(len(labels), -1)[:, 0].astype(np.int64)
    factors: Any = np.ones(len(labels), np.float32)
    for label, factor in class_weight.items():
        factors[labels == int(label)] = factor
    return (
        factors if sample_weight is None else factors * as_numpy(sample_weight).reshape(len(labels), -1)[:, 0]
    )
