"""Normalization of layers and groups, local response normalization, and adding a bias.

Statistics of 16-bit floats are computed in float32.  Normalizations are one dispatch each, and so are
their gradients.
"""

from __future__ import annotations

import functools
import math
import operator
from typing import Any

import numpy as np

from dovetail.base.settings import settings
from dovetail.engine import dtypes
from dovetail.engine.host_native import serve
from dovetail.ops.attrs import Axis, Number
from dovetail.ops.core import Joint, Op
from dovetail.ops.families import op
from dovetail.ops.precision import FLOAT32, floating, gradient_op
from dovetail.ops.prepared import floats
from dovetail.ops.rules import normalized_axes
from dovetail.ops.shapes import as_tensor, reshape
from dovetail.ops.views import export
from dovetail.ops.windows import is_channels_first


def _same(shape: tuple, *_: Any, **__: Any) -> tuple:
    return shape


def _as(x: Any, dtype: np.dtype) -> Any:
    """Casts without a copy where there is nothing to cast."""
    return x if x.dtype == dtype else x.astype(dtype)


# ---- layer and RMS normalization ---------------------------------------------------------------------------------


class _Layer:
    """The axes and statistics of one layer normalization, in float32 or wider."""

    def __init__(self, xp: Any, x: Any, axis: Any, epsilon: float, rms: bool) -> None:
        if not dtypes.is_floating(x.dtype):
            raise TypeError(
                f"expected a floating-point tensor, received {x.dtype}; use tf.cast(x, tf.float32)"
            )
        self.xp, self.axes = xp, normalized_axes(axis, x.ndim)
        self.shape = tuple(size if i in self.axes else 1 for i, size in enumerate(x.shape))
        self.wide = FLOAT32 if dtypes.is_half(x.dtype) else x.dtype
        x = _as(x, self.wide)
        centered = x if rms else x - xp.mean(x, axis=self.axes, keepdims=True)
        variance = xp.mean(centered * centered, axis=self.axes, keepdims=True)
        self.rstd = xp.rsqrt(variance + self.wide.type(epsilon))
        self.normal = centered * self.rstd

    def parameter(self, p: Any) -> Any:
        """Returns a scale or an offset so that it broadcasts along the axes."""
        if p.ndim and math.prod(p.shape) not in (1, math.prod(self.shape)):
            raise ValueError(
                f"the scale or offset has shape {p.shape}, and the normalized axes have {self.shape}"
            )
        p = _as(p, self.wide)
        return (
            self.xp.reshape(p, self.shape)
            if math.prod(p.shape) != 1
            else self.xp.reshape(p, (1,) * len(self.shape))
        )


def _of_rows(x: Any, *parameters: Any, axis: Any, **_: Any) -> bool:
    return axis in (-1, (-1,), x.ndim - 1, (x.ndim - 1,))


@op("", same_dtype=0, shape=_same, one_pass=_of_rows)
def layer_norm(
    xp: Any,
    x: Any,
    *parameters: Any,
    axis: Axis = -1,
    epsilon: float = 1e-3,
    scale: bool = False,
    center: bool = False,
    rms: bool = False,
) -> Any:
    """Normalizes over `axis`: `(x - mean) / sqrt(variance + epsilon) * gamma + beta`.

    Args:
        x: floating tensor.
        parameters: gamma if `scale`, then beta if `center`, shaped like the normalized axes.
        axis: axis or axes over which mean and variance are taken.
        epsilon: added to the variance.
        rms: divide by the root of the mean square instead, without subtracting the mean.

    Source: J. Ba, J. Kiros, G. Hinton, 2016, "Layer normalization"; B. Zhang, R. Sennrich, 2019, "Root mean square
    layer normalization".
    """
    names = {"axis": axis, "epsilon": epsilon, "scale": scale, "center": center, "rms": rms}
    return xp.by_kernel("layer_norm", functools.partial(_layer_norm, xp), (x, *parameters), names)


