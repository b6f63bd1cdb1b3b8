"""Pitches as they are heard: the mel scale, and the cosine transform of what is heard at each pitch.

Sources: S. S. Stevens, J. Volkmann, E. B. Newman, "A scale for the measurement of the psychological magnitude pitch",
1937; S. Davis, P. Mermelstein, "Comparison of parametric representations for monosyllabic word recognition", 1980.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.engine import dtypes
from dovetail.ops.attrs import DTypeLike
from dovetail.ops.create import _made
from dovetail.ops.families import op
from dovetail.ops.signal.cosine import dct
from dovetail.ops.signal.fourier import _given
from dovetail.ops.views import export
from dovetail.tensor import dtype as dt

_BREAK_HERTZ, _MELS_PER_E = 700.0, 1127.0


def _mel(hertz: Any) -> Any:
    return _MELS_PER_E * np.log1p(np.asarray(hertz, np.float64) / _BREAK_HERTZ)


def mel_weights(num_mels: int, num_frequencies: int, nyquist: float, low: float, high: float) -> np.ndarray:
    """Returns how much each frequency counts for each pitch, triangles in mels: (frequencies, pitches).

    The frequency 0 counts nowhere.
    """
    edges = np.linspace(_mel(low), _mel(high), num_mels + 2)
    left, middle, right = edges[:-2], edges[1:-1], edges[2:]
    pitches = _mel(np.linspace(0, nyquist, num_frequencies))[:, None]  # (frequencies, 1)
    rising, falling = (pitches - left) / (middle - left), (right - pitches) / (right - middle)
    weights = np.maximum(np.minimum(rising, falling), 0)
    weights[:1] = 0
    return weights


def _matrix_shape(num_mels: int, num_frequencies: int, **_: Any) -> tuple:
    return tuple(None if size == -1 else size for size in (num_frequencies, num_mels))


@op("", shape=_matrix_shape, dtype=lambda *_, dtype, **__: dtype, differentiable=False)
def mel_matrix(
    xp: Any,
    *,
    num_mels: int,
    num_frequencies: int,
    nyquist: float,
    low: float,
    high: float,
    dtype: DTypeLike,
) -> Any:
    """Returns `mel_weights` as a tensor."""
    return xp.asarray(mel_weights(num_mels, num_frequencies, nyquist, low, high).astype(dtype))


@export("signal.linear_to_mel_weight_matrix")
def linear_to_mel_weight_matrix(
    num_mel_bins: Any = 20,
    num_spectrogram_bins: Any = 129,
    sample_rate: Any = 8000,
    lower_edge_hertz: Any = 125.0,
    upper_edge_hertz: Any = 3800.0,
    dtype: Any = "float32",
    name: str | None = None,
) -> Any:
    """Returns the matrix that makes pitches on the scale of mels of a spectrogram: `matmul(spectrogram, matrix)`.

    Args:
        num_mel_bins: how many pitches.
        num_spectrogram_bins: how many frequencies, from 0 to half of `sample_rate`.
        sample_rate: samples a second.
        lower_edge_hertz, upper_edge_hertz: where the pitches begin and end.
        dtype: a floating-point type.

    Returns:
        (num_spectrogram_bins, num_mel_bins).
    """
    kind = dt.numpy_dtype(dtype)
    _check_range(num_mel_bins, sample_rate, lower_edge_hertz, upper_edge_hertz)
    if kind.kind != "f" and not dtypes.is_half(kind):
        raise ValueError(f"dtype must be a floating-point type, received {kind.name}{at_user_location()}")
    sizes = {"num_mels": num_mel_bins, "num_frequencies": num_spectrogram_bins, "dtype": kind}
    hertz = {
        "nyquist": float(sample_rate) / 2,
        "low": float(lower_edge_hertz),
        "high": float(upper_edge_hertz),
    }
    return _made(mel_matrix, sizes | hertz)


def _check_range(num_mels: Any, sample_rate: Any, low: Any, high: Any) -> None:
    wrong = ""
    if num_mels <= 0:
        wrong = f"num_mel_bins must be positive, received {num_mels}"
    elif sample_rate <= 0:
        wrong = f"sample_rate must be positive, received {sample_rate}"
    elif not 0 <= low < high:
        wrong = f"lower_edge_hertz must be at least 0 and below upper_edge_hertz ({high}), received {low}"
    elif high > sample_rate / 2:
        wrong = f"upper_edge_hertz must be at most half of sample_rate ({sample_rate}), received {high}"
    if wrong:
        raise ValueError(f"tf.signal.linear_to_mel_weight_matrix: {wrong}{at_user_location()}")


@export("signal.mfccs_from_log_mel_spectrograms")
def mfccs_from_log_mel_spectrograms(log_mel_spectrograms: Any, name: str | None = None) -> Any:
    """Returns the mel-frequency cepstral coefficients of the logarithms of what is heard at each pitch.

    They are the cosine transform of type 2, divided by `sqrt(2 * num_mel_bins)`; the first one is not scaled further.

    Args:
        log_mel_spectrograms: floats (..., num_mel_bins).

    Returns:
        The same shape; many take the first 13 coefficients.
    """
    x = _given(log_mel_spectrograms, "float32")
    bins = x.shape[-1] if len(x.shape) else 0
    if not bins:
        raise ValueError(
            f"tf.signal.mfccs_from_log_mel_spectrograms: expected pitches along a last axis of a known size, received "
            f"shape {x.shape}{at_user_location()}"
        )
    return dct(x, type=2) * (1 / math.sqrt(2 * bins))
