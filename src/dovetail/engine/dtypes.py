"""NumPy dtypes by name, bfloat16 and the 8-bit floats included, and the questions asked about them."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
STRING = np.dtype(object)
# The kinds of NumPy dtypes that XLA does not have; for the hottest checks, others ask `is_host_only`.
HOST_ONLY_KINDS = "O"

_EXTRA = {
    "bfloat16": BFLOAT16,
    "float8_e4m3fn": np.dtype(ml_dtypes.float8_e4m3fn),
    "float8_e5m2": np.dtype(ml_dtypes.float8_e5m2),
    "string": STRING,
    "half": np.dtype(np.float16),
    "double": np.dtype(np.float64),
    "float": np.dtype(np.float32),
    "int": np.dtype(np.int32),
}
_FLOATING = frozenset(
    np.dtype(t)
    for t in (
        np.float16,
        np.float32,
        np.float64,
        ml_dtypes.bfloat16,
        ml_dtypes.float8_e4m3fn,
        ml_dtypes.float8_e5m2,
    )
)
_COMPLEX = frozenset({np.dtype(np.complex64), np.dtype(np.complex128)})
DIFFERENTIABLE = _FLOATING | _COMPLEX


def by_name(name: str) -> np.dtype:
    """Returns the dtype called `name` ("float32", "bfloat16", "string", ...)."""
    found = _EXTRA.get(name)
    return found if found is not None else np.dtype(name)


def is_host_only(dtype: np.dtype) -> bool:
    """True for dtypes that XLA does not have, whose ops run on the host engine: strings, and whatever joins them."""
    return dtype.kind in HOST_ONLY_KINDS


def is_floating(dtype: Any) -> bool:
    return dtype in _FLOATING


def is_complex(dtype: Any) -> bool:
    return dtype in _COMPLEX


def is_integer(dtype: np.dtype) -> bool:
    return dtype.kind in "iu"


def is_half(dtype: Any) -> bool:
    """True for the 16-bit (and smaller) floats, whose sums want a wider accumulator."""
    return dtype.itemsize < 4 and dtype in _FLOATING
