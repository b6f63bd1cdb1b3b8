"""`keras.losses`: what training makes small, as classes and as functions."""

from __future__ import annotations

import inspect

from dovetail.keras import kinds as _kinds
from dovetail.keras import registration as _registration
from dovetail.keras.losses.classes import *
from dovetail.keras.losses.crossentropy import *
from dovetail.keras.losses.loss import *
from dovetail.keras.losses.loss import Loss
from dovetail.keras.losses.margin import *
from dovetail.keras.losses.reduce import *
from dovetail.keras.losses.regression import *

_NAMES = _registration.own(
    "keras.losses",
    {
        name: value
        for name, value in globals().items()
        if inspect.isfunction(value) or (inspect.isclass(value) and issubclass(value, Loss))
    },
)

__all__ = sorted([*_NAMES, "Reduction", "deserialize", "get", "serialize"])  # noqa: PLE0605 - a list

serialize, deserialize, get = _kinds.exchange(__name__, "loss", _NAMES, config="name")
