"""`keras.regularizers`: penalties on weights, added to the loss."""

from __future__ import annotations

from typing import Any

from dovetail.keras.registration import own
from dovetail.keras.regularizers.regularizer import L1, L1L2, L2, OrthogonalRegularizer, Regularizer
from dovetail.keras.serialization import deserialize_keras_object, resolve, serialize_keras_object

l1, l2, l1_l2, orthogonal_regularizer = L1, L2, L1L2, OrthogonalRegularizer

_NAMES = own(
    "keras.regularizers",
    {
        name: value
        for name, value in globals().items()
        if isinstance(value, type) and issubclass(value, Regularizer)
    },
)

__all__ = sorted([*_NAMES, "deserialize", "get", "serialize"])  # noqa: PLE0605 - a list


def serialize(regularizer: Any, use_legacy_format: bool = False) -> Any:
    """Returns the config of a regularizer; `use_legacy_format`: without the module, as Keras 2 wrote it."""
    return serialize_keras_object(regularizer, use_legacy_format)


def deserialize(config: Any, custom_objects: dict | None = None, use_legacy_format: bool = False) -> Any:
    """Rebuilds a regularizer from its config; both formats are told apart by themselves."""
    return deserialize_keras_object(
        config, custom_objects, module_objects=_NAMES, printable_module_name="regularizer"
    )


def get(identifier: Any) -> Any:
    """Returns the regularizer for a name ("l2" has its default factor), a config, a class, an instance, a function."""
    return resolve(identifier, "regularizer", _NAMES)
