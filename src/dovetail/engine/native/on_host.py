"""Native kernels on NumPy's arrays: contiguous ones of float32, in one pass over memory, on all threads where it pays.

The library takes the arrays themselves, and asks Python for their memory: a call costs a microsecond.
"""

from __future__ import annotations

import ctypes
import functools
import math
import os
from collections.abc import Callable
from typing import Any

import numpy as np

FUNCTIONS = ("linear", "relu", "tanh", "sigmoid", "erf", "gelu", "gelu_tanh", "silu")  # as in elements.h
ROWS = ("softmax", "log_softmax", "layer_norm", "rms_norm")
REDUCTIONS = ("sum", "max", "min", "mean", "prod")  # as in columns.h and along.h
NUMBERS = {name: number for names in (FUNCTIONS, ROWS, REDUCTIONS) for number, name in enumerate(names)}

_ALIGNED = (
    1 << 14
)  # elements from which on results begin where a cache line does, as XLA wants what it does not copy
_LINE = 64
_object, _size, _int, _real = ctypes.py_object, ctypes.c_int64, ctypes.c_int, ctypes.c_float
_SIGNATURES = {
    "host_each": (_int, _object, _object),
    "host_rows": (_int, _object, _object, _object, _object, _size, _real),
    "host_reduced": (_int, _object, _object, _size, _size, _size),
    "host_running": (_object, _object, _size),
    "host_few_largest": (_object, _object, _object, _size, _size),
    "host_batch_norm": (*[_object] * 6, _real),
    "host_group_norm": (_object, _object, _object, _object, _size, _size, _size, _real),
    "host_windows": (_int, _object, _object, _object),
    "host_dense": (_object, _object, _object, _object, _size, _size, _int),
    "host_attention": (*[_object] * 5, _real, _int),
}
_PYTHON = ("PyObject_GetBuffer", "PyBuffer_Release", "PyEval_SaveThread", "PyEval_RestoreThread")
_empty = np.empty


