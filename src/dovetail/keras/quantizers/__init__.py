"""`keras.quantizers`: fewer bits for weights and activations."""

from __future__ import annotations

from typing import Any

from dovetail.keras.kinds import exchange as _exchange
from dovetail.keras.quantizers.config import *
from dovetail.keras.quantizers.functions import *
from dovetail.keras.quantizers.quantizer import *
from dovetail.keras.registration import own as _own
from dovetail.keras.registration import public_names as _public_names

_CLASSES = {
    name: value
    for name, value in globals().items()
    if isinstance(value, type) and name[0] != "_" and name != "Any"
}
__all__ = sorted([*_public_names(globals(), __name__), "deserialize", "get", "serialize"])  # noqa: PLE0605 - a list

_NAMES = _own("keras.quantizers", _CLASSES)
_exchanged = _exchange(__name__, "quantizer", _NAMES)
deserialize = _exchanged.deserialize


def serialize(initializer: Any) -> Any:
    """Returns the config of a quantizer (the parameter's name is Keras')."""
    return _exchanged.serialize(initializer)


def get(identifier: Any, **kwargs: Any) -> Any:
    """Returns the quantizer for a name, a config, a class or an instance; None for None.

    Args:
        identifier: what a user means.
        kwargs: arguments, where it is a name.
    """
    if isinstance(identifier, str) and kwargs:
        return _exchanged.deserialize({"class_name": identifier, "config": kwargs})
    return _exchanged.get(identifier)
