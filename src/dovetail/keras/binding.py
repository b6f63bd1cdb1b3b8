"""Arguments of constructors that are made from tables: taken as Python takes them, refused in known words."""

from __future__ import annotations

from typing import Any

from dovetail.base.errors import at_user_location, suggest


def bound(label: str, names: list[str], args: tuple, kwargs: dict) -> dict[str, Any]:
    """Takes what was given for the named parameters of a method, out of `kwargs` too.

    Raises:
        TypeError: too many arguments by position, or one given twice.
    """
    if len(args) > len(names):
        raise TypeError(
            f"{label}() takes up to {len(names) + 1} positional arguments but {len(args) + 1} were given"
        )
    values = dict(zip(names, args, strict=False))
    for name in names:
        if name in kwargs:
            if name in values:
                raise TypeError(f"{label}() got multiple values for argument {name!r}")
            values[name] = kwargs.pop(name)
    return values


def refuse_unknown(kind: type, names: list[str], kwargs: dict) -> None:
    """Raises TypeError for what no parameter has taken."""
    for name in kwargs:
        raise TypeError(
            f"{kind.__name__}: unknown argument {name!r}.{suggest(name, names)}{at_user_location()}"
        )
