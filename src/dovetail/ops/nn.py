"""Activation functions."""

from __future__ import annotations

import functools
import math
from typing import Any

from dovetail.ops.core import Op
from dovetail.ops.families import op, unary
from dovetail.ops.precision import floating, gradient_op, in_float32
from dovetail.ops.prepared import floats, numbers
from dovetail.ops.views import export
from dovetail.tensor.tensor import TensorLike

_SELU_SCALE = 1.0507009873554805
_SELU_ALPHA = 1.6732632423543772


def _same(shape: tuple, **_: Any) -> tuple:
    return shape


# ---- rectifiers -------------------------------------------------------------------------------------------------


@gradient_op
def relu_gradient(xp: Any, g: Any, y: Any) -> Any:
    return xp.keep_where(y > 0, g)


relu_gradient.gradient(lambda gg, out, g, y: relu_gradient(gg, y), None)


@unary("nn.relu ops.nn.relu(x)", lambda g, y, x: relu_gradient(g, y), keras=numbers)
def relu(xp: Any, features: Any) -> Any:
    """Returns `max(features, 0)`, element by element."""
    return xp.maximum(features, 0)


@gradient_op
def _between_gradient(xp: Any, g: Any, x: Any, *, low: float, high: float, slope: float) -> Any:
    return xp.where((x > low) & (x < high), g * slope, 0)


@unary(
    "nn.relu6 ops.nn.relu6(x)",
    lambda g, y, x: _between_gradient(g, x, low=0.0, high=6.0, slope=1.0),
    keras=floats,
)
def relu6(xp: Any, features: Any) -> Any:
    """Returns `min(max(features, 0), 6)`."""
    return xp.minimum(xp.maximum(features, 0), 6)


@op("nn.leaky_relu ops.nn.leaky_relu(x,negative_slope=0.2)", keras=floats, shape=_same)
@in_float32
def leaky_relu(xp: Any, features: Any, *, alpha: float = 0.2) -> Any:
    """Returns `features` where positive, `alpha * features` elsewhere.

    Args:
        features: floating tensor.
        alpha: slope of the negative half.
    """
    return xp.where(features > 0, features, features * alpha)


@gradient_op
def _leaky_relu_gradient(xp: Any, g: Any, x: Any, *, alpha: float) -> Any:
    return xp.where(x > 0, g, g * alpha)


leaky_relu.gradient(lambda g, y, x, alpha: _leaky_relu_gradient(g, x, alpha=alpha))


@op("nn.elu ops.nn.elu(x) K.elu(x)", keras=floats, shape=_same)
@floating
def elu(xp: Any, features: Any, *, alpha: float = 1.0) -> Any:
    """Returns `features` where positive, `alpha * (exp(features) - 1)` elsewhere.

    Source: D.-A. Clevert, T. Unterthiner, S. Hochreiter, 2015, "Fast and accurate deep network learning by exponential
    linear units".
    """
    return xp.where(features > 0, features, xp.expm1(xp.minimum(features, 0)) * alpha)


@gradient_op
def _elu_gradient(xp: Any, g: Any, y: Any, *, alpha: float, scale: float) -> Any:
    return xp.where(y > 0, g * scale, g * (y + alpha))


elu.gradient(lambda g, y, x, alpha: _elu_gradient(g, y, alpha=alpha, scale=1.0))


@op("nn.selu ops.nn.selu(x)", keras=floats, shape=_same)
@floating
def selu(xp: Any, features: Any) -> Any:
    """Returns the scaled exponential linear unit: 1.0507 * elu with alpha 1.6733.

    Source: G. Klambauer, T. Unterthiner, A. Mayr, S. Hochreiter, 2017, "Self-normalizing neural networks".
    """
    negative = xp.expm1(xp.minimum(features, 0)) * (_SELU_SCALE * _SELU_ALPHA)
    return xp.where(features > 0, features * _SELU_SCALE, negative)


selu.gradient(lambda g, y, x: _elu_gradient(g, y, alpha=_SELU_SCALE * _SELU_ALPHA, scale=_SELU_SCALE))


# ---- smooth ones ------------------------------------------------------------------------------------------------


@gradient_op
def sigmoid_gradient(xp: Any, g: Any, y: Any) -> Any:
    return g * y * (1 - y)


