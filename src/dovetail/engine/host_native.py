"""Native kernels on the host engine: what NumPy does in many passes over memory, in one call."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

from dovetail.base.settings import settings
from dovetail.engine import kernels
from dovetail.engine.kernels import kernel

HOST = "host"
FEWEST = 4096  # elements; below, NumPy's passes stay in the cache, and a call costs as much
_FLOAT32 = np.dtype(np.float32)


def by_kernel(primitive: str, formula: Callable, arrays: tuple, names: dict) -> Any:
    """Returns `formula(*arrays, **names)`, by a kernel of this engine's where it has one for the primitive."""
    if arrays[0].size < FEWEST:  # most calls are small, and looking at the table takes a microsecond
        return formula(*arrays, **names)
    return kernels.chosen(primitive, HOST, formula, arrays, names).run(formula, arrays, names)


def _is_plain(x: Any) -> bool:
    return type(x) is np.ndarray and x.dtype == _FLOAT32 and x.flags.c_contiguous


def _has_long_rows(formula: Callable, arrays: tuple, names: dict) -> bool:
    x = arrays[0]
    return (
        x.size >= FEWEST
        and x.shape[-1] > 1
        and names["axis"] in (-1, x.ndim - 1, (-1,), (x.ndim - 1,))
        and _is_plain(x)
        and settings.native
        and _rows().are_there()
    )


def _has_parameters_of_rows(formula: Callable, arrays: tuple, names: dict) -> bool:
    x, *parameters = arrays
    return _has_long_rows(formula, arrays, names) and all(
        _is_plain(p) and p.shape == x.shape[-1:] for p in parameters
    )


@functools.cache
def _rows() -> Any:
    """`engine/native/rows.py`, imported when it is first wanted: what compiles a library costs 30 ms."""
    return importlib.import_module("dovetail.engine.native.rows")


@kernel("softmax", HOST, when=_has_long_rows, why="0017: one pass instead of five")
def _softmax(formula: Callable, arrays: tuple, names: dict) -> Any:
    return _rows().softmax(*arrays)


@kernel("log_softmax", HOST, when=_has_long_rows, why="0017: one pass instead of five")
def _log_softmax(formula: Callable, arrays: tuple, names: dict) -> Any:
    return _rows().log_softmax(*arrays)


@kernel("layer_norm", HOST, when=_has_parameters_of_rows, why="0017: one pass instead of seven")
def _layer_norm(formula: Callable, arrays: tuple, names: dict) -> Any:
    x, *parameters = arrays
    gamma = parameters[0] if names["scale"] else None
    beta = parameters[-1] if names["center"] else None
    return _rows().layer_norm(x, gamma, beta, names["epsilon"], names["rms"])
