"""Dovetail: Keras' layers and TensorFlow's tensor operations as one system, on JAX/XLA and NumPy.

    import dovetail as tf
    from dovetail import keras

The names of this package are those of TensorFlow 2.  JAX is imported when something is first compiled, Keras and the
other subpackages when they are first used.
"""

from __future__ import annotations

import importlib
from typing import Any

from dovetail.autodiff import GradientTape, UnconnectedGradients, custom_gradient, recompute_grad
from dovetail.base.errors import suggest
from dovetail.function import case, cond, function, print_ as print, switch_case, while_loop
from dovetail.graph import record as _record
from dovetail.ops.table import NAMESPACES
from dovetail.tensor import (
    DType,
    Tensor,
    TensorShape,
    TensorSpec,
    TypeSpec,
    Variable,
    as_dtype,
    is_tensor,
    register_conversion as _register_conversion,
)
from dovetail.tensor.dtype import (
    bfloat16,
    bool_ as bool,
    complex64,
    complex128,
    double,
    float16,
    float32,
    float64,
    half,
    int8,
    int16,
    int32,
    int64,
    string,
    uint8,
    uint16,
    uint32,
    uint64,
)

__version__ = "0.1.0"
newaxis = None

globals().update(NAMESPACES["tf"])

_SUBMODULES = frozenset(
    {
        *("autodiff", "base", "bitwise", "compat", "config", "data", "debugging", "dtypes", "engine", "errors"),
        *("experimental", "function", "graph", "image", "keras", "linalg", "math", "nest", "nn", "ops", "profiler"),
        *("random", "sets", "strings", "summary", "tensor", "version"),
    }
)


def register_tensor_conversion_function(base_type: Any, conversion_func: Any, priority: int = 100) -> None:
    """Makes `conversion_func(value, dtype=..., name=..., as_ref=...)` convert instances of `base_type` to tensors."""
    _register_conversion(base_type, lambda value, dtype: conversion_func(value, dtype=dtype, name=None, as_ref=False))


def __getattr__(name: str) -> Any:
    if name in _SUBMODULES:
        return importlib.import_module(f"dovetail.{name}")
    raise AttributeError(f"module 'dovetail' has no attribute {name!r}.{suggest(name, [*globals(), *_SUBMODULES])}")


def __dir__() -> list[str]:
    return sorted({*(name for name in globals() if not name.startswith("_")), *_SUBMODULES})