sigmoid_gradient.gradient(
    lambda gg, out, g, y: sigmoid_gradient(gg, y),
    lambda gg, out, g, y: gg * g * (1.0 - (y + y)),
)


@unary(
    "sigmoid math.sigmoid nn.sigmoid ops.nn.sigmoid K.sigmoid",
    lambda g, y, x: sigmoid_gradient(g, y),
    floating=True,
)
@in_float32
def sigmoid(xp: Any, x: Any) -> Any:
    """Returns `1 / (1 + exp(-x))`."""
    return xp.logistic(x)


@gradient_op
def tanh_gradient(xp: Any, g: Any, y: Any) -> Any:
    return g * (1 - y * y)


tanh_gradient.gradient(
    lambda gg, out, g, y: tanh_gradient(gg, y),
    lambda gg, out, g, y: -(gg * g * (y + y)),
)


@unary("tanh math.tanh nn.tanh ops.numpy.tanh K.tanh", lambda g, y, x: tanh_gradient(g, y), floating=True)
def tanh(xp: Any, x: Any) -> Any:
    """Returns the hyperbolic tangent."""
    return xp.tanh(x)


@op("nn.gelu ops.nn.gelu(x,approximate=True)", keras=floats, shape=_same, one_pass=lambda *_, **__: True)
@floating
def gelu(xp: Any, features: Any, *, approximate: bool = False) -> Any:
    """Returns `x * P(X <= x)` for X ~ N(0, 1).

    Args:
        features: floating tensor.
        approximate: use the tanh approximation. False in `tf.nn.gelu`, True in `keras.ops.gelu`.

    Source: D. Hendrycks, K. Gimpel, 2016, "Gaussian error linear units (GELUs)".
    """
    return xp.by_kernel("gelu", functools.partial(_gelu, xp), (features,), {"approximate": approximate})


def _gelu(xp: Any, features: Any, approximate: bool) -> Any:
    if approximate:
        return features * 0.5 * (1 + xp.tanh(_gelu_inner(features)))
    return features * 0.5 * (1 + xp.erf(features * math.sqrt(0.5)))


def _gelu_inner(x: Any) -> Any:
    return (x + x * x * x * 0.044715) * math.sqrt(2 / math.pi)


@gradient_op
def _gelu_gradient(xp: Any, g: Any, x: Any, *, approximate: bool) -> Any:
    formula = functools.partial(_slope_of_gelu, xp)
    return xp.by_kernel("gelu, gradient", formula, (g, x), {"approximate": approximate})


def _slope_of_gelu(xp: Any, g: Any, x: Any, approximate: bool) -> Any:
    if approximate:
        t = xp.tanh(_gelu_inner(x))
        slope = (1 + x * x * (3 * 0.044715)) * math.sqrt(2 / math.pi)
        return g * 0.5 * (1 + t + x * (1 - t * t) * slope)
    density = xp.exp(x * x * -0.5) * (1 / math.sqrt(2 * math.pi))
    return g * (0.5 * (1 + xp.erf(x * math.sqrt(0.5))) + x * density)


gelu.gradient(lambda g, y, x, approximate: _gelu_gradient(g, x, approximate=approximate))


@op("ops.nn.silu(x) ops.nn.swish(x)", keras=floats, shape=_same)
@floating
def silu(xp: Any, features: Any, *, beta: float = 1.0) -> Any:
    """Returns `x * sigmoid(beta * x)`.

    Source: P. Ramachandran, B. Zoph, Q. Le, 2017, "Searching for activation functions".
    """
    return features * xp.logistic(features if beta == 1 else features * beta)


@gradient_op
def _silu_gradient(xp: Any, g: Any, x: Any, *, beta: float) -> Any:
    s = xp.logistic(x * beta)
    return g * (s + x * s * (1 - s) * beta)


silu.gradient(lambda g, y, x, beta: _silu_gradient(g, x, beta=beta))


@export("nn.silu nn.swish")
def silu_of(features: Any, beta: Any = 1.0, name: str | None = None) -> Any:
    """Returns `features * sigmoid(beta * features)`; `beta` is a number or a tensor (then it is trained too)."""
    if isinstance(beta, TensorLike):
        return features * sigmoid(beta * features)
    return silu(features, beta=beta)


@gradient_op
def _softplus_gradient(xp: Any, g: Any, x: Any) -> Any:
    return g * xp.logistic(x)


