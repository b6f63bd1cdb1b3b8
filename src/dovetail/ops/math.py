"""Functions of one number, element by element: powers, exponentials, trigonometry, special functions, rounding."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.ops.arithmetic import conjugated, masked, reciprocal
from dovetail.ops.families import binary, op, unary, unbroadcast
from dovetail.ops.prepared import floats
from dovetail.ops.rules import broadcast, refuse_strings
from dovetail.ops.views import export
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.tensor import TensorLike

_REAL = {np.dtype(np.complex64): np.dtype(np.float32), np.dtype(np.complex128): np.dtype(np.float64)}
_COMPLEX = {real: kind for kind, real in _REAL.items()}


def real_dtype(dtype: np.dtype, **_: Any) -> np.dtype:
    """Returns the dtype of the real part."""
    return _REAL.get(dtype, dtype)


def refuse_complex(x: Any) -> None:
    """Raises TypeError for complex numbers, which have no order, and for strings."""
    refuse_strings(x)
    if x.dtype.kind == "c":
        raise TypeError("not defined for complex numbers")


# ---- absolute value and sign -------------------------------------------------------------------------------------


def _abs_gradient(g: Any, y: Any, x: Any) -> Any:
    return complex_(g, g * 0) * sign(x) if x.dtype.is_complex else g * sign(x)


@unary("abs math.abs ops.numpy.abs ops.numpy.absolute K.abs", _abs_gradient, dtype=real_dtype)
def abs_(xp: Any, x: Any) -> Any:
    """Returns the absolute value; of a complex number, its length, as a real number."""
    return xp.abs(x)


@unary("sign math.sign ops.numpy.sign K.sign", lambda g, y, x: g * 0)
def sign(xp: Any, x: Any) -> Any:
    """Returns -1, 0 or 1 with the sign of `x`; `x / |x|` for complex numbers."""
    return xp.sign(x)


# ---- roots, exponentials, logarithms -----------------------------------------------------------------------------


@unary("sqrt math.sqrt ops.numpy.sqrt", lambda g, y, x: g * 0.5 / conjugated(y), floating=True)
def sqrt(xp: Any, x: Any) -> Any:
    """Returns the square root; NaN for negative numbers."""
    return xp.sqrt(x)


@unary("math.rsqrt ops.rsqrt", lambda g, y, x: g * -0.5 * conjugated(y * y * y), floating=True)
def rsqrt(xp: Any, x: Any) -> Any:
    """Returns `1 / sqrt(x)`."""
    return xp.rsqrt(x)


@unary("exp math.exp ops.numpy.exp K.exp", lambda g, y, x: g * conjugated(y), floating=True)
def exp(xp: Any, x: Any) -> Any:
    """Returns e to the power of `x`."""
    return xp.exp(x)


@unary("math.expm1 ops.numpy.expm1", lambda g, y, x: g * conjugated(exp(x)), floating=True)
def expm1(xp: Any, x: Any) -> Any:
    """Returns `exp(x) - 1`, accurate near 0."""
    return xp.expm1(x)


@unary("math.log ops.numpy.log K.log", lambda g, y, x: g / conjugated(x), floating=True)
def log(xp: Any, x: Any) -> Any:
    """Returns the natural logarithm; -inf for 0, NaN for negative numbers."""
    return xp.log(x)


@unary("math.log1p ops.numpy.log1p", lambda g, y, x: g / conjugated(x + 1), floating=True)
def log1p(xp: Any, x: Any) -> Any:
    """Returns `log(1 + x)`, accurate near 0."""
    return xp.log1p(x)


@unary("ops.numpy.log2", lambda g, y, x: g / (x * math.log(2)), floating=True)
def log2(xp: Any, x: Any) -> Any:
    """Returns the logarithm to base 2."""
    return xp.log2(x)


@unary("ops.numpy.log10", lambda g, y, x: g / (x * math.log(10)), floating=True)
def log10(xp: Any, x: Any) -> Any:
    """Returns the logarithm to base 10."""
    return xp.log10(x)


# ---- trigonometry ------------------------------------------------------------------------------------------------


def _sin_gradient(g: Any, y: Any, x: Any) -> Any:
    return g * conjugated(cos(x))


@unary("sin math.sin ops.numpy.sin K.sin", _sin_gradient, floating=True)
def sin(xp: Any, x: Any) -> Any:
    """Returns the sine of an angle in radians."""
    return xp.sin(x)


@unary("cos math.cos ops.numpy.cos K.cos", lambda g, y, x: -g * conjugated(sin(x)), floating=True)
def cos(xp: Any, x: Any) -> Any:
    """Returns the cosine of an angle in radians."""
    return xp.cos(x)


@unary("tan math.tan ops.numpy.tan", lambda g, y, x: g * conjugated(y * y + 1), floating=True)
def tan(xp: Any, x: Any) -> Any:
    """Returns the tangent of an angle in radians."""
    return xp.tan(x)


@unary("asin math.asin ops.numpy.arcsin", lambda g, y, x: g * conjugated(rsqrt(1 - x * x)), floating=True)
def asin(xp: Any, x: Any) -> Any:
    """Returns the angle in [-pi/2, pi/2] whose sine is `x`."""
    return xp.arcsin(x)


@unary("acos math.acos ops.numpy.arccos", lambda g, y, x: -g * conjugated(rsqrt(1 - x * x)), floating=True)
def acos(xp: Any, x: Any) -> Any:
    """Returns the angle in [0, pi] whose cosine is `x`."""
    return xp.arccos(x)


@unary("atan math.atan ops.numpy.arctan", lambda g, y, x: g / conjugated(x * x + 1), floating=True)
def atan(xp: Any, x: Any) -> Any:
    """Returns the angle in (-pi/2, pi/2) whose tangent is `x`."""
    return xp.arctan(x)


@binary(
    "atan2 math.atan2",
    (lambda g, z, y, x: g * (x / (x * x + y * y)), lambda g, z, y, x: g * (-y / (x * x + y * y))),
)
def atan2(xp: Any, y: Any, x: Any) -> Any:
    """Returns the angle in [-pi, pi] of the point `(x, y)`."""
    return xp.arctan2(y, x)


def _sinh_gradient(g: Any, y: Any, x: Any) -> Any:
    return g * conjugated(cosh(x))


@unary("sinh math.sinh ops.numpy.sinh", _sinh_gradient, floating=True)
def sinh(xp: Any, x: Any) -> Any:
    """Returns the hyperbolic sine."""
    return xp.sinh(x)


@unary("cosh math.cosh ops.numpy.cosh", lambda g, y, x: g * conjugated(sinh(x)), floating=True)
def cosh(xp: Any, x: Any) -> Any:
    """Returns the hyperbolic cosine."""
    return xp.cosh(x)


@unary("asinh math.asinh ops.numpy.arcsinh", lambda g, y, x: g * conjugated(rsqrt(x * x + 1)), floating=True)
def asinh(xp: Any, x: Any) -> Any:
    """Returns the inverse of `sinh`."""
    return xp.arcsinh(x)


@unary("acosh math.acosh ops.numpy.arccosh", lambda g, y, x: g / conjugated(sinh(y)), floating=True)
def acosh(xp: Any, x: Any) -> Any:
    """Returns the inverse of `cosh`, at least 0; NaN for numbers below 1."""
    return xp.arccosh(x)


@unary("atanh math.atanh ops.numpy.arctanh", lambda g, y, x: g / conjugated(1 - x * x), floating=True)
def atanh(xp: Any, x: Any) -> Any:
    """Returns the inverse of `tanh`; NaN outside of [-1, 1]."""
    return xp.arctanh(x)


# ---- special functions -------------------------------------------------------------------------------------------


@unary("math.erf ops.erf", lambda g, y, x: g * exp(-x * x) * (2 / math.sqrt(math.pi)), floating=True)
def erf(xp: Any, x: Any) -> Any:
    """Returns the error function, `2/sqrt(pi)` times the integral of `exp(-t^2)` from 0 to `x`."""
    return xp.erf(x)


@unary("math.erfc ops.erfc", lambda g, y, x: g * exp(-x * x) * (-2 / math.sqrt(math.pi)), floating=True)
def erfc(xp: Any, x: Any) -> Any:
    """Returns `1 - erf(x)`, accurate for large `x`."""
    return xp.erfc(x)


@unary("math.erfinv ops.erfinv", lambda g, y, x: g * exp(y * y) * (math.sqrt(math.pi) / 2), floating=True)
def erfinv(xp: Any, x: Any) -> Any:
    """Returns the inverse of `erf`."""
    return xp.erfinv(x)


@unary(
    "math.ndtri",
    lambda g, y, x: g * exp(y * y * 0.5) * math.sqrt(2 * math.pi),
    floating=True,
)
def ndtri(xp: Any, x: Any) -> Any:
    """Returns the quantile of the standard normal distribution for the probability `x`."""
    return xp.erfinv(x * 2 - 1) * x.dtype.type(math.sqrt(2))


@unary("math.erfcinv", lambda g, y, x: g * exp(y * y) * (-math.sqrt(math.pi) / 2), floating=True)
def erfcinv(xp: Any, x: Any) -> Any:
    """Returns the inverse of `erfc`."""
    return xp.erfinv(1 - x)


def _lgamma_gradient(g: Any, y: Any, x: Any) -> Any:
    return g * digamma(x)


@unary("math.lgamma", _lgamma_gradient, floating=True)
def lgamma(xp: Any, x: Any) -> Any:
    """Returns the logarithm of the absolute value of the gamma function."""
    return xp.lgamma(x)


@unary("math.digamma", floating=True)
def digamma(xp: Any, x: Any) -> Any:
    """Returns the derivative of `lgamma`."""
    return xp.digamma(x)


def _zero_times(xp: Any, x: Any, value: Any) -> Any:
    """Returns `x * value`, and 0 where `x` is 0."""
    return xp.where(x == 0, xp.zeros((), x.dtype), x * value)


def _over(g: Any, x: Any, y: Any) -> Any:
    return g * xdivy(x, y)


@binary("math.xlogy", (lambda g, z, x, y: masked(g * log(y), x != 0), lambda g, z, x, y: _over(g, x, y)))
def xlogy(xp: Any, x: Any, y: Any) -> Any:
    """Returns `x * log(y)`, and 0 where `x` is 0."""
    return _zero_times(xp, x, xp.log(y))


@binary(
    "math.xlog1py",
    (lambda g, z, x, y: masked(g * log1p(y), x != 0), lambda g, z, x, y: _over(g, x, y + 1)),
)
def xlog1py(xp: Any, x: Any, y: Any) -> Any:
    """Returns `x * log(1 + y)`, and 0 where `x` is 0."""
    return _zero_times(xp, x, xp.log1p(y))


@binary(
    "math.xdivy",
    (lambda g, z, x, y: masked(g * reciprocal(y), x != 0), lambda g, z, x, y: _over(-g, x, y * y)),
)
def xdivy(xp: Any, x: Any, y: Any) -> Any:
    """Returns `x / y`, and 0 where `x` is 0."""
    return _zero_times(xp, x, xp.divide(xp.ones((), y.dtype), y))


@export("math.polyval")
def polyval(coeffs: Any, x: Any, name: str | None = None) -> Any:
    """Returns the polynomial with the given coefficients (highest power first) at `x`, by Horner's rule."""
    if not isinstance(coeffs, list):
        raise ValueError(
            f"tf.math.polyval: coeffs must be a list, received {type(coeffs)}{at_user_location()}"
        )
    x = x if isinstance(x, TensorLike) else convert_to_tensor(x)
    total = x * 0
    for coefficient in coeffs:
        total = total * x + coefficient
    return total


