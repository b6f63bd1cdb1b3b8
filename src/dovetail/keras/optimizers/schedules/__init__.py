"""Learning rate schedules: functions from the step to the learning rate."""

from __future__ import annotations

from typing import Any

from dovetail.keras.optimizers.schedules.cosine import *
from dovetail.keras.optimizers.schedules.decays import *
from dovetail.keras.optimizers.schedules.schedule import *
from dovetail.keras.optimizers.schedules.schedule import LearningRateSchedule
from dovetail.keras.registration import own
from dovetail.keras.serialization import deserialize_keras_object, serialize_keras_object

_CLASSES = {
    name: value
    for name, value in globals().items()
    if isinstance(value, type) and issubclass(value, LearningRateSchedule)
}
__all__ = sorted([*_CLASSES, "deserialize", "serialize"])  # noqa: PLE0605 - a list
_OBJECTS = own("keras.optimizers.schedules", _CLASSES)


def serialize(learning_rate_schedule: LearningRateSchedule, use_legacy_format: bool = False) -> dict:
    """Returns the config of a schedule; `use_legacy_format`: without the module, as Keras 2 wrote it."""
    return serialize_keras_object(learning_rate_schedule, use_legacy_format)


def deserialize(
    config: dict, custom_objects: dict[str, Any] | None = None, use_legacy_format: bool = False
) -> LearningRateSchedule:
    """Returns the schedule that a config describes; both formats are told apart by themselves.

    Raises:
        ValueError: the config names no known schedule.
    """
    return deserialize_keras_object(
        config,
        custom_objects=custom_objects,
        module_objects=_OBJECTS,
        printable_module_name="learning rate schedule",
    )
