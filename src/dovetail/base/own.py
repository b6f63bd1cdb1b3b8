"""Which classes and functions are Dovetail's own: users subclass ours, and theirs stay as they were written.

Ours are declared, where public names are listed or by decorator.  Where their file lies says nothing.
"""

from __future__ import annotations

from typing import Any

_WRITTEN_IN_PYTHON = 1 << 9  # CPython's Py_TPFLAGS_HEAPTYPE
_own: set[Any] = set()


def declare(*items: Any) -> Any:
    """Declares functions, and classes with all that they derive from, as Dovetail's own; returns the first.

    A class that has `_become_own()` is told, once.
    """
    for item in items:
        for one in reversed(item.__mro__) if isinstance(item, type) else (item,):
            if one in _own or (isinstance(one, type) and not one.__flags__ & _WRITTEN_IN_PYTHON):
                continue
            _own.add(one)
            if isinstance(one, type) and hasattr(one, "_become_own"):
                one._become_own()
    return items[0]


def is_own(item: Any) -> bool:
    """Returns whether a function, a class or an object of a class is Dovetail's own."""
    try:
        return item in _own if isinstance(item, type) or item in _own else type(item) in _own
    except TypeError:  # unhashable
        return type(item) in _own


def is_own_method(item: Any, name: str) -> bool:
    """Returns whether what an object (or a class) has under a name is what one of our classes defines."""
    if not isinstance(item, type):
        return name not in getattr(item, "__dict__", ()) and is_own_method(type(item), name)
    return next((kind in _own for kind in item.__mro__ if name in kind.__dict__), False)