def _layer_norm(
    xp: Any, x: Any, *parameters: Any, axis: Any, epsilon: float, scale: bool, center: bool, rms: bool
) -> Any:
    layer = _Layer(xp, x, axis, epsilon, rms)
    y = layer.normal
    if scale:
        y = y * layer.parameter(parameters[0])
    if center:
        y = y + layer.parameter(parameters[-1])
    return _as(y, x.dtype)


def _layer_norm_gradient(
    xp: Any,
    g: Any,
    x: Any,
    *parameters: Any,
    axis: Axis,
    epsilon: float,
    scale: bool,
    center: bool,
    rms: bool,
) -> Any:
    """Returns the gradients of `x` and of the parameters."""
    names = {"axis": axis, "epsilon": epsilon, "scale": scale, "center": center, "rms": rms}
    formula = functools.partial(_layer_norm_gradients, xp)
    return xp.by_kernel("layer_norm, gradient", formula, (g, x, *parameters), names)


def _layer_norm_gradients(
    xp: Any, g: Any, x: Any, *parameters: Any, axis: Any, epsilon: float, scale: bool, center: bool, rms: bool
) -> tuple:
    layer = _Layer(xp, x, axis, epsilon, rms)
    g = g.astype(layer.wide)
    others = tuple(i for i in range(x.ndim) if i not in layer.axes)
    inner = g * layer.parameter(parameters[0]) if scale else g
    each = inner - layer.normal * xp.mean(inner * layer.normal, axis=layer.axes, keepdims=True)
    if not rms:
        each = each - xp.mean(inner, axis=layer.axes, keepdims=True)
    results = [(each * layer.rstd).astype(x.dtype)]
    for position, parameter in enumerate(parameters):
        part = g * layer.normal if scale and position == 0 else g
        whole = xp.sum(part, axis=others, keepdims=True)
        if math.prod(parameter.shape) == 1:
            whole = xp.sum(whole)
        results.append(xp.reshape(whole, parameter.shape).astype(parameter.dtype))
    return tuple(results)


layer_norm_gradient = Op("layer_norm_gradient", _layer_norm_gradient, same_dtype=0, several=True)
layer_norm.gradient(
    lambda g, y, x, *parameters, **attributes: layer_norm_gradient(g, x, *parameters, **attributes)
)


def normalized(x: Any, gamma: Any, beta: Any, axis: Any, epsilon: float | None, rms: bool = False) -> Any:
    """Calls `layer_norm` with the parameters that are there."""
    parameters = [p for p in (gamma, beta) if p is not None]
    return layer_norm(
        x,
        *parameters,
        axis=axis,
        epsilon=settings.epsilon if epsilon is None else epsilon,
        scale=gamma is not None,
        center=beta is not None,
        rms=rms,
    )


@export("ops.nn.layer_normalization")
def layer_normalization(
    x: Any, gamma: Any = None, beta: Any = None, axis: Any = -1, epsilon: float | None = None
) -> Any:
    """Normalizes `x` over `axis` to mean 0 and variance 1, then scales by `gamma` and shifts by `beta`."""
    return _in_own_dtype(x, gamma, beta, axis, epsilon)


@export("ops.nn.rms_normalization")
def rms_normalization(x: Any, scale: Any = None, axis: Any = -1, epsilon: float | None = None) -> Any:
    """Divides `x` by the root of its mean square over `axis`, then multiplies by `scale`."""
    return _in_own_dtype(x, scale, None, axis, epsilon, rms=True)


def _in_own_dtype(x: Any, gamma: Any, beta: Any, axis: Any, epsilon: float | None, rms: bool = False) -> Any:
    """Calls `normalized` with integers as floats; the result has the dtype of `x`, as Keras has it."""
    x = as_tensor(x)
    (wide,) = floats((x,))
    if wide is x:
        return normalized(x, gamma, beta, axis, epsilon, rms)
    gamma, beta = (None if p is None else floats((p,))[0] for p in (gamma, beta))
    return normalized(wide, gamma, beta, axis, epsilon, rms)._astype(x.dtype)


# ---- group normalization -----------------------------------------------------------------------------------------


