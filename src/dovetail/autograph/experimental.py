"""`tf.autograph.experimental`."""

from __future__ import annotations

import enum
from collections.abc import Callable

from dovetail.function.autograph.gate import unconverted
from dovetail.function.autograph.options import set_loop_options

__all__ = ["Feature", "do_not_convert", "set_loop_options"]


class Feature(enum.Enum):
    """Optional features of AutoGraph, for `tf.function(experimental_autograph_options=...)`.

    Asserts and builtins are always converted; `==` compares tensors element by element in any case.
    """

    ALL = "ALL"
    ASSERT_STATEMENTS = "ASSERT_STATEMENTS"
    AUTO_CONTROL_DEPS = "AUTO_CONTROL_DEPS"
    BUILTIN_FUNCTIONS = "BUILTIN_FUNCTIONS"
    EQUALITY_OPERATORS = "EQUALITY_OPERATORS"
    LISTS = "LISTS"
    NAME_SCOPES = "NAME_SCOPES"


def do_not_convert(func: Callable | None = None) -> Callable:
    """Returns a function that runs `func` as it is written, and what `func` calls as well.

    Also works as `@do_not_convert()`.
    """
    return do_not_convert if func is None else unconverted(func)
