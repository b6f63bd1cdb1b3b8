"""`keras.backend.experimental`: which random generator Keras 2 draws from; here there is one kind."""

from __future__ import annotations

_generator = [True]

__all__ = [
    "disable_tf_random_generator",
    "enable_tf_random_generator",
    "is_tf_random_generator_enabled",
]


def is_tf_random_generator_enabled() -> bool:
    """Returns what was said last, True at first."""
    return _generator[0]


def enable_tf_random_generator() -> None:
    """Notes that layers draw from generators, as they always do here."""
    _generator[0] = True


def disable_tf_random_generator() -> None:
    """Notes the wish for stateful random ops; layers still draw from generators, whose numbers follow from the seed."""
    _generator[0] = False
