"""`keras.legacy.saving`: configs in Keras 2's form, without the module of a class."""

from __future__ import annotations

from typing import Any

from dovetail.keras.serialization import deserialize_keras_object
from dovetail.keras.serialization import serialize_keras_object as _serialize

__all__ = ["deserialize_keras_object", "serialize_keras_object"]


def serialize_keras_object(instance: Any) -> Any:
    """Returns the config of an object in Keras 2's form: `{"class_name": ..., "config": ...}`."""
    return _serialize(instance, use_legacy_format=True)
