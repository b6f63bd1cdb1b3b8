"""`keras.legacy.saving`: configs in Keras 2's form, without the module of a class."""

from __future__ import annotations

from typing import Any

from dovetail.keras.serialization import deserialize_keras_object as _deserialize
from dovetail.keras.serialization import serialize_keras_object as _serialize

__all__ = ["deserialize_keras_object", "serialize_keras_object"]


def serialize_keras_object(instance: Any) -> Any:
    """Returns the config of an object in Keras 2's form: `{"class_name": ..., "config": ...}`."""
    return _serialize(instance, use_legacy_format=True)


def deserialize_keras_object(
    identifier: Any,
    module_objects: dict[str, Any] | None = None,
    custom_objects: dict[str, Any] | None = None,
    printable_module_name: str = "object",
) -> Any:
    """Returns the object that a config or name describes; None for None.

    Args:
        identifier: the config, in either form, or the name.
        module_objects, custom_objects: further names to look in.
        printable_module_name: what it is, for errors.
    """
    if identifier is None:
        return None
    return _deserialize(
        identifier, custom_objects, module_objects=module_objects, printable_module_name=printable_module_name
    )
