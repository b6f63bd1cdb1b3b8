"""Reading HDF5 files that may come from anywhere.

Only plain data inside the file itself is read: no links to other files, no external or virtual storage, no filters that
HDF5 would look for outside, and no dataset that claims to be far larger than what is stored.
"""

from __future__ import annotations

import contextlib
import math
import mmap
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

import h5py
import numpy as np

from dovetail.base.blame import raised_in
from dovetail.base.errors import at_user_location
from dovetail.engine.memory import array_to_fill
from dovetail.keras.saving import h5_heaps
from dovetail.wire.inflation import UNQUESTIONED_BYTES, is_absurd

# Data whose places were never written take no bytes, so that little may stand for much.
_MAX_UNQUESTIONED_BYTES, _MAX_INFLATION = 64 << 20, 1000
_MAX_ATTRIBUTE_BYTES = UNQUESTIONED_BYTES
_STRINGS_AT_ONCE = 1024
# The filters that are part of HDF5 and h5py: others are plugins, libraries that HDF5 looks for in folders.
_FILTERS = frozenset(
    {
        h5py.h5z.FILTER_DEFLATE,
        h5py.h5z.FILTER_SHUFFLE,
        h5py.h5z.FILTER_FLETCHER32,
        h5py.h5z.FILTER_SZIP,
        h5py.h5z.FILTER_NBIT,
        h5py.h5z.FILTER_SCALEOFFSET,
        h5py.h5z.FILTER_LZF,
    }
)
# What h5py raises where a file is damaged.
_DAMAGE = (OSError, RuntimeError, KeyError, TypeError, UnicodeDecodeError, OverflowError, MemoryError)


@contextlib.contextmanager
def opened(file: Any, path: str) -> Iterator[Any]:
    """Opens a file for reading; what h5py cannot read in it becomes an error that says so.

    Args:
        file: the path, or an open binary file.
        path: for errors.

    Raises:
        ValueError: the file is damaged.
    """
    heaps = _Heaps(file, path)
    token = _heaps.set(heaps)
    try:
        with _opened(file, path) as handle:
            yield handle
    finally:
        _heaps.reset(token)


class _Heaps:
    """The strings of any length of an open file, which are looked at before the first of them is read.

    Args:
        file: the path, or an open file in memory.
        path: for errors.
    """

    def __init__(self, file: Any, path: str) -> None:
        self._file, self._path, self._are_checked = file, path, False

    def check(self) -> None:
        if self._are_checked:
            return
        try:
            if hasattr(self._file, "getvalue"):
                h5_heaps.check(self._file.getvalue())
            else:
                with (
                    open(self._file, "rb") as opened,
                    mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
                ):
                    h5_heaps.check(mapped)
        except ValueError as error:
            raise ValueError(f"{self._path!r} is damaged: {error}{at_user_location()}") from error
        self._are_checked = True


_heaps: ContextVar[_Heaps | None] = ContextVar("heaps", default=None)


def _check_heaps() -> None:
    heaps = _heaps.get()
    if heaps is not None:
        heaps.check()


@contextlib.contextmanager
def _opened(file: Any, path: str) -> Iterator[Any]:
    try:
        handle = h5py.File(file, "r")
    except _DAMAGE as error:
        raise ValueError(
            f"{path!r} is no HDF5 file, or it is damaged: {error}{at_user_location()}"
        ) from error
    try:
        with handle:
            yield handle
    except _DAMAGE as error:
        if not raised_in(error, "h5py", ".pyx"):
            raise
        raise ValueError(f"{path!r} is damaged: {error}{at_user_location()}") from error


@contextlib.contextmanager
def _told(where: str) -> Iterator[None]:
    """Turns what h5py raises of damaged files into a ValueError that names the place."""
    try:
        yield
    except _DAMAGE as error:
        raise ValueError(
            f"{where} cannot be read, the file is damaged: {error}{at_user_location()}"
        ) from error


def member(group: Any, name: str) -> Any:
    """Returns a member of a group, None when there is none.

    Raises:
        ValueError: it is a soft or external link, or damaged.
    """
    where = f"{group.file.filename}: {group.name}/{name}"
    with _told(where):
        link = group.get(name, getlink=True)
        if link is None:
            return None
        if isinstance(link, h5py.HardLink):
            return group[name]
    raise ValueError(f"{where} is a link, which is not read from weight files{at_user_location()}")


def descend(group: Any, path: str) -> Any:
    """Returns the member at a path like "layers/dense/vars", None when there is none."""
    for part in path.split("/"):
        if group is None or not isinstance(group, h5py.Group):
            return None
        group = member(group, part)
    return group


