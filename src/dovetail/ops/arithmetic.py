"""Arithmetic, element by element with broadcasting.

Gradients follow TensorFlow: of two equal numbers `maximum` and `minimum` differentiate the first, and functions of
complex numbers take the conjugate of their derivative.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail.base import nest
from dovetail.base.errors import UnimplementedError
from dovetail.engine import dtypes
from dovetail.ops.attrs import DTypeLike
from dovetail.ops.core import Op
from dovetail.ops.dispatch import dispatches_first
from dovetail.ops.families import binary, op, unary, unbroadcast
from dovetail.ops.prepared import numbers
from dovetail.ops.rules import broadcast, refuse_strings
from dovetail.ops.views import export
from dovetail.tensor import dtype as dt
from dovetail.tensor.composite import CompositeTensor
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.tensor import Tensor, TensorLike

_FLOAT32, _FLOAT64 = np.dtype(np.float32), np.dtype(np.float64)


def refuse_bool(x: Any) -> None:
    """Raises TypeError for booleans and strings, which NumPy would add and multiply."""
    refuse_strings(x)
    if x.dtype.kind == "b":
        raise TypeError(
            "booleans have no arithmetic; write tf.cast(x, tf.float32), or use tf.logical_and and its like"
        )


def quotient_dtype(dtype: np.dtype) -> np.dtype:
    """Returns the dtype of `x / y`: 8- and 16-bit integers give float32, wider ones float64."""
    if dtype.kind not in "iu":
        return dtype
    return _FLOAT32 if dtype.itemsize <= 2 else _FLOAT64


# ---- what gradient rules of this file need -----------------------------------------------------------------------


def _masked(xp: Any, x: Any, mask: Any) -> Any:
    """Returns `x` where `mask` holds, 0 elsewhere."""
    return xp.where(mask, x, xp.zeros((), x.dtype))


masked = Op("masked", _masked, same_dtype=0, shape=broadcast)
masked.gradient(lambda g, y, x, mask: unbroadcast(masked(g, mask), x), None)


def _conj_gradient(g: Any, y: Any, x: Any) -> Any:
    return conj(g)


@unary("math.conj ops.numpy.conj ops.numpy.conjugate", _conj_gradient)
def conj(xp: Any, x: Any) -> Any:
    """Returns the complex conjugate; real numbers unchanged."""
    return xp.conj(x) if x.dtype.kind == "c" else x


def conjugated(x: Any) -> Any:
    """Conjugates complex tensors, for gradient rules."""
    return conj(x) if x.dtype.is_complex else x


# ---- sums and products -------------------------------------------------------------------------------------------


@binary(
    "add math.add ops.numpy.add(x1,x2)",
    (lambda g, z, x, y: g, lambda g, z, x, y: g),
)
def add(xp: Any, x: Any, y: Any) -> Any:
    """Returns `x + y`, element by element with broadcasting.

    Args:
        x: tensor of any numeric dtype.
        y: tensor of the same dtype, or a number.
    """
    if x.dtype.kind == "b":
        refuse_bool(x)
    return xp.add(x, y)


@binary(
    "subtract math.subtract ops.numpy.subtract(x1,x2) K.subtract",
    (lambda g, z, x, y: g, lambda g, z, x, y: -g),
)
def subtract(xp: Any, x: Any, y: Any) -> Any:
    """Returns `x - y`, element by element with broadcasting."""
    return xp.subtract(x, y)


@binary(
    "multiply math.multiply ops.numpy.multiply(x1,x2) K.multiply",
    (lambda g, z, x, y: g * conjugated(y), lambda g, z, x, y: g * conjugated(x)),
)
def multiply(xp: Any, x: Any, y: Any) -> Any:
    """Returns `x * y`, element by element with broadcasting."""
    if x.dtype.kind == "b":
        refuse_bool(x)
    return xp.multiply(x, y)


@export("scalar_mul math.scalar_mul")
def scalar_mul(scalar: Any, x: Any, name: str | None = None) -> Any:
    """Returns `scalar * x`."""
    return multiply(x, scalar)


@op("add_n math.add_n", shape=broadcast, pieces="elements")
def add_n(xp: Any, *inputs: Any) -> Any:
    """Returns the sum of a list of tensors of one shape and dtype."""
    total = inputs[0]
    if dtypes.is_host_only(total.dtype):
        raise TypeError("expected tensors of numbers, received strings")
    for other in inputs[1:]:
        if other.shape != total.shape:
            raise ValueError(
                f"expected tensors of one shape, received shapes {total.shape} and {other.shape}"
            )
        total = xp.add(total, other)
    return total


add_n.gradient(lambda g, y, *inputs: [g] * len(inputs))


@export("math.accumulate_n")
def accumulate_n(inputs: Any, shape: Any = None, tensor_dtype: Any = None, name: str | None = None) -> Any:
    """Returns the sum of a list of tensors, checked against `shape` and `tensor_dtype` where those are given."""
    total = add_n(*inputs)
    if shape is not None:
        total.shape.assert_is_compatible_with(shape)
    if tensor_dtype is not None and total.dtype != tensor_dtype:
        raise TypeError(
            f"tf.math.accumulate_n: the tensors are {total.dtype.name}, tensor_dtype says {tensor_dtype}"
        )
    return total


@unary("negative math.negative ops.numpy.negative", lambda g, y, x: -g)
def negative(xp: Any, x: Any) -> Any:
    """Returns `-x`."""
    return xp.negative(x)


@unary("square math.square ops.numpy.square K.square", lambda g, y, x: g * (conjugated(x) * 2), keras=numbers)
def square(xp: Any, x: Any) -> Any:
    """Returns `x * x`."""
    return xp.multiply(x, x)


@binary(
    "math.squared_difference",
    (
        lambda g, z, x, y: g * ((x - y) * 2),
        lambda g, z, x, y: g * ((y - x) * 2),
    ),
)
def squared_difference(xp: Any, x: Any, y: Any) -> Any:
    """Returns `(x - y) * conj(x - y)`."""
    difference = xp.subtract(x, y)
    return xp.multiply(difference, xp.conj(difference) if x.dtype.kind == "c" else difference)


# ---- quotients and remainders ------------------------------------------------------------------------------------


def _divide_y(g: Any, z: Any, x: Any, y: Any) -> Any:
    y = conjugated(y)
    return -g * (conjugated(x) / y) / y


@binary(
    "divide math.divide truediv math.truediv realdiv",
    (lambda g, z, x, y: g / conjugated(y), _divide_y),
    dtype=lambda kind, *_: quotient_dtype(kind),
)
def divide(xp: Any, x: Any, y: Any) -> Any:
    """Returns the quotient `x / y`.

    8- and 16-bit integers give float32, wider integers float64.
    """
    kind = x.dtype.kind
    if kind in "iub":
        refuse_bool(x)
        wide = quotient_dtype(x.dtype)
        x, y = x.astype(wide), y.astype(wide)
    return xp.divide(x, y)


def _divide_no_nan_x(g: Any, z: Any, x: Any, y: Any) -> Any:
    return divide_no_nan(g, conjugated(y))


def _divide_no_nan_y(g: Any, z: Any, x: Any, y: Any) -> Any:
    y = conjugated(y)
    return g * divide_no_nan(divide_no_nan(-conjugated(x), y), y)


@binary(
    "math.divide_no_nan",
    (_divide_no_nan_x, _divide_no_nan_y),
    dtype=lambda kind, *_: quotient_dtype(kind),
)
def divide_no_nan(xp: Any, x: Any, y: Any) -> Any:
    """Returns `x / y`, and 0 where `y` is 0."""
    wide = quotient_dtype(x.dtype)
    if x.dtype != wide:
        x, y = x.astype(wide), y.astype(wide)
    zero = y == 0
    if xp.name == "host" and x.shape == y.shape and x.size >= _LARGE:
        return xp.keep_where(~zero, xp.divide(x, y))
    return xp.where(zero, xp.zeros((), wide), xp.divide(x, xp.where(zero, xp.ones((), wide), y)))


def _multiply_no_nan_x(g: Any, z: Any, x: Any, y: Any) -> Any:
    return multiply_no_nan(g, y)


def _multiply_no_nan_y(g: Any, z: Any, x: Any, y: Any) -> Any:
    return multiply_no_nan(x, g)


@binary("math.multiply_no_nan", (_multiply_no_nan_x, _multiply_no_nan_y))
def multiply_no_nan(xp: Any, x: Any, y: Any) -> Any:
    """Returns `x * y`, and 0 where `y` is 0, even if `x` is infinite or not a number."""
    return xp.where(y == 0, xp.zeros((), x.dtype), xp.multiply(x, y))


@binary("math.floordiv ops.numpy.floor_divide(x1,x2)", keras=numbers, differentiable=False)
def floordiv(xp: Any, x: Any, y: Any) -> Any:
    """Returns the quotient rounded towards minus infinity, as Python's `//`."""
    return xp.floordiv(x, y)


