"""Batch normalization: by the statistics of the batch, as in training, and by known ones.

Statistics of 16-bit floats are computed in float32.  Each is one dispatch, and so are their gradients.
"""

from __future__ import annotations

import functools
import math
from typing import Any

from dovetail.engine import dtypes
from dovetail.ops.attrs import Axis
from dovetail.ops.core import Op
from dovetail.ops.families import op, unbroadcast
from dovetail.ops.precision import FLOAT32, floating, gradient_op
from dovetail.ops.prepared import floats
from dovetail.ops.rules import normalized_axes, reduced
from dovetail.ops.shapes import reshape
from dovetail.ops.views import export


def _same(shape: tuple, *_: Any, **__: Any) -> tuple:
    return shape


def _batch_shapes(x: tuple, *parameters: Any, axis: Any, **_: Any) -> list:
    statistics = reduced(x, axis=axis)
    return [x, statistics, statistics]


def _batch_dtypes(kind: Any, *parameters: Any, **_: Any) -> list:
    wide = FLOAT32 if dtypes.is_half(kind) else kind
    return [kind, wide, wide]


@op("", same_dtype=0, shape=_batch_shapes, dtype=_batch_dtypes)
def batch_norm(
    xp: Any,
    x: Any,
    *parameters: Any,
    axis: Axis = None,
    epsilon: float = 1e-3,
    scale: bool = False,
    center: bool = False,
) -> Any:
    """Normalizes by the statistics of the batch itself, as layers do in training.

    Args:
        x: floating tensor.
        parameters: gamma if `scale`, then beta if `center`, shaped like the axes that are not reduced.
        axis: the axes over which mean and variance are taken: all but the channels.
        epsilon: added to the variance.

    Returns:
        (normalized tensor, mean, variance); the statistics without the reduced axes, in float32 or wider.

    Source: S. Ioffe, C. Szegedy, 2015, "Batch normalization".
    """
    names = {"axis": axis, "epsilon": epsilon, "scale": scale, "center": center}
    return xp.by_kernel("batch_norm", functools.partial(_batch_norm, xp), (x, *parameters), names)


def _batch_norm(
    xp: Any, x: Any, *parameters: Any, axis: Any, epsilon: float, scale: bool, center: bool
) -> tuple:
    batch = _Batch(xp, x, axis, epsilon)
    y = batch.normal
    if scale:
        y = y * batch.parameter(parameters[0])
    if center:
        y = y + batch.parameter(parameters[-1])
    return y.astype(x.dtype), batch.without_axes(batch.mean), batch.without_axes(batch.variance)


class _Batch:
    """The axes and statistics of one batch normalization, in float32 or wider."""

    def __init__(self, xp: Any, x: Any, axis: Any, epsilon: float, statistics: tuple | None = None) -> None:
        if not dtypes.is_floating(x.dtype):
            raise TypeError(
                f"expected a floating-point tensor, received {x.dtype}; use tf.cast(x, tf.float32)"
            )
        self.xp, self.axes = xp, normalized_axes(axis, x.ndim)
        self.shape = tuple(1 if i in self.axes else size for i, size in enumerate(x.shape))
        self.count = math.prod(size for i, size in enumerate(x.shape) if i in self.axes)
        self.wide = FLOAT32 if dtypes.is_half(x.dtype) else x.dtype
        x = x.astype(self.wide)
        known = statistics and [self.parameter(each) for each in statistics]
        self.mean = known[0] if known else xp.mean(x, axis=self.axes, keepdims=True)
        self.centered = x - self.mean
        squares = self.centered * self.centered
        self.variance = known[1] if known else xp.mean(squares, axis=self.axes, keepdims=True)
        self.rstd = xp.rsqrt(self.variance + self.wide.type(epsilon))
        self.normal = self.centered * self.rstd

    def parameter(self, p: Any) -> Any:
        return self.xp.reshape(p.astype(self.wide), self.shape)

    def without_axes(self, p: Any) -> Any:
        return self.xp.reshape(p, tuple(s for i, s in enumerate(self.shape) if i not in self.axes))


def _batch_norm_gradient(
    xp: Any,
    g: Any,
    g_mean: Any,
    g_variance: Any,
    x: Any,
    mean: Any,
    variance: Any,
    *parameters: Any,
    axis: Axis,
    epsilon: float,
    scale: bool,
    center: bool,
) -> Any:
    """Returns the gradients of `x` and of the parameters, given mean and variance of `x`."""
    names = {"axis": axis, "epsilon": epsilon, "scale": scale, "center": center}
    arrays = (g, g_mean, g_variance, x, mean, variance, *parameters)
    return xp.by_kernel("batch_norm, gradient", functools.partial(_batch_norm_gradients, xp), arrays, names)


def _batch_norm_gradients(
    xp: Any, *arrays: Any, axis: Any, epsilon: float, scale: bool, center: bool
) -> tuple:
    g, g_mean, g_variance, x, *statistics = arrays[:6]
    parameters, batch = arrays[6:], _Batch(xp, x, axis, epsilon, tuple(statistics))
    g = g.astype(batch.wide)
    shift = xp.sum(g, axis=batch.axes, keepdims=True)
    along = xp.sum(g * batch.normal, axis=batch.axes, keepdims=True)
    factor = batch.rstd * batch.parameter(parameters[0]) if scale else batch.rstd
    known = isinstance(batch.count, int)
    share = batch.wide.type(1 / max(batch.count, 1)) if known else 1 / xp.sizes(batch.count, batch.wide)
    each = (g - (shift + batch.normal * along) * share) * factor
    each = each + (batch.parameter(g_mean) + batch.centered * (batch.parameter(g_variance) * 2)) * share
    results = [each.astype(x.dtype)]
    for position, parameter in enumerate(parameters):
        whole = along if scale and position == 0 else shift
        results.append(xp.reshape(whole, parameter.shape).astype(parameter.dtype))
    return tuple(results)


