"""How replicas of a strategy share a variable: `tf.VariableSynchronization` and `tf.VariableAggregation`."""

from __future__ import annotations

import enum
from typing import Any

from dovetail.base.errors import at_user_location


class VariableSynchronization(enum.Enum):
    """When the copies of a variable are brought together."""

    AUTO = 0
    NONE = 1
    ON_WRITE = 2
    ON_READ = 3


class VariableAggregation(enum.Enum):
    """How what replicas assign, or hold, becomes one value."""

    NONE = 0
    SUM = 1
    MEAN = 2
    ONLY_FIRST_REPLICA = 3


def named(kind: type[enum.Enum], value: Any, default: enum.Enum) -> Any:
    """Returns the member that a name, a number or the member itself means; None: the default.

    Raises:
        ValueError: there is no such member.
    """
    if value is None:
        return default
    if isinstance(value, kind):
        return value
    name = str(getattr(value, "name", value)).upper()
    if name in kind.__members__:
        return kind[name]
    if value in (member.value for member in kind):
        return kind(value)
    raise ValueError(
        f"{kind.__name__}: expected one of {', '.join(kind.__members__)}, received {value!r}{at_user_location()}"
    )
