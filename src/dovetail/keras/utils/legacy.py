"""`keras.utils.legacy`: serialization in the format of Keras 2."""

from __future__ import annotations

from typing import Any

from dovetail.keras import serialization

__all__ = ["deserialize_keras_object", "serialize_keras_object"]


def serialize_keras_object(instance: Any) -> Any:
    """Returns `{"class_name": ..., "config": ...}`, or the name of a function."""
    return serialization.serialize_keras_object(instance, use_legacy_format=True)


def deserialize_keras_object(
    identifier: Any,
    module_objects: dict[str, Any] | None = None,
    custom_objects: dict[str, Any] | None = None,
    printable_module_name: str = "object",
) -> Any:
    """Returns the object that a name or a config stands for; both formats are read."""
    return serialization.deserialize_keras_object(
        identifier, custom_objects, True, module_objects or {}, printable_module_name
    )
