"""Functions of `keras.ops` that work element by element, and views of tensors as other dtypes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.ops import arithmetic, blocks, logic, losses, reduction
from dovetail.ops import math as math_ops
from dovetail.ops.arithmetic import cast
from dovetail.ops.array import stack
from dovetail.ops.attrs import Number
from dovetail.ops.families import binary, unary
from dovetail.ops.keras_math import _both_floating, _float, _tensor
from dovetail.ops.precision import in_float32
from dovetail.ops.prepared import numbers, promoted
from dovetail.ops.shapes import reshape
from dovetail.ops.views import export
from dovetail.tensor import dtype as dt

_BOOL = np.dtype(bool)
_to_bool: dict = {"gradient": False, "dtype": lambda *_, **__: _BOOL}
_LOG_2 = math.log(2.0)


@unary("ops.numpy.cbrt", lambda g, y, x: g / (y * y * 3), floating=True)
@in_float32
def cbrt(xp: Any, x: Any) -> Any:
    """Returns the cube root."""
    return xp.cbrt(x)


@unary("ops.numpy.exp2", lambda g, y, x: g * y * _LOG_2, floating=True)
@in_float32
def exp2(xp: Any, x: Any) -> Any:
    """Returns `2 ** x`."""
    return xp.exp2(x)


@unary("ops.numpy.deg2rad", lambda g, y, x: g * (math.pi / 180), floating=True)
def deg2rad(xp: Any, x: Any) -> Any:
    """Returns angles in radians, given degrees."""
    return x * x.dtype.type(math.pi / 180)


@unary("ops.numpy.rad2deg", lambda g, y, x: g * (180 / math.pi), floating=True)
def rad2deg(xp: Any, x: Any) -> Any:
    """Returns angles in degrees, given radians."""
    return x * x.dtype.type(180 / math.pi)


@unary("ops.numpy.fabs", lambda g, y, x: g * math_ops.sign(x), floating=True)
def fabs(xp: Any, x: Any) -> Any:
    """Returns the absolute value, as floats."""
    return xp.abs(x)


@unary("ops.numpy.sinc", floating=True)
@in_float32
def sinc(xp: Any, x: Any) -> Any:
    """Returns `sin(pi x) / (pi x)`, and 1 at 0."""
    return xp.sinc(x)


@unary("ops.numpy.i0", floating=True)
@in_float32
def bessel_i0_of(xp: Any, x: Any) -> Any:
    """Returns the modified Bessel function of the first kind, of order 0."""
    return xp.i0(x).astype(x.dtype)


@unary("ops.numpy.isneginf", **_to_bool)
def is_negative_infinity(xp: Any, x: Any) -> Any:
    """Returns whether each number is minus infinity."""
    return x == -math.inf if x.dtype.kind not in "iub" else xp.zeros(x.shape, bool)


@unary("ops.numpy.isposinf", **_to_bool)
def is_positive_infinity(xp: Any, x: Any) -> Any:
    """Returns whether each number is plus infinity."""
    return x == math.inf if x.dtype.kind not in "iub" else xp.zeros(x.shape, bool)


@unary("ops.numpy.isreal", **_to_bool)
def is_real(xp: Any, x: Any) -> Any:
    """Returns whether each number has no imaginary part."""
    return x.imag == 0 if x.dtype.kind == "c" else xp.ones(x.shape, bool)


@unary("ops.numpy.signbit", **_to_bool)
def signbit(xp: Any, x: Any) -> Any:
    """Returns whether the sign of each number is set; -0.0 has one."""
    return xp.signbit(x) if x.dtype.kind not in "iub" else x < 0


@binary("", gradients=(lambda g, z, x, y: g * x / z, lambda g, z, x, y: g * y / z))
@in_float32
def hypotenuse(xp: Any, x: Any, y: Any) -> Any:
    """Returns `sqrt(x**2 + y**2)` without overflow."""
    return xp.hypot(x, y)


@export("ops.numpy.hypot")
def hypot(x1: Any, x2: Any) -> Any:
    """Returns `sqrt(x1**2 + x2**2)` without overflow; integers give floats."""
    return hypotenuse(*_both_floating(x1, x2))


@export("ops.numpy.logaddexp2")
def logaddexp2(x1: Any, x2: Any) -> Any:
    """Returns `log2(2**x1 + 2**x2)` without overflow."""
    x1, x2 = _both_floating(_tensor(x1), _tensor(x2))
    larger, smaller = arithmetic.maximum(x1, x2), arithmetic.minimum(x1, x2)
    return larger + math_ops.log1p(exp2(smaller - larger)) / _LOG_2


@binary("ops.numpy.fmax(x1,x2)")
def fmax(xp: Any, x: Any, y: Any) -> Any:
    """Returns the larger of two numbers, the other one where one is NaN."""
    return xp.where((x >= y) | (y != y), x, y)


@binary("ops.numpy.fmin(x1,x2)")
def fmin(xp: Any, x: Any, y: Any) -> Any:
    """Returns the smaller of two numbers, the other one where one is NaN."""
    return xp.where((x <= y) | (y != y), x, y)


@binary("ops.numpy.fmod(x1,x2)", keras=numbers)
@in_float32
def fmod(xp: Any, x: Any, y: Any) -> Any:
    """Returns the remainder with the sign of `x1`."""
    return xp.fmod(x, y)


@binary("", gradients=(None, lambda g, z, x, y: g * cast(logic.equal(x, 0), dtype=g.dtype)))
def step_function(xp: Any, x: Any, y: Any) -> Any:
    """Returns 0 for negative numbers, 1 for positive ones, `y` at 0 and NaN for NaN."""
    zero, one = x.dtype.type(0), x.dtype.type(1)
    return xp.where(x < zero, zero, xp.where(x > zero, one, xp.where(x == zero, y, x)))


@export("ops.numpy.heaviside")
def heaviside(x1: Any, x2: Any) -> Any:
    """Returns 0 for negative `x1`, 1 for positive ones, `x2` at 0; integers give floats."""
    return step_function(*_both_floating(x1, x2))


@binary("", differentiable=False)
def next_number(xp: Any, x: Any, y: Any) -> Any:
    """Returns the floating-point number next to `x` in the direction of `y`."""
    return xp.nextafter(x, y)


@export("ops.numpy.nextafter")
def nextafter(x1: Any, x2: Any) -> Any:
    """Returns the floating-point number next to `x1` in the direction of `x2`."""
    return next_number(*_both_floating(x1, x2))


@binary("ops.numpy.gcd(x1,x2)", differentiable=False)
def gcd(xp: Any, x: Any, y: Any) -> Any:
    """Returns the greatest common divisors of integers."""
    return xp.gcd(x, y)


@binary("ops.numpy.lcm(x1,x2)", differentiable=False)
def lcm(xp: Any, x: Any, y: Any) -> Any:
    """Returns the least common multiples of integers."""
    return xp.lcm(x, y)


_LOGICAL = {"and": logic.logical_and, "or": logic.logical_or, "xor": logic.logical_xor}


def _bitwise(name: str, function: Any) -> None:
    def bitwise(x: Any, y: Any) -> Any:
        x, y = promoted((x, y))
        return (_LOGICAL[name] if x.dtype.is_bool else function)(x, y)

    bitwise.__name__ = f"bitwise_{name}"
    bitwise.__doc__ = f"Returns `x {name} y`, bit by bit, of integers or booleans."
    export(f"ops.numpy.bitwise_{name}")(bitwise)


for _name, _function in (
    ("and", logic.bitwise_and),
    ("or", logic.bitwise_or),
    ("xor", logic.bitwise_xor),
):
    _bitwise(_name, _function)


@export("ops.numpy.bitwise_not ops.numpy.bitwise_invert")
def bitwise_not(x: Any) -> Any:
    """Returns the integer with every bit flipped, the other boolean."""
    x = _tensor(x)
    return logic.logical_not(x) if x.dtype.is_bool else logic.invert(x)


@export("ops.nn.softmax", op=losses.softmax)
def softmax(x: Any, axis: Any = -1) -> Any:
    """Returns `exp(x) / sum(exp(x))` along `axis`: an axis, a tuple of axes, or None for all elements together."""
    x = _float(x)
    return losses.softmax(x) if axis == -1 else losses.softmax(x, axis=_axes(x, axis))


@export("ops.nn.log_softmax", op=losses.log_softmax)
def log_softmax(x: Any, axis: Any = -1) -> Any:
    """Returns `log(softmax(x, axis))` without overflow."""
    x = _float(x)
    return losses.log_softmax(x) if axis == -1 else losses.log_softmax(x, axis=_axes(x, axis))


def _axes(x: Any, axis: Any) -> Any:
    return tuple(range(len(x.shape))) if axis is None else axis


@export("ops.numpy.ldexp")
def ldexp(x1: Any, x2: Any) -> Any:
    """Returns `x1 * 2**x2` for integers `x2`."""
    x1, x2 = _float(x1), _tensor(x2)
    if not x2.dtype.is_integer:
        raise TypeError(f"keras.ops.ldexp: x2 must be integers, received {x2.dtype.name}{at_user_location()}")
    return x1 * exp2(cast(x2, dtype=x1.dtype))


@unary("", lambda g, y, x, **_: arithmetic.multiply(g, cast(logic.is_finite(x), dtype=g.dtype)))
def finite_numbers(
    xp: Any, x: Any, *, nan: Number = 0.0, posinf: Number | None = None, neginf: Number | None = None
) -> Any:
    """Returns `x` with numbers in the places of NaN and of the infinities."""
    if x.dtype.kind in "iub":
        return x
    limits = dt.as_dtype(x.dtype)
    high = x.dtype.type(limits.max if posinf is None else posinf)
    low = x.dtype.type(limits.min if neginf is None else neginf)
    finite = xp.where(x == -math.inf, low, xp.where(x == math.inf, high, x))
    return xp.where(x != x, x.dtype.type(nan), finite)


@export("ops.numpy.nan_to_num")
def nan_to_num(x: Any, nan: Any = 0.0, posinf: Any = None, neginf: Any = None) -> Any:
    """Returns `x` with `nan` for NaN, and the largest numbers (or those given) for the infinities."""
    return finite_numbers(x, nan=nan, posinf=posinf, neginf=neginf)


@export("ops.numpy.allclose")
def allclose(x1: Any, x2: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Any:
    """Returns whether all elements are close, as `isclose` has it."""
    return reduction.reduce_all(
        logic.isclose.call((x1, x2), {"rtol": rtol, "atol": atol, "equal_nan": equal_nan}, True)
    )


# ---- complex numbers and bits ----------------------------------------------------------------------------------------


def half_as_float32(x: Any) -> Any:
    """Returns 16-bit floats in 32 bits, for what has no smaller complex numbers."""
    return cast(x, dtype="float32") if x.dtype.size < 4 else x


@export("ops.nn.polar")
def polar(abs_: Any, angle: Any) -> Any:
    """Returns complex numbers of given absolute values and angles."""
    length, angle = (half_as_float32(part) for part in _both_floating(abs_, angle))
    return math_ops.complex_(length * math_ops.cos(angle), length * math_ops.sin(angle))


@export("ops.view_as_complex")
def view_as_complex(x: Any) -> Any:
    """Returns complex numbers, given real and imaginary parts along a last axis of size 2."""
    x = _tensor(x)
    if not x.shape or x.shape[-1] != 2:
        raise ValueError(
            f"keras.ops.view_as_complex: the last axis must have size 2, received shape {x.shape}{at_user_location()}"
        )
    return math_ops.complex_(x[..., 0], x[..., 1])


@export("ops.view_as_real")
def view_as_real(x: Any) -> Any:
    """Returns real and imaginary parts along a new last axis."""
    return stack(math_ops.real(x), math_ops.imag(x), axis=-1)


@export("ops.numpy.view")
def view(x: Any, dtype: Any = None) -> Any:
    """Reads the same bits as another dtype; the last axis shrinks or grows by the ratio of their sizes."""
    x = _tensor(x)
    kind = x.dtype.numpy_dtype if dtype is None else dt.numpy_dtype(dtype)
    before, after = x.dtype.numpy_dtype.itemsize, kind.itemsize
    if before == after:
        return blocks.bitcast(x, kind)
    lead = [-1 if size is None else size for size in x.shape]
    if before > after:
        lead[-1] = -1 if lead[-1] < 0 else lead[-1] * (before // after)
        return reshape(blocks.bitcast(x, kind), shape=tuple(lead))
    ratio = after // before
    if lead[-1] >= 0 and lead[-1] % ratio:
        raise ValueError(
            f"keras.ops.view: the last axis of {x.shape} is no multiple of {ratio}{at_user_location()}"
        )
    split = (*lead[:-1], -1 if lead[-1] < 0 else lead[-1] // ratio, ratio)
    return blocks.bitcast(reshape(x, shape=split), kind)


@export("ops.dtype")
def dtype_of(x: Any) -> str:
    """Returns the name of the dtype."""
    return _tensor(x).dtype.name