@binary(
    "math.floormod math.mod ops.numpy.mod(x1,x2)",
    (lambda g, z, x, y: g, lambda g, z, x, y: -g * floordiv(x, y)),
    keras=numbers,
)
def floormod(xp: Any, x: Any, y: Any) -> Any:
    """Returns the remainder of `floordiv`: it has the sign of `y`, as Python's `%`."""
    return xp.floormod(x, y)


@binary("truncatediv", differentiable=False)
def truncatediv(xp: Any, x: Any, y: Any) -> Any:
    """Returns the quotient rounded towards zero, as C's `/` on integers."""
    return xp.truncatediv(x, y)


@binary(
    "truncatemod",
    (lambda g, z, x, y: g, lambda g, z, x, y: -g * truncatediv(x, y)),
)
def truncatemod(xp: Any, x: Any, y: Any) -> Any:
    """Returns the remainder of `truncatediv`: it has the sign of `x`."""
    return xp.fmod(x, y)


@unary("math.reciprocal", lambda g, y, x: -g * conjugated(y * y))
def reciprocal(xp: Any, x: Any) -> Any:
    """Returns `1 / x`."""
    return xp.divide(xp.ones((), x.dtype), x) if x.dtype.kind not in "iu" else xp.reciprocal(x)


@unary("math.reciprocal_no_nan", lambda g, y, x: -g * conjugated(y * y), floating=True)
def reciprocal_no_nan(xp: Any, x: Any) -> Any:
    """Returns `1 / x`, and 0 where `x` is 0."""
    zero, one = xp.zeros((), x.dtype), xp.ones((), x.dtype)
    return xp.where(x == 0, zero, xp.divide(one, xp.where(x == 0, one, x)))


