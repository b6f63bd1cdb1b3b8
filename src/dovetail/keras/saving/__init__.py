"""`keras.saving`: weights on disk, and objects as configurations."""

from dovetail.keras.saving.file_editor import KerasFileEditor
from dovetail.keras.saving.weights import load_weights, save_weights
from dovetail.keras.saving.whole import load_model, save_model
from dovetail.keras.serialization import (
    CustomObjectScope,
    custom_object_scope,
    deserialize_keras_object,
    get_custom_objects,
    get_registered_name,
    get_registered_object,
    register_keras_serializable,
    serialize_keras_object,
)

__all__ = [
    "CustomObjectScope",
    "KerasFileEditor",
    "custom_object_scope",
    "deserialize_keras_object",
    "get_custom_objects",
    "get_registered_name",
    "get_registered_object",
    "load_model",
    "load_weights",
    "register_keras_serializable",
    "save_model",
    "save_weights",
    "serialize_keras_object",
]
