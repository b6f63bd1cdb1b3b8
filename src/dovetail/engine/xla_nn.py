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

from dovetail.engine import platform_kernels, xla_conv  # noqa: F401 - its rows
from dovetail.engine.kernels import kernel


def conv(x: Any, kernel: Any, strides: tuple, padding: tuple, dilations: tuple, groups: int) -> Any:
    """Convolves over the spatial axes."""
    return platform_kernels.run("convolution", x, kernel, strides, padding, dilations, groups)


def conv_kernel_gradient(
    x: Any, g: Any, window: tuple, strides: tuple, padding: tuple, dilations: tuple, groups: int
) -> Any:
    """Returns the gradient of the kernel, given that of the output."""
    return platform_kernels.run(
        "convolution, kernel's gradient", x, g, window, strides, padding, dilations, groups
    )


def conv_input_gradient(
    g: Any, kernel: Any, sizes: tuple, strides: tuple, padding: tuple, dilations: tuple, groups: int
) -> Any:
    """Returns the gradient of an input of spatial `sizes`: the transposed convolution of `g`."""
    return platform_kernels.run(
        "convolution, input's gradient", g, kernel, sizes, strides, padding, dilations, groups
    )


def depthwise_by_groups(window: tuple) -> bool:
    """Whether a convolution of each channel by itself is one of as many groups, else a sum of shifted products."""
    return platform_kernels.run("depthwise by groups", window)


@kernel("depthwise by groups", "cpu", why="0003: XLA takes 40 times as long for so many groups")
def _as_products(window: tuple) -> bool:
    return False


@kernel("depthwise by groups")
def _as_groups(window: tuple) -> bool:
    return True


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
    """Returns `function(first, seed, *more)`, a tuple like `first`, computed once however often it is used."""
    return platform_kernels.run("computed once", function, first, seed, *more)


@kernel("computed once", "cpu", why="XLA's CPU compiler drops optimization barriers before it fuses")
def _behind_a_branch(function: Any, first: tuple, seed: Any, *more: Any) -> tuple:
    """A branch that is never taken keeps the consumers from fusing with the computation."""
    never = (seed | np.ones((), seed.dtype)) == 0
    return lax.cond(never, lambda values: values, lambda values: function(values, seed, *more), first)


@kernel("computed once")
def _behind_a_barrier(function: Any, first: tuple, seed: Any, *more: Any) -> tuple:
    return lax.optimization_barrier(function(first, seed, *more))


@jax.custom_jvp
def computed_before(x: Any) -> Any:
    """Returns `x`, computed before what follows is: a gather would compute it anew for each element that it reads."""
    return _apart(x)


computed_before.defjvp(lambda primals, tangents: (computed_before(*primals), *tangents))


@jax.custom_batching.custom_vmap
def _apart(x: Any) -> Any:
    return platform_kernels.run("computed before", x)


@_apart.def_vmap
def _apart_for_all(size: int, batched: Any, x: Any) -> tuple:
    return _apart(x), True


@kernel("computed before", "cpu", why="XLA's CPU compiler drops optimization barriers before it fuses")
def _before_a_branch(x: Any) -> Any:
    """A branch that is never taken; that it is not must not be known when the program is compiled."""
    if not x.size or x.dtype.itemsize not in (1, 2, 4, 8) or x.dtype.kind == "b":
        return x
    kind = np.dtype(f"int{8 * x.dtype.itemsize}")
    first = lax.bitcast_convert_type(x.reshape(-1)[0], kind)
    never = (first | np.ones((), kind)) == 0
    return lax.cond(never, lambda value: value + value, lambda value: value, x)


@kernel("computed before")
def _before_a_barrier(x: Any) -> Any:
    return lax.optimization_barrier(x)


def scan(step: Any, carry: Any, columns: Any, backwards: bool = False) -> tuple[Any, Any]:
    """Runs `carry, outputs = step(carry, row)` over the first axis of the columns, as one loop."""
    carry, columns = jax.tree.map(jnp.asarray, (carry, columns))
    return lax.scan(
        step, carry, columns, reverse=backwards, unroll=platform_kernels.run("steps at once", columns)
    )


@kernel("steps at once")
def _one_step(columns: tuple) -> int:
    return 1