@unary(
    "math.softplus(features) nn.softplus(features) ops.nn.softplus K.softplus",
    lambda g, y, x: _softplus_gradient(g, x),
    floating=True,
)
@in_float32
def softplus(xp: Any, x: Any) -> Any:
    """Returns `log(1 + exp(x))`, a smooth form of `max(x, 0)`, without overflow."""
    return xp.softplus(x)


@unary("math.log_sigmoid ops.nn.log_sigmoid", lambda g, y, x: _softplus_gradient(g, -x), floating=True)
@in_float32
def log_sigmoid(xp: Any, x: Any) -> Any:
    """Returns `log(sigmoid(x))`, accurate for large negative values."""
    return -xp.softplus(-x)


@gradient_op
def _softsign_gradient(xp: Any, g: Any, x: Any) -> Any:
    root = 1 + xp.abs(x)
    return g / (root * root)


@unary("nn.softsign ops.nn.softsign K.softsign", lambda g, y, x: _softsign_gradient(g, x), floating=True)
@in_float32
def softsign(xp: Any, features: Any) -> Any:
    """Returns `x / (1 + |x|)`."""
    return features / (1 + xp.abs(features))


@gradient_op
def _mish_gradient(xp: Any, g: Any, x: Any) -> Any:
    t = xp.tanh(xp.softplus(x))
    return g * (t + x * (1 - t * t) * xp.logistic(x))


@unary("", lambda g, y, x: _mish_gradient(g, x), floating=True)
@in_float32
def mish(xp: Any, x: Any) -> Any:
    """Returns `x * tanh(softplus(x))`.

    Source: D. Misra, 2019, "Mish: a self regularized non-monotonic activation function".
    """
    return x * xp.tanh(xp.softplus(x))


# ---- hard ones --------------------------------------------------------------------------------------------------


@unary(
    "ops.nn.hard_sigmoid",
    lambda g, y, x: _between_gradient(g, x, low=-3.0, high=3.0, slope=1 / 6),
    floating=True,
)
@in_float32
def hard_sigmoid(xp: Any, x: Any) -> Any:
    """Returns `relu6(x + 3) / 6`."""
    return xp.clip(x + 3, 0, 6) / 6


@gradient_op
def _hard_silu_gradient(xp: Any, g: Any, x: Any) -> Any:
    inside = (x > -3) & (x < 3)
    return g * (xp.clip(x + 3, 0, 6) / 6 + xp.where(inside, x / 6, 0))


@unary("ops.nn.hard_silu ops.nn.hard_swish", lambda g, y, x: _hard_silu_gradient(g, x), floating=True)
@in_float32
def hard_silu(xp: Any, x: Any) -> Any:
    """Returns `x * relu6(x + 3) / 6`.

    Source: A. Howard et al., 2019, "Searching for MobileNetV3".
    """
    return x * (xp.clip(x + 3, 0, 6) / 6)


@unary(
    "ops.nn.hard_tanh",
    lambda g, y, x: _between_gradient(g, x, low=-1.0, high=1.0, slope=1.0),
    keras=numbers,
)
@in_float32
def hard_tanh(xp: Any, x: Any) -> Any:
    """Returns `x` clipped to [-1, 1]."""
    return xp.minimum(x, 1) if x.dtype.kind == "u" else xp.clip(x, -1, 1)


@export("K.hard_sigmoid")
def hard_sigmoid_of_keras_2(x: Any) -> Any:
    """Returns `0.2 * x + 0.5` clipped to [0, 1]: Keras 2's form, which its backend kept."""
    return _clipped(x, low=0.0, high=1.0, slope=0.2, offset=0.5)


@gradient_op
def _clipped(xp: Any, x: Any, *, low: float, high: float, slope: float, offset: float) -> Any:
    """Returns `slope * x + offset` clipped to [low, high]."""
    return xp.clip(x * slope + offset, low, high)


_clipped.gradient(
    lambda g, y, x, low, high, slope, offset: _between_gradient(
        g, x, low=(low - offset) / slope, high=(high - offset) / slope, slope=slope
    )
)


@op("K.relu", shape=_same)
@in_float32
def general_relu(
    xp: Any, x: Any, *, alpha: float = 0.0, max_value: float | None = None, threshold: float = 0.0
) -> Any:
    """Returns `x` where `x > threshold`, `alpha * (x - threshold)` elsewhere, and at most `max_value`.

    Args:
        x: floating tensor.
        alpha: slope below the threshold.
        max_value: upper bound, or None.
        threshold: where the line begins.
    """
    below = (x - threshold) * alpha if alpha else xp.zeros_like(x)
    above = x if max_value is None else xp.minimum(x, max_value)
    return xp.where(x > threshold, above, below)


