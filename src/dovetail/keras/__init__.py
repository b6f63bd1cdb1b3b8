"""Keras on Dovetail: layers, models, losses, metrics, optimizers, callbacks.

Submodules are imported when they are first used.
"""

from __future__ import annotations

import importlib
from typing import Any

from dovetail.base.errors import suggest

__version__ = "3.15.0"

# Everything in this folder but what serves the others.
_SUBMODULES = frozenset(
    {
        "activations",
        "applications",
        "backend",
        "callbacks",
        "config",
        "constraints",
        "datasets",
        "distillation",
        "distribution",
        "dtype_policies",
        "experimental",
        "export",
        "initializers",
        "layers",
        "legacy",
        "losses",
        "metrics",
        "mixed_precision",
        "models",
        "ops",
        "optimizers",
        "preprocessing",
        "quantizers",
        "random",
        "regularizers",
        "saving",
        "tree",
        "utils",
        "visualization",
        "wrappers",
    }
)
_NAMES = {
    "Input": "layers",
    "InputSpec": "layers",
    "Layer": "layers",
    "Functional": "models",
    "Model": "models",
    "Sequential": "models",
    "Loss": "losses",
    "Metric": "metrics",
    "Optimizer": "optimizers",
    "Initializer": "initializers",
    "Regularizer": "regularizers",
    "Quantizer": "quantizers",
    "Constraint": "constraints",
    "DTypePolicy": "mixed_precision",
    "KerasTensor": "layers",
    "Variable": "variable",
    "FloatDTypePolicy": "dtype_policies",
    "Function": "models.function",
    "Operation": "layers.core.operation",
    "RematScope": "rematerialization",
    "StatelessScope": "stateless",
    "SymbolicScope": "stateless",
    "device": "stateless",
    "remat": "rematerialization",
    "name_scope": "backend",
}

__all__ = sorted({*_SUBMODULES, *_NAMES, "version"})  # noqa: PLE0605 - a list


def version() -> str:
    """Returns the version of the Keras API that this follows."""
    return __version__


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        value = getattr(importlib.import_module(f"dovetail.keras.{_NAMES[name]}"), name)
        globals()[name] = value
        return value
    if name in _SUBMODULES:
        return importlib.import_module(f"dovetail.keras.{name}")
    raise AttributeError(f"module 'dovetail.keras' has no attribute {name!r}.{suggest(name, __all__)}")


def __dir__() -> list[str]:
    return list(__all__)
