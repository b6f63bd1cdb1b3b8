"""The activation functions, under Keras 3's names and numbers: thin functions over the op table."""

from __future__ import annotations

from typing import Any

from dovetail.keras.idiom import is_steep_hard_sigmoid
from dovetail.keras.logits import keep_logits
from dovetail.ops import losses, math, nn

__all__ = [
    "celu",
    "elu",
    "exponential",
    "gelu",
    "glu",
    "hard_shrink",
    "hard_sigmoid",
    "hard_silu",
    "hard_swish",
    "hard_tanh",
    "leaky_relu",
    "linear",
    "log_sigmoid",
    "log_softmax",
    "mish",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "soft_shrink",
    "softmax",
    "softplus",
    "softsign",
    "sparse_plus",
    "sparse_sigmoid",
    "sparsemax",
    "squareplus",
    "swish",
    "tanh",
    "tanh_shrink",
    "threshold",
]


def linear(x: Any) -> Any:
    """Returns `x`."""
    return x


def relu(
    x: Any,
    negative_slope: float = 0.0,
    max_value: float | None = None,
    threshold: float = 0.0,
    alpha: float | None = None,
) -> Any:
    """Returns `max(x, 0)`, or a variant of it.

    Args:
        x: tensor.
        negative_slope: slope below the threshold.
        max_value: upper limit.
        threshold: values up to it count as negative.
        alpha: Keras 2's name of `negative_slope`.
    """
    slope = negative_slope if alpha is None else alpha
    if not slope and max_value is None and not threshold:
        return nn.relu(x)
    return nn.general_relu(x, alpha=slope, max_value=max_value, threshold=threshold)


def relu6(x: Any) -> Any:
    """Returns `min(max(x, 0), 6)`."""
    return nn.relu6(x)


def leaky_relu(x: Any, negative_slope: float = 0.2, alpha: float | None = None) -> Any:
    """Returns `x` where positive, `negative_slope * x` elsewhere (`alpha` is the older name)."""
    return nn.leaky_relu(x, alpha=negative_slope if alpha is None else alpha)


def softmax(x: Any, axis: Any = -1) -> Any:
    """Returns `exp(x) / sum(exp(x))` along `axis`."""
    return keep_logits(losses.softmax(x, axis=axis), x, axis)


def log_softmax(x: Any, axis: Any = -1) -> Any:
    """Returns `x - log(sum(exp(x)))` along `axis`."""
    return losses.log_softmax(x, axis=axis)


def sparsemax(x: Any, axis: int = -1) -> Any:
    """Returns the point of the probability simplex nearest to `x` along `axis`."""
    return nn.sparsemax(x, axis=axis)


def sigmoid(x: Any) -> Any:
    """Returns `1 / (1 + exp(-x))`."""
    return keep_logits(nn.sigmoid(x), x, "sigmoid")


def log_sigmoid(x: Any) -> Any:
    """Returns `log(sigmoid(x))`, exact for large negative `x`."""
    return nn.log_sigmoid(x)


def hard_sigmoid(x: Any) -> Any:
    """Returns `relu6(x + 3) / 6`; in programs for Keras 2, `clip(0.2 * x + 0.5, 0, 1)`."""
    return nn.hard_sigmoid_of_keras_2(x) if is_steep_hard_sigmoid() else nn.hard_sigmoid(x)


def sparse_sigmoid(x: Any) -> Any:
    """Returns 0 up to -1, 1 from 1 on, `(x + 1) / 2` between."""
    return nn.sparse_sigmoid(x)


def tanh(x: Any) -> Any:
    """Returns the hyperbolic tangent."""
    return nn.tanh(x)


def hard_tanh(x: Any) -> Any:
    """Returns `x` limited to [-1, 1]."""
    return nn.hard_tanh(x)


def tanh_shrink(x: Any) -> Any:
    """Returns `x - tanh(x)`."""
    return nn.tanh_shrink(x)


def softplus(x: Any) -> Any:
    """Returns `log(exp(x) + 1)`."""
    return nn.softplus(x)


def sparse_plus(x: Any) -> Any:
    """Returns 0 up to -1, `x` from 1 on, `(x + 1)**2 / 4` between."""
    return nn.sparse_plus(x)


def squareplus(x: Any, b: float = 4) -> Any:
    """Returns `(x + sqrt(x**2 + b)) / 2`."""
    return nn.squareplus(x, b=b)


def softsign(x: Any) -> Any:
    """Returns `x / (abs(x) + 1)`."""
    return nn.softsign(x)


def soft_shrink(x: Any, threshold: float = 0.5) -> Any:
    """Moves `x` towards zero by `threshold`; zero within it."""
    return nn.soft_shrink(x, threshold=threshold)


def hard_shrink(x: Any, threshold: float = 0.5) -> Any:
    """Returns `x` where its size exceeds `threshold`, zero elsewhere."""
    return nn.hard_shrink(x, threshold=threshold)


def threshold(x: Any, threshold: float, default_value: float) -> Any:
    """Returns `x` where it exceeds `threshold`, `default_value` elsewhere."""
    return nn.threshold(x, threshold=threshold, default_value=default_value)


def elu(x: Any, alpha: float = 1.0) -> Any:
    """Returns `x` where positive, `alpha * (exp(x) - 1)` elsewhere."""
    return nn.elu(x, alpha=alpha)


def selu(x: Any) -> Any:
    """Returns `scale * elu(x, alpha)` with constants that keep mean 0 and variance 1 (G. Klambauer et al., 2017)."""
    return nn.selu(x)


def celu(x: Any, alpha: float = 1.0) -> Any:
    """Returns `max(x, 0) + min(alpha * (exp(x / alpha) - 1), 0)`."""
    return nn.celu(x, alpha=alpha)


def gelu(x: Any, approximate: bool = False) -> Any:
    """Returns `x * Phi(x)`, Phi the normal distribution's; `approximate`: with a tanh in its place."""
    return nn.gelu(x, approximate=approximate)


def silu(x: Any) -> Any:
    """Returns `x * sigmoid(x)`."""
    return nn.silu(x)


def hard_silu(x: Any) -> Any:
    """Returns `x * hard_sigmoid(x)`."""
    return nn.hard_silu(x)


def mish(x: Any) -> Any:
    """Returns `x * tanh(softplus(x))`."""
    return nn.mish(x)


def glu(x: Any, axis: int = -1) -> Any:
    """Splits `x` in two along `axis` and returns `first * sigmoid(second)`."""
    return nn.glu(x, axis=axis)


def exponential(x: Any) -> Any:
    """Returns `exp(x)`."""
    return math.exp(x)


swish = silu
hard_swish = hard_silu
