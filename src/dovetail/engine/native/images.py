"""Native kernels on images."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

_size, _pointer = ctypes.c_int64, ctypes.c_void_p


class _Taps(ctypes.Structure):
    """`Taps` in resize.h."""

    _fields_ = [("size", _size), ("count", _size), ("first", _pointer), ("weights", _pointer)]


def resized(library: Any, images: np.ndarray, rows: tuple, columns: tuple) -> np.ndarray:
    """Returns images, resized by tables of neighbouring taps, float32.

    Args:
        library: the compiled library.
        images: uint8 or float32, contiguous, of shape (..., height, width, channels).
        rows, columns: `(indices, weights)` of the new height and width, (size, taps) each.
    """
    *outer, height, width, channels = images.shape
    found: np.ndarray = np.empty((*outer, len(rows[0]), len(columns[0]), channels), np.float32)
    run = library.resize_bytes if images.dtype == np.uint8 else library.resize_floats
    batch = images.size // (height * width * channels)
    (up, kept), (across, held) = _taps(*rows), _taps(*columns)
    sizes = [_size(n) for n in (batch, height, width, channels)]
    run(_at(images), _at(found), *sizes, ctypes.byref(up), ctypes.byref(across))
    del kept, held  # the arrays live until here
    return found


def _taps(indices: np.ndarray, weights: np.ndarray) -> tuple[_Taps, list]:
    """Returns a table, and the arrays that it points to."""
    first, weights = np.ascontiguousarray(indices[:, 0], np.int64), np.ascontiguousarray(weights, np.float32)
    return _Taps(*weights.shape, _at(first), _at(weights)), [first, weights]


def _at(array: np.ndarray) -> ctypes.c_void_p:
    return _pointer(array.ctypes.data)
