"""Public functions and classes whose errors are told in full: see `dovetail.base.wording`."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

from dovetail.base.settings import state
from dovetail.base.wording import BAD_CALL, tell


def told_function(
    label: str, rows: list | tuple = (), find_target: Callable | None = None
) -> Callable[[Callable], Callable]:
    """Decorator of a public function: its errors name it as `label`, what it was given, and the user's line.

    Args:
        label: the function's public name.
        rows: while it is not empty, `find_target(args, kwargs)` is asked first what to call instead.
        find_target: returns that, or None.
    """

    def decorate(function: Callable) -> Callable:
        flags = _flag_names(function)

        @functools.wraps(function)
        def public(*args: Any, **kwargs: Any) -> Any:
            try:
                if rows:
                    target = find_target(args, kwargs)  # type: ignore[misc]
                    if target is not None:
                        return target()
                if flags:
                    for name, value in kwargs.items():
                        if name in flags and type(value) is not bool:
                            check_flags((name,), kwargs)
                graph = state.scope.graph if kwargs and state.scope is not None else None
                if graph is not None and kwargs.get("name") is not None:
                    return graph.named(kwargs["name"], function, *args, **kwargs)
                return function(*args, **kwargs)
            except BAD_CALL as error:
                tell(label, error, [*inspect.signature(function).parameters], args, kwargs)

        return public

    return decorate


def _flag_names(function: Callable) -> frozenset[str]:
    """Returns the parameters whose default is True or False: hundreds of functions ask, so without a signature."""
    function = inspect.unwrap(function)
    code, defaults = function.__code__, function.__defaults__ or ()
    last = code.co_varnames[code.co_argcount - len(defaults) : code.co_argcount]
    named = {**dict(zip(last, defaults, strict=True)), **(function.__kwdefaults__ or {})}
    return frozenset(name for name, default in named.items() if type(default) is bool)


def check_flags(names: Iterable[str], given: dict) -> None:
    """Refuses values that are neither true nor false (1, 0 and None count) nor an array or a tensor."""
    for name in names:
        value = given[name]
        if type(value) is bool or value is None or hasattr(value, "dtype"):
            continue
        if not (isinstance(value, int) and 0 <= value <= 1):
            raise TypeError(f"{name} must be True or False, received {value!r:.80}")


class Told:
    """Base of classes that make errors of their own methods name the class, what was given, and the user's line.

    It changes Dovetail's own classes only: a subclass of a user's stays as it was written.

    Attributes:
        _is_own: whether the class itself was declared as Dovetail's.
        _told_methods: names of the methods, wherever the class or its subclasses define them; "*": all public ones.
    """

    _is_own: ClassVar[bool] = False
    _told_methods: ClassVar[tuple[str, ...]] = ("__init__",)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._is_own = False

    @classmethod
    def _become_own(cls) -> None:
        """Called when the class is declared as Dovetail's: see `dovetail.base.own.declare`."""
        cls._is_own = True
        for name in _names(cls):
            value = cls.__dict__[name]
            if isinstance(value, staticmethod):
                label = f"{cls.__name__}.{name}"
                setattr(cls, name, staticmethod(told_function(label)(value.__func__)))
            elif inspect.isfunction(value):
                setattr(cls, name, told(value, flags=name == "__init__" or "*" in cls._told_methods))


def _names(cls: type) -> list[str]:
    if "*" in cls._told_methods:  # type: ignore[attr-defined]
        return [name for name in cls.__dict__ if name[0] != "_" or name == "__init__"]
    return [name for name in cls._told_methods if name in cls.__dict__]  # type: ignore[attr-defined]


def told(method: Callable, flags: bool = False) -> Callable:
    """Returns a method whose errors tell what `dovetail.base.wording.tell` adds.

    Args:
        method: function of a class.
        flags: whether parameters with the default True or False take nothing else.
    """

    @functools.wraps(method)
    def public(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            if flags:
                _check_flags(method, args, kwargs)
            return method(self, *args, **kwargs)
        except BAD_CALL as error:
            if _outermost(self, method.__name__) is not public:  # a constructor that a subclass's has called
                raise
            label = type(self).__name__ + (f".{method.__name__}" if method.__name__[0] != "_" else "")
            tell(label, error, [*inspect.signature(method).parameters][1:], args, kwargs)

    public._is_told = True  # type: ignore[attr-defined]
    return public


def _check_flags(method: Callable, args: tuple, kwargs: dict) -> None:
    names = _flags(method)
    check_flags(names, {name: args[i] if i < len(args) else kwargs.get(name) for name, i in names.items()})


@functools.cache
def _flags(method: Callable) -> dict[str, int]:
    """Returns the parameters whose default is True or False, with their positions after `self`."""
    parameters = [*inspect.signature(method).parameters.values()][1:]
    return {p.name: i for i, p in enumerate(parameters) if type(p.default) is bool}


def _outermost(instance: Any, name: str) -> Any:
    """Returns the first of the methods of a name that tells."""
    methods = (kind.__dict__.get(name) for kind in type(instance).__mro__)
    return next((method for method in methods if getattr(method, "_is_told", False)), None)
