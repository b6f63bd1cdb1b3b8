"""`keras.regularizers`: penalties on weights, added to the loss."""

from __future__ import annotations

from dovetail.keras.kinds import exchange
from dovetail.keras.registration import own
from dovetail.keras.regularizers.regularizer import *
from dovetail.keras.regularizers.regularizer import Regularizer

_NAMES = own(
    "keras.regularizers",
    {
        name: value
        for name, value in globals().items()
        if isinstance(value, type) and issubclass(value, Regularizer)
    },
)

__all__ = sorted([*_NAMES, "deserialize", "get", "serialize"])  # noqa: PLE0605 - a list

serialize, deserialize, get = exchange(__name__, "regularizer", _NAMES)
