"""Methods that are `tf.function`s: each instance has traces of its own, which do not keep it alive."""

from __future__ import annotations

import functools
import inspect
import weakref
from collections.abc import Callable
from typing import Any

from dovetail.function.autograph.gate import call_method_of


def weakly(instance: Any, when_gone: Callable) -> Callable:
    """Returns a weak reference, or what looks like one for objects that cannot be held weakly."""
    try:
        return weakref.ref(instance, when_gone)
    except TypeError:
        return lambda: instance


def forget(methods: dict, key: int, _: Any) -> None:
    """Drops what was kept for an instance that is gone."""
    methods.pop(key, None)


class Bound:
    """A `Function` bound to an instance, which it keeps alive as a bound method does."""

    def __init__(self, instance: Any, bound: Any) -> None:
        self.__self__ = instance
        self._function = bound

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._function(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._function, name)


def method_of(alive: Any, python_function: Callable) -> Callable:
    """Returns the function bound to a weakly held instance, so that its traces do not keep it alive."""

    @functools.wraps(python_function)
    def method(*args: Any, **kwargs: Any) -> Any:
        return python_function(alive(), *args, **kwargs)

    call_method_of(method, python_function, alive)
    parameters = list(inspect.signature(python_function).parameters.values())[1:]
    method.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return method
