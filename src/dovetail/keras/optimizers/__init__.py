"""Optimizers: rules that update variables from gradients."""

from __future__ import annotations

import inspect
from typing import Any

from dovetail.base.errors import at_user_location
from dovetail.keras.optimizers import experimental, legacy, schedules
from dovetail.keras.optimizers.adafactor import *
from dovetail.keras.optimizers.adagrad import *
from dovetail.keras.optimizers.adam import *
from dovetail.keras.optimizers.lion import *
from dovetail.keras.optimizers.loss_scale_optimizer import *
from dovetail.keras.optimizers.multi_optimizer import *
from dovetail.keras.optimizers.multi_optimizer import OptimizerMap
from dovetail.keras.optimizers.muon import *
from dovetail.keras.optimizers.optimizer import *
from dovetail.keras.optimizers.optimizer import Optimizer
from dovetail.keras.optimizers.rmsprop import *
from dovetail.keras.optimizers.schedule_free import *
from dovetail.keras.optimizers.sgd import *
from dovetail.keras.registration import own
from dovetail.keras.serialization import (
    deserialize_keras_object,
    get_registered_object,
    serialize_keras_object,
    unknown,
)

_CLASSES = {
    name: value
    for name, value in globals().items()
    if inspect.isclass(value) and issubclass(value, Optimizer)
}
__all__ = sorted(  # noqa: PLE0605 - a list
    [*_CLASSES, "OptimizerMap", "deserialize", "experimental", "get", "legacy", "schedules", "serialize"]
)
own("keras.optimizers", {"OptimizerMap": OptimizerMap})
_OBJECTS = own("keras.optimizers", _CLASSES)
_LEGACY = "keras.optimizers.legacy"
_BY_LOWER_NAME = {name.lower(): kind for name, kind in _OBJECTS.items() if kind is not Optimizer}


def serialize(optimizer: Optimizer, use_legacy_format: bool = False) -> dict[str, Any]:
    """Returns the config of an optimizer; `use_legacy_format`: without the module, as Keras 2 wrote it."""
    if use_legacy_format:
        return {"class_name": type(optimizer).__name__, "config": optimizer.get_config()}
    return serialize_keras_object(optimizer)


def deserialize(
    config: dict[str, Any], custom_objects: dict[str, Any] | None = None, use_legacy_format: bool = False
) -> Optimizer:
    """Returns the optimizer that a config of Keras 2 or 3 describes; its class may be written in lower case.

    Raises:
        ValueError: the config names no known optimizer.
    """
    found = _BY_LOWER_NAME.get(str(config.get("class_name")).lower()) if isinstance(config, dict) else None
    is_old = found is not None and config.get("module") == _LEGACY
    if (
        found is not None
        and not is_old
        and get_registered_object(config["class_name"], custom_objects) is None
    ):
        config = config | {
            "class_name": found.__name__,
            "registered_name": None,
            "module": "keras.optimizers",
        }
    known = {name: getattr(legacy, name) for name in legacy.__all__} if is_old else _OBJECTS
    return deserialize_keras_object(
        config, custom_objects, module_objects=known, printable_module_name="optimizer"
    )


def get(identifier: Any, use_legacy_optimizer: bool = False, **kwargs: Any) -> Any:
    """Returns the optimizer for a name, a config, a class or an instance.

    Args:
        identifier: such as "adam"; None gives None.
        use_legacy_optimizer: accepted; there is one implementation of each.
        kwargs: arguments for the optimizer that a name or class stands for.

    Raises:
        ValueError: an unknown name (the nearest one is in the message), or not an optimizer at all.

    Example:
        >>> keras.optimizers.get("rmsprop").rho
        0.9
    """
    if identifier is None or isinstance(identifier, Optimizer):
        return identifier
    if isinstance(identifier, dict):
        return deserialize(identifier)
    if isinstance(identifier, str):
        found = get_registered_object(identifier) or _BY_LOWER_NAME.get(identifier.lower())
        if found is None:
            raise unknown(identifier, "optimizer", _OBJECTS)
        identifier = found
    if inspect.isclass(identifier) and issubclass(identifier, Optimizer):
        return identifier(**kwargs)
    if hasattr(identifier, "apply_gradients") and not inspect.isclass(identifier):
        return identifier
    raise ValueError(
        "expected an optimizer (a name, a config, an Optimizer class or an instance), received "
        f"{identifier!r:.80}{at_user_location()}"
    )
