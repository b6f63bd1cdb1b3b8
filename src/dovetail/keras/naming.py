"""Automatic names: "dense", "dense_1", ... for objects that were not given one."""

from __future__ import annotations

import collections
import re

_counts: collections.Counter[str] = collections.Counter()


def to_snake_case(name: str) -> str:
    """Returns "mean_squared_error" for "MeanSquaredError"."""
    name = re.sub(r"\W+", "", name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


def auto_name(prefix: str) -> str:
    """Returns `prefix` in snake case, numbered from the second use on."""
    return unique_name(to_snake_case(prefix))


def unique_name(name: str) -> str:
    """Returns `name`, numbered from the second use on."""
    count = _counts[name]
    _counts[name] += 1
    return f"{name}_{count}" if count else name


def get_uid(prefix: str = "") -> int:
    """Returns 1, 2, ... for a prefix (`keras.backend.get_uid`)."""
    _counts[prefix] += 1
    return _counts[prefix]


def reset_uids() -> None:
    """Starts all the numbering again (`keras.backend.clear_session`)."""
    _counts.clear()
