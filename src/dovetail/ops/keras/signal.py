"""Fourier transforms and sequences of samples in `keras.ops`; a complex tensor is a pair of real ones there."""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.ops import math as math_ops
from dovetail.ops.arithmetic import maximum
from dovetail.ops.attrs import needed
from dovetail.ops.families import op
from dovetail.ops.indexing import where_
from dovetail.ops.keras_math import _tensor
from dovetail.ops.padding import pad_numpy
from dovetail.ops.views import export
from dovetail.tensor.convert import convert_to_tensor

_REAL = {np.dtype(np.complex64): np.dtype(np.float32), np.dtype(np.complex128): np.dtype(np.float64)}
_COMPLEX = {real: kind for kind, real in _REAL.items()}


# ---- transforms ------------------------------------------------------------------------------------------------------


@op("", shape=lambda x: x)
def fourier(xp: Any, x: Any) -> Any:
    """Returns the discrete Fourier transform along the last axis."""
    return xp.fft.fft(x)


@op("", shape=lambda x: x)
def fourier_2d(xp: Any, x: Any) -> Any:
    """Returns the discrete Fourier transform along the last two axes."""
    return xp.fft.fft2(x)


@op("", shape=lambda x: x)
def inverse_fourier_2d(xp: Any, x: Any) -> Any:
    """Returns the inverse discrete Fourier transform along the last two axes."""
    return xp.fft.ifft2(x)


