"""Native kernels on NumPy's arrays: functions of the rows of contiguous float32 arrays."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from dovetail.engine import native

_size, _real = ctypes.c_int64, ctypes.c_float


def are_there() -> bool:
    return native.library() is not None


def softmax(x: Any) -> Any:
    return _over_rows("plain_softmax", x)


def log_softmax(x: Any) -> Any:
    return _over_rows("plain_log_softmax", x)


def layer_norm(x: Any, gamma: Any, beta: Any, epsilon: float, rms: bool) -> Any:
    """Normalizes rows; `gamma` and `beta` are (columns,) or None."""
    return _over_rows("plain_layer_norm", x, _place(gamma), _place(beta), _real(epsilon), ctypes.c_int(rms))


def _over_rows(name: str, x: Any, *more: Any) -> Any:
    """Calls a function of rows: how many, how long, what is read, what is written, and more."""
    y = np.empty_like(x)
    columns = x.shape[-1]
    getattr(native.library(), name)(_size(x.size // columns), _size(columns), _place(x), _place(y), *more)
    return y


def _place(x: Any) -> ctypes.c_void_p:
    return ctypes.c_void_p(None if x is None else x.ctypes.data)
