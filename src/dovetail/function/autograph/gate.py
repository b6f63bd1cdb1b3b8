"""The one gate through which user code runs where tensors have no values yet."""

from __future__ import annotations

import contextlib
import functools
import importlib
import threading
import types
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from dovetail.base.settings import inherited, state
from dovetail.function.autograph.callees import UNKNOWN
from dovetail.function.autograph.need import Need
from dovetail.function.autograph.user_code import MARK, is_user_function, place_of

if TYPE_CHECKING:
    from dovetail.function.autograph.convert import Converter


class ConversionWarning(UserWarning):
    """A function could not be converted and runs as it is."""


class _Status(threading.local):
    disabled = False


_status = inherited(_Status())


@functools.cache
def _machinery() -> tuple[Converter, dict]:
    """Returns a converter, and `{builtin: what stands for it}`; imported when the first user code comes by."""
    operators = importlib.import_module("dovetail.function.autograph.operators")
    return operators.CONVERTER, operators.REPLACED


def user_code(function: Any) -> Any:
    """Returns a function of the user's, converted while a program is traced or described."""
    return function if state.scope is None else converted(function)


def converted(function: Any) -> Any:
    """Returns what runs in place of a user's function where tensors may have no values yet.

    Functions of the framework and of libraries, classes, and functions that need no conversion are returned as they
    are.  Methods, partials and callable objects are taken apart.
    """
    if _status.disabled:
        return function
    kind = type(function)
    if kind is types.FunctionType:
        return _converted_function(function)
    if kind is types.MethodType:
        inner = function.__func__
        if type(inner) is not types.FunctionType:
            return function
        made = _converted_function(inner, function.__self__)
        return function if made is inner else types.MethodType(made, function.__self__)
    if kind is types.BuiltinFunctionType or kind is type or isinstance(function, type):
        try:
            return _machinery()[1].get(function, function)
        except TypeError:  # a method of an object that has no hash
            return function
    if kind is functools.partial:
        made = converted(function.func)
        return (
            function
            if made is function.func
            else functools.partial(made, *function.args, **function.keywords)
        )
    call = getattr(kind, "__call__", None)  # noqa: B004  the function itself
    if type(call) is not types.FunctionType:
        return function
    made = _converted_function(call, function)
    return function if made is call else types.MethodType(made, function)


def _converted_function(function: types.FunctionType, instance: Any = UNKNOWN) -> Callable:
    if function.__dict__ and MARK in function.__dict__:
        bound = function.__dict__[MARK]
        return function if bound is None else _rebound(*bound)
    if place_of(function.__code__.co_filename) == "framework" or not is_user_function(function):
        return function
    converter = _machinery()[0]
    entry = converter.known(function, instance)
    if entry.need is Need.NOTHING or entry.failed is not None:
        return function
    try:
        made = converter.convert(function, entry)
    except Exception as error:  # noqa: BLE001  whatever conversion does not know
        entry.failed = f"{type(error).__name__}: {error}"
        if entry.need is Need.ALL:
            _tell(function, entry.failed)
        return function
    made.__dict__[MARK] = None
    return made


def _rebound(function: Callable, alive: Callable) -> Callable:
    """Returns a method of a weakly held instance with its function converted."""
    made = (
        _converted_function(function, alive())
        if isinstance(function, types.FunctionType)
        else converted(function)
    )

    def method(*args: Any, **kwargs: Any) -> Any:
        return made(alive(), *args, **kwargs)

    return method


def _tell(function: types.FunctionType, why: str) -> None:
    code = function.__code__
    warnings.warn(
        f"AutoGraph could not convert {function.__qualname__} ({code.co_filename}:{code.co_firstlineno}) and runs it "
        f"as it is: {why}. Mark it with @tf.autograph.experimental.do_not_convert to silence this.",
        ConversionWarning,
        stacklevel=4,
    )


def call_method_of(method: Callable, function: Callable, alive: Callable) -> None:
    """Notes that `method(*args)` is `function(alive(), *args)`, so that the gate converts `function`."""
    method.__dict__[MARK] = (function, alive)


def keep(function: Callable) -> Callable:
    """Marks a function as one that the gate passes through as it is."""
    with contextlib.suppress(AttributeError):
        function.__dict__[MARK] = None
    return function


def unconverted(function: Callable) -> Callable:
    """Returns a function that calls `function` with conversion switched off, for what it calls as well."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        before, _status.disabled = _status.disabled, True
        try:
            return function(*args, **kwargs)
        finally:
            _status.disabled = before

    return keep(wrapper)


class Converting:
    """A function that runs with conversion switched on or off, for it and for what it calls.

    Args:
        function: the function; it is converted when it is first called.
        convert: whether conversion is on.
    """

    __slots__ = ("_convert", "_function", "_made")

    def __init__(self, function: Callable, convert: bool) -> None:
        self._function, self._convert = function, convert
        self._made: Callable | None = None

    def __call__(self, args: tuple, kwargs: dict) -> Any:
        before = _status.disabled
        if before is not self._convert and self._made is not None:  # as it is to be
            return self._made(*args, **kwargs)
        _status.disabled = not self._convert
        try:
            if self._made is None:
                self._made = converted(self._function)
            return self._made(*args, **kwargs)
        finally:
            _status.disabled = before
