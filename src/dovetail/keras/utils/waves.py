"""Sounds in WAV files."""

from __future__ import annotations

import importlib
import io
import math
import wave
from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location


def read_wave(content: bytes, sampling_rate: int | None = None) -> np.ndarray:
    """Returns the samples of a WAV file, as float32 in [-1, 1] of shape (samples, channels).

    Args:
        content: of the file; integers of 8, 16, 24 or 32 bits.
        sampling_rate: to resample to, in Hz.

    Raises:
        ValueError: it is no such file.
    """
    try:
        with wave.open(io.BytesIO(content)) as file:
            width, channels, rate = file.getsampwidth(), file.getnchannels(), file.getframerate()
            frames = file.readframes(file.getnframes())
    except (wave.Error, EOFError) as error:
        raise ValueError(f"not a WAV file with integer samples: {error}{at_user_location()}") from error
    samples = _scaled(frames, width).reshape(-1, channels)
    if sampling_rate is None or sampling_rate == rate:
        return samples
    return _resampled(samples, rate, sampling_rate)


def _scaled(frames: bytes, width: int) -> np.ndarray:
    if width == 1:  # the only width without a sign
        return (np.frombuffer(frames, "uint8").astype("float32") - 128) / 128
    padded: np.ndarray = np.zeros((len(frames) // width, 4), "uint8")
    padded[:, 4 - width :] = np.frombuffer(frames, "uint8").reshape(-1, width)  # the high bytes of an int32
    return (padded.view("<i4")[:, 0] / np.float64(1 << 31)).astype("float32")


def _resampled(samples: Any, rate: int, wanted: int) -> np.ndarray:
    signal = importlib.import_module("scipy.signal")  # it takes long
    common = math.gcd(rate, wanted)
    return signal.resample_poly(samples, wanted // common, rate // common, axis=0).astype("float32")
