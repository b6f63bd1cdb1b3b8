"""Which classes and functions are Dovetail's own: users subclass ours, and theirs stay as they were written."""

from __future__ import annotations

from typing import Any

_PACKAGE = __name__.partition(".")[0]


def is_own(item: Any) -> bool:
    """Returns whether a class, a function or an object of a class was written in this package, wherever in it."""
    return (getattr(item, "__module__", None) or "").partition(".")[0] == _PACKAGE
