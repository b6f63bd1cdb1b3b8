"""How each kind of Keras object goes by name: `serialize`, `deserialize` and `get` of `keras.losses` and others."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

from dovetail.keras.serialization import deserialize_keras_object, resolve, serialize_keras_object


class Exchange(NamedTuple):
    """The public functions of one kind.

    Attributes:
        serialize: `f(object, use_legacy_format=False)` returns its config.
        deserialize: `f(config, custom_objects=None, use_legacy_format=False)` returns what a name or config stands for.
        get: `f(identifier)` returns what a user means by a name, a config, a class, an instance or a function.
    """

    serialize: Callable[..., Any]
    deserialize: Callable[..., Any]
    get: Callable[[Any], Any]


def exchange(module: str, label: str, objects: dict[str, Any], config: str = "config") -> Exchange:
    """Makes the functions of one kind.

    Args:
        module: where they stand, for pickles and documentation.
        label: what an object of the kind is called: the name of `serialize`'s parameter, and in errors.
        objects: every name of the kind, as a table that may grow.
        config: name of `deserialize`'s first parameter.
    """

    def serialize(item: Any, use_legacy_format: bool = False) -> Any:
        return serialize_keras_object(item, use_legacy_format)

    def deserialize(config: Any, custom_objects: dict | None = None, use_legacy_format: bool = False) -> Any:
        return deserialize_keras_object(
            config, custom_objects, module_objects=objects, printable_module_name=label
        )

    def get(identifier: Any) -> Any:
        return resolve(identifier, label, objects)

    one = ("an " if label[0] in "aeiou" else "a ") + label
    serialize.__doc__ = (
        f"Returns the config of {one}; `use_legacy_format`: without the module, as Keras 2 wrote it."
    )
    deserialize.__doc__ = (
        f"Returns the {label} that a name or a config stands for; both formats are told apart by themselves."
    )
    get.__doc__ = (
        f"Returns the {label} for a name, a config, a class, an instance or a function; None for None."
    )
    return Exchange(
        _placed(_renamed(serialize, label), module),
        _placed(_renamed(deserialize, config), module),
        _placed(get, module),
    )


def _renamed(function: Callable, name: str) -> Callable:
    """Returns a function whose first parameter goes by another name."""
    first, *rest = inspect.signature(function).parameters.values()
    if first.name == name:
        return function

    @functools.wraps(function)
    def renamed(*args: Any, **kwargs: Any) -> Any:
        if first.name in kwargs:
            raise TypeError(f"{function.__name__}() got an unexpected keyword argument {first.name!r}")
        if name in kwargs and not args:
            args = (kwargs.pop(name),)
        return function(*args, **kwargs)

    renamed.__signature__ = inspect.signature(function).replace(parameters=[first.replace(name=name), *rest])  # type: ignore[attr-defined]
    return renamed


def _placed(function: Callable, module: str) -> Callable:
    function.__module__, function.__qualname__ = module, function.__name__
    return function
