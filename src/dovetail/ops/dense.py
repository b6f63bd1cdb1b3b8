"""What dense layers compute, as one op: a product of matrices, a bias and an activation."""

from __future__ import annotations

import functools
import math
from typing import Any

from dovetail.engine.host_native import dense_like
from dovetail.ops import rules
from dovetail.ops.core import Needed
from dovetail.ops.families import op, reshape_to
from dovetail.ops.linalg import PRODUCTS_PER_ELEMENT, matmul
from dovetail.ops.nn import relu, relu_gradient, sigmoid, sigmoid_gradient, tanh, tanh_gradient
from dovetail.ops.reduction import reduce_sum

# name -> (the op, its gradient given `g` and the result)
ACTIVATIONS: dict[str, Any] = {
    "linear": None,
    "relu": (relu, relu_gradient),
    "tanh": (tanh, tanh_gradient),
    "sigmoid": (sigmoid, sigmoid_gradient),
}


def _shape(x: tuple, kernel: tuple, *bias: tuple, summed: int, activation: str) -> tuple:
    return (*x[: len(x) - summed], *kernel[summed:])


def _work(x: Any, kernel: Any, *bias: Any, summed: int, activation: str) -> int:
    return x.size * math.prod(kernel.shape[summed:]) // PRODUCTS_PER_ELEMENT


@op("", shape=_shape, work=_work, one_pass=lambda *_, **__: True, again=dense_like)
def dense(xp: Any, x: Any, kernel: Any, *bias: Any, summed: int = 1, activation: str = "linear") -> Any:
    """Returns `activation(x @ kernel + bias)`.

    Args:
        x: tensor (..., *summed axes).
        kernel: tensor (*summed axes, *columns).
        bias: nothing, or one tensor (*columns).
        summed: the number of axes that are summed over.
        activation: a key of ACTIVATIONS.

    Raises:
        InvalidArgumentError: sizes that differ.
    """
    names = {"summed": summed, "activation": activation}
    return xp.by_kernel("dense", functools.partial(_dense, xp), (x, kernel, *bias), names)


def _dense(xp: Any, x: Any, kernel: Any, *bias: Any, summed: int, activation: str) -> Any:
    if x.ndim < summed or x.shape[x.ndim - summed :] != kernel.shape[:summed]:
        rules.matmul(x.shape, kernel.shape)
        raise ValueError(f"the kernel of shape {kernel.shape} does not fit {x.shape}")
    if summed == 1 and kernel.ndim == 2:
        y = xp.matmul(x, kernel)
    else:
        depth = math.prod(kernel.shape[:summed])
        rows = xp.reshape(x, (math.prod(x.shape[: x.ndim - summed]), depth))
        y = xp.matmul(rows, xp.reshape(kernel, (depth, math.prod(kernel.shape[summed:]))))
        y = xp.reshape(y, (*x.shape[: x.ndim - summed], *kernel.shape[summed:]))
    for each in bias:
        y = y + each
    found = ACTIVATIONS[activation]
    return y if found is None else found[0].body(xp, y)


def _gradients(
    needed: list[int],
    g: Any,
    y: Any,
    x: Any,
    kernel: Any,
    *bias: Any,
    summed: int = 1,
    activation: str = "linear",
) -> list:
    """Returns the gradients of those of input, kernel and bias that are needed."""
    found = ACTIVATIONS[activation]
    g = g if found is None else found[1](g, y)
    shapes = tuple(x.shape), tuple(kernel.shape)
    depth = math.prod(shapes[1][:summed])
    columns = math.prod(shapes[1][summed:])
    rows = math.prod(shapes[0][: len(shapes[0]) - summed])
    g = _shaped(g, (rows, columns))

    def of(position: int) -> Any:
        if position == 0:
            product = matmul(g, _shaped(kernel, (depth, columns)), transpose_b=True)
        elif position == 1:
            product = matmul(_shaped(x, (rows, depth)), g, transpose_a=True)
        else:
            return _shaped(reduce_sum(g, axis=0), tuple(bias[position - 2].shape))
        return _shaped(product, shapes[position])

    return [of(position) for position in needed]


def _shaped(x: Any, shape: tuple) -> Any:
    return x if tuple(x.shape) == shape else reshape_to(x, shape=shape)


dense.gradient(Needed(_gradients))
