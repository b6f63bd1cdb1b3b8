"""`tf.autograph`: what programs call of it.  Python control flow on tensors is not converted yet."""

from __future__ import annotations

from typing import Any, NoReturn

from dovetail.autograph import experimental
from dovetail.function import print_

__all__ = ["experimental", "set_verbosity", "to_code", "to_graph", "trace"]

_NOT_CONVERTED = (
    "is not available: Python control flow on tensors is not converted yet. Write tf.cond, tf.while_loop, "
    "tf.switch_case or tf.where"
)


def set_verbosity(level: int, alsologtostdout: bool = False) -> None:
    """Has no effect: there are no conversions to report."""


def trace(*args: Any) -> None:
    """Prints the arguments, tensors with their values at run time."""
    print_(*args)


def to_code(entity: Any, recursive: bool = True, experimental_optional_features: Any = None) -> NoReturn:
    """Raises NotImplementedError."""
    raise NotImplementedError(f"tf.autograph.to_code {_NOT_CONVERTED}")


def to_graph(entity: Any, recursive: bool = True, experimental_optional_features: Any = None) -> NoReturn:
    """Raises NotImplementedError."""
    raise NotImplementedError(f"tf.autograph.to_graph {_NOT_CONVERTED}")
