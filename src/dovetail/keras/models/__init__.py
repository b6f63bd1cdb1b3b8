"""Models: functional, subclassed and sequential.  What reads and writes files is imported when it is first used."""

from __future__ import annotations

import importlib
from typing import Any

from dovetail.base.errors import suggest
from dovetail.keras.models import experimental
from dovetail.keras.models.cloning import clone_model, model_from_config, model_from_json
from dovetail.keras.models.model import Functional, Model
from dovetail.keras.models.sequential import Sequential
from dovetail.keras.registration import own

__all__ = [
    "Functional",
    "Model",
    "Sequential",
    "clone_model",
    "experimental",
    "load_model",
    "model_from_config",
    "model_from_json",
    "save_model",
]

_OF_FILES = ("load_model", "save_model")

own("keras", {"Model": Model, "Sequential": Sequential})
own("keras.src.models.functional", {"Functional": Functional})  # where Keras looks for it


def __getattr__(name: str) -> Any:
    if name in _OF_FILES:
        return getattr(importlib.import_module("dovetail.keras.saving"), name)
    raise AttributeError(f"module 'dovetail.keras.models' has no attribute {name!r}.{suggest(name, __all__)}")
