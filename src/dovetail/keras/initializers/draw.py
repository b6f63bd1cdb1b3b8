"""Random numbers for initializers: drawn by the host engine, so that building a model compiles nothing.

A weight's first value is drawn once; it does not matter where.  The generator is the one of `tf.random` (see
`engine/random.py`).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dovetail.engine import dtypes, host, random

_U64 = np.dtype(np.uint64)
_STEP = 0x9E3779B97F4A7C15


def uniform(key: Any, shape: tuple, low: float, high: float, dtype: Any) -> np.ndarray:
    """Returns numbers spread evenly over [low, high)."""
    values = random.floats(host, key, shape, _wide(dtype))
    return (values * (high - low) + low).astype(dtype)


def normal(key: Any, shape: tuple, mean: float, stddev: float, dtype: Any) -> np.ndarray:
    values = random.normals(host, key, shape, _wide(dtype))
    return (values * stddev + mean).astype(dtype)


def truncated_normal(key: Any, shape: tuple, mean: float, stddev: float, dtype: Any) -> np.ndarray:
    """Returns normal numbers; those further than two standard deviations from the mean are drawn again."""
    count, kept = math.prod(shape), []
    missing, round_ = count, 0
    while missing > 0:
        round_key = key ^ np.array([round_ * _STEP & 0xFFFFFFFFFFFFFFFF, 0], _U64)
        fresh = random.normals(host, round_key, (missing + missing // 16 + 32,), _wide(dtype))
        fresh = fresh[np.abs(fresh) < 2][:missing]
        kept.append(fresh)
        missing, round_ = missing - fresh.size, round_ + 1
    values = np.concatenate(kept) if kept else np.zeros(0, _wide(dtype))
    return (values.reshape(shape) * stddev + mean).astype(dtype)


def _wide(dtype: Any) -> np.dtype:
    return np.dtype(np.float32) if dtypes.is_half(dtype) else np.dtype(dtype)