batch_norm_gradient = Op("batch_norm_gradient", _batch_norm_gradient, same_dtype=0, several=True)
batch_norm.gradient(
    lambda g, out, x, *parameters, **attributes: batch_norm_gradient(
        *g, x, *out[1:], *parameters, **attributes
    )
)


def _has_channels_last(x: Any, mean: Any, *others: Any, **_: Any) -> bool:
    return mean.ndim == 1


@op("nn.batch_normalization", same_dtype=0, shape=_same, one_pass=_has_channels_last)
@floating
def batch_normalization(
    xp: Any,
    x: Any,
    mean: Any,
    variance: Any,
    offset: Any = None,
    scale: Any = None,
    *,
    variance_epsilon: float = 1e-3,
) -> Any:
    """Returns `(x - mean) * scale / sqrt(variance + variance_epsilon) + offset`.

    Args:
        x: floating tensor.
        mean, variance, offset, scale: tensors that broadcast with `x`; offset and scale may be None.
        variance_epsilon: a small number that keeps the root away from 0.
    """
    arrays, names = (x, mean, variance, offset, scale), {"variance_epsilon": variance_epsilon}
    return xp.by_kernel("batch_norm, known", functools.partial(_batch_normalization, xp), arrays, names)


def _batch_normalization(
    xp: Any, x: Any, mean: Any, variance: Any, offset: Any, scale: Any, variance_epsilon: float
) -> Any:
    factor = xp.rsqrt(variance.astype(x.dtype) + x.dtype.type(variance_epsilon))
    if scale is not None:
        factor = factor * scale.astype(x.dtype)
    shift = -mean.astype(x.dtype) * factor
    if offset is not None:
        shift = shift + offset.astype(x.dtype)
    return x * factor + shift


@gradient_op
def _batch_part(
    xp: Any, g: Any, x: Any, mean: Any, variance: Any, scale: Any = None, *, epsilon: float, wanted: str
) -> Any:
    """Returns one argument's gradient before it is summed to the argument's shape."""
    g, mean, variance = (t.astype(x.dtype) for t in (g, mean, variance))
    rstd = xp.rsqrt(variance + x.dtype.type(epsilon))
    if wanted == "scale":
        return g * (x - mean) * rstd
    factor = rstd if scale is None else rstd * scale.astype(x.dtype)
    if wanted == "x":
        return g * factor
    if wanted == "mean":
        return -g * factor
    return g * (x - mean) * factor * rstd * rstd * -0.5


def _batch_rule(wanted: str, position: int) -> Any:
    def rule(
        g: Any, y: Any, x: Any, mean: Any, variance: Any, offset: Any, scale: Any, variance_epsilon: float
    ) -> Any:
        target = (x, mean, variance, offset, scale)[position]
        part = _batch_part(g, x, mean, variance, scale, epsilon=variance_epsilon, wanted=wanted)
        return unbroadcast(part, target)._astype(target.dtype)

    return rule


batch_normalization.gradient(
    _batch_rule("x", 0),
    _batch_rule("mean", 1),
    _batch_rule("variance", 2),
    lambda g, y, x, mean, variance, offset, scale, **_: unbroadcast(g, offset)._astype(offset.dtype),
    _batch_rule("scale", 4),
)


@export("ops.nn.batch_normalization")
def keras_batch_normalization(
    x: Any, mean: Any, variance: Any, axis: int, offset: Any = None, scale: Any = None, epsilon: float = 1e-3
) -> Any:
    """Normalizes `x` with given statistics, whose only axis lies along `axis` of `x`."""
    x, mean, variance, offset, scale = floats((x, mean, variance, offset, scale))
    rank = len(x.shape)
    if axis % rank != rank - 1:
        shape = [1] * rank
        shape[axis] = -1
        given = (mean, variance, offset, scale)
        mean, variance, offset, scale = (None if p is None else reshape(p, shape=shape) for p in given)
    return batch_normalization(x, mean, variance, offset, scale, variance_epsilon=epsilon)


@export("K.batch_normalization")
def backend_batch_normalization(
    x: Any, mean: Any, var: Any, beta: Any, gamma: Any, axis: int = -1, epsilon: float = 1e-3
) -> Any:
    """Normalizes `x` with given statistics: `(x - mean) / sqrt(var + epsilon) * gamma + beta`."""
    if all(len(p.shape) in (0, len(x.shape)) for p in (mean, var, beta, gamma) if p is not None):
        return batch_normalization(x, mean, var, beta, gamma, variance_epsilon=epsilon)
    return keras_batch_normalization(x, mean, var, axis, beta, gamma, epsilon)


@export("K.normalize_batch_in_training")
def normalize_batch_in_training(
    x: Any, gamma: Any, beta: Any, reduction_axes: Any, epsilon: float = 1e-3
) -> tuple:
    """Normalizes `x` with its own statistics over `reduction_axes`; returns (result, mean, variance)."""
    parameters = [p for p in (gamma, beta) if p is not None]
    flags = {"scale": gamma is not None, "center": beta is not None}
    return tuple(batch_norm(x, *parameters, axis=reduction_axes, epsilon=epsilon, **flags))