@gradient_op
def _general_relu_gradient(
    xp: Any, g: Any, x: Any, *, alpha: float, max_value: float | None, threshold: float
) -> Any:
    above = g if max_value is None else xp.keep_where(x < max_value, g)
    return xp.where(x > threshold, above, g * alpha)


general_relu.gradient(lambda g, y, x, **attributes: _general_relu_gradient(g, x, **attributes))


# ---- the rest of keras.ops' --------------------------------------------------------------------------------------


@op("ops.nn.celu", keras=floats, shape=_same)
@floating
def celu(xp: Any, x: Any, *, alpha: float = 1.0) -> Any:
    """Returns `max(x, 0) + min(0, alpha * (exp(x / alpha) - 1))`."""
    return xp.maximum(x, 0) + xp.expm1(xp.minimum(x, 0) / alpha) * alpha


@gradient_op
def _celu_gradient(xp: Any, g: Any, x: Any, *, alpha: float) -> Any:
    return g * xp.exp(xp.minimum(x, 0) / alpha)


celu.gradient(lambda g, y, x, alpha: _celu_gradient(g, x, alpha=alpha))


@op("ops.nn.threshold", keras=floats, shape=_same)
@in_float32
def threshold(xp: Any, x: Any, *, threshold: float, default_value: float) -> Any:
    """Returns `x` where it exceeds `threshold`, `default_value` elsewhere."""
    return xp.where(x > threshold, x, default_value)


@gradient_op
def _outside_gradient(xp: Any, g: Any, x: Any, *, low: float | None, high: float) -> Any:
    """Returns `g` where `x` is above `high`, or below `low` where there is one."""
    return xp.keep_where(x > high if low is None else (x > high) | (x < low), g)


threshold.gradient(
    lambda g, y, x, threshold, default_value: _outside_gradient(g, x, low=None, high=threshold)
)


@op("ops.nn.hard_shrink", keras=floats, shape=_same)
@in_float32
def hard_shrink(xp: Any, x: Any, *, threshold: float = 0.5) -> Any:
    """Returns `x` where `|x|` exceeds `threshold`, 0 elsewhere."""
    return xp.where(xp.abs(x) > threshold, x, 0)


hard_shrink.gradient(lambda g, y, x, threshold: _outside_gradient(g, x, low=-threshold, high=threshold))


@op("ops.nn.soft_shrink", keras=floats, shape=_same)
@in_float32
def soft_shrink(xp: Any, x: Any, *, threshold: float = 0.5) -> Any:
    """Returns `x` moved by `threshold` towards 0, and 0 where it would cross."""
    return xp.where(x > threshold, x - threshold, xp.where(x < -threshold, x + threshold, 0))


soft_shrink.gradient(lambda g, y, x, threshold: _outside_gradient(g, x, low=-threshold, high=threshold))


@unary("ops.nn.tanh_shrink", floating=True)
@in_float32
def tanh_shrink(xp: Any, x: Any) -> Any:
    """Returns `x - tanh(x)`."""
    return x - xp.tanh(x)


@gradient_op
def _tanh_shrink_gradient(xp: Any, g: Any, x: Any) -> Any:
    return g * xp.square(xp.tanh(x))


tanh_shrink.gradient(lambda g, y, x: _tanh_shrink_gradient(g, x))


@op("ops.nn.squareplus", keras=floats, shape=_same)
@floating
def squareplus(xp: Any, x: Any, *, b: float = 4.0) -> Any:
    """Returns `(x + sqrt(x**2 + b)) / 2`."""
    return (x + xp.sqrt(x * x + b)) / 2


@gradient_op
def _squareplus_gradient(xp: Any, g: Any, x: Any, *, b: float) -> Any:
    return g * (1 + x / xp.sqrt(x * x + b)) / 2


squareplus.gradient(lambda g, y, x, b: _squareplus_gradient(g, x, b=b))


@unary("ops.nn.sparse_plus", floating=True)
@in_float32
def sparse_plus(xp: Any, x: Any) -> Any:
    """Returns 0 below -1, `(x + 1)**2 / 4` up to 1, and `x` above."""
    return xp.where(x <= -1, 0, xp.where(x < 1, (x + 1) * (x + 1) / 4, x))


