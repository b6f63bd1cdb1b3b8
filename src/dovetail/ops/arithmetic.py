"""Arithmetic, comparisons and logic, element by element with broadcasting."""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail.ops.attrs import DTypeLike
from dovetail.ops.families import binary, comparison, op, unary
from dovetail.tensor.tensor import Tensor


@binary(
    "add math.add ops.add(x1,x2)",
    (lambda g, z, x, y: g, lambda g, z, x, y: g),
)
def add(xp: Any, x: Any, y: Any) -> Any:
    """Returns `x + y`, element by element with broadcasting.

    Args:
        x: tensor of any numeric dtype.
        y: tensor of the same dtype, or a number.
    """
    return xp.add(x, y)


@binary(
    "subtract math.subtract ops.subtract(x1,x2) K.subtract",
    (lambda g, z, x, y: g, lambda g, z, x, y: -g),
)
def subtract(xp: Any, x: Any, y: Any) -> Any:
    """Returns `x - y`, element by element with broadcasting."""
    return xp.subtract(x, y)


@binary(
    "multiply math.multiply ops.multiply(x1,x2) K.multiply",
    (lambda g, z, x, y: g * y, lambda g, z, x, y: g * x),
)
def multiply(xp: Any, x: Any, y: Any) -> Any:
    """Returns `x * y`, element by element with broadcasting."""
    return xp.multiply(x, y)


@op(
    "cast dtypes.cast ops.cast K.cast",
    shape=lambda shape, dtype: shape,
    dtype=lambda kind, dtype: dtype,
)
def cast(xp: Any, x: Any, *, dtype: DTypeLike) -> Any:
    """Converts `x` to another dtype.

    Floats become integers by truncation, numbers become booleans by `x != 0`, complex numbers lose their imaginary part.

    Args:
        x: tensor.
        dtype: a `tf.DType` or its name.
    """
    return x if x.dtype == dtype else xp.cast(x, dtype)


cast.gradient(lambda g, y, x, dtype: cast(g, dtype=x.dtype))


@unary("negative math.negative ops.negative", lambda g, y, x: -g)
def negative(xp: Any, x: Any) -> Any:
    """Returns `-x`."""
    return xp.negative(x)


@comparison("greater math.greater ops.greater(x1,x2) K.greater")
def greater(xp: Any, x: Any, y: Any) -> Any:
    """Returns `x > y` as booleans, element by element with broadcasting."""
    return xp.greater(x, y)


def astype(x: Any, dtype: Any) -> Any:
    """Casts; the same tensor when it has the dtype already."""
    return x if type(x) is Tensor and x._value.dtype == getattr(dtype, "numpy_dtype", dtype) else cast(x, dtype=dtype)


_ = np
