"""Native kernels on images."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

_size, _pointer = ctypes.c_int64, ctypes.c_void_p
_MOST_KEPT = 64
_ARITHMETIC = {"add": 0, "adjust_brightness": 0, "subtract": 1, "multiply": 2, "divide": 3}  # as in resize.h
_MINIMUM, _MAXIMUM = 4, 5
_KEPT: dict[int, tuple] = {}  # by the identity of a table, which is held


class _Taps(ctypes.Structure):
    """`Taps` in resize.h."""

    _fields_ = [("size", _size), ("count", _size), ("first", _pointer), ("weights", _pointer)]


class _After(ctypes.Structure):
    """`After` in resize.h."""

    _fields_ = [("count", _size), ("kinds", _pointer), ("values", _pointer), ("mirrored", _size)]


_NOTHING = _After(0, None, None, 0)


def resized_and_more(
    library: Any, image: np.ndarray, numbers: list, steps: tuple, rows: tuple, columns: tuple
) -> np.ndarray:
    """Returns an image, resized and changed by steps, as `ops/image_chain.py` says.

    Args:
        library: the compiled library.
        image: as `resized` takes it.
        numbers: scalars of float32.
        steps: names of what takes them: of arithmetic, "clip_by_value", "flip_some".
        rows, columns: as `resized` takes them.
    """
    left = iter(numbers)
    kinds: list[int] = []
    values: list[Any] = []
    mirrored = False
    for step in steps:
        if step == "flip_some":
            mirrored ^= bool(next(left) < 0.5)
        elif step == "clip_by_value":
            low, high = next(left), next(left)
            kinds += (_MINIMUM, _MAXIMUM)
            values += (high, low)
        else:
            kinds.append(_ARITHMETIC[step])
            values.append(next(left))
    which, given = (ctypes.c_int32 * len(kinds))(*kinds), (ctypes.c_float * len(values))(*values)
    after = _After(len(kinds), ctypes.addressof(which), ctypes.addressof(given), mirrored)
    return resized(library, image, rows, columns, after)


def resized(
    library: Any, images: np.ndarray, rows: tuple, columns: tuple, after: _After = _NOTHING
) -> np.ndarray:
    """Returns images, resized by tables of neighbouring taps, float32.

    Args:
        library: the compiled library.
        images: uint8 or float32, contiguous, of shape (..., height, width, channels).
        rows, columns: `(indices, weights)` of the new height and width, (size, taps) each.
        after: what else is done to the pixels.
    """
    *outer, height, width, channels = images.shape
    found: np.ndarray = np.empty((*outer, len(rows[0]), len(columns[0]), channels), np.float32)
    run = library.resize_bytes if images.dtype == np.uint8 else library.resize_floats
    batch = images.size // (height * width * channels)
    (up, kept), (across, held) = _taps(rows), _taps(columns)
    sizes = [_size(n) for n in (batch, height, width, channels)]
    run(_at(images), _at(found), *sizes, ctypes.byref(up), ctypes.byref(across), ctypes.byref(after))
    del kept, held  # what the tables point to lives until here
    return found


def mirrored(library: Any, images: np.ndarray) -> np.ndarray:
    """Returns images with the last column first.

    Args:
        library: the compiled library.
        images: contiguous, of shape (..., height, width, channels), not empty.
    """
    found = np.empty_like(images)
    *_, width, channels = images.shape
    pixel = channels * images.itemsize
    library.mirror(
        _at(images), _at(found), _size(images.nbytes // (width * pixel)), _size(width), _size(pixel)
    )
    return found


def _taps(table: tuple) -> tuple[_Taps, tuple]:
    """Returns a table of taps, and what it points to; the last ones are kept, for a pipeline asks for the same."""
    found = _KEPT.get(id(table))
    if found is None or found[1][0] is not table:
        indices, weights = table
        first, weights = (
            np.ascontiguousarray(indices[:, 0], np.int64),
            np.ascontiguousarray(weights, np.float32),
        )
        found = _Taps(*weights.shape, _at(first), _at(weights)), (table, first, weights)
        if len(_KEPT) >= _MOST_KEPT:
            _KEPT.clear()
        _KEPT[id(table)] = found
    return found


def _at(array: np.ndarray) -> ctypes.c_void_p:
    return _pointer(array.ctypes.data)