@unary("ops.nn.sparse_sigmoid", floating=True)
@in_float32
def sparse_sigmoid(xp: Any, x: Any) -> Any:
    """Returns 0 below -1, `(x + 1) / 2` up to 1, and 1 above."""
    return xp.where(x <= -1, 0, xp.where(x >= 1, 1, (x + 1) / 2))


sparse_sigmoid.gradient(lambda g, y, x: _between_gradient(g, x, low=-1.0, high=1.0, slope=0.5))
sparse_plus.gradient(lambda g, y, x: g * sparse_sigmoid(x))


def _halved(shape: tuple, axis: int) -> tuple:
    axis %= len(shape)
    return tuple(size // 2 if i == axis and size is not None else size for i, size in enumerate(shape))


@op("ops.nn.glu", keras=floats, shape=_halved)
@floating
def glu(xp: Any, x: Any, *, axis: int = -1) -> Any:
    """Splits `x` in two along `axis` and returns `first * sigmoid(second)`."""
    if x.shape[axis] % 2:
        raise ValueError(f"axis {axis} has the odd size {x.shape[axis]}; glu splits it in two")
    first, second = xp.split(x, 2, axis=axis)
    return first * xp.logistic(second)


def _glu_gradient(xp: Any, g: Any, x: Any, *, axis: int) -> Any:
    first, second = xp.split(x, 2, axis=axis)
    gate = xp.logistic(second)
    return xp.concatenate([g * gate, g * first * gate * (1 - gate)], axis=axis)


glu_gradient = Op("glu_gradient", in_float32(_glu_gradient), shape=lambda g, x, axis: x)
glu.gradient(lambda g, y, x, axis: glu_gradient(g, x, axis=axis))


def _doubled(shape: tuple, axis: int) -> tuple:
    axis %= len(shape)
    return tuple(size * 2 if i == axis and size is not None else size for i, size in enumerate(shape))


@op("nn.crelu", shape=_doubled)
def crelu(xp: Any, features: Any, *, axis: int = -1) -> Any:
    """Returns relu of `features` and of `-features`, concatenated along `axis`.

    Source: W. Shang, K. Sohn, D. Almeida, H. Lee, 2016, "Understanding and improving convolutional neural networks via
    concatenated rectified linear units".
    """
    return xp.maximum(xp.concatenate([features, -features], axis=axis), 0)


def _crelu_gradient(xp: Any, g: Any, y: Any, *, axis: int) -> Any:
    first, second = xp.split(xp.keep_where(y > 0, g), 2, axis=axis)
    return first - second


crelu_gradient = Op("crelu_gradient", _crelu_gradient, shape=lambda g, y, axis: _halved(g, axis))
crelu.gradient(lambda g, y, x, axis: crelu_gradient(g, y, axis=axis))


@op("ops.nn.sparsemax", keras=floats, shape=_same)
@floating
def sparsemax(xp: Any, x: Any, *, axis: int = -1) -> Any:
    """Returns the Euclidean projection of `x` onto the probability simplex along `axis`.

    Source: A. Martins, R. Astudillo, 2016, "From softmax to sparsemax".
    """
    moved = xp.moveaxis(x, axis, -1)
    ordered = xp.flip(xp.sort(moved, axis=-1), axis=-1)
    ranks = xp.arange(1, moved.shape[-1] + 1, dtype=x.dtype)
    sums = xp.cumsum(ordered, axis=-1)
    inside = ordered * ranks > sums - 1
    count = xp.sum(inside.astype(x.dtype), axis=-1, keepdims=True)
    total = xp.sum(xp.where(inside, ordered, 0), axis=-1, keepdims=True)
    return xp.moveaxis(xp.maximum(moved - (total - 1) / count, 0), -1, axis)


@gradient_op
def _sparsemax_gradient(xp: Any, g: Any, y: Any, *, axis: int) -> Any:
    inside = y > 0
    count = xp.sum(inside.astype(g.dtype), axis=axis, keepdims=True)
    mean = xp.sum(xp.keep_where(inside, g), axis=axis, keepdims=True) / count
    return xp.keep_where(inside, g - mean)


sparsemax.gradient(lambda g, y, x, axis: _sparsemax_gradient(g, y, axis=axis))
