"""`keras.constraints`: what optimizers enforce on a weight after each update."""

from __future__ import annotations

from dovetail.keras.constraints.constraint import Constraint, MaxNorm, MinMaxNorm, NonNeg, UnitNorm
from dovetail.keras.kinds import exchange
from dovetail.keras.registration import own

max_norm, min_max_norm, non_neg, unit_norm = MaxNorm, MinMaxNorm, NonNeg, UnitNorm
maxnorm, nonneg, unitnorm = MaxNorm, NonNeg, UnitNorm

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
