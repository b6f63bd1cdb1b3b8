"""Special functions on the XLA engine: JAX's where it has them; the others are SciPy's, called from compiled code."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from dovetail.engine import dtypes, host_special

_NATIVE = {
    **{name: getattr(jax.scipy.special, name) for name in ("i0", "i0e", "i1", "i1e", "zeta")},
    "polygamma": jax.lax.polygamma,
    "betainc": jax.scipy.special.betainc,
    "igamma": jax.scipy.special.gammainc,
    "igammac": jax.scipy.special.gammaincc,
}


def special(name: str, *arrays: Any) -> Any:
    """Returns a special function, element by element, in the dtype of the arrays; half precision takes float32."""
    dtype = arrays[0].dtype
    wide = [jnp.asarray(x, jnp.float32 if dtypes.is_half(dtype) else None) for x in arrays]
    return (_NATIVE.get(name) or _by_scipy(name))(*wide).astype(dtype)


def _over(y: Any, x: Any, at_zero: float) -> Any:
    """Returns `y / x`, and a limit where x is 0."""
    return jnp.where(x == 0, at_zero, y / jnp.where(x == 0, 1, x))


def _of(name: str, x: Any) -> Any:
    return _by_scipy(name)(x)


# `f(x, y) -> dy/dx` of y = function(x)
_DERIVATIVES: dict[str, Callable] = {
    "j0": lambda x, y: -_of("j1", x),
    "j1": lambda x, y: _of("j0", x) - _over(y, x, 0.5),
    "y0": lambda x, y: -_of("y1", x),
    "y1": lambda x, y: _of("y0", x) - y / x,
    "k0": lambda x, y: -_of("k1", x),
    "k0e": lambda x, y: y - _of("k1e", x),
    "k1": lambda x, y: -_of("k0", x) - y / x,
    "k1e": lambda x, y: y * (1 - 1 / x) - _of("k0e", x),
    "dawsn": lambda x, y: 1 - 2 * x * y,
    "expi": lambda x, y: jnp.exp(x) / x,
    "fresnel_cos": lambda x, y: jnp.cos(x * x * (jnp.pi / 2)),
    "fresnel_sin": lambda x, y: jnp.sin(x * x * (jnp.pi / 2)),
    "spence": lambda x, y: jnp.where(x == 1, -1, jnp.log(x) / jnp.where(x == 1, 1, 1 - x)),
}


@functools.cache
def _by_scipy(name: str) -> Callable:
    """Returns a function of one number that SciPy computes, with its derivatives."""
    computed = functools.partial(host_special.special, name)

    @jax.custom_jvp
    def function(x: Any) -> Any:
        kind = jax.ShapeDtypeStruct(x.shape, x.dtype)
        return jax.pure_callback(_on_host(computed), kind, x, vmap_method="expand_dims")

    @function.defjvp
    def _(primals: tuple, tangents: tuple) -> tuple:
        y = function(*primals)
        return y, _DERIVATIVES[name](*primals, y) * tangents[0]

    return function


def _on_host(function: Callable) -> Callable:
    return lambda x: function(jax.device_get(x))
