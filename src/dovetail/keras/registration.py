"""Who may be rebuilt from a config: Dovetail's own public objects, and what users register or pass.

A config names a class; the name is looked up in tables, never imported.  The tables, in order: `custom_objects` given
to the call, the active `custom_object_scope`, what `register_keras_serializable` registered, Dovetail's own.
"""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable
from typing import Any

from dovetail.base.errors import at_user_location
from dovetail.base.own import declare

_registered: dict[str, Any] = {}
_registered_names: dict[Any, str] = {}
_own: dict[str, dict[str, Any]] = {}
_own_names: dict[Any, tuple[str, str]] = {}


class _Scopes(threading.local):
    def __init__(self) -> None:
        self.stack: list[dict[str, Any]] = []


_scopes = _Scopes()


def own(namespace: str, objects: dict[str, Any] | list[Any]) -> dict[str, Any]:
    """Enters Dovetail's own classes and functions, so that configs may name them.

    Args:
        namespace: where users find them, such as "keras.losses"; it is what the config's "module" says.
        objects: the objects, or a table from (further) names to them.

    Returns:
        All names of the namespace so far.
    """
    table = _own.setdefault(namespace, {})
    named: dict[str, Any] = (
        objects if isinstance(objects, dict) else {item.__name__: item for item in objects}
    )
    declare(*named.values())
    for name, item in named.items():
        table[name] = item
        if item not in _own_names or name == getattr(item, "_name_in_configs", item.__name__):
            _own_names[item] = (namespace, name)
    return table


def public_names(namespace: dict[str, Any], package: str) -> list[str]:
    """Returns the names under which a package shows classes and functions of its own modules, for its `__all__`."""
    return sorted(
        name
        for name, item in namespace.items()
        if name[0] != "_"
        and (inspect.isclass(item) or inspect.isroutine(item))
        and item.__module__.startswith(f"{package}.")
    )


def own_name(item: Any) -> tuple[str, str] | None:
    """Returns `(namespace, name)` of one of Dovetail's own objects, None for others."""
    try:
        return _own_names.get(item)
    except TypeError:  # unhashable
        return None


def own_object(name: str, namespace: str | None = None) -> Any:
    """Returns the object of that name, in `namespace` first and then in all the others; None when there is none."""
    found = _own.get(namespace or "", {}).get(name)
    if found is not None:
        return found
    for table in _own.values():
        if name in table:
            return table[name]
    return None


def own_object_names() -> list[str]:
    return [name for table in _own.values() for name in table]


class CustomObjectScope:
    """Makes custom classes and functions known by name inside a `with` block.

    Args:
        tables, custom_objects: name -> class or function; Keras 2 takes several.

    Example:
        >>> with CustomObjectScope({"double": lambda x: 2 * x}):
        ...     layer = keras.layers.Dense(2, activation="double")
    """

    def __init__(self, *tables: dict[str, Any] | None, custom_objects: dict[str, Any] | None = None) -> None:
        self.custom_objects: dict[str, Any] = {}
        for table in (*tables, custom_objects):
            self.custom_objects.update(table or {})

    def __enter__(self) -> CustomObjectScope:
        _scopes.stack.append(self.custom_objects)
        return self

    def __exit__(self, *exc: object) -> None:
        _scopes.stack.pop()


custom_object_scope = CustomObjectScope


def get_custom_objects() -> dict[str, Any]:
    """Returns the table of registered objects; changes to it count everywhere."""
    return _registered


def register_keras_serializable(package: str = "Custom", name: str | None = None) -> Callable[[Any], Any]:
    """Decorator: lets configs name this class or function, as "package>name".

    Args:
        package: tells equal names of different projects apart.
        name: defaults to the object's own.

    Raises:
        ValueError: a class without `get_config`.
    """

    def decorate(item: Any) -> Any:
        if inspect.isclass(item) and not hasattr(item, "get_config"):
            raise ValueError(
                f"register_keras_serializable: the class {item.__name__} has no get_config(). Add one that returns the "
                f"arguments of its __init__ as a dict{at_user_location()}"
            )
        registered_name = f"{package}>{name if name is not None else item.__name__}"
        _registered[registered_name] = item
        _registered_names[item] = registered_name
        return item

    return decorate


def get_registered_name(obj: Any) -> str:
    """Returns "package>name" of a registered class or function, the plain name of any other."""
    try:
        return _registered_names.get(obj) or obj.__name__
    except TypeError:  # unhashable
        return obj.__name__


def get_registered_object(
    name: str, custom_objects: dict[str, Any] | None = None, module_objects: dict[str, Any] | None = None
) -> Any:
    """Returns the custom class or function called `name`, or None.

    Looks in the active scopes, in the registered objects, in `custom_objects`, then in `module_objects`.
    """
    for table in (*reversed(_scopes.stack), _registered, custom_objects, module_objects):
        if table and name in table:
            return table[name]
    return None


def custom_object_names() -> list[str]:
    return [name for table in (*_scopes.stack, _registered) for name in table]
