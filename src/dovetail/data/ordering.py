"""Whether elements that are made side by side come in order: what the options of a dataset tell its steps."""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Iterator
from typing import Any

from dovetail.data.options import Options

_in_order: contextvars.ContextVar[bool] = contextvars.ContextVar("in_order", default=True)


def keeps_order(deterministic: bool | None) -> bool:
    """Returns whether a step keeps the order: what it was told itself, or else what the dataset's options say."""
    return _in_order.get() if deterministic is None else bool(deterministic)


def as_asked_for(options: Options, make: Callable[[], Iterator]) -> Iterator:
    """Returns `make()`, whose steps see what options say of the order."""
    return _AnyOrder(make) if options.deterministic is False else make()


class _AnyOrder(Iterator):
    """An iterator whose steps need not keep the order."""

    def __init__(self, make: Callable[[], Iterator]) -> None:
        self._context = contextvars.copy_context()
        self._context.run(_in_order.set, False)
        self._items = self._context.run(make)

    def __next__(self) -> Any:
        return self._context.run(next, self._items)
