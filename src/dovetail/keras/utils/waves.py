"""Sounds in WAV files."""

from __future__ import annotations

import importlib
import math
from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.ops.files.wave import WaveError, samples_of


def read_wave(content: bytes, sampling_rate: int | None = None) -> np.ndarray:
    """Returns the samples of a WAV file, as float32 in [-1, 1] of shape (samples, channels).

    Args:
        content: of the file; integers of 8, 16, 24 or 32 bits, or floats.
        sampling_rate: to resample to, in Hz.

    Raises:
        ValueError: it is no such file.
    """
    try:
        samples, rate = samples_of(content)
    except WaveError as error:
        raise ValueError(f"not a WAV file that is read here: {error}{at_user_location()}") from error
    if sampling_rate is None or sampling_rate == rate:
        return samples
    return _resampled(samples, rate, sampling_rate)


def _resampled(samples: Any, rate: int, wanted: int) -> np.ndarray:
    signal = importlib.import_module("scipy.signal")  # it takes long
    common = math.gcd(rate, wanted)
    return signal.resample_poly(samples, wanted // common, rate // common, axis=0).astype("float32")
