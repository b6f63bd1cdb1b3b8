"""`keras.dtype_policies`: Keras 3's place for what Keras 2 has in `keras.mixed_precision`."""

from __future__ import annotations

from typing import Any

from dovetail.keras.mixed_precision.policy import DTypePolicy, get
from dovetail.keras.mixed_precision.quantized import (
    DTypePolicyMap,
    Int4DTypePolicy,
    QuantizedDTypePolicy,
    QuantizedFloat8DTypePolicy,
)
from dovetail.keras.serialization import deserialize_keras_object, serialize_keras_object

FloatDTypePolicy = DTypePolicy


def serialize(dtype_policy: DTypePolicy) -> dict[str, Any]:
    """Returns the config of a policy."""
    return serialize_keras_object(dtype_policy)


def deserialize(config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> DTypePolicy:
    """Returns the policy that a config describes."""
    return deserialize_keras_object(config, custom_objects, printable_module_name="dtype policy")


__all__ = [
    "DTypePolicy",
    "DTypePolicyMap",
    "FloatDTypePolicy",
    "Int4DTypePolicy",
    "QuantizedDTypePolicy",
    "QuantizedFloat8DTypePolicy",
    "deserialize",
    "get",
    "serialize",
]
