"""Special functions by SciPy, on NumPy's arrays."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

from dovetail.engine import dtypes


@functools.cache
def scipy_special() -> Any:
    """`scipy.special`, imported when a special function is first used: it costs 0.2 s."""
    return importlib.import_module("scipy.special")


def _at_negative(name: str, value: float) -> Callable:
    """Returns SciPy's function, with the value that TensorFlow gives negative numbers where SciPy gives NaN."""
    return lambda s, x: np.where(x < 0, x.dtype.type(value), getattr(s, name)(x))


FUNCTIONS: dict[str, Callable] = {
    **{
        name: lambda s, *x, name=name: getattr(s, name)(*x)
        for name in ("i0", "i0e", "i1", "i1e", "j0", "j1", "dawsn", "spence", "zeta", "polygamma", "betainc")
    },
    **{name: _at_negative(name, np.inf) for name in ("k0", "k0e", "k1", "k1e")},
    **{name: _at_negative(name, -np.inf) for name in ("y0", "y1")},
    "expi": _at_negative("expi", np.nan),
    "fresnel_sin": lambda s, x: s.fresnel(x)[0],
    "fresnel_cos": lambda s, x: s.fresnel(x)[1],
    "igamma": lambda s, a, x: s.gammainc(a, x),
    "igammac": lambda s, a, x: s.gammaincc(a, x),
}


def special(name: str, *arrays: Any) -> Any:
    """Returns a special function, element by element, in the dtype of the arrays; half precision takes float32."""
    dtype = arrays[0].dtype
    wide = [x.astype(np.float32) if dtypes.is_half(dtype) else np.asarray(x) for x in arrays]
    with np.errstate(all="ignore"):
        return np.asarray(FUNCTIONS[name](scipy_special(), *wide)).astype(dtype)