def num_threads() -> int:
    """Returns how many threads work at once: as many as XLA's, which the variable bounds too."""
    bound = os.environ.get("PJRT_NPROC", "")
    if bound.isdigit() and int(bound):
        return int(bound)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class OnHost:
    """The functions of a compiled library.

    All arrays that they take are contiguous and of float32, and none is empty; who calls sees to it.
    """

    each_into: Any
    rows_into: Any
    reduced_into: Any
    running_into: Any
    few_largest_into: Any
    batch_norm_into: Any
    group_norm_into: Any
    windows_into: Any
    dense_into: Any
    attention_into: Any

    def __init__(self, library: ctypes.CDLL) -> None:
        locked = ctypes.PyDLL(library._name, handle=library._handle)  # Python's lock stays held
        for name, kinds in _SIGNATURES.items():
            function = getattr(locked, name)
            function.argtypes, function.restype = kinds, None
            setattr(self, name.removeprefix("host_") + "_into", function)
        places = [ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p) for name in _PYTHON]
        locked.host_begin(*places, _object(None))
        self._threads = locked.host_threads
        self._threads.argtypes, self._threads.restype = (_size,), None
        self.use_threads(num_threads())

    def use_threads(self, count: int) -> None:
        self._threads(count)

    def each(self, function: str, x: Any) -> Any:
        """Applies one of FUNCTIONS to each element."""
        y = _empty(x.shape, np.float32) if x.size < _ALIGNED else room(x.shape)
        self.each_into(NUMBERS[function], x, y)
        return y

    def rows(self, what: str, x: Any, gamma: Any = None, beta: Any = None, epsilon: float = 0.0) -> Any:
        """Applies one of ROWS to each row; `gamma` and `beta` are (columns,) or None."""
        y = _empty(x.shape, np.float32) if x.size < _ALIGNED else room(x.shape)
        self.rows_into(NUMBERS[what], x, y, gamma, beta, x.shape[-1], epsilon)
        return y

    def reduced(self, how: str, x: Any, outer: int, rows: int, inner: int, shape: tuple) -> Any:
        """Reduces what has the sizes (outer, rows, inner) to outer * inner elements, by one of REDUCTIONS.

        Products are of rows that are single numbers: `inner` is 1.
        """
        y: Any = _empty(shape, np.float32)
        self.reduced_into(NUMBERS[how], x, y, outer, rows, inner)
        return y

    def running(self, x: Any) -> Any:
        """Returns the running sums along rows."""
        y = _empty(x.shape, np.float32) if x.size < _ALIGNED else room(x.shape)
        self.running_into(x, y, x.shape[-1])
        return y

    def few_largest(self, x: Any, few: int) -> tuple:
        """Returns the largest numbers of rows, in descending order, and their places, int32."""
        shape = (*x.shape[:-1], few)
        values: Any = _empty(shape, np.float32)
        places: Any = _empty(shape, np.int32)
        self.few_largest_into(x, values, places, x.shape[-1], few)
        return values, places

    def batch_norm(self, x: Any, mean: Any, variance: Any, offset: Any, scale: Any, epsilon: float) -> Any:
        """Normalizes (..., channels) by known statistics; offset and scale may be None."""
        y = room(x.shape)
        self.batch_norm_into(x, y, mean, variance, offset, scale, epsilon)
        return y

    def group_norm(self, x: Any, gamma: Any, beta: Any, groups: int, epsilon: float) -> Any:
        """Normalizes groups of the channels of (batch, ..., channels)."""
        y = room(x.shape)
        self.group_norm_into(x, y, gamma, beta, x.shape[0], x.shape[-1], groups, epsilon)
        return y

    def windows(self, mean: bool, x: Any, axes: list) -> Any:
        """Returns the maximum or the mean over windows of (batch, height, width, channels).

        Args:
            mean: else the maximum.
            x: the images.
            axes: for height and width (size, size of the output, window, stride, dilation, padding before).
        """
        y = room((x.shape[0], axes[0][1], axes[1][1], x.shape[-1]))
        self.windows_into(mean, x, y, np.array((x.shape[0], x.shape[-1], *axes[0], *axes[1]), np.int64))
        return y

    def dense(self, x: Any, kernel: Any, bias: Any, function: str, sizes: tuple) -> Any:
        """Returns `function(x @ kernel + bias)` of x (..., depth), kernel (depth, columns) and a bias or None.

        Args:
            x, kernel, bias: the arrays.
            function: one of FUNCTIONS.
            sizes: depth, columns and the shape of the result.
        """
        depth, columns, shape = sizes
        y = room(shape)
        self.dense_into(x, kernel, bias, y, depth, columns, NUMBERS[function])
        return y

    def dense_like(self, function: str, sizes: tuple) -> Callable:
        """Returns `f(x, kernel, bias=None)`, which is `dense` for arrays of float32 of these sizes."""
        depth, columns, shape = sizes
        into, number, make = self.dense_into, NUMBERS[function], _maker(shape)

        def again(x: Any, kernel: Any, bias: Any = None) -> Any:
            y = make()
            try:
                into(x, kernel, bias, y, depth, columns, number)
            except ValueError:  # views whose elements do not lie side by side
                return again(
                    *(None if one is None else np.ascontiguousarray(one) for one in (x, kernel, bias))
                )
            return y

        return again

    def attention(self, query: Any, key: Any, value: Any, scale: float, causal: bool) -> Any:
        """Returns `softmax(query . key * scale) . value` of each head.

        Args:
            query: (batch, queries, heads, size).
            key: (batch, keys, heads, size).
            value: (batch, keys, heads, value size).
            scale: factor of the logits.
            causal: query i sees the keys up to i.
        """
        batch, queries, heads, size = query.shape
        y = room((batch, queries, heads, value.shape[-1]))
        sizes = np.array((batch, queries, key.shape[1], heads, size, value.shape[-1]), np.int64)
        self.attention_into(query, key, value, y, sizes, scale, causal)
        return y


def room(shape: tuple) -> Any:
    """Returns an array for a result; a large one so that XLA, which may read it next, need not copy it."""
    size = math.prod(shape)
    if size < _ALIGNED:
        return _empty(shape, np.float32)
    whole = _empty(size + _LINE // 4, np.float32)
    skipped = -whole.ctypes.data % _LINE // 4
    return whole[skipped : skipped + size].reshape(shape)


def _maker(shape: tuple) -> Callable:
    """Returns what makes the room for results of one shape."""
    if math.prod(shape) < _ALIGNED:
        return functools.partial(_empty, shape, np.float32)
    return functools.partial(room, shape)