# ---- rounding ----------------------------------------------------------------------------------------------------


@unary("floor math.floor ops.numpy.floor", False, floating=True)
def floor(xp: Any, x: Any) -> Any:
    """Returns the largest whole number that is not above `x`."""
    return xp.floor(x)


@unary("math.ceil ops.numpy.ceil", False, floating=True)
def ceil(xp: Any, x: Any) -> Any:
    """Returns the smallest whole number that is not below `x`."""
    return xp.ceil(x)


@unary("math.rint", False, floating=True)
def rint(xp: Any, x: Any) -> Any:
    """Returns the nearest whole number; of two equally near ones, the even one."""
    return xp.rint(x)


@unary("round math.round K.round", False)
def round_(xp: Any, x: Any) -> Any:
    """Returns the nearest whole number; of two equally near ones, the even one."""
    return x if x.dtype.kind in "iu" else xp.rint(x)


# ---- complex numbers ---------------------------------------------------------------------------------------------


def _complex_dtype(kind: np.dtype, *_: Any) -> np.dtype:
    return _COMPLEX.get(kind, np.dtype(np.complex64))


@op("complex dtypes.complex", shape=broadcast, dtype=_complex_dtype)
def complex_(xp: Any, real: Any, imag: Any) -> Any:
    """Returns `real + i * imag`: complex64 of float32, complex128 of float64."""
    if real.dtype not in _COMPLEX:
        raise TypeError(f"expected float32 or float64, received {real.dtype}")
    kind = _COMPLEX[real.dtype]
    return real.astype(kind) + imag.astype(kind) * kind.type(1j)


@unary("math.real(input) ops.numpy.real", lambda g, y, x: _as_real_part(g, x), dtype=real_dtype)
def real(xp: Any, x: Any) -> Any:
    """Returns the real part; real numbers unchanged."""
    return xp.real(x)


@unary("math.imag(input) ops.numpy.imag", lambda g, y, x: _as_imaginary_part(g, x), dtype=real_dtype)
def imag(xp: Any, x: Any) -> Any:
    """Returns the imaginary part; zeros for real numbers."""
    return xp.imag(x)


@unary("math.angle(input) ops.numpy.angle", keras=floats, dtype=real_dtype)
def angle(xp: Any, x: Any) -> Any:
    """Returns the argument of a complex number in radians; for real numbers 0, or pi where they are negative."""
    return xp.angle(x).astype(real_dtype(x.dtype))


complex_.gradient(lambda g, z, x, y: unbroadcast(real(g), x), lambda g, z, x, y: unbroadcast(imag(g), y))


def _as_real_part(g: Any, x: Any) -> Any:
    return complex_(g, g * 0) if x.dtype.is_complex else g


def _as_imaginary_part(g: Any, x: Any) -> Any:
    return complex_(g * 0, g) if x.dtype.is_complex else g * 0
