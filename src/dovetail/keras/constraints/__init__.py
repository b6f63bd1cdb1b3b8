"""`keras.constraints`: what optimizers enforce on a weight after each update."""

from __future__ import annotations

from typing import Any

from dovetail.keras.constraints.constraint import Constraint, MaxNorm, MinMaxNorm, NonNeg, UnitNorm
from dovetail.keras.registration import own
from dovetail.keras.serialization import deserialize_keras_object, resolve, serialize_keras_object

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


def serialize(constraint: Any, use_legacy_format: bool = False) -> Any:
    """Returns the config of a constraint; `use_legacy_format`: without the module, as Keras 2 wrote it."""
    return serialize_keras_object(constraint, use_legacy_format)


def deserialize(config: Any, custom_objects: dict | None = None, use_legacy_format: bool = False) -> Any:
    """Rebuilds a constraint from its config; both formats are told apart by themselves."""
    return deserialize_keras_object(
        config, custom_objects, module_objects=_NAMES, printable_module_name="constraint"
    )


def get(identifier: Any) -> Any:
    """Returns the constraint for a name, a config, a class, an instance or a function."""
    return resolve(identifier, "constraint", _NAMES)
