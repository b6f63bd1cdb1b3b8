"""Quantizing the layers of a model."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from typing import Any

from dovetail.base.errors import at_user_location
from dovetail.keras.quantizers.config import resolved


def quantize(model: Any, mode: Any, config: Any, filters: Any, type_check: bool) -> None:
    """Quantizes the layers of a model that can be, and warns of none that cannot.

    Args:
        model: the built model.
        mode, config: see `Layer.quantize`.
        filters: which layers, by name: a regular expression, several of them, or `f(layer) -> bool`; None: all.
        type_check: see `Layer.quantize`.

    Raises:
        ValueError: the model is not built.
    """
    found = resolved(mode, config)
    if not model.built:
        raise ValueError(
            f"{model.name}.quantize: the model is not built: call it, or build it, first{at_user_location()}"
        )
    wanted = _filter(filters)
    for layer in model._flatten_layers(include_self=False):
        if layer._sublayers() or not wanted(layer):
            continue
        try:
            layer.quantize(found.mode, type_check=type_check, config=found)
        except NotImplementedError as error:
            if layer.weights and hasattr(layer, "_modes"):
                warnings.warn(str(error), stacklevel=3)
    model._reset_programs()


def _filter(filters: Any) -> Callable[[Any], bool]:
    if filters is None:
        return lambda layer: True
    if callable(filters):
        return filters
    patterns = [filters] if isinstance(filters, str) else list(filters)
    return lambda layer: any(re.search(pattern, layer.name) for pattern in patterns)
