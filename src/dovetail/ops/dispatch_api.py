"""`tf.experimental.dispatch_for_api` and its siblings: users' rows of the dispatch table (see `ops/dispatch.py`)."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable
from typing import Any

from dovetail.base.errors import at_user_location
from dovetail.ops import dispatch
from dovetail.ops.dispatch import Entry, Row
from dovetail.tensor.tensor import Tensor, TensorLike

_EMPTY = inspect.Parameter.empty
_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def dispatch_for_api(api: Callable, *signatures: dict) -> Callable[[Callable], Callable]:
    """Decorator: the function is called in place of `api` when the arguments are of the annotated types.

    Args:
        api: a function of tf, such as `tf.concat`.
        signatures: dicts from parameter names (or positions) to types; without one, the function's annotations are it.
            A type is a class, `typing.Union[...]`, `typing.Optional[...]` or `typing.List[...]`.

    Raises:
        ValueError: `api` does not dispatch, or the function's parameters are not those of `api`.
        TypeError: an annotation is none of those.

    Example:
        >>> @tf.experimental.dispatch_for_api(tf.reduce_sum, {"input_tensor": Money})
        ... def money_sum(input_tensor, axis=None, keepdims=False, name=None):
        ...     return Money(tf.reduce_sum(input_tensor.amount, axis, keepdims), input_tensor.currency)
    """
    entry = dispatch.entry_of(api)
    names = list(inspect.signature(api).parameters)

    def decorate(function: Callable) -> Callable:
        _check_parameters(entry, names, function)
        for signature in signatures or (_annotations(function),):
            checks = {_name_of(key, names, entry): _Check(kind) for key, kind in signature.items()}
            if not any(check.kinds for check in checks.values()):
                raise ValueError(
                    f"dispatch_for_api({entry.name}): annotate at least one parameter of {function.__name__} with a "
                    f"type of your own, or pass a signature{at_user_location()}"
                )
            renamed = getattr(api, "visible", {})
            row = Row(_matcher(checks, renamed), _by_name(function, renamed), None, function, users=True)
            dispatch.add(entry, row, [kind for check in checks.values() for kind in check.kinds])
        return function

    return decorate


def dispatch_for_unary_elementwise_apis(x_type: Any) -> Callable[[Callable], Callable]:
    """Decorator: `function(api, x)` is what every unary element-wise function of tf does with an `x_type`.

    Args:
        x_type: the type of the first argument; `api(x)` applies the tf function with its other arguments.
    """
    return _family("unary", (x_type,))


def dispatch_for_binary_elementwise_apis(x_type: Any, y_type: Any) -> Callable[[Callable], Callable]:
    """Decorator: `function(api, x, y)` is what every binary element-wise function of tf does with these types."""
    return _family("binary", (x_type, y_type))


def dispatch_for_binary_elementwise_assert_apis(x_type: Any, y_type: Any) -> Callable[[Callable], Callable]:
    """Decorator: `function(api, x, y)` is what `tf.debugging.assert_equal` and its like do with these types."""
    return _family("assert", (x_type, y_type))


def unregister_dispatch_for(dispatch_target: Callable) -> None:
    """Takes back what the decorators of this module registered for a function.

    Raises:
        ValueError: nothing was registered.
    """
    if not dispatch.remove(dispatch_target):
        raise ValueError(
            f"{dispatch_target} was not registered by a tf.experimental.dispatch_for_* decorator"
        )


def _family(family: str, types_: tuple) -> Callable[[Callable], Callable]:
    checks = [_Check(kind) for kind in types_]

    def matches(named: dict) -> bool:
        values = list(named.values())[: len(checks)]
        return len(values) == len(checks) and all(
            check(value) for check, value in zip(checks, values, strict=True)
        )

    def decorate(function: Callable) -> Callable:
        wanted = len(checks) + 1
        found = [p for p in inspect.signature(function).parameters.values() if p.kind not in _VARIADIC]
        if len(found) != wanted:
            raise ValueError(
                f"{function.__name__}: expected the parameters (api, {'x' if wanted == 2 else 'x, y'}), received "
                f"{[p.name for p in found]}{at_user_location()}"
            )
        dispatch.add_to_family(
            Row(matches, function, family, function, users=True), [k for check in checks for k in check.kinds]
        )
        return function

    return decorate


class _Check:
    """An annotation as a test of values.

    Attributes:
        kinds: the classes of users (or composites) that it names.
    """

    kinds: list[type]

    def __init__(self, annotation: Any) -> None:
        origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
        if origin in (typing.Union, types.UnionType):
            parts = [_Check(part) for part in arguments]
            self._test: Callable[[Any], bool] = lambda value: any(part(value) for part in parts)
            self.kinds = [kind for part in parts for kind in part.kinds]
        elif origin is list and len(arguments) == 1:
            item = _Check(arguments[0])
            self._test = lambda value: (
                isinstance(value, list | tuple) and bool(value) and all(item(each) for each in value)
            )
            self.kinds = item.kinds
        elif isinstance(annotation, type):
            wanted = TensorLike if annotation is Tensor else annotation
            self._test = lambda value: isinstance(value, wanted)
            own = annotation.__module__ != "builtins" and not issubclass(annotation, TensorLike)
            self.kinds = [annotation] if own else []
        else:
            raise TypeError(
                f"dispatch: expected a class, typing.Union, typing.Optional or typing.List, received {annotation!r}"
                f"{at_user_location()}"
            )

    def __call__(self, value: Any) -> bool:
        return self._test(value)


def _annotations(function: Callable) -> dict:
    """Returns the annotated parameters; strings (`from __future__ import annotations`) are evaluated."""
    hints = typing.get_type_hints(function)
    return {name: kind for name, kind in hints.items() if name != "return"}


def _name_of(key: Any, names: list[str], entry: Entry) -> str:
    name = names[key] if isinstance(key, int) and -len(names) <= key < len(names) else key
    if name not in names:
        raise ValueError(f"{entry.name} has no parameter {key!r}; it has {names}{at_user_location()}")
    return name


def _check_parameters(entry: Entry, names: list[str], function: Callable) -> None:
    found = inspect.signature(function).parameters.values()
    if any(parameter.kind in _VARIADIC for parameter in found):
        return
    extra = [p.name for p in found if p.name not in names and p.default is _EMPTY]
    missing = [] if entry.op else [n for n in names[:1] if n not in {p.name for p in found}]
    if extra or missing:
        raise ValueError(
            f"{function.__name__}: its parameters must be those of {entry.name}, {names}; received "
            f"{[p.name for p in found]}{at_user_location()}"
        )


def _matcher(checks: dict[str, _Check], renamed: dict) -> Callable[[dict], bool]:
    def matches(named: dict) -> bool:
        shown = {renamed.get(name, name): value for name, value in named.items()}
        return all(name in shown and check(shown[name]) for name, check in checks.items())

    return matches


def _by_name(function: Callable, renamed: dict) -> Callable:
    """Returns the function for calls by the op's own names of the parameters."""

    def call(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **{renamed.get(name, name): value for name, value in kwargs.items()})

    return call
