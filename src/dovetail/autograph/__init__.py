"""`tf.autograph`: Python's control flow on tensors, as the operations of a program.

`tf.function`, layers, training steps and datasets convert by themselves; these functions are for looking at it.
"""

from __future__ import annotations

from typing import Any

from dovetail.autograph import experimental
from dovetail.function import print_
from dovetail.function.autograph.operators import code_of, fully_converted

__all__ = ["experimental", "set_verbosity", "to_code", "to_graph", "trace"]


def set_verbosity(level: int, alsologtostdout: bool = False) -> None:
    """Has no effect: conversions are not logged; what cannot be converted gives a warning."""


def trace(*args: Any) -> None:
    """Prints the arguments, tensors with their values at run time."""
    print_(*args)


def to_graph(entity: Any, recursive: bool = True, experimental_optional_features: Any = None) -> Any:
    """Returns a function or method converted; a method takes `self`.

    Args:
        entity: a Python function or method.
        recursive: whether what it calls is converted too.
        experimental_optional_features: accepted; asserts and builtins are always converted.

    Raises:
        ValueError: it cannot be converted.
    """
    return fully_converted(entity, recursive)


def to_code(entity: Any, recursive: bool = True, experimental_optional_features: Any = None) -> str:
    """Returns the text of the converted function; see `to_graph`."""
    return code_of(entity)
