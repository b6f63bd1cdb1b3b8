"""Reading HDF5 files that may come from anywhere.

Only plain data inside the file itself is read: no links to other files, no external or virtual storage, and no dataset
that claims to be far larger than what is stored.
"""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np

_MAX_UNQUESTIONED_BYTES = 4 << 30
_MAX_INFLATION = 1000


def member(group: Any, name: str) -> Any:
    """Returns a member of a group, None when there is none.

    Raises:
        ValueError: it is a soft or external link.
    """
    link = group.get(name, getlink=True)
    if link is None:
        return None
    if not isinstance(link, h5py.HardLink):
        raise ValueError(
            f"{group.file.filename}: {group.name}/{name} is a link, which is not read from weight files"
        )
    return group[name]


def descend(group: Any, path: str) -> Any:
    """Returns the member at a path like "layers/dense/vars", None when there is none."""
    for part in path.split("/"):
        if group is None or not isinstance(group, h5py.Group):
            return None
        group = member(group, part)
    return group


def read(dataset: Any, strings: bool = False) -> np.ndarray:
    """Returns the data of a dataset.

    Args:
        dataset: what the file has, None for nothing.
        strings: strings are as welcome as numbers.

    Raises:
        ValueError: it is no dataset of numbers, stores its data elsewhere, or claims an absurd size.
    """
    if dataset is None:
        raise ValueError("a weight that the file lists is not in it")
    where = f"{dataset.file.filename}: {dataset.name}"
    if not isinstance(dataset, h5py.Dataset):
        raise ValueError(f"{where} is not a dataset")
    if dataset.external or dataset.is_virtual:
        raise ValueError(f"{where} keeps its data in another file, which is not read")
    size, stored = (
        int(np.prod(dataset.shape, dtype=np.int64)) * dataset.dtype.itemsize,
        dataset.id.get_storage_size(),
    )
    if size > _MAX_UNQUESTIONED_BYTES and size > _MAX_INFLATION * max(stored, 1):
        raise ValueError(f"{where} claims {size} bytes and stores {stored}: it is not read")
    if dataset.dtype.kind not in "biufc" and not (strings and h5py.check_string_dtype(dataset.dtype)):
        raise ValueError(f"{where} holds {dataset.dtype}, numbers are expected")
    return np.asarray(dataset)
