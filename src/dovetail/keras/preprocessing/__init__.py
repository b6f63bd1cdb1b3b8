"""`keras.preprocessing`: images, texts and sequences made ready, as in Keras 2; the parts are loaded when asked for."""

from __future__ import annotations

import importlib
from typing import Any

from dovetail.base.errors import suggest

_MODULES = frozenset({"image", "sequence", "text"})
_NAMES = {
    "image_dataset_from_directory": "directory_datasets",
    "text_dataset_from_directory": "directory_datasets",
    "timeseries_dataset_from_array": "timeseries",
}

__all__ = sorted({*_MODULES, *_NAMES})  # noqa: PLE0605 - a list


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"dovetail.keras.preprocessing.{name}")
    if name in _NAMES:
        return getattr(importlib.import_module(f"dovetail.keras.utils.{_NAMES[name]}"), name)
    raise AttributeError(
        f"module 'dovetail.keras.preprocessing' has no attribute {name!r}.{suggest(name, __all__)}"
    )


def __dir__() -> list[str]:
    return list(__all__)
