"""Family constructors: what ops of one kind share - shape rule, dtype rule, gradient plumbing, fast path.

unary       one tensor, element by element
binary      two tensors, element by element, with broadcasting
comparison  two tensors to booleans
reduction   sums and the like, over `axis`
op          anything else
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dovetail.base.settings import settings, state
from dovetail.engine import dtypes, host
from dovetail.ops.attrs import Shape
from dovetail.ops.core import Op, wrapped_scalar
from dovetail.ops.rules import broadcast, reduced
from dovetail.ops.views import register
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.tensor import Tensor, TensorLike
from dovetail.tensor.variable import Variable

_ndarray = np.ndarray
_BOOL = np.dtype(bool)
SCALARS = (float, int)


def op(names: str, keras: Any = None, **options: Any) -> Callable[[Callable], Op]:
    """Decorator: makes an op of a body and publishes it under `names` (see `ops/views.py`)."""

    def decorate(body: Callable) -> Op:
        return register(Op(body.__name__.rstrip("_"), body, **options), names, keras=keras)

    return decorate


def unary(
    names: str,
    gradient: Any = None,
    floating: bool = False,
    keras: Callable | None = None,
    **options: Any,
) -> Callable[[Callable], Op]:
    """Decorator for `f(xp, x)`, element by element.

    Args:
        names: stated names.
        gradient: `f(g, y, x) -> gradient of x`; None: JAX's; False: not differentiable.
        floating: only floats and complex numbers have this function; `keras.ops` converts integers, `tf` refuses.
        keras: what `keras.ops` does to the argument first; see `ops/prepared.py`.
        options: see `Op`.
    """

    def decorate(body: Callable) -> Op:
        made = Op(
            body.__name__.rstrip("_"),
            _float_only(body) if floating else body,
            gradients=(gradient,) if gradient else None,
            differentiable=gradient is not False,
            shape=options.pop("shape", lambda shape, **_: shape),
            pieces=options.pop("pieces", "elements"),
            **options,
        )
        return register(made, names, _fast_unary_floating if floating else fast_unary, "unary", keras)

    return decorate


def _float_only(body: Callable) -> Callable:
    def checked(xp: Any, x: Any) -> Any:
        if x.dtype.kind in "iub":
            raise TypeError(
                f"expected a floating-point tensor, received {x.dtype}; use tf.cast(x, tf.float32)"
            )
        return body(xp, x)

    checked.__doc__ = body.__doc__
    return checked


def fast_unary(op: Op, promote: bool) -> Callable:
    body = op.body

    def call(x: Any) -> Any:
        if type(x) is Tensor and not state.tapes:
            a = x._value
            if type(a) is _ndarray and a.size <= settings.active_limit:
                try:
                    out = body(host, a)
                except (TypeError, ValueError):
                    return op.call((x,), {}, promote)
                return Tensor(out) if type(out) is _ndarray else wrapped_scalar(out)
        return op.call((x,), {}, promote)

    return call


def _fast_unary_floating(op: Op, promote: bool) -> Callable:
    fast = fast_unary(op, promote)
    if not promote:
        return fast

    def call(x: Any) -> Any:
        if type(x) is Tensor and x._value.dtype.kind == "f":
            return fast(x)
        x = x if isinstance(x, TensorLike) else convert_to_tensor(x)
        return op.call(
            (x if x.dtype.is_floating or x.dtype.is_complex else x._astype(settings.floatx),), {}, promote
        )

    return call


def binary(
    names: str, gradients: tuple | None = None, keras: Callable | None = None, **options: Any
) -> Callable[[Callable], Op]:
    """Decorator for `f(xp, x, y)`, element by element with broadcasting.

    Args:
        names: stated names.
        gradients: `(f(g, z, x, y) -> gradient of x, the same for y)`; they are summed to the inputs' shapes here.
        keras: what `keras.ops` does to the arguments first; see `ops/prepared.py`.
        options: see `Op`.
    """

    def decorate(body: Callable) -> Op:
        rules = None
        if gradients is not None:
            rules = tuple(
                _summed(rule, position) if rule else None for position, rule in enumerate(gradients)
            )
        options.setdefault("shape", lambda x, y, **_: broadcast(x, y))
        options.setdefault("pieces", "elements")
        made = Op(body.__name__.rstrip("_"), body, gradients=rules, **options)
        return register(made, names, fast_binary, "binary", keras)

    return decorate


def _summed(rule: Callable, position: int) -> Callable:
    def gradient(g: Any, z: Any, x: Any, y: Any) -> Any:
        return unbroadcast(rule(g, z, x, y), (x, y)[position])

    return gradient


def comparison(names: str, **options: Any) -> Callable[[Callable], Op]:
    """Decorator for `f(xp, x, y)` that gives booleans."""
    return binary(names, dtype=lambda *_, **__: _BOOL, differentiable=False, **options)


def fast_binary(op: Op, promote: bool) -> Callable:
    """Returns the public call of a binary op: two small host tensors take a few hundred nanoseconds over NumPy's."""
    body = op.body

    def call(x: Any, y: Any) -> Any:
        if type(x) is Tensor and not state.tapes:
            a = x._value
            if type(a) is _ndarray:
                try:
                    b = _operand(y, a)
                    if b is not None:
                        out = body(host, a, b)
                        return Tensor(out) if type(out) is _ndarray else wrapped_scalar(out)
                except (ValueError, TypeError, OverflowError):
                    return op.call((x, y), {}, promote)  # runs into the same error, and explains it
        return op.call((x, y), {}, promote)

    return call