def meet(item: Any, met: set[int]) -> None:
    """Notes that a group or dataset is about to be read.

    Args:
        item: of the file.
        met: the places in the file of those before.

    Raises:
        ValueError: it is one of those before: a file that means harm lists one many times, or inside of itself.
    """
    where = f"{item.file.filename}: {item.name}"
    with _told(where):
        place = h5py.h5o.get_info(item.id).addr
    if place in met:
        raise ValueError(f"{where} stands under several names, which is not read{at_user_location()}")
    met.add(place)


def attribute(item: Any, name: str) -> Any:
    """Returns an attribute, None when there is none.

    Raises:
        ValueError: it is damaged, or claims an absurd size.
    """
    where = f"{item.file.filename}: the attribute {name!r} of {item.name}"
    with _told(where):
        if name not in item.attrs:
            return None
        found = item.attrs.get_id(name)
        if found.dtype.kind == "O":
            _check_heaps()
        size = math.prod(found.shape or ()) * found.dtype.itemsize
        if size <= _MAX_ATTRIBUTE_BYTES:
            return item.attrs[name]
    raise ValueError(f"{where} claims {size} bytes: it is not read{at_user_location()}")


def read(dataset: Any, strings: bool = False, shape: tuple | None = None) -> np.ndarray:
    """Returns the data of a dataset.

    Args:
        dataset: what the file has, None for nothing.
        strings: strings are as welcome as numbers.
        shape: the one it must have, where that is known.

    Raises:
        ValueError: it is no dataset of numbers, stores its data elsewhere, claims an absurd size, or is damaged.
    """
    check(dataset, "")
    where = f"{dataset.file.filename}: {dataset.name}"
    with _told(where):
        _check_data(dataset, where, strings, shape)
        if h5py.check_string_dtype(dataset.dtype) and dataset.dtype.kind == "O":
            return _strings_of(dataset, where)
        values = array_to_fill(dataset.shape, dataset.dtype)
        if values.size:
            dataset.read_direct(values)
        return values


def check(dataset: Any, name: str) -> None:
    """Raises ValueError where there is no dataset with data inside of the file."""
    if dataset is None:
        raise ValueError(
            f"a weight that the file lists is not in it{name and ': '}{name}{at_user_location()}"
        )
    where = f"{dataset.file.filename}: {dataset.name}"
    if not isinstance(dataset, h5py.Dataset):
        raise ValueError(f"{where} is not a dataset{at_user_location()}")
    with _told(where):
        _check_place(dataset, where)


def _check_place(dataset: Any, where: str) -> None:
    if dataset.external or dataset.is_virtual:
        raise ValueError(f"{where} keeps its data in another file, which is not read{at_user_location()}")
    if dataset.shape is None:
        raise ValueError(f"{where} is empty{at_user_location()}")


def _check_data(dataset: Any, where: str, strings: bool, shape: tuple | None) -> None:
    """Raises ValueError for a dataset that is not read."""
    here = at_user_location()
    plist = dataset.id.get_create_plist()
    filters = {plist.get_filter(i)[0] for i in range(plist.get_nfilters())}
    if not filters <= _FILTERS:
        raise ValueError(
            f"{where} is stored through the filters {sorted(filters - _FILTERS)}, which are plugins{here}"
        )
    size, stored = math.prod(dataset.shape) * dataset.dtype.itemsize, dataset.id.get_storage_size()
    absurd = is_absurd(size, max(stored, 1), _MAX_UNQUESTIONED_BYTES, _MAX_INFLATION)
    if absurd and tuple(dataset.shape) != shape:
        raise ValueError(f"{where} claims {size} bytes and stores {stored}: it is not read{here}")
    if dataset.dtype.kind not in "biufc" and not (strings and h5py.check_string_dtype(dataset.dtype)):
        raise ValueError(f"{where} holds {dataset.dtype}, numbers are expected{here}")


def _strings_of(dataset: Any, where: str) -> np.ndarray:
    """Returns strings; many may stand for the same bytes of the file, so that their lengths are watched."""
    _check_heaps()
    result: Any = np.empty(math.prod(dataset.shape), object)
    if dataset.ndim != 1:
        result[:] = np.asarray(dataset).reshape(-1)
        return result.reshape(dataset.shape)
    limit = max(_MAX_UNQUESTIONED_BYTES, _MAX_INFLATION * dataset.id.get_storage_size())
    for start in range(0, len(result), _STRINGS_AT_ONCE):
        part = dataset[start : start + _STRINGS_AT_ONCE]
        result[start : start + len(part)] = part
        limit -= sum(map(len, part))
        if limit < 0:
            raise ValueError(f"{where} holds strings of an absurd size: it is not read{at_user_location()}")
    return result
