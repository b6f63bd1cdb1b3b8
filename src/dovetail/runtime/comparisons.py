"""`tf.debugging.assert_equal` and the other assertions about values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.ops.dispatch import dispatchable
from dovetail.ops.table import NAMESPACES
from dovetail.runtime.checks import tensor_of, verify, with_prefix
from dovetail.tensor import dtype as dt

_tf = NAMESPACES["tf"]
_SHOWN = 3


@dispatchable("tf.debugging.assert_equal")
def assert_equal(x: Any, y: Any, message: Any = None, summarize: Any = None, name: str | None = None) -> None:
    """Raises InvalidArgumentError unless `x == y` for every pair of elements, after broadcasting.

    Args:
        x, y: tensors of one dtype.
        message: begins the error's message.
        summarize: how many of the failing elements the message shows (3).
    """
    _compare("==", _tf["equal"], x, y, message, summarize)


@dispatchable("tf.debugging.assert_none_equal")
def assert_none_equal(
    x: Any, y: Any, message: Any = None, summarize: Any = None, name: str | None = None
) -> None:
    """Raises InvalidArgumentError unless `x != y` for every pair of elements (see `assert_equal`)."""
    _compare("!=", _tf["not_equal"], x, y, message, summarize)


@dispatchable("tf.debugging.assert_less")
def assert_less(x: Any, y: Any, message: Any = None, summarize: Any = None, name: str | None = None) -> None:
    """Raises InvalidArgumentError unless `x < y` for every pair of elements (see `assert_equal`)."""
    _compare("<", _tf["less"], x, y, message, summarize)


@dispatchable("tf.debugging.assert_less_equal")
def assert_less_equal(
    x: Any, y: Any, message: Any = None, summarize: Any = None, name: str | None = None
) -> None:
    """Raises InvalidArgumentError unless `x <= y` for every pair of elements (see `assert_equal`)."""
    _compare("<=", _tf["less_equal"], x, y, message, summarize)


@dispatchable("tf.debugging.assert_greater")
def assert_greater(
    x: Any, y: Any, message: Any = None, summarize: Any = None, name: str | None = None
) -> None:
    """Raises InvalidArgumentError unless `x > y` for every pair of elements (see `assert_equal`)."""
    _compare(">", _tf["greater"], x, y, message, summarize)


@dispatchable("tf.debugging.assert_greater_equal")
def assert_greater_equal(
    x: Any, y: Any, message: Any = None, summarize: Any = None, name: str | None = None
) -> None:
    """Raises InvalidArgumentError unless `x >= y` for every pair of elements (see `assert_equal`)."""
    _compare(">=", _tf["greater_equal"], x, y, message, summarize)


@dispatchable("tf.debugging.assert_positive")
def assert_positive(x: Any, message: Any = None, summarize: Any = None, name: str | None = None) -> None:
    """Raises InvalidArgumentError unless every element is greater than 0."""
    _compare(">", _tf["greater"], x, 0, message, summarize)


@dispatchable("tf.debugging.assert_negative")
def assert_negative(x: Any, message: Any = None, summarize: Any = None, name: str | None = None) -> None:
    """Raises InvalidArgumentError unless every element is less than 0."""
    _compare("<", _tf["less"], x, 0, message, summarize)


@dispatchable("tf.debugging.assert_non_negative")
def assert_non_negative(x: Any, message: Any = None, summarize: Any = None, name: str | None = None) -> None:
    """Raises InvalidArgumentError unless every element is 0 or more."""
    _compare(">=", _tf["greater_equal"], x, 0, message, summarize)


@dispatchable("tf.debugging.assert_non_positive")
def assert_non_positive(x: Any, message: Any = None, summarize: Any = None, name: str | None = None) -> None:
    """Raises InvalidArgumentError unless every element is 0 or less."""
    _compare("<=", _tf["less_equal"], x, 0, message, summarize)


@dispatchable("tf.debugging.assert_near")
def assert_near(
    x: Any,
    y: Any,
    rtol: Any = None,
    atol: Any = None,
    message: Any = None,
    summarize: Any = None,
    name: str | None = None,
) -> None:
    """Raises InvalidArgumentError unless `|x - y| <= atol + rtol * |y|` for every pair of elements.

    Args:
        x, y: tensors of one floating dtype.
        rtol, atol: tolerances; 10 times the dtype's machine epsilon when None.
        message, summarize: see `assert_equal`.
    """
    x = tensor_of(x)
    y = tensor_of(y, x)
    rtol, atol = (_tolerance(given, x.dtype) for given in (rtol, atol))
    bound = _tf["add"](atol, _tf["multiply"](rtol, _tf["abs"](y)))
    near = _tf["less_equal"](_tf["abs"](_tf["subtract"](x, y)), bound)
    _verify_all(near, f"|x - y| <= {_text(atol)} + {_text(rtol)} * |y|", x, y, message, summarize)


def _tolerance(given: Any, dtype: dt.DType) -> Any:
    if given is not None:
        return _tf["cast"](given, dtype)
    if not dtype.is_floating:
        raise ValueError(
            f"tf.debugging.assert_near: {dtype.name} has no machine epsilon; pass rtol and atol, or use assert_equal"
            f"{at_user_location()}"
        )
    return _tf["constant"](10 * float(ml_dtypes.finfo(dtype.numpy_dtype).eps), dtype=dtype)


def _text(value: Any) -> str:
    known = isinstance(getattr(value, "_value", None), np.ndarray)
    return f"{float(value):.3g}" if known else "tolerance"


def _compare(sign: str, op: Callable, x: Any, y: Any, message: Any, summarize: Any) -> None:
    x = tensor_of(x)
    plain_zero = type(y) is int and y == 0
    y = tensor_of(y, x)
    _verify_all(
        op(x, y), f"x {sign} {'0' if plain_zero else 'y'}", x, None if plain_zero else y, message, summarize
    )


def _verify_all(holds: Any, condition: str, x: Any, y: Any, message: Any, summarize: Any) -> None:
    given = [x] if y is None else [x, y]

    def explain(holds: np.ndarray, *arrays: np.ndarray) -> str:
        return with_prefix(message, _describe(condition, holds, arrays, summarize))

    verify(_tf["reduce_all"](holds), explain, holds, *given)


def _describe(condition: str, holds: np.ndarray, arrays: tuple, summarize: Any) -> str:
    """Returns "Condition x == y did not hold ..." with the first elements for which it does not."""
    limit = _SHOWN if summarize is None else int(summarize)
    failing = np.argwhere(~holds)
    wide = [np.broadcast_to(array, holds.shape) for array in arrays]
    if not holds.ndim:
        shown = ", ".join(f"{name} = {array[()]}" for name, array in zip("xy", wide))
        return f"Condition {condition} did not hold: {shown}"
    lines = [f"Condition {condition} did not hold for {len(failing)} of {holds.size} elements:"]
    for index in failing if limit < 0 else failing[:limit]:
        at = tuple(int(i) for i in index)
        values = ", ".join(f"{name} = {array[at]}" for name, array in zip("xy", wide))
        lines.append(f"  at {list(at)}: {values}")
    if 0 <= limit < len(failing):
        lines.append("  ...")
    shapes = ", ".join(f"{name}: shape {array.shape} {array.dtype}" for name, array in zip("xy", arrays))
    return "\n".join([*lines, shapes])
