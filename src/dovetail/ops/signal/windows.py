"""Windows: weights that fall off to both ends of a frame.

Sources: F. J. Harris, "On the use of windows for harmonic analysis with the discrete Fourier transform", 1978;
J. F. Kaiser, R. W. Schafer, "On the use of the I0-sinh window for spectrum analysis", 1980.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dovetail.engine import dtypes
from dovetail.ops.attrs import DTypeLike
from dovetail.ops.create import _made
from dovetail.ops.families import op
from dovetail.ops.views import export
from dovetail.tensor import dtype as dt


def _window_shape(length: int, **_: Any) -> tuple:
    return (None if length == -1 else length,)


def _derived_shape(length: int, **_: Any) -> tuple:
    return (None if length == -1 else length // 2 * 2,)


def _checked(length: int, dtype: Any) -> None:
    if length < 0:
        raise ValueError(f"window_length must be at least 0, received {length}")
    if dtype.kind != "f" and not dtypes.is_half(dtype):
        raise ValueError(f"dtype must be a floating-point type, received {dtype.name}")


def _kind(*_: Any, dtype: Any, **__: Any) -> Any:
    return dtype


@op("", shape=_window_shape, dtype=_kind, differentiable=False)
def raised_cosine(xp: Any, *, length: int, middle: float, periodic: bool, dtype: DTypeLike) -> Any:
    """Returns `middle - (1 - middle) cos(2 pi k / n)`; n is the length where periodic and even, else one less."""
    _checked(length, dtype)
    if length == 1:
        return xp.ones((1,), dtype)
    period = length - 1 + (periodic and length % 2 == 0)
    angles = 2 * np.pi * np.arange(length) / max(period, 1)
    return xp.asarray((middle - (1 - middle) * np.cos(angles)).astype(dtype))


@op("", shape=_window_shape, dtype=_kind, differentiable=False)
def sine_of_sine(xp: Any, *, length: int, dtype: DTypeLike) -> Any:
    """Returns `sin(pi / 2 sin^2(pi (k + 1/2) / n))`."""
    _checked(length, dtype)
    inner = np.sin(np.pi * (np.arange(length) + 0.5) / max(length, 1))
    return xp.asarray(np.sin(np.pi / 2 * inner**2).astype(dtype))


@op("", shape=_window_shape, dtype=_kind, differentiable=False)
def kaiser_(xp: Any, *, length: int, beta: float, dtype: DTypeLike) -> Any:
    """Returns `I0(beta sqrt(1 - t^2)) / I0(beta)` for t from -1 to 1."""
    _checked(length, dtype)
    return xp.asarray(np.kaiser(length, beta).astype(dtype))


@op("", shape=_derived_shape, dtype=_kind, differentiable=False)
def kaiser_derived(xp: Any, *, length: int, beta: float, dtype: DTypeLike) -> Any:
    """Returns the square roots of the growing sums of a Kaiser window, and the same backwards."""
    _checked(length, dtype)
    sums = np.cumsum(np.kaiser(length // 2 + 1, beta))
    half = np.sqrt(sums[:-1] / sums[-1])
    return xp.asarray(np.concatenate([half, half[::-1]]).astype(dtype))


@export("signal.hann_window")
def hann_window(
    window_length: Any, periodic: Any = True, dtype: Any = "float32", name: str | None = None
) -> Any:
    """Returns the Hann window, `0.5 - 0.5 cos(2 pi k / n)`.

    Args:
        window_length: number of weights.
        periodic: n is the length itself where that is even, as the transform of frames wants it; False: one less.
        dtype: a floating-point type.
    """
    return _raised(window_length, 0.5, periodic, dtype)


@export("signal.hamming_window")
def hamming_window(
    window_length: Any, periodic: Any = True, dtype: Any = "float32", name: str | None = None
) -> Any:
    """Returns the Hamming window, `0.54 - 0.46 cos(2 pi k / n)`, which does not quite end in 0.

    Args:
        window_length, periodic, dtype: as for `tf.signal.hann_window`.
    """
    return _raised(window_length, 0.54, periodic, dtype)


def _raised(length: Any, middle: float, periodic: Any, dtype: Any) -> Any:
    return _made(
        raised_cosine,
        {"length": length, "middle": middle, "periodic": periodic, "dtype": dt.numpy_dtype(dtype)},
    )


@export("signal.vorbis_window")
def vorbis_window(window_length: Any, dtype: Any = "float32", name: str | None = None) -> Any:
    """Returns the window of Vorbis, `sin(pi / 2 sin^2(pi (k + 1/2) / n))`; overlapping squares add up to 1."""
    return _made(sine_of_sine, {"length": window_length, "dtype": dt.numpy_dtype(dtype)})


@export("signal.kaiser_window")
def kaiser_window(
    window_length: Any, beta: Any = 12.0, dtype: Any = "float32", name: str | None = None
) -> Any:
    """Returns the Kaiser window; the larger `beta`, the narrower it is."""
    return _made(kaiser_, {"length": window_length, "beta": beta, "dtype": dt.numpy_dtype(dtype)})


@export("signal.kaiser_bessel_derived_window")
def kaiser_bessel_derived_window(
    window_length: Any, beta: Any = 12.0, dtype: Any = "float32", name: str | None = None
) -> Any:
    """Returns the window derived of a Kaiser window, whose overlapping squares add up to 1; an even length."""
    return _made(kaiser_derived, {"length": window_length, "beta": beta, "dtype": dt.numpy_dtype(dtype)})


WindowFunction = Callable[..., Any]
