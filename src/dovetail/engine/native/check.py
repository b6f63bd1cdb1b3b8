"""The check of a compiled library, by its plain functions: no XLA takes part, so that it costs a millisecond."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

_TIME, _BATCH, _SIZE = 3, 5, 19  # neither a multiple of any vector's width, nor of the rows done at once


class _Arguments(ctypes.Structure):
    """The sizes and up to 11 arrays of `Lstm` and `LstmGradient` in recurrent.cc."""

    _fields_ = [(name, ctypes.c_int64) for name in ("time", "batch", "size", "share")] + [
        ("arrays", ctypes.c_void_p * 12)
    ]


def difference(library: ctypes.CDLL) -> float:
    """Returns the largest difference from NumPy's results, of an LSTM with a mask and of its gradients."""
    rng = np.random.default_rng(0)
    sizes = {"z": (_TIME, _BATCH, 4 * _SIZE), "kernel": (_SIZE, 4 * _SIZE), "ghs": (_TIME, _BATCH, _SIZE)}
    z, kernel, ghs = (0.5 * rng.normal(size=size).astype(np.float32) for size in sizes.values())
    h, c, gh, gc = (rng.normal(size=(_BATCH, _SIZE)).astype(np.float32) for _ in range(4))
    mask = rng.random((_TIME, _BATCH)) < 0.7
    steps, state = ((_TIME, _BATCH, _SIZE), (_BATCH, _SIZE))
    hs, h_last, c_last, cs, gates = _run(
        library.plain_lstm, (z, kernel, h, c, mask), (steps, state, state, steps, z.shape)
    )
    gradients = _run(
        library.plain_lstm_gradient,
        (gh, gc, kernel, cs, gates, c, ghs, mask),
        (z.shape, state, state),
    )
    found = (hs, h_last, c_last, *gradients)
    wide: list = [x.astype(np.float64) for x in (z, kernel, h, c, ghs, gh, gc)]
    expected = _lstm(mask, *wide)
    return max(float(np.max(np.abs(x - y))) for x, y in zip(found, expected, strict=True))


def _run(function: Any, inputs: tuple, shapes: tuple) -> list:
    outputs = [np.full(shape, np.nan, np.float32) for shape in shapes]
    places = [x.ctypes.data for x in (*inputs, *outputs)]
    function(ctypes.byref(_Arguments(_TIME, _BATCH, _SIZE, 0, (ctypes.c_void_p * 12)(*places))))
    return outputs


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def _lstm(mask: Any, z: Any, kernel: Any, h: Any, c: Any, ghs: Any, gh: Any, gc: Any) -> tuple:
    """Returns the outputs of all steps, the last states, and the gradients of z, h and c."""
    hs, kept, gz = [], [], np.zeros_like(z)
    for x, seen in zip(z, mask[..., None], strict=True):
        i, f, g, o = np.split(x + h @ kernel, 4, axis=-1)
        i, f, g, o = _sigmoid(i), _sigmoid(f), np.tanh(g), _sigmoid(o)
        after = f * c + i * g
        y = np.tanh(after)
        kept.append((i, f, g, o, c, y))
        h, c = np.where(seen, o * y, h), np.where(seen, after, c)
        hs.append(h)
    for t in range(len(z) - 1, -1, -1):
        (i, f, g, o, before, y), seen = kept[t], mask[t][:, None]
        gh = gh + ghs[t]
        of_c = gc + gh * o * (1 - y * y)
        parts = (
            of_c * g * i * (1 - i),
            of_c * before * f * (1 - f),
            of_c * i * (1 - g * g),
            gh * y * o * (1 - o),
        )
        gz[t] = np.concatenate(parts, axis=-1) * seen
        gh, gc = np.where(seen, gz[t] @ kernel.T, gh), np.where(seen, of_c * f, gc)
    return np.array(hs), h, c, gz, gh, gc
