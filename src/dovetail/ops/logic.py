"""Comparisons, logic, bits, and questions about numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail.ops.arithmetic import as_floating
from dovetail.ops.families import binary, comparison, op, unary
from dovetail.ops.prepared import numbers
from dovetail.ops.views import export
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.tensor import TensorLike

_BOOL = np.dtype(bool)
_to_bool = {"dtype": lambda *_, **__: _BOOL}


def refuse_complex(x: Any) -> None:
    """Raises TypeError for complex numbers, which NumPy would order."""
    if x.dtype.kind == "c":
        raise TypeError(
            "complex numbers have no order; compare tf.abs(x), tf.math.real(x) or tf.math.imag(x)"
        )


@comparison("greater math.greater ops.numpy.greater(x1,x2) K.greater")
def greater(xp: Any, x: Any, y: Any) -> Any:
    """Returns `x > y` as booleans, element by element with broadcasting."""
    refuse_complex(x)
    return xp.greater(x, y)


@comparison("greater_equal math.greater_equal ops.numpy.greater_equal(x1,x2) K.greater_equal")
def greater_equal(xp: Any, x: Any, y: Any) -> Any:
    """Returns `x >= y` as booleans, element by element with broadcasting."""
    refuse_complex(x)
    return xp.greater_equal(x, y)


@comparison("less math.less ops.numpy.less(x1,x2) K.less")
def less(xp: Any, x: Any, y: Any) -> Any:
    """Returns `x < y` as booleans, element by element with broadcasting."""
    refuse_complex(x)
    return xp.less(x, y)


@comparison("less_equal math.less_equal ops.numpy.less_equal(x1,x2) K.less_equal")
def less_equal(xp: Any, x: Any, y: Any) -> Any:
    """Returns `x <= y` as booleans, element by element with broadcasting."""
    refuse_complex(x)
    return xp.less_equal(x, y)


@comparison("equal math.equal ops.numpy.equal(x1,x2) K.equal")
def equal(xp: Any, x: Any, y: Any) -> Any:
    """Returns `x == y` as booleans, element by element with broadcasting."""
    return xp.equal(x, y)


@comparison("not_equal math.not_equal ops.numpy.not_equal(x1,x2) K.not_equal")
def not_equal(xp: Any, x: Any, y: Any) -> Any:
    """Returns `x != y` as booleans, element by element with broadcasting."""
    return xp.not_equal(x, y)


# ---- booleans ----------------------------------------------------------------------------------------------------


def _need_bool(x: Any) -> None:
    if x.dtype.kind != "b":
        raise TypeError(f"expected booleans, received {x.dtype}; write tf.cast(x, tf.bool) or x != 0")


@comparison("logical_and math.logical_and")
def logical_and(xp: Any, x: Any, y: Any) -> Any:
    """Returns `x and y` of booleans, element by element with broadcasting."""
    _need_bool(x)
    return xp.logical_and(x, y)


@comparison("logical_or math.logical_or")
def logical_or(xp: Any, x: Any, y: Any) -> Any:
    """Returns `x or y` of booleans, element by element with broadcasting."""
    _need_bool(x)
    return xp.logical_or(x, y)


@comparison("math.logical_xor")
def logical_xor(xp: Any, x: Any, y: Any) -> Any:
    """Returns `x != y` of booleans, element by element with broadcasting."""
    _need_bool(x)
    return xp.logical_xor(x, y)


@unary("logical_not math.logical_not", False)
def logical_not(xp: Any, x: Any) -> Any:
    """Returns `not x` of booleans, element by element."""
    _need_bool(x)
    return xp.logical_not(x)


def as_bool(x: Any) -> Any:
    """Returns `x != 0` as a tensor of booleans."""
    x = x if isinstance(x, TensorLike) else convert_to_tensor(x)
    return x if x.dtype.is_bool else x._astype(_BOOL)


@export("ops.numpy.logical_and")
def _ops_logical_and(x1: Any, x2: Any) -> Any:
    """Returns `x1 and x2`, element by element; numbers count as `x != 0`."""
    return logical_and(as_bool(x1), as_bool(x2))


@export("ops.numpy.logical_or")
def _ops_logical_or(x1: Any, x2: Any) -> Any:
    """Returns `x1 or x2`, element by element; numbers count as `x != 0`."""
    return logical_or(as_bool(x1), as_bool(x2))


@export("ops.numpy.logical_xor")
def _ops_logical_xor(x1: Any, x2: Any) -> Any:
    """Returns whether exactly one of `x1`, `x2` holds; numbers count as `x != 0`."""
    return logical_xor(as_bool(x1), as_bool(x2))


@export("ops.numpy.logical_not")
def _ops_logical_not(x: Any) -> Any:
    """Returns `not x`, element by element; numbers count as `x != 0`."""
    return logical_not(as_bool(x))


# ---- bits --------------------------------------------------------------------------------------------------------


def _need_integers(x: Any) -> None:
    if x.dtype.kind not in "iu":
        raise TypeError(f"expected integers, received {x.dtype}")


@binary("bitwise.bitwise_and", differentiable=False)
def bitwise_and(xp: Any, x: Any, y: Any) -> Any:
    """Returns the bits set in both of two integers."""
    _need_integers(x)
    return xp.bitwise_and(x, y)


@binary("bitwise.bitwise_or", differentiable=False)
def bitwise_or(xp: Any, x: Any, y: Any) -> Any:
    """Returns the bits set in either of two integers."""
    _need_integers(x)
    return xp.bitwise_or(x, y)


@binary("bitwise.bitwise_xor", differentiable=False)
def bitwise_xor(xp: Any, x: Any, y: Any) -> Any:
    """Returns the bits set in exactly one of two integers."""
    _need_integers(x)
    return xp.bitwise_xor(x, y)


@binary(
    "bitwise.left_shift ops.numpy.left_shift ops.numpy.bitwise_left_shift",
    keras=numbers,
    differentiable=False,
)
def left_shift(xp: Any, x: Any, y: Any) -> Any:
    """Returns the bits of `x` moved up by `y` places."""
    _need_integers(x)
    return xp.left_shift(x, y)


@binary(
    "bitwise.right_shift ops.numpy.right_shift ops.numpy.bitwise_right_shift",
    keras=numbers,
    differentiable=False,
)
def right_shift(xp: Any, x: Any, y: Any) -> Any:
    """Returns the bits of `x` moved down by `y` places; the sign stays."""
    _need_integers(x)
    return xp.right_shift(x, y)


@unary("bitwise.invert", False)
def invert(xp: Any, x: Any) -> Any:
    """Returns the integer with every bit flipped."""
    _need_integers(x)
    return xp.invert(x)


# ---- kinds of numbers --------------------------------------------------------------------------------------------


@unary("math.is_nan", False, floating=True, **_to_bool)
def is_nan(xp: Any, x: Any) -> Any:
    """Returns whether each number is NaN."""
    return xp.isnan(x)


@unary("math.is_inf", False, floating=True, **_to_bool)
def is_inf(xp: Any, x: Any) -> Any:
    """Returns whether each number is infinite."""
    return xp.isinf(x)


@unary("math.is_finite", False, floating=True, **_to_bool)
def is_finite(xp: Any, x: Any) -> Any:
    """Returns whether each number is neither infinite nor NaN."""
    return xp.isfinite(x)


@export("ops.numpy.isnan")
def _ops_isnan(x: Any) -> Any:
    """Returns whether each number is NaN; integers never are."""
    return is_nan(as_floating(x, "float32"))


@export("ops.numpy.isinf")
def _ops_isinf(x: Any) -> Any:
    """Returns whether each number is infinite; integers never are."""
    return is_inf(as_floating(x, "float32"))


@export("ops.numpy.isfinite")
def _ops_isfinite(x: Any) -> Any:
    """Returns whether each number is neither infinite nor NaN; integers always are."""
    return is_finite(as_floating(x, "float32"))


@comparison("ops.numpy.isclose(x1,x2)")
def isclose(
    xp: Any, x: Any, y: Any, *, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> Any:
    """Returns `abs(x1 - x2) <= atol + rtol * abs(x2)`; infinities are close to themselves.

    Args:
        x1, x2: tensors.
        rtol, atol: relative and absolute tolerance.
        equal_nan: whether NaN is close to NaN.
    """
    return xp.isclose(x, y, rtol=rtol, atol=atol, equal_nan=equal_nan)


_scalar_bool = {"shape": lambda x: (), "dtype": lambda *_: _BOOL, "differentiable": False}


@op("math.is_non_decreasing", **_scalar_bool)
def is_non_decreasing(xp: Any, x: Any) -> Any:
    """Returns whether no element is smaller than the one before it, in row-major order."""
    flat = xp.reshape(x, (-1,))
    return xp.all(flat[:-1] <= flat[1:])


@op("math.is_strictly_increasing", **_scalar_bool)
def is_strictly_increasing(xp: Any, x: Any) -> Any:
    """Returns whether every element is larger than the one before it, in row-major order."""
    flat = xp.reshape(x, (-1,))
    return xp.all(flat[:-1] < flat[1:])
