"""Rows of control flow, and of calls of functions.

A function is whatever takes the inputs and returns the outputs; those of imported graphs also tell which of their
inputs they give back as they were (`keeps(i)`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dovetail.base import nest
from dovetail.base.errors import InvalidArgumentError, at_user_location
from dovetail.function.control import cond as tf_cond
from dovetail.function.control import switch_case, while_loop
from dovetail.ops.tensor_array import TensorArray
from dovetail.raw_ops.row import public, raw
from dovetail.tensor.tensor import TensorLike
from dovetail.tensor.variable import Variable


@raw("NoOp ControlTrigger")
def no_op() -> None:
    """Nothing."""


@raw("PartitionedCall StatefulPartitionedCall")
def call(args: list, *, f: Callable) -> list:
    return _flat(f(*args))


def _flat(found: Any) -> list:
    return list(found) if isinstance(found, list | tuple) else nest.flat(found)


@raw("If StatelessIf")
def if_(cond: Any, input: list, *, then_branch: Callable, else_branch: Callable) -> Any:
    return tf_cond(_as_bool(cond), lambda: _flat(then_branch(*input)), lambda: _flat(else_branch(*input)))


@raw("Case StatelessCase")
def case(branch_index: Any, input: list, *, branches: list) -> Any:
    return switch_case(branch_index, [_bound(branch, input) for branch in branches])


def _bound(function: Callable, inputs: list) -> Callable:
    return lambda: _flat(function(*inputs))


@raw("While StatelessWhile")
def while_(input: list, *, cond: Callable, body: Callable) -> list:
    """Repeats the body.  What it never changes is no variable of the loop: it stays known where it is known."""
    keeps = getattr(body, "keeps", lambda _: False)
    changing = [i for i, value in enumerate(input) if _is_value(value) and not keeps(i)]

    def full(variables: tuple) -> list:
        values = list(input)
        for i, value in zip(changing, variables, strict=True):
            values[i] = value
        return values

    def going(*variables: Any) -> Any:
        return _as_bool(_flat(cond(*full(variables)))[0])

    def step(*variables: Any) -> list:
        found = _flat(body(*full(variables)))
        return [found[i] for i in changing]

    return full(while_loop(going, step, [input[i] for i in changing]))


def _is_value(value: Any) -> bool:
    return isinstance(value, TensorLike | TensorArray) and not isinstance(value, Variable)


def _as_bool(value: Any) -> Any:
    """Returns a condition as TensorFlow's graphs read it: a number is true when it is not 0."""
    dtype = getattr(value, "dtype", None)
    return (
        value if dtype is None or dtype.is_bool else public("not_equal")(value, public("zeros_like")(value))
    )


@raw("Assert")
def assert_(condition: Any, data: list, *, summarize: int = 3) -> None:
    """Raises InvalidArgumentError when the condition is known not to hold; compiled programs do not check it."""
    found = public("get_static_value")(condition)
    if found is not None and not found.all():
        shown = [public("get_static_value")(one) for one in data]
        raise InvalidArgumentError(f"an imported assertion does not hold: {shown!r:.200}{at_user_location()}")


@raw("CheckNumerics CheckNumericsV2")
def check_numerics(tensor: Any, *, message: str) -> Any:
    return public("debugging.check_numerics")(tensor, message)
