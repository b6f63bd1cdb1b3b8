"""Fourier transforms and sequences of samples in `keras.ops`; a complex tensor is a pair of real ones there."""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.ops import math as math_ops
from dovetail.ops.arithmetic import maximum
from dovetail.ops.attrs import needed
from dovetail.ops.indexing import where_
from dovetail.ops.keras_math import _tensor
from dovetail.ops.padding import pad_numpy
from dovetail.ops.signal.fourier import COMPLEX, fourier, inverse_fourier, inverse_real_fourier, real_fourier
from dovetail.ops.signal.frames import frames_of, overlapped
from dovetail.ops.views import export
from dovetail.tensor.convert import convert_to_tensor


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
    if x.dtype.numpy_dtype not in COMPLEX:
        raise TypeError(
            f"keras.ops.{function}: expected float32 or float64, received {x.dtype.name}{at_user_location()}"
        )


def _lengths(length: Any) -> tuple | None:
    return None if length is None else (length,)


def _pair(x: Any) -> tuple:
    return math_ops.real(x), math_ops.imag(x)


@export("ops.fft")
def fft(x: tuple) -> tuple:
    """Returns the discrete Fourier transform along the last axis, of and as a pair `(real, imaginary)`."""
    return _pair(fourier(_complex(x, "fft")))


@export("ops.fft2")
def fft2(x: tuple) -> tuple:
    """Returns the discrete Fourier transform along the last two axes, of and as a pair `(real, imaginary)`."""
    return _pair(fourier(_complex(x, "fft2"), axes=(-2, -1)))


@export("ops.ifft2")
def ifft2(x: tuple) -> tuple:
    """Returns the inverse of `fft2`."""
    return _pair(inverse_fourier(_complex(x, "ifft2"), axes=(-2, -1)))


@export("ops.rfft")
def rfft(x: Any, fft_length: int | None = None) -> tuple:
    """Returns the Fourier transform of real numbers along the last axis, `fft_length // 2 + 1` frequencies.

    Args:
        x: floats.
        fft_length: number of samples: the others are cut off, missing ones are 0; None: as many as there are.
    """
    x = _tensor(x)
    _check_floating(x, "rfft")
    return _pair(real_fourier(x, lengths=_lengths(fft_length)))


@export("ops.irfft")
def irfft(x: tuple, fft_length: int | None = None) -> Any:
    """Returns the inverse of `rfft`: `fft_length` samples, by default `2 * (frequencies - 1)`."""
    return inverse_real_fourier(_complex(x, "irfft"), lengths=_lengths(fft_length))


# ---- sequences -------------------------------------------------------------------------------------------------------


@export("ops.extract_sequences")
def extract_sequences(x: Any, sequence_length: int, sequence_stride: int) -> Any:
    """Returns windows of `sequence_length` elements along the last axis, `sequence_stride` apart.

    Example:
        >>> keras.ops.extract_sequences([1, 2, 3, 4, 5], 3, 2).numpy().tolist()
        [[1, 2, 3], [3, 4, 5]]
    """
    return _sequences(_tensor(x), sequence_length, sequence_stride)


def _sequences(x: Any, length: int, stride: int) -> Any:
    size = x.shape[-1] if x.shape.rank else None
    if length < 1 or stride < 1 or (size is not None and size < length):
        raise ValueError(f"there are no sequences of {length} elements, {stride} apart, in shape {x.shape}")
    return frames_of(x, length=length, stride=stride)


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
    return _pair(real_fourier(_sequences(x, fft_length, sequence_stride) * weights))


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
    parts = inverse_real_fourier(_complex(x, "istft"), lengths=(fft_length,))
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
