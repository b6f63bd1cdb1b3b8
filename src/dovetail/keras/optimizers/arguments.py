"""The arguments that all optimizers share: their ranges, their spellings in Keras 2, their config."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dovetail.base.errors import at_user_location, suggest
from dovetail.keras import checks, serialization

_COMMON = (
    *(
        "name",
        "learning_rate",
        "weight_decay",
        "clipnorm",
        "global_clipnorm",
        "clipvalue",
        "use_ema",
        "ema_momentum",
    ),
    *("ema_overwrite_frequency", "loss_scale_factor", "gradient_accumulation_steps"),
)
_COUNTS = ("ema_overwrite_frequency", "gradient_accumulation_steps")  # 0 switches them off
_LEGACY = ("lr", "decay", "jit_compile", "is_legacy_optimizer")


def time_decay(kind: type, kwargs: dict[str, Any]) -> float:
    """Reads the spellings of Keras 2, and returns `decay`, 0 when it was not given.

    Raises:
        TypeError: an argument that is not known.
    """
    for name in kwargs:
        if name not in _LEGACY:
            raise TypeError(
                f"{kind.__name__}: unknown argument {name!r}.{suggest(name, [*_COMMON, *_LEGACY])}"
                f"{at_user_location()}"
            )
    given = kwargs.get("decay")
    found = float(checks.number(given, "decay")) if given is not None else 0.0
    if found < 0:
        raise ValueError(f"{kind.__name__}: decay must be >= 0, received {given!r}{at_user_location()}")
    return found


def check(kind: type, given: dict[str, Any]) -> None:
    """Raises ValueError for a common argument out of its range."""
    for name, valid, expected, needs in _RANGES:
        value = given[name] or None if name in _COUNTS else given[name]
        if value is None or (needs is not None and not given[needs]):
            continue
        if not (checks.is_number(value) and valid(value)):
            raise ValueError(
                f"{kind.__name__}: {name} must be {expected}, received {value!r}{at_user_location()}"
            )
    clips = {name: given[name] for name in ("clipnorm", "clipvalue", "global_clipnorm") if given[name]}
    if len(clips) > 1:
        raise ValueError(
            f"{kind.__name__}: only one of clipnorm, clipvalue and global_clipnorm may be set, received {clips}"
            f"{at_user_location()}"
        )


def _counts_from(smallest: int) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, int) and value >= smallest


# Argument, what holds for its value, the same in words, and the argument without which it does not matter.
_RANGES: tuple[tuple[str, Callable[[Any], bool], str, str | None], ...] = (
    ("loss_scale_factor", lambda value: value > 0, "a number > 0 or None", None),
    ("clipnorm", lambda value: value >= 0, "a number >= 0 or None", None),
    ("clipvalue", lambda value: value >= 0, "a number >= 0 or None", None),
    ("global_clipnorm", lambda value: value >= 0, "a number >= 0 or None", None),
    ("weight_decay", lambda value: value >= 0, "a number >= 0 or None", None),
    ("ema_momentum", lambda value: 0 <= value <= 1, "in [0, 1]", "use_ema"),
    ("ema_overwrite_frequency", _counts_from(1), "an integer >= 1 or None", "use_ema"),
    ("gradient_accumulation_steps", _counts_from(2), "an integer >= 2 or None", None),
)


def config_of(optimizer: Any) -> dict[str, Any]:
    """Returns the arguments that an optimizer was made with, but for its learning rate."""
    names = [name for name in _COMMON if name != "learning_rate"]
    return {name: getattr(optimizer, name) for name in (*names, *optimizer.hyperparameters)}


def with_schedule(config: dict[str, Any], custom_objects: dict[str, Any] | None) -> dict[str, Any]:
    """Returns a config whose learning rate is a number or a schedule, no longer the config of one."""
    rate = config.get("learning_rate")
    if isinstance(rate, dict):
        rate = serialization.deserialize_keras_object(rate, custom_objects=custom_objects)
    return config | ({"learning_rate": rate} if "learning_rate" in config else {})