class _Groups:
    """A group normalization of (batch, places, channels), whose statistics are taken channel by channel first."""

    def __init__(self, xp: Any, x: Any, groups: int, epsilon: float) -> None:
        self.xp, self.groups, self.shape = xp, groups, x.shape
        self.wide = FLOAT32 if dtypes.is_half(x.dtype) else x.dtype
        x = _as(xp.reshape(x, (x.shape[0], math.prod(x.shape[1:-1]), x.shape[-1])), self.wide)
        centered = x - self.mean(x)
        self.rstd = xp.rsqrt(self.mean(centered * centered) + self.wide.type(epsilon))  # (batch, 1, channels)
        self.normal = centered * self.rstd

    def mean(self, x: Any) -> Any:
        """Returns the mean of each group, for each of its channels: (batch, 1, channels)."""
        xp, (batch, _, channels) = self.xp, x.shape
        each = xp.mean(x, axis=1)
        means = xp.mean(
            xp.reshape(each, (batch, self.groups, channels // self.groups)), axis=2, keepdims=True
        )
        spread = xp.broadcast_to(means, (batch, self.groups, channels // self.groups))
        return xp.reshape(spread, (batch, 1, channels))


@op("", same_dtype=0, shape=_same, one_pass=lambda *_, **__: True)
def group_norm(
    xp: Any, x: Any, gamma: Any = None, beta: Any = None, *, groups: int, epsilon: float = 1e-3
) -> Any:
    """Normalizes groups of channels of each example: `(x - mean) / sqrt(variance + epsilon) * gamma + beta`.

    Args:
        x: floating tensor (batch, ..., channels).
        gamma, beta: tensors (channels,).
        groups: number of groups.
        epsilon: added to the variance.
    """
    names = {"groups": groups, "epsilon": epsilon}
    return xp.by_kernel("group_norm", functools.partial(_group_norm, xp), (x, gamma, beta), names)


def _group_norm(xp: Any, x: Any, gamma: Any, beta: Any, groups: int, epsilon: float) -> Any:
    found = _Groups(xp, x, groups, epsilon)
    y = found.normal if gamma is None else found.normal * _as(gamma, found.wide)
    y = y if beta is None else y + _as(beta, found.wide)
    return _as(xp.reshape(y, x.shape), x.dtype)


def _group_norm_gradient(
    xp: Any, g: Any, x: Any, gamma: Any = None, beta: Any = None, *, groups: int, epsilon: float
) -> Any:
    """Returns the gradients of `x` and of the parameters that are there."""
    found = _Groups(xp, x, groups, epsilon)
    g = _as(xp.reshape(g, found.normal.shape), found.wide)
    inner = g if gamma is None else g * _as(gamma, found.wide)
    each = (inner - found.mean(inner) - found.normal * found.mean(inner * found.normal)) * found.rstd
    results = [_as(xp.reshape(each, x.shape), x.dtype)]
    if gamma is not None:
        results.append(_as(xp.sum(g * found.normal, axis=(0, 1)), gamma.dtype))
    if beta is not None:
        results.append(_as(xp.sum(g, axis=(0, 1)), beta.dtype))
    return tuple(results)


group_norm_gradient = Op("group_norm_gradient", _group_norm_gradient, same_dtype=0, several=True)


def _group_norm_rule(g: Any, y: Any, x: Any, gamma: Any = None, beta: Any = None, **attributes: Any) -> list:
    found = list(group_norm_gradient(g, x, gamma, beta, **attributes))
    return [found[0], *(None if p is None else found.pop(1) for p in (gamma, beta))]


group_norm.gradient(*[Joint(_group_norm_rule)] * 3)


# ---- bias, local response, l2 loss --------------------------------------------------------------------------------


def _bias_shape(value: tuple, bias: tuple, data_format: Any) -> tuple:
    if len(bias) != 1:
        raise ValueError(f"expected a bias of rank 1, received shape {bias}")
    if len(value) < 2:
        raise ValueError(f"expected a value of rank 2 or more, received shape {value}")
    channels = value[1] if is_bias_first(data_format) else value[-1]
    if None not in (channels, bias[0]) and channels != bias[0]:
        raise ValueError(
            f"the bias has {bias[0]} elements, and the value of shape {value} has {channels} channels"
        )
    return value


def is_bias_first(data_format: str | None) -> bool:
    """Whether the channels, to which a bias is added, are the first axis behind the batch."""
    return data_format == "NC..." or (data_format != "N...C" and is_channels_first(data_format))


def _bias_is_last(*_: Any, data_format: str | None) -> bool:
    return not is_bias_first(data_format)


_FEW = 1 << 15  # numbers, which no kernel adds a bias to in less time


def _biased_whole(value: Any, bias: Any, *, data_format: str | None) -> str | None:
    return "whole" if _bias_is_last(data_format=data_format) and serve(value) else None


@op("nn.bias_add", shape=_bias_shape, one_pass=_bias_is_last, pieces=_biased_whole)
def bias_add(xp: Any, value: Any, bias: Any, *, data_format: str | None = None) -> Any:
    """Adds a bias to each channel.

    Args:
        value: tensor of shape (batch, ..., channels), or (batch, channels, ...) with "NCHW" and the like.
        bias: tensor of shape (channels,).
        data_format: order of the axes.
    """
    if data_format is None and value.ndim > 1 and bias.shape == value.shape[-1:] and value.size < _FEW:
        return value + bias
    _bias_shape(value.shape, bias.shape, data_format)
    if is_bias_first(data_format):
        return value + xp.reshape(bias, (-1, *(1,) * (value.ndim - 2)))
    return xp.by_kernel("bias", operator.add, (value, bias), {})


@gradient_op
def _bias_gradient(xp: Any, g: Any, *, first: bool) -> Any:
    kept = 1 if first else g.ndim - 1
    return xp.sum(g, axis=tuple(i for i in range(g.ndim) if i != kept))


bias_add.gradient(
    lambda g, y, x, bias, data_format: g,
    lambda g, y, x, bias, data_format: _bias_gradient(g, first=is_bias_first(data_format)),
)


@export("K.bias_add")
def backend_bias_add(x: Any, bias: Any, data_format: str | None = None) -> Any:
    """Adds a bias of shape (channels,), or one of the shape of `x` without the batch axis."""
    data_format = settings.image_data_format if data_format is None else data_format
    if len(bias.shape) == 1:
        return bias_add(x, bias, data_format=data_format)
    if len(bias.shape) != len(x.shape) - 1:
        raise ValueError(
            f"K.bias_add: expected a bias of rank 1 or {len(x.shape) - 1}, received shape {bias.shape}"
        )
    sizes = tuple(bias.shape)
    sizes = (sizes[-1], *sizes[:-1]) if is_channels_first(data_format) else sizes
    return x + reshape(bias, shape=(1, *sizes))


@op(
    "nn.local_response_normalization nn.lrn",
    shape=_same,
)
@floating
def local_response_normalization(
    xp: Any, input: Any, *, depth_radius: int = 5, bias: Number = 1.0, alpha: Number = 1.0, beta: Number = 0.5
) -> Any:
    """Divides by `(bias + alpha * s) ** beta`, where s sums squares over the channels at most `depth_radius` away.

    Source: A. Krizhevsky, I. Sutskever, G. Hinton, 2012, "ImageNet classification with deep convolutional neural
    networks".
    """
    if input.ndim != 4:
        raise ValueError(f"expected an input of rank 4, received shape {input.shape}")
    channels = input.shape[-1]
    squares = xp.pad(input * input, ((0, 0), (0, 0), (0, 0), (depth_radius, depth_radius)))
    total = squares[..., :channels]
    for shift in range(1, 2 * depth_radius + 1):
        total = total + squares[..., shift : shift + channels]
    return input / xp.power(total * alpha + bias, np.asarray(beta, input.dtype)[()])


@op("nn.l2_loss", shape=lambda t: ())
@floating
def l2_loss(xp: Any, t: Any) -> Any:
    """Returns half the sum of the squares of all elements, a scalar."""
    return xp.sum(t * t) * t.dtype.type(0.5)


l2_loss.gradient(lambda g, y, t: g * t)
