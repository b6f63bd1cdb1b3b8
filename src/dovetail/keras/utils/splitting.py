"""Splitting a dataset in two."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from dovetail.base import nest
from dovetail.base.errors import at_user_location
from dovetail.data import Dataset


def split_dataset(
    dataset: Any,
    left_size: float | int | None = None,
    right_size: float | int | None = None,
    shuffle: bool = False,
    seed: int | None = None,
    preferred_backend: str | None = None,
) -> tuple[Any, Any]:
    """Returns two datasets with the elements of one.

    Args:
        dataset: a finite `tf.data.Dataset`, an array, or a tuple or dict of arrays of one length.  Of a PyTorch
            `Dataset` with a length, the two are `torch.utils.data.Subset`s.
        left_size, right_size: number of elements (int) or share of them (float in (0, 1)); one may be left out.
        shuffle: whether to shuffle the elements first.
        seed: of the shuffling.
        preferred_backend: None or "tensorflow": the result is a pair of `tf.data.Dataset`.

    Raises:
        ValueError: sizes that do not fit the dataset.
    """
    if preferred_backend not in (None, "tensorflow"):
        raise ValueError(
            f"split_dataset: preferred_backend={preferred_backend!r} is not supported{at_user_location()}"
        )
    torch = sys.modules.get("torch")
    is_torchs = torch is not None and isinstance(dataset, torch.utils.data.Dataset)
    rows = None if is_torchs else _rows(dataset)
    count = len(dataset) if rows is None else len(nest.flatten(rows)[0])
    left, right = _sizes(count, left_size, right_size)
    order = np.random.default_rng(seed).permutation(count) if shuffle else np.arange(count)
    parts = (order[:left], order[left : left + right])
    if torch is not None and is_torchs:
        first, second = (torch.utils.data.Subset(dataset, part.tolist()) for part in parts)
        return first, second
    first, second = (
        Dataset.from_tensor_slices(nest.map_structure(lambda array, part=part: array[part], rows))
        for part in parts
    )
    return first, second


def _rows(dataset: Any) -> Any:
    """Returns the elements as arrays, stacked along a new first axis."""
    if not isinstance(dataset, Dataset):
        return nest.map_structure(np.asarray, tuple(dataset) if isinstance(dataset, tuple) else dataset)
    elements = list(dataset.as_numpy_iterator())
    if not elements:
        raise ValueError(f"split_dataset: the dataset is empty{at_user_location()}")
    return nest.map_structure(lambda *items: np.stack(items), *elements)


def _sizes(count: int, left: Any, right: Any) -> tuple[int, int]:
    if left is None and right is None:
        raise ValueError(f"split_dataset: pass left_size, right_size or both{at_user_location()}")
    numbers = [size if size is None else _number(count, size) for size in (left, right)]
    first = numbers[0] if numbers[0] is not None else count - numbers[1]  # type: ignore[operator]
    second = numbers[1] if numbers[1] is not None else count - first
    if first < 0 or second < 0 or first + second > count or not first + second:
        raise ValueError(
            f"split_dataset: {count} elements cannot be split into {left!r} and {right!r}{at_user_location()}"
        )
    return first, second


def _number(count: int, size: Any) -> int:
    if isinstance(size, float):
        if not 0 <= size <= 1:
            raise ValueError(f"split_dataset: a share must be in [0, 1], received {size}{at_user_location()}")
        return round(count * size)
    return int(size)
