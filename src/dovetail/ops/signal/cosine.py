"""Cosine transforms, as cases of the Fourier transform of real numbers.

Sources: N. Ahmed, T. Natarajan, K. R. Rao, "Discrete cosine transform", 1974; J. P. Princen, A. B. Bradley, "Analysis
and synthesis filter bank design based on time domain aliasing cancellation", 1986.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.ops.array import concat
from dovetail.ops.attrs import needed
from dovetail.ops.families import op
from dovetail.ops.shapes import reverse
from dovetail.ops.signal.fourier import COMPLEX, _given
from dovetail.ops.signal.frames import frame, overlap_and_add
from dovetail.ops.signal.windows import vorbis_window
from dovetail.ops.views import export


def _turns(n: int, like: Any) -> np.ndarray:
    """Returns exp(-i pi k / 2n) for each k."""
    return np.exp(-0.5j * np.pi * np.arange(n) / n).astype(COMPLEX[like.dtype])


def _scales(n: int, like: Any, first: float) -> np.ndarray:
    scales = np.full(n, np.sqrt(0.5 / n))
    scales[:1] *= first
    return scales.astype(like.dtype)


def _first(xp: Any, x: Any, norm: str | None) -> Any:
    n = x.shape[-1]
    return xp.fft.rfft(xp.concatenate([x, x[..., n - 2 : 0 : -1]], axis=-1)).real


def _second(xp: Any, x: Any, norm: str | None) -> Any:
    n = x.shape[-1]
    y = 2 * (xp.fft.rfft(x, 2 * n)[..., :n] * _turns(n, x)).real
    return y * _scales(n, x, np.sqrt(0.5)) if norm else y


def _third(xp: Any, x: Any, norm: str | None) -> Any:
    n = x.shape[-1]
    x = x * _scales(n, x, np.sqrt(2)) if norm else x
    return 2 * n * xp.fft.irfft(x * np.conj(_turns(n, x)), 2 * n)[..., :n]


def _fourth(xp: Any, x: Any, norm: str | None) -> Any:
    n = x.shape[-1]
    wide = xp.concatenate([x, xp.zeros(x.shape, x.dtype)], axis=-1)
    y = _second(xp, wide, None)[..., 1::2]
    return y * _scales(n, x, 1) if norm else y


_TYPES: dict[int, Callable] = {1: _first, 2: _second, 3: _third, 4: _fourth}
_INVERSE = {1: 1, 2: 3, 3: 2, 4: 4}


def _cosine(xp: Any, x: Any, type: int, n: int | None, axis: int, norm: str | None) -> Any:
    _check(x, type, n, axis, norm)
    if n is not None and n != x.shape[-1]:
        zeros = max(n - x.shape[-1], 0)
        x = xp.pad(x[..., :n], [(0, 0)] * (x.ndim - 1) + [(0, zeros)])
    if type == 1 and x.shape[-1] < 2:
        raise ValueError(f"type 1 takes at least two numbers along the last axis, received shape {x.shape}")
    return _TYPES[type](xp, x, norm).astype(x.dtype) if x.size else x


def _check(x: Any, type: int, n: int | None, axis: int, norm: str | None) -> None:
    if x.dtype not in COMPLEX:
        raise TypeError(f"expected float32 or float64, received {x.dtype.name}")
    if type not in _TYPES:
        raise ValueError(f"type must be 1, 2, 3 or 4, received {type}")
    if norm not in (None, "ortho"):
        raise ValueError(f"norm must be None or 'ortho', received {norm!r}")
    if type == 1 and norm:
        raise ValueError("type 1 has no norm 'ortho'")
    if n is not None and n < 1:
        raise ValueError(f"n must be positive, received {n}")
    if axis != -1:
        raise NotImplementedError(f"axis must be -1, received {axis}; move the axis with tf.transpose")


def _cosine_shape(x: tuple, type: int, n: int | None, axis: int, norm: str | None) -> tuple:
    return (*x[:-1], x[-1] if n is None else n)


@op("signal.dct(input)", shape=_cosine_shape)
def dct(
    xp: Any, x: Any, *, type: int = 2, n: int | None = None, axis: int = -1, norm: str | None = None
) -> Any:
    """Returns the discrete cosine transform along the last axis.

    Type 2: `y[k] = 2 sum_j x[j] cos(pi k (2j + 1) / 2N)`

    Args:
        x: float32 or float64.
        type: 1, 2, 3 or 4; type 3 is the inverse of type 2 up to a factor, 1 and 4 are their own.
        n: numbers to transform: others are cut off, missing ones are 0; None: as many as there are.
        axis: -1.
        norm: "ortho" makes the transform orthogonal; type 1 has no norm.
    """
    return _cosine(xp, x, type, n, axis, norm)


@op("signal.idct(input)", shape=_cosine_shape)
def idct(
    xp: Any, x: Any, *, type: int = 2, n: int | None = None, axis: int = -1, norm: str | None = None
) -> Any:
    """Returns the inverse of `tf.signal.dct`; without a norm it is `2N` times that (type 1: `2(N - 1)`).

    Args:
        x: float32 or float64.
        type, n, axis, norm: as for `tf.signal.dct`.
    """
    if type not in _INVERSE:
        raise ValueError(f"type must be 1, 2, 3 or 4, received {type}")
    return _cosine(xp, x, _INVERSE[type], n, axis, norm)


@export("signal.mdct")
def mdct(
    signals: Any,
    frame_length: Any,
    window_fn: Callable | None = vorbis_window,
    pad_end: bool = False,
    norm: str | None = None,
    name: str | None = None,
) -> Any:
    """Returns the modified discrete cosine transform of windows that overlap by half.

    Args:
        signals: floats (..., samples).
        frame_length: samples a window, a multiple of 4.
        window_fn: `f(frame_length, dtype=...)` -> weights; None: sqrt(1/2) each.
        pad_end: fill the last windows with zeros instead of leaving them out.
        norm: None, or "ortho".

    Returns:
        (..., windows, frame_length // 2).
    """
    signals = _given(signals, "float32")
    length = needed(frame_length)
    if length % 4:
        raise ValueError(
            f"tf.signal.mdct: frame_length must be a multiple of 4, received {length}{at_user_location()}"
        )
    frames = frame(signals, length, length // 2, pad_end)  # (..., windows, frame_length)
    frames = _weighted(frames, window_fn, length)
    a, b, c, d = (frames[..., i * length // 4 : (i + 1) * length // 4] for i in range(4))
    return dct(concat([-_reversed(c) - d, a - _reversed(b)], -1), type=4, norm=norm)


@export("signal.inverse_mdct")
def inverse_mdct(
    mdcts: Any,
    window_fn: Callable | None = vorbis_window,
    norm: str | None = None,
    name: str | None = None,
) -> Any:
    """Returns the samples whose modified discrete cosine transform is given.

    Samples that two windows cover are exact where the squares of the windows' weights add up to 1.

    Args:
        mdcts: floats (..., windows, frame_length // 2).
        window_fn, norm: as they were for `tf.signal.mdct`.
    """
    mdcts = _given(mdcts, "float32")
    half = mdcts.shape[-1]
    if len(mdcts.shape) < 2 or half is None:
        raise ValueError(
            f"tf.signal.inverse_mdct: expected windows of a known size, received shape {mdcts.shape}"
            f"{at_user_location()}"
        )
    mixed = dct(mdcts, type=4, norm=norm)
    mixed = mixed if norm else mixed / (2 * half)
    first, second = mixed[..., : half // 2], mixed[..., half // 2 :]
    frames = concat([second, -_reversed(second), -_reversed(first), -first], -1)
    return overlap_and_add(_weighted(frames, window_fn, 2 * half), half)


def _weighted(frames: Any, window_fn: Callable | None, length: int) -> Any:
    """Returns frames times the window; that of equal weights is the one whose overlapping squares add up to 1."""
    return frames * (math.sqrt(0.5) if window_fn is None else window_fn(length, dtype=frames.dtype))


def _reversed(x: Any) -> Any:
    return reverse(x, axis=(-1,))