# ---- powers ------------------------------------------------------------------------------------------------------


def _safe_log(xp: Any, x: Any) -> Any:
    """Returns log(x), and 0 where that is not a real number."""
    valid = x != 0 if x.dtype.kind == "c" else x > 0
    return xp.where(valid, xp.log(xp.where(valid, x, xp.ones((), x.dtype))), xp.zeros((), x.dtype))


safe_log = Op("safe_log", _safe_log, shape=lambda x: x)
safe_log.gradient(lambda g, y, x: divide_no_nan(g, conjugated(x)))


def _pow_x(g: Any, z: Any, x: Any, y: Any) -> Any:
    x, y = conjugated(x), conjugated(y)
    return g * y * pow_(x, y - 1)


@binary(
    "pow math.pow",
    (_pow_x, lambda g, z, x, y: g * conjugated(z) * safe_log(conjugated(x))),
)
def pow_(xp: Any, x: Any, y: Any) -> Any:
    """Returns `x ** y`.

    Raises:
        InvalidArgumentError: an integer to a negative power.
    """
    return xp.power(x, y)


# ---- extremes and limits -----------------------------------------------------------------------------------------


@binary(
    "maximum math.maximum ops.numpy.maximum(x1,x2) K.maximum",
    (lambda g, z, x, y: masked(g, x >= y), lambda g, z, x, y: masked(g, x < y)),
)
def maximum(xp: Any, x: Any, y: Any) -> Any:
    """Returns the larger of `x` and `y`, element by element."""
    return xp.maximum(x, y)


@binary(
    "minimum math.minimum ops.numpy.minimum(x1,x2) K.minimum",
    (lambda g, z, x, y: masked(g, x <= y), lambda g, z, x, y: masked(g, x > y)),
)
def minimum(xp: Any, x: Any, y: Any) -> Any:
    """Returns the smaller of `x` and `y`, element by element."""
    return xp.minimum(x, y)


_LARGE = 1 << 14  # elements


def _clip_shape(t: tuple, low: tuple, high: tuple) -> tuple:
    shape = broadcast(t, low, high)
    if len(shape) != len(t) or any(
        a is not None and b is not None and a != b for a, b in zip(t, shape, strict=True)
    ):
        raise ValueError(
            f"the limits, of shapes {low} and {high}, do not broadcast to the tensor's shape {t}"
        )
    return t


def _is_range(t: np.ndarray, low: np.ndarray, high: np.ndarray) -> bool:
    """True for two numbers that NumPy's own clip takes for what they are here: the lower one is the first."""
    return not low.ndim and not high.ndim and t.dtype.kind in "fiu" and bool(low <= high)


@op("clip_by_value ops.numpy.clip(x,x_min,x_max)", shape=_clip_shape, pieces="elements")
def clip_by_value(xp: Any, t: Any, clip_value_min: Any, clip_value_max: Any) -> Any:
    """Returns `max(min(t, clip_value_max), clip_value_min)`.

    Args:
        t: tensor.
        clip_value_min, clip_value_max: limits that broadcast to the shape of `t`, of the same dtype.
    """
    if xp.name == "host" and t.size >= _LARGE and _is_range(t, clip_value_min, clip_value_max):
        return np.clip(
            t, clip_value_min, clip_value_max
        )  # one pass, where two minimums take three times as long
    out = xp.maximum(xp.minimum(t, clip_value_max), clip_value_min)
    if out.shape != t.shape:
        _clip_shape(t.shape, clip_value_min.shape, clip_value_max.shape)
    return out


