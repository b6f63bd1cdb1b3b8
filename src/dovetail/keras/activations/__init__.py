"""`keras.activations`: the functions that `activation=` arguments name."""

from __future__ import annotations

import inspect
from typing import Any

from dovetail.keras import kinds as _kinds
from dovetail.keras import registration as _registration
from dovetail.keras.activations.functions import *
from dovetail.keras.activations.functions import linear

_NAMES = _registration.own(
    "keras.activations", {name: value for name, value in globals().items() if inspect.isfunction(value)}
)

__all__ = sorted([*_NAMES, "deserialize", "get", "serialize"])  # noqa: PLE0605 - a list

_serialize, deserialize, _get = _kinds.exchange(__name__, "activation", _NAMES)


def serialize(activation: Any, use_legacy_format: bool = False) -> Any:
    """Returns the name of one of Dovetail's own activations, the config of another function or of a layer.

    An op such as `tf.nn.relu` goes by the name of the activation that it is.
    """
    known = _registration.own_name(activation)
    if known is not None and known[0] == "keras.activations":
        return known[1]
    name = getattr(activation, "__name__", None)
    if hasattr(activation, "op") and name in _NAMES:
        return name
    return _serialize(activation, use_legacy_format)


def get(identifier: Any) -> Any:
    """Returns the activation for a name, a config, a function or a layer; None is `linear`.

    Example:
        >>> get("relu") is keras.activations.relu
        True
    """
    return linear if identifier is None else _get(identifier)
