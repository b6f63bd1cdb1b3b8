"""`keras.constraints`: what optimizers enforce on a weight after each update."""

from __future__ import annotations

from dovetail.keras.constraints.constraint import *
from dovetail.keras.constraints.constraint import Constraint
from dovetail.keras.kinds import exchange
from dovetail.keras.registration import own

_NAMES = own(
    "keras.constraints",
    {
        name: value
        for name, value in globals().items()
        if isinstance(value, type) and issubclass(value, Constraint)
    },
)

__all__ = sorted([*_NAMES, "deserialize", "get", "serialize"])  # noqa: PLE0605 - a list

serialize, deserialize, get = exchange(__name__, "constraint", _NAMES)