clip_by_value.gradient(
    lambda g, y, t, low, high: masked(masked(g, t <= high), minimum(t, high) >= low),
    lambda g, y, t, low, high: unbroadcast(masked(g, minimum(t, high) < low), low),
    lambda g, y, t, low, high: unbroadcast(masked(masked(g, t > high), minimum(t, high) >= low), high),
)


# ---- dtypes ------------------------------------------------------------------------------------------------------


@op(
    "cast dtypes.cast ops.cast K.cast",
    pieces="elements",
    shape=lambda shape, dtype: shape,
    dtype=lambda kind, dtype: dtype,
)
def cast(xp: Any, x: Any, *, dtype: DTypeLike) -> Any:
    """Converts `x` to another dtype.

    Floats become integers by truncation, numbers booleans by `x != 0`, complex numbers lose their imaginary part.

    Args:
        x: tensor.
        dtype: a `tf.DType` or its name.
    """
    if (dtypes.is_host_only(x.dtype)) != (dtypes.is_host_only(dtype)):
        raise UnimplementedError(
            "tf.cast: strings and numbers do not cast; use tf.strings.to_number or as_string"
        )
    return x if x.dtype == dtype else xp.cast(x, dtype)


cast.gradient(
    lambda g, y, x, dtype: cast(g, dtype=x.dtype) if y.dtype.is_floating or y.dtype.is_complex else None
)


def astype(x: Any, dtype: Any) -> Any:
    """Casts; the same tensor when it has the dtype already."""
    return (
        x
        if type(x) is Tensor and x._value.dtype == getattr(dtype, "numpy_dtype", dtype)
        else cast(x, dtype=dtype)
    )


@op(
    "saturate_cast dtypes.saturate_cast ops.saturate_cast(x)",
    shape=lambda shape, dtype: shape,
    dtype=lambda kind, dtype: dtype,
)
def saturate_cast(xp: Any, value: Any, *, dtype: DTypeLike) -> Any:
    """Converts to another dtype, with values out of its range set to the nearest limit."""
    if dtype.kind in {"b", "c"}:
        return xp.cast(value, dtype)
    if value.dtype.kind == "c":
        value = xp.real(value)
    source, target = dt.from_numpy(value.dtype), dt.from_numpy(dtype)
    if value.dtype.kind != "b" and (source.min < target.min or source.max > target.max):
        low, high = max(source.min, target.min), min(source.max, target.max)
        if dtypes.is_floating(value.dtype) and dtype.kind in "iu":
            high = _largest_below(value.dtype, high)
        value = xp.clip(value, value.dtype.type(low), value.dtype.type(high))
    return xp.cast(value, dtype)


def _largest_below(kind: np.dtype, limit: int) -> Any:
    """Returns the largest float that is not above an integer limit: int32's maximum rounds up in float32."""
    rounded = kind.type(limit)
    return rounded if int(rounded) <= limit else np.nextafter(rounded, kind.type(0))


saturate_cast.gradient(
    lambda g, y, x, dtype: cast(g, dtype=x.dtype) if y.dtype.is_floating or y.dtype.is_complex else None
)


@unary("identity ops.numpy.copy(x)", lambda g, y, x: g)
def identity(xp: Any, input: Any) -> Any:
    """Returns a tensor with the same contents; for a variable, its value now."""
    return input


@dispatches_first(identity, CompositeTensor)
def _identity_of_parts(input: Any) -> Any:
    return nest.map_structure(identity, input, expand_composites=True)


@export("identity_n")
def identity_n(input: Any, name: str | None = None) -> list:
    """Returns a list of tensors with the same contents."""
    return [identity(one) for one in input]


@unary("stop_gradient", False)
def stop_gradient(xp: Any, input: Any) -> Any:
    """Returns `input` as a constant: gradients do not flow through it."""
    return xp.stop_gradient(input)


@export("ops.stop_gradient")
def stop_gradient_of(variable: Any) -> Any:
    """Returns a tensor or a variable's value as a constant: gradients do not flow through it."""
    return stop_gradient(variable)


@export("K.stop_gradient")
def stop_gradients(variables: Any) -> Any:
    """Returns the tensor, or each one of a list, as a constant: gradients do not flow through it."""
    if isinstance(variables, list | tuple):
        return [stop_gradient(one) for one in variables]
    return stop_gradient(variables)


def as_floating(x: Any, dtype: Any) -> Any:
    """Returns `x` as a tensor; integers and booleans are cast to `dtype`, as `keras.ops` does."""
    x = x if isinstance(x, TensorLike) else convert_to_tensor(x)
    return x if x.dtype.is_floating or x.dtype.is_complex else cast(x, dtype=dtype)
