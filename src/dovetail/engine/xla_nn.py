"""Convolution and window reductions on the XLA engine, under the names of `engine/host_nn.py`.

Arrays are channels-last: inputs (batch, *spatial, channels), kernels (*spatial, channels per group, outputs).
`padding` is one (before, after) pair a spatial axis.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from dovetail.engine import xla_conv


def conv(x: Any, kernel: Any, strides: tuple, padding: tuple, dilations: tuple, groups: int) -> Any:
    """Convolves over the spatial axes."""
    if jax.default_backend() == "cpu" and groups == 1:
        return xla_conv.convolve(x, kernel, strides, padding, dilations)
    return xla_conv.convolved(x, kernel, strides, padding, dilations, groups)


def conv_kernel_gradient(
    x: Any, g: Any, window: tuple, strides: tuple, padding: tuple, dilations: tuple, groups: int
) -> Any:
    """Returns the gradient of the kernel, given that of the output."""
    numbers = (strides, padding, dilations)
    if jax.default_backend() == "cpu" and groups == 1:
        return xla_conv.kernel_gradient(x, g, window, *numbers)
    like = jax.ShapeDtypeStruct((*window, x.shape[-1] // groups, g.shape[-1]), x.dtype)
    return jax.linear_transpose(lambda kernel: xla_conv.convolved(x, kernel, *numbers, groups), like)(g)[0]


def conv_input_gradient(
    g: Any, kernel: Any, sizes: tuple, strides: tuple, padding: tuple, dilations: tuple, groups: int
) -> Any:
    """Returns the gradient of an input of spatial `sizes`: the transposed convolution of `g`."""
    numbers = (strides, padding, dilations)
    if jax.default_backend() == "cpu" and groups == 1:
        return xla_conv.input_gradient(g, kernel, sizes, *numbers)
    like = jax.ShapeDtypeStruct((g.shape[0], *sizes, kernel.shape[-2] * groups), g.dtype)
    return jax.linear_transpose(lambda x: xla_conv.convolved(x, kernel, *numbers, groups), like)(g)[0]


def spread(x: Any, low: tuple, high: tuple, interior: tuple) -> Any:
    """Puts `interior` zeros between neighbours along each axis, then pads with zeros (crops where negative)."""
    return lax.pad(x, jnp.zeros((), x.dtype), tuple(zip(low, high, interior, strict=True)))


def window_reduce(x: Any, kind: str, window: tuple, strides: tuple, padding: tuple, dilations: tuple) -> Any:
    """Returns the maximum ("max") or the sum ("sum") over windows."""
    if kind == "max":
        first: Any = jnp.iinfo(x.dtype).min if x.dtype.kind in "iu" else -np.inf
    else:
        first = 0
    return lax.reduce_window(
        x,
        np.asarray(first, x.dtype)[()],
        lax.max if kind == "max" else lax.add,
        (1, *window, 1),
        (1, *strides, 1),
        ((0, 0), *padding, (0, 0)),
        window_dilation=(1, *dilations, 1),
    )


def keep_where(keep: Any, x: Any) -> Any:
    """Returns `x` where `keep` holds, 0 elsewhere: `x` may hold NaN there."""
    return jnp.where(keep, x, jnp.zeros((), x.dtype))


def pick_labels(values: Any, labels: Any) -> Any:
    """Returns `values[..., label]`; NaN for labels outside [0, classes), since a compiled program cannot raise."""
    inside = (labels >= 0) & (labels < values.shape[-1])
    picked = jnp.take_along_axis(values, jnp.where(inside, labels, 0)[..., None], axis=-1)[..., 0]
    return jnp.where(inside, picked, jnp.nan)


def computed_once(function: Any, first: tuple, seed: Any, *more: Any) -> tuple:
    """Returns `function(first, seed, *more)`, a tuple like `first`, computed once however often it is used.

    XLA's CPU compiler drops optimization barriers before it fuses, so there a branch that is never taken keeps
    the consumers from fusing with the computation.
    """
    if jax.default_backend() != "cpu":
        return lax.optimization_barrier(function(first, seed, *more))
    never = (seed | np.ones((), seed.dtype)) == 0
    return lax.cond(never, lambda values: values, lambda values: function(values, seed, *more), first)
