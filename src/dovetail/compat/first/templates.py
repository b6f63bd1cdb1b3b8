"""Functions that share the variables of their calls (`make_template`)."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from dovetail.base.errors import at_user_location
from dovetail.compat.first.scopes import AUTO_REUSE, variable_scope


class _Template:
    """A function that makes variables when it is called first, and shares them from then on."""

    def __init__(self, name: str, function: Callable, unique_name: str | None, getter: Any) -> None:
        self._function, self._base, self._unique = function, name, unique_name
        self._getter, self._scope, self._reuse = getter, None, True  # type: Any, Any, Any

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        first = self._scope is None
        wanted: Any = self._unique if first else self._scope
        with variable_scope(
            wanted, self._base, reuse=None if first else self._reuse, custom_getter=self._getter
        ) as scope:
            self._scope = scope
            return self._function(*args, **kwargs)

    @property
    def variable_scope(self) -> Any:
        return self._scope

    @property
    def name(self) -> str:
        return self._base if self._scope is None else self._scope.name

    @property
    def variables(self) -> list:
        return [] if self._scope is None else self._scope.global_variables()

    @property
    def trainable_variables(self) -> list:
        return [] if self._scope is None else self._scope.trainable_variables()


def make_template(
    name_: str,
    func_: Callable,
    create_scope_now_: bool = False,
    unique_name_: str | None = None,
    custom_getter_: Any = None,
    **kwargs: Any,
) -> Callable:
    """Returns a function whose first call makes variables, which all further calls share.

    Args:
        name_: of the scope of the variables, made unique.
        func_: the function.
        create_scope_now_: the scope is entered now, not at the first call.
        unique_name_: the scope's name, as it is.
        custom_getter_: see `get_variable`.
        kwargs: passed to the function in each call.
    """
    if not callable(func_):
        raise ValueError(f"make_template: expected a function, received {func_!r:.60}{at_user_location()}")
    function = functools.partial(func_, **kwargs) if kwargs else func_
    made = _Template(name_, function, unique_name_, custom_getter_)
    if create_scope_now_:
        with variable_scope(unique_name_, name_) as scope:
            made._scope = scope
        made._reuse = AUTO_REUSE
    return made


NAMES: dict[str, Any] = {"make_template": make_template}
