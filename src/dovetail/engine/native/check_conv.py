"""Compares the native convolutions with NumPy's sums."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

# Strides, padding and gaps over three axes; outputs that are no multiple of two vectors.
_SIZES, _WINDOW, _OUTER = (3, 7, 11), (2, 3, 4), (2, 3, 5)
_STRIDES, _BEFORE, _GAPS = (2, 3, 2), (1, 2, 0), (1, 2, 1)
_BATCH, _CHANNELS, _OUTPUTS = 2, 5, 45


def difference_of_convolutions(library: ctypes.CDLL) -> float:
    """Returns the largest difference, of sums over all channels and of each by itself, and of their gradients."""
    everywhere = (
        (library.plain_conv, library.plain_conv_kernel, library.plain_conv_few),
        (_CHANNELS, _OUTPUTS),
        "io",
    )
    each = (
        (library.plain_depthwise, library.plain_depthwise_kernel, library.plain_depthwise),
        (_OUTPUTS, _OUTPUTS),
        "i",
    )
    return max(_difference(*everywhere), _difference(*each))


def _difference(functions: tuple, sizes: tuple, axes: str) -> float:
    """Compares a convolution and its gradients.

    Args:
        functions: the convolution, its kernel's gradient, and the convolution of few places.
        sizes: channels and outputs.
        axes: of a kernel behind its window: "io", or "i" for each channel by itself.
    """
    (channels, outputs), rng = sizes, np.random.default_rng(0)
    x = rng.normal(size=(_BATCH, *_SIZES, channels))
    kernel = rng.normal(size=(*_WINDOW, *sizes[: len(axes)]))
    g = rng.normal(size=(_BATCH, *_OUTER, outputs))
    given = x, kernel, g = [array.astype(np.float32) / 2 for array in (x, kernel, g)]
    found = [np.full(array.shape, np.nan, np.float32) for array in (g, x, kernel, g)]
    numbers = (_BATCH, *_SIZES, *_OUTER, *sizes, *_WINDOW, *_STRIDES, *_BEFORE, *_GAPS)
    for function, arrays, backwards in (
        (functions[0], (x, kernel, found[0]), 0),
        (functions[0], (g, kernel, found[1]), 1),
        (functions[1], (x, g, found[2]), 0),
        (functions[2], (x, kernel, found[3]), 0),
    ):
        packed = (ctypes.c_int64 * (len(numbers) + 1))(*numbers, backwards)
        function(ctypes.byref(packed), *[ctypes.c_void_p(array.ctypes.data) for array in arrays])
    wide = [array.astype(np.float64) for array in given]
    expected = _by_numpy(wide[0], wide[1], wide[2], axes)
    return max(float(np.max(np.abs(a - b))) for a, b in zip(found, (*expected, expected[0]), strict=True))


def _by_numpy(x: Any, kernel: Any, g: Any, axes: str) -> tuple:
    """Returns the convolution and the gradients of the input and the kernel."""
    padded = np.pad(x, ((0, 0), *((before, 3) for before in _BEFORE), (0, 0)))
    seen = [
        np.arange(n)[:, None] * stride + np.arange(k) * gap  # (outer, window)
        for n, k, stride, gap in zip(_OUTER, _WINDOW, _STRIDES, _GAPS, strict=True)
    ]
    places = (slice(None), *np.ix_(*(each.reshape(-1) for each in seen)))
    shape = (
        _BATCH,
        *(n for each in seen for n in each.shape),
        x.shape[-1],
    )  # (batch, outer, window, ..., channels)
    taken, out = padded[places].reshape(shape), f"ndhw{axes[-1]}"
    back = np.zeros_like(padded)
    np.add.at(back, places, np.einsum(f"{out},abc{axes}->ndahbwci", g, kernel).reshape(padded[places].shape))
    inside = tuple(slice(before, before + size) for before, size in zip(_BEFORE, _SIZES, strict=True))
    return (
        np.einsum(f"ndahbwci,abc{axes}->{out}", taken, kernel),
        back[(slice(None), *inside)],
        np.einsum(f"ndahbwci,{out}->abc{axes}", taken, g),
    )