def _operand(y: Any, a: np.ndarray) -> np.ndarray | None:
    """Returns the other operand as a host array of `a`'s dtype, None when the short way does not apply."""
    kind = type(y)
    if kind is Tensor:
        b = y._value
    elif kind is float or kind is int:
        fits = a.dtype.kind == "f" or (kind is int and a.dtype.kind == "i")
        return np.array(y, a.dtype) if fits and a.size < settings.active_limit else None
    elif kind is Variable and state.scope is None and state.autocast is None:
        b = y._array
    else:
        return None
    small = type(b) is _ndarray and a.dtype == b.dtype and a.size + b.size <= settings.active_limit
    return b if small else None


def reduction(names: str, gradient: Any = None, **options: Any) -> Callable[[Callable], Op]:
    """Decorator for `f(xp, x, *, axis, keepdims)`.

    Args:
        names: stated names.
        gradient: `f(g, y, x, axis, keepdims) -> gradient of x`, where `g` and `y` keep the reduced axes (size 1).
        options: see `Op`.
    """

    def decorate(body: Callable) -> Op:
        rules = (_kept(gradient),) if gradient else None
        options.setdefault("shape", reduced)
        made = Op(
            body.__name__.rstrip("_"), body, gradients=rules, differentiable=gradient is not False, **options
        )
        return register(made, names, fast_unary)  # of a tensor alone: over all axes

    return decorate


def _kept(rule: Callable) -> Callable:
    """Gives a reduction's gradient rule `g` and `y` with the reduced axes kept, so that they broadcast."""

    def gradient(g: Any, y: Any, x: Any, axis: Any, keepdims: bool, **more: Any) -> Any:
        if not keepdims:
            shape = reduced(tuple(x.shape), axis=axis, keepdims=True)
            g, y = reshape_to(g, shape=shape), reshape_to(y, shape=shape)
        return rule(g, y, x, axis, **more)

    return gradient


# ---- the three ops that gradient rules of every family need -------------------------------------------------------


def _sum_to(xp: Any, g: Any, *, shape: Shape) -> Any:
    """Sums `g` over the axes along which `shape` was broadcast."""
    lead = g.ndim - len(shape)
    axes = tuple(range(lead)) + tuple(
        i + lead for i, size in enumerate(shape) if size == 1 and g.shape[i + lead] != 1
    )
    return xp.reshape(xp.sum(g, axis=axes) if axes else g, shape)


def _reshape_to(xp: Any, x: Any, *, shape: Shape) -> Any:
    """Reshapes to a known shape."""
    return xp.reshape(x, shape)


def _spread_to(xp: Any, x: Any, *, shape: Shape, over: int = 1) -> Any:
    """Broadcasts to a known shape, divided by `over`."""
    if over != 1:
        wide = x.astype(np.float32) if dtypes.is_half(x.dtype) else x  # which may not hold so large a number
        count = wide.dtype.type(over) if isinstance(over, int) else xp.sizes((over,), wide.dtype)[0]
        x = (wide / count).astype(x.dtype)
    return xp.broadcast_to(x, shape)


sum_to = Op("sum_to", _sum_to, shape=lambda g, shape: shape)
reshape_to = Op("reshape_to", _reshape_to, shape=lambda x, shape: shape)
spread_to = Op("spread_to", _spread_to, shape=lambda x, shape, over=1: shape)
sum_to.gradient(lambda g, y, x, shape: spread_to(_aligned(g, x), shape=tuple(x.shape)))
reshape_to.gradient(lambda g, y, x, shape: reshape_to(g, shape=tuple(x.shape)))
spread_to.gradient(
    lambda g, y, x, shape, over=1: spread_to(unbroadcast(g, x), shape=tuple(x.shape), over=over)
)


def _aligned(g: Any, x: Any) -> Any:
    missing = len(x.shape) - len(g.shape)
    return reshape_to(g, shape=(1,) * missing + tuple(g.shape)) if missing else g


def unbroadcast(g: Any, x: Any) -> Any:
    """Sums a gradient to the shape of the input that was broadcast."""
    shape = x.shape._sizes
    return g if g.shape._sizes == shape else sum_to(g, shape=shape)


def is_differentiable(tensor: Any) -> bool:
    """True for floating and complex tensors."""
    return tensor._value.dtype in dtypes.DIFFERENTIABLE
