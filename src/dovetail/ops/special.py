"""Special functions: Bessel functions, integrals, gamma and beta functions, and the next number.

Values are SciPy's, or JAX's, which agree with TensorFlow's to the precision of the dtype.  In compiled code those that
JAX lacks (Bessel functions of other kinds than the first modified one, and the integrals) are computed on the host.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dovetail.ops.core import Op
from dovetail.ops.families import binary, op, unary, unbroadcast
from dovetail.ops.math import exp, lgamma, log, log1p
from dovetail.ops.reduction import reduce_sum
from dovetail.ops.rules import broadcast
from dovetail.ops.shapes import as_tensor
from dovetail.ops.views import export

# Public name, also under `tf.math` when starred: (the engines' name, what it is).
_UNARY = {
    "bessel_i0*": ("i0", "the modified Bessel function of the first kind, of order 0"),
    "bessel_i0e*": ("i0e", "`exp(-|x|) * bessel_i0(x)`"),
    "bessel_i1*": ("i1", "the modified Bessel function of the first kind, of order 1"),
    "bessel_i1e*": ("i1e", "`exp(-|x|) * bessel_i1(x)`"),
    "bessel_j0": ("j0", "the Bessel function of the first kind, of order 0"),
    "bessel_j1": ("j1", "the Bessel function of the first kind, of order 1"),
    "bessel_k0": ("k0", "the modified Bessel function of the second kind, of order 0"),
    "bessel_k0e": ("k0e", "`exp(x) * bessel_k0(x)`"),
    "bessel_k1": ("k1", "the modified Bessel function of the second kind, of order 1"),
    "bessel_k1e": ("k1e", "`exp(x) * bessel_k1(x)`"),
    "bessel_y0": ("y0", "the Bessel function of the second kind, of order 0"),
    "bessel_y1": ("y1", "the Bessel function of the second kind, of order 1"),
    "dawsn": ("dawsn", "Dawson's integral, `exp(-x^2)` times the integral of `exp(t^2)` from 0 to `x`"),
    "expint": (
        "expi",
        "the exponential integral Ei, that of `exp(t) / t` up to `x`; NaN for negative numbers",
    ),
    "fresnel_cos": ("fresnel_cos", "Fresnel's integral of `cos(pi t^2 / 2)` from 0 to `x`"),
    "fresnel_sin": ("fresnel_sin", "Fresnel's integral of `sin(pi t^2 / 2)` from 0 to `x`"),
    "spence": ("spence", "Spence's integral of `log(t) / (1 - t)` from 1 to `x`"),
}


def _enter(stated: str, name: str, what: str) -> Op:
    def body(xp: Any, x: Any) -> Any:
        return xp.special(name, x)

    public = stated.rstrip("*")
    body.__name__ = body.__qualname__ = public
    body.__doc__ = f"Returns {what}."
    names = f"math.special.{public}"
    return unary(f"math.{public} {names}" if stated.endswith("*") else names, floating=True)(body)


for _stated, _row in _UNARY.items():
    _enter(_stated, *_row)


def _floats(xp: Any, name: str, *arrays: Any) -> Any:
    if any(x.dtype.kind in "iub" for x in arrays):
        raise TypeError(f"expected floating-point tensors, received {arrays[0].dtype}; use tf.cast")
    return xp.special(name, *arrays)


def _zeta_gradient(g: Any, y: Any, x: Any, q: Any) -> Any:
    return -g * x * zeta(x + 1, q)


def _polygamma_gradient(g: Any, y: Any, a: Any, x: Any) -> Any:
    return g * polygamma(a + 1, x)


@binary("math.zeta", (None, _zeta_gradient))
def zeta(xp: Any, x: Any, q: Any) -> Any:
    """Returns Hurwitz' zeta function, the sum of `1 / (q + n)^x` over n = 0, 1, ...; `x` has no gradient."""
    return _floats(xp, "zeta", x, q)


@binary("math.polygamma", (None, _polygamma_gradient))
def polygamma(xp: Any, a: Any, x: Any) -> Any:
    """Returns the derivative of order `a` of `digamma` at `x`; `a` has no gradient."""
    return _floats(xp, "polygamma", a, x)


@binary("math.igamma")
def igamma(xp: Any, a: Any, x: Any) -> Any:
    """Returns the regularized lower incomplete gamma function, the integral of `t^(a-1) exp(-t)` from 0 to `x`."""
    return _floats(xp, "igamma", a, x)


@binary("math.igammac")
def igammac(xp: Any, a: Any, x: Any) -> Any:
    """Returns `1 - igamma(a, x)`, accurate for large `x`."""
    return _floats(xp, "igammac", a, x)


def _betainc_gradient(g: Any, y: Any, a: Any, b: Any, x: Any) -> Any:
    log_beta = lgamma(a) + lgamma(b) - lgamma(a + b)
    return unbroadcast(g * exp((b - 1) * log1p(-x) + (a - 1) * log(x) - log_beta), x)


@op("math.betainc", (None, None, _betainc_gradient), shape=lambda a, b, x: broadcast(broadcast(a, b), x))
def betainc(xp: Any, a: Any, b: Any, x: Any) -> Any:
    """Returns the regularized incomplete beta function; there is a gradient of `x` only.

    Args:
        a, b: positive floats.
        x: floats in [0, 1].
    """
    return _floats(xp, "betainc", a, b, x)


@export("math.lbeta")
def lbeta(x: Any, name: str | None = None) -> Any:
    """Returns `log |B(x)|` along the last axis: the sum of `lgamma(x)`, less the `lgamma` of the sum."""
    x = as_tensor(x)
    return reduce_sum(lgamma(x), axis=-1) - lgamma(reduce_sum(x, axis=-1))


def _share(position: int) -> Callable:
    return lambda g, y, x1, x2: g if position == 0 else g * 0


@binary("math.nextafter", (_share(0), _share(1)))
def nextafter(xp: Any, x1: Any, x2: Any) -> Any:
    """Returns the number next to `x1` in the direction of `x2`: float32 or float64."""
    if x1.dtype.kind != "f" or x1.dtype.itemsize < 4:
        raise TypeError(f"expected float32 or float64, received {x1.dtype}; use tf.cast")
    return xp.nextafter(x1, x2)
