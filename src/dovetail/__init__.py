"""Dovetail: Keras' layers and TensorFlow's tensor operations as one system, on JAX/XLA and NumPy.

    import dovetail as tf
    from dovetail import keras

The names of this package are those of TensorFlow 2.  JAX is imported when something is first compiled, Keras and the
other subpackages when they are first used.
"""

from __future__ import annotations

import importlib
import logging as _logging
from typing import Any

from dovetail.autodiff import (
    GradientTape,
    UnconnectedGradients,
    custom_gradient,
    grad_pass_through,
    recompute_grad,
)
from dovetail.base.errors import suggest
from dovetail.function import case, cond, function, numpy_function, py_function, switch_case, while_loop
from dovetail.function import print_ as print
from dovetail.graph import record as _record
from dovetail.graph.node import Operation
from dovetail.graph.operations import BaseGraph as Graph
from dovetail.module import Module
from dovetail.ops.table import NAMESPACES
from dovetail.ops.table import find as _find
from dovetail.ops.table import late_names as _late_names
from dovetail.scopes import (
    device,
    executing_eagerly,
    get_current_name_scope,
    init_scope,
    inside_function,
    name_scope,
)
from dovetail.tensor import (
    DType,
    TensorShape,
    TensorSpec,
    TypeSpec,
    Variable,
    as_dtype,
    is_tensor,
    type_spec_from_value,
)
from dovetail.tensor import (
    register_conversion as _register_conversion,
)
from dovetail.tensor.dtype import (
    bfloat16,
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
from dovetail.tensor.dtype import (
    bool_ as bool,
)
from dovetail.tensor.public import AnyTensor as Tensor

__version__ = "0.1.0"
newaxis = None

globals().update(NAMESPACES["tf"])

# The namespaces that are modules of their own.
_SUBMODULES = frozenset(
    {
        "audio",
        "autograph",
        "bitwise",
        "compat",
        "config",
        "data",
        "debugging",
        "distribute",
        "dtypes",
        "errors",
        "experimental",
        "export",
        "feature_column",
        "image",
        "io",
        "keras",
        "linalg",
        "lookup",
        "math",
        "nest",
        "nn",
        "profiler",
        "queue",
        "random",
        "ragged",
        "raw_ops",
        "saved_model",
        "sets",
        "signal",
        "sparse",
        "strings",
        "summary",
        "sysconfig",
        "test",
        "train",
        "version",
    }
)
# What this module uses, and modules that users meet by the names they export only.
_INTERNAL = frozenset(
    {
        "Any",
        "NAMESPACES",
        "annotations",
        "importlib",
        "suggest",
        "base",
        "engine",
        "graph",
        "module",
        "ops",
        "runtime",
        "scopes",
        "tensor",
        "wire",
    }
)

# Names that live further up or are seldom used: imported at their first use, "module:name in it" ("": the module).
_LATE = {
    "OptionalSpec": "function.optional:OptionalSpec",
    "Assert": "debugging:Assert",
    "VariableAggregation": "tensor.sharing:VariableAggregation",
    "VariableSynchronization": "tensor.sharing:VariableSynchronization",
    "assert_equal": "debugging:assert_equal",
    "assert_greater": "debugging:assert_greater",
    "assert_less": "debugging:assert_less",
    "assert_rank": "debugging:assert_rank",
    "constant_initializer": "keras.initializers:Constant",
    "import_graph_def": "saved_model.importing:import_graph_def",
    "initializers": "keras.initializers:",
    "losses": "keras.losses:",
    "metrics": "keras.metrics:",
    "ones_initializer": "keras.initializers:Ones",
    "optimizers": "keras.optimizers:",
    "random_normal_initializer": "keras.initializers:RandomNormal",
    "random_uniform_initializer": "keras.initializers:RandomUniform",
    "zeros_initializer": "keras.initializers:Zeros",
}


def register_tensor_conversion_function(base_type: Any, conversion_func: Any, priority: int = 100) -> None:
    """Makes `conversion_func(value, dtype=..., name=..., as_ref=...)` convert instances of `base_type` to tensors."""
    _register_conversion(
        base_type, lambda value, dtype: conversion_func(value, dtype=dtype, name=None, as_ref=False)
    )


def get_logger() -> _logging.Logger:
    """Returns Python's logger "tensorflow", which TensorFlow programs set up."""
    return _logging.getLogger("tensorflow")


def __getattr__(name: str) -> Any:
    if name in _SUBMODULES:
        return importlib.import_module(f"dovetail.{name}")
    if name in _LATE:
        home, _, attribute = _LATE[name].partition(":")
        module = importlib.import_module(f"dovetail.{home}")
        found = globals()[name] = getattr(module, attribute) if attribute else module
        return found
    if name in _late_names("tf"):
        found = globals()[name] = _find("tf", name)
        return found
    raise AttributeError(f"module 'dovetail' has no attribute {name!r}.{suggest(name, __dir__())}")


def __dir__() -> list[str]:
    own = {name for name in globals() if not name.startswith("_")}
    return sorted({*own, *_SUBMODULES, *_LATE, *_late_names("tf")} - _INTERNAL)


__all__ = [*__dir__(), "__version__"]  # noqa: PLE0604 - strings