def _half(x: tuple, length: int | None) -> tuple:
    size = x[-1] if length is None else length
    return (*x[:-1], None if size is None else size // 2 + 1)


@op("", shape=_half, dtype=lambda kind, **_: _COMPLEX[kind])
def real_fourier(xp: Any, x: Any, *, length: int | None = None) -> Any:
    """Returns the half of the discrete Fourier transform of real numbers that tells all."""
    return xp.fft.rfft(x, length)


def _whole(x: tuple, length: int | None) -> tuple:
    return (*x[:-1], length if length is not None or x[-1] is None else 2 * (x[-1] - 1))


@op("", shape=_whole, dtype=lambda kind, **_: _REAL[kind])
def inverse_real_fourier(xp: Any, x: Any, *, length: int | None = None) -> Any:
    """Returns the real numbers whose half of a Fourier transform is given."""
    return xp.fft.irfft(x, length)


def _complex(x: Any, function: str) -> Any:
    """Returns the complex tensor of a pair `(real, imaginary)`."""
    if not isinstance(x, tuple | list) or len(x) != 2:
        raise ValueError(
            f"keras.ops.{function}: expected a pair (real, imaginary) of tensors, received {type(x).__name__}"
            f"{at_user_location()}"
        )
    real, imaginary = map(_tensor, x)
    _check_floating(real, function)
    if real.dtype != imaginary.dtype:
        raise ValueError(
            f"keras.ops.{function}: the parts have dtypes {real.dtype.name} and {imaginary.dtype.name}"
            f"{at_user_location()}"
        )
    return math_ops.complex_(real, imaginary)


def _check_floating(x: Any, function: str) -> None:
    if x.dtype.numpy_dtype not in _COMPLEX:
        raise TypeError(
            f"keras.ops.{function}: expected float32 or float64, received {x.dtype.name}{at_user_location()}"
        )


def _pair(x: Any) -> tuple:
    return math_ops.real(x), math_ops.imag(x)


@export("ops.fft")
def fft(x: tuple) -> tuple:
    """Returns the discrete Fourier transform along the last axis, of and as a pair `(real, imaginary)`."""
    return _pair(fourier(_complex(x, "fft")))


@export("ops.fft2")
def fft2(x: tuple) -> tuple:
    """Returns the discrete Fourier transform along the last two axes, of and as a pair `(real, imaginary)`."""
    return _pair(fourier_2d(_complex(x, "fft2")))


@export("ops.ifft2")
def ifft2(x: tuple) -> tuple:
    """Returns the inverse of `fft2`."""
    return _pair(inverse_fourier_2d(_complex(x, "ifft2")))


@export("ops.rfft")
def rfft(x: Any, fft_length: int | None = None) -> tuple:
    """Returns the Fourier transform of real numbers along the last axis, `fft_length // 2 + 1` frequencies.

    Args:
        x: floats.
        fft_length: number of samples: the others are cut off, missing ones are 0; None: as many as there are.
    """
    x = _tensor(x)
    _check_floating(x, "rfft")
    return _pair(real_fourier(x, length=fft_length))


@export("ops.irfft")
def irfft(x: tuple, fft_length: int | None = None) -> Any:
    """Returns the inverse of `rfft`: `fft_length` samples, by default `2 * (frequencies - 1)`."""
    return inverse_real_fourier(_complex(x, "irfft"), length=fft_length)


# ---- sequences -------------------------------------------------------------------------------------------------------


def _places(count: int, length: int, stride: int) -> np.ndarray:
    """Returns the index of each element of each sequence: (count, length)."""
    return np.arange(count)[:, None] * stride + np.arange(length)[None, :]


def _sequences_shape(x: tuple, length: int, stride: int) -> tuple:
    return (*x[:-1], None if x[-1] is None else 1 + (x[-1] - length) // stride, length)


@op("", shape=_sequences_shape)
def sequences(xp: Any, x: Any, *, length: int, stride: int) -> Any:
    """Returns the windows of `length` elements along the last axis, `stride` apart."""
    if length < 1 or stride < 1 or x.shape[-1] < length:
        raise ValueError(f"there are no sequences of {length} elements, {stride} apart, in shape {x.shape}")
    return x[..., _places(1 + (x.shape[-1] - length) // stride, length, stride)]


def _joined_shape(x: tuple, stride: int, size: int) -> tuple:
    return (*x[:-2], size if size >= 0 or x[-2] is None else (x[-2] - 1) * stride + x[-1])


@op("", shape=_joined_shape)
def overlapped(xp: Any, x: Any, *, stride: int, size: int = -1) -> Any:
    """Returns the sum of sequences that begin `stride` apart, with zeros behind up to `size` elements."""
    count, length = x.shape[-2:]
    size = (count - 1) * stride + length if size < 0 else size
    places = (Ellipsis, _places(count, length, stride))
    return xp.index_add(xp.zeros((*x.shape[:-2], size), x.dtype), places, x)


sequences.gradient(lambda g, y, x, length, stride: overlapped(g, stride=stride, size=x.shape[-1]))
overlapped.gradient(
    lambda g, y, x, stride, size: sequences(
        g[..., : (x.shape[-2] - 1) * stride + x.shape[-1]], length=x.shape[-1], stride=stride
    )
)


@export("ops.extract_sequences")
def extract_sequences(x: Any, sequence_length: int, sequence_stride: int) -> Any:
    """Returns windows of `sequence_length` elements along the last axis, `sequence_stride` apart.

    Example:
        >>> keras.ops.extract_sequences([1, 2, 3, 4, 5], 3, 2).numpy().tolist()
        [[1, 2, 3], [3, 4, 5]]
    """
    return sequences(_tensor(x), length=sequence_length, stride=sequence_stride)


_WINDOWS = {"hann": (0.5, 0.5), "hamming": (0.54, 0.46)}


def _window(window: Any, length: int, fft_length: int, dtype: Any, function: str) -> np.ndarray:
    """Returns the window, with zeros at both sides up to the length of the transform."""
    if fft_length < length:
        raise ValueError(
            f"keras.ops.{function}: fft_length {fft_length} is smaller than sequence_length {length}"
            f"{at_user_location()}"
        )
    if window is None:
        return np.ones(fft_length, dtype.numpy_dtype)
    if isinstance(window, str):
        if window not in _WINDOWS:
            raise ValueError(
                f"keras.ops.{function}: window must be 'hann', 'hamming' or a vector, received {window!r}"
                f"{at_user_location()}"
            )
        middle, swing = _WINDOWS[window]
        values = middle - swing * np.cos(2 * np.pi * np.arange(length) / max(length, 1))
    else:
        values = np.asarray(window)
    if values.shape != (length,):
        raise ValueError(
            f"keras.ops.{function}: the window must have shape ({length},), received {values.shape}{at_user_location()}"
        )
    left = (fft_length - length) // 2
    return np.pad(values, (left, fft_length - length - left)).astype(dtype.numpy_dtype)


@export("ops.stft")
def stft(
    x: Any,
    sequence_length: int,
    sequence_stride: int,
    fft_length: int,
    window: Any = "hann",
    center: bool = True,
) -> tuple:
    """Returns the short-time Fourier transform: the transforms of windows along the last axis.

    Args:
        x: real samples (..., samples).
        sequence_length: samples a window.
        sequence_stride: distance between windows.
        fft_length: samples a transform, at least `sequence_length`.
        window: "hann", "hamming", a vector of `sequence_length` weights, or None.
        center: pad with reflected samples, so that window i is centered at sample `i * sequence_stride`.

    Returns:
        `(real, imaginary)`, each of shape (..., windows, fft_length // 2 + 1).
    """
    x = _tensor(x)
    _check_floating(x, "stft")
    weights = _window(window, needed(sequence_length), needed(fft_length), x.dtype, "stft")
    if center:
        x = pad_numpy(x, [(0, 0)] * (len(x.shape) - 1) + [(fft_length // 2,) * 2], mode="reflect")
    return _pair(real_fourier(sequences(x, length=fft_length, stride=sequence_stride) * weights))


@export("ops.istft")
def istft(
    x: tuple,
    sequence_length: int,
    sequence_stride: int,
    fft_length: int,
    length: int | None = None,
    window: Any = "hann",
    center: bool = True,
) -> Any:
    """Returns the samples whose short-time Fourier transform is given; see `stft`.

    Args:
        x: `(real, imaginary)` of shape (..., windows, frequencies).
        sequence_length, sequence_stride, fft_length, window, center: as they were for `stft`.
        length: number of samples to return; None: all that the windows tell.
    """
    parts = inverse_real_fourier(_complex(x, "istft"), length=fft_length)
    weights = _window(window, needed(sequence_length), needed(fft_length), parts.dtype, "istft")
    total = overlapped(parts * weights, stride=sequence_stride)
    squares = np.broadcast_to(weights * weights, (parts.shape[-2] or 1, fft_length))
    power = overlapped(convert_to_tensor(squares), stride=sequence_stride)
    if window is None:
        total = total * (fft_length / sequence_stride)
    total = where_(total / maximum(power, 1e-10), total, power > 1e-10)
    start = fft_length // 2 if center else 0
    if length is not None:
        return total[..., start : start + length]
    return total[..., start : -(fft_length // 2)] if center else total
