"""What converted code calls `ag__`; and conversion for looking at it."""

from __future__ import annotations

import ast
import functools
import types
from collections.abc import Callable
from typing import Any

from dovetail.function.autograph import branches, loops, values
from dovetail.function.autograph.builtin_names import REPLACED, iterated
from dovetail.function.autograph.convert import Converted, Converter
from dovetail.function.autograph.gate import Converting, converted, keep
from dovetail.function.autograph.need import Finding, Need
from dovetail.function.autograph.options import set_loop_options
from dovetail.function.autograph.user_code import MARK


def _converted_call(function: Any, args: tuple, kwargs: dict | None, scope: Any) -> Any:
    made = converted(function)
    return made(*args) if kwargs is None else made(*args, **kwargs)


class _FunctionScope:
    """Surrounds the body of a converted function."""

    def __init__(self, name: str, scope_name: str, options: Any) -> None:
        self.name = name

    def __enter__(self) -> _FunctionScope:
        return self

    def __exit__(self, *exc: object) -> None:
        return None

    def ret(self, value: Any, did_return: Any) -> Any:
        """Returns what the function returns."""
        return branches.returned(value, did_return)


def _with_function_scope(thunk: Callable, scope_name: str, options: Any) -> Any:
    return thunk(_FunctionScope("lambda", scope_name, options))


OPERATORS = types.SimpleNamespace(
    FunctionScope=_FunctionScope,
    Undefined=values.Undefined,
    UndefinedReturnValue=values.UndefinedReturnValue,
    and_=branches.and_,
    assert_stmt=branches.assert_stmt,
    autograph_artifact=keep,
    call=converted,
    converted_call=_converted_call,
    for_stmt=loops.for_stmt,
    if_exp=branches.if_exp,
    if_stmt=branches.if_stmt,
    iterated=iterated,
    ld=values.ld,
    ldu=values.ldu,
    not_=branches.not_,
    or_=branches.or_,
    while_stmt=loops.while_stmt,
    with_function_scope=_with_function_scope,
)

CONVERTER = Converter(OPERATORS, frozenset(REPLACED), lambda value: value is set_loop_options)


def fully_converted(entity: Any, recursive: bool = True) -> Callable:
    """Returns a function or method converted, whatever it needs.

    Raises:
        ValueError: it cannot be converted.
    """
    function = _function_of(entity)
    entry = Converted(lambda: None, Finding(Need.ALL))
    try:
        made = CONVERTER.convert(function, entry)
    except Exception as error:
        raise ValueError(f"tf.autograph: {entity!r:.80} cannot be converted: {error}") from error

    converting = Converting(keep(made), recursive)

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        return converting(args, kwargs)

    return keep(run)


def code_of(entity: Any) -> str:
    """Returns the text of a function or method as it is converted.

    Raises:
        ValueError: it cannot be converted.
    """
    function = _function_of(entity)
    try:
        tree = CONVERTER.tree(function, Need.ALL)
    except Exception as error:
        raise ValueError(f"tf.autograph: {entity!r:.80} cannot be converted: {error}") from error
    if isinstance(tree, ast.FunctionDef):
        tree.name = f"tf__{tree.name}"
    return ast.unparse(tree)


def _function_of(entity: Any) -> types.FunctionType:
    function = getattr(entity, "python_function", entity)
    function = getattr(function, "__func__", function)
    if MARK in getattr(function, "__dict__", ()):
        function = getattr(function, "__wrapped__", function)
    if not isinstance(function, types.FunctionType):
        raise ValueError(f"tf.autograph: expected a Python function, received {entity!r:.80}")
    return function
