"""Arguments that many layers share: window sizes, padding, data formats, and how they are read."""

from __future__ import annotations

import operator
from typing import Any

from dovetail.base.errors import at_user_location, suggest
from dovetail.base.settings import settings


def sizes(value: Any, rank: int, name: str, minimum: int = 1) -> tuple[int, ...]:
    """Returns an int a spatial axis, for an argument that is one int or `rank` of them.

    Args:
        value: what the user passed.
        rank: number of spatial axes.
        name: layer and argument, for the error.
        minimum: the smallest allowed number.
    """
    try:
        found = (value,) * rank if isinstance(value, int) else tuple(map(operator.index, value))
    except (TypeError, ValueError):
        found = ()
    if len(found) != rank or min(found) < minimum or any(isinstance(number, bool) for number in found):
        kind = "positive integer" if minimum > 0 else "integer"
        what = f"a {kind}" if rank == 1 else f"a {kind} or {rank} of them"
        raise ValueError(f"{name} must be {what}, received {value!r}{at_user_location()}")
    return found


def one_of(value: Any, name: str, allowed: tuple[str, ...]) -> str:
    """Returns the lower-case form of a word that must be among the allowed ones."""
    found = value.lower() if isinstance(value, str) else value
    if found not in allowed:
        near = suggest(str(value), allowed)
        raise ValueError(
            f"{name} must be one of {', '.join(allowed)}, received {value!r}.{near}{at_user_location()}"
        )
    return found


def layout(data_format: Any, name: str) -> str:
    """Returns "channels_last" or "channels_first"; Keras' setting when None."""
    if data_format is None:
        return settings.image_data_format
    return one_of(data_format, f"{name}: data_format", ("channels_last", "channels_first"))


def pairs(value: Any, rank: int, name: str) -> tuple[tuple[int, int], ...]:
    """Returns (before, after) a spatial axis, for an int, an int an axis, or a pair an axis."""
    if isinstance(value, int):
        value = (value,) * rank
    elif rank == 1 and all(isinstance(item, int) for item in value) and len(value) == 2:
        value = (tuple(value),)
    if len(value) != rank:
        raise ValueError(
            f"{name} must have one entry for each of {rank} axes, received {value!r}{at_user_location()}"
        )
    return tuple(sizes(item, 2, name, minimum=0) for item in value)  # type: ignore[misc]


def written(layer: Any, *names: str) -> dict[str, Any]:
    """Returns attributes of a layer as its config holds them, where they are plain values."""
    return {name: getattr(layer, name) for name in names}


# ---- for the rows of declared layers: `f(layer, name, value)` -----------------------------------------------------


def window(layer: Any, name: str, value: Any) -> tuple[int, ...]:
    """Reads one positive int, or one for each of `layer.rank` spatial axes."""
    return sizes(value, layer.rank, f"{type(layer).__name__}: {name}")


def count(layer: Any, name: str, value: Any) -> int:
    """Reads a positive int."""
    return sizes(value, 1, f"{type(layer).__name__}: {name}")[0]


def axis_order(layer: Any, name: str, value: Any) -> str:
    """Reads a data format."""
    return layout(value, type(layer).__name__)
