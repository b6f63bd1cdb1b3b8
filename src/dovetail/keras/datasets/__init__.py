"""`keras.datasets`: well-known data sets, from the cache, the network or a folder of yours; loaded when asked for.

$DOVETAIL_DATASETS may name a folder that holds their files; it is looked at first.
"""

from __future__ import annotations

import importlib
from typing import Any

from dovetail.base.errors import suggest

_MODULES = frozenset(
    {
        *("boston_housing", "california_housing", "cifar10", "cifar100"),
        *("fashion_mnist", "imdb", "mnist", "reuters"),
    }
)

__all__ = sorted(_MODULES)  # noqa: PLE0605 - a list


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"dovetail.keras.datasets.{name}")
    raise AttributeError(
        f"module 'dovetail.keras.datasets' has no attribute {name!r}.{suggest(name, __all__)}"
    )


def __dir__() -> list[str]:
    return list(__all__)
