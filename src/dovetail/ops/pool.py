"""Pooling: the maximum or the mean over windows.

Small windows are the maximum (or the sum) of strided slices: XLA fuses them into one loop, and their gradient is one
loop too, where the gradient of a window reduction is a slow scatter.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from dovetail.base.settings import settings
from dovetail.engine import dtypes
from dovetail.ops import rules
from dovetail.ops.attrs import Nested, Shape
from dovetail.ops.core import Op
from dovetail.ops.families import op
from dovetail.ops.precision import FLOAT32
from dovetail.ops.prepared import floats
from dovetail.ops.views import export
from dovetail.ops.windows import (
    WindowPlan,
    from_last,
    is_channels_first,
    output_sizes,
    spatial,
    to_last,
    with_sizes,
)


def _lowest(dtype: Any) -> Any:
    return dtype.type(np.iinfo(dtype).min if dtype.kind in "iu" else -np.inf)


def _pooled(
    shape: tuple, ksize: Any, strides: Any, padding: Any, data_format: Any = None, dilations: Any = None
) -> tuple:
    rank, first = len(shape) - 2, is_channels_first(data_format)
    window = spatial(ksize, rank, "ksize", first)
    moves = spatial(strides, rank, "strides", first)
    steps = spatial(dilations, rank, "dilations", first)
    sizes = output_sizes(shape, window, moves, padding, steps, first)
    return with_sizes(shape, sizes, shape[1] if first else shape[-1], first)


# ---- maximum ----------------------------------------------------------------------------------------------------


@op("nn.max_pool nn.max_pool1d nn.max_pool2d nn.max_pool3d", shape=_pooled)
def max_pool(
    xp: Any,
    input: Any,
    *,
    ksize: Shape,
    strides: Shape,
    padding: Nested = "VALID",
    data_format: str | None = None,
    dilations: Shape = None,
) -> Any:
    """Returns the maximum over windows of the spatial axes.

    Args:
        input: tensor of shape (batch, *spatial, channels), or (batch, channels, *spatial) for channels-first formats.
        ksize: the window's size: one int, one for each spatial axis, or one for every axis.
        strides: distance between windows, likewise.
        padding: "VALID", "SAME" or a (before, after) pair for each axis; what is padded never wins.
        data_format: "NHWC" and the like, or "NCHW" and the like.
        dilations: distance between the elements of a window.
    """
    rules.refuse_strings(input)
    first = is_channels_first(data_format)
    x = to_last(xp, input, first)
    plan = WindowPlan(x, ksize, strides, padding, dilations, first)
    return from_last(xp, _over_windows(xp, _largest, x, plan, mean=False), first)


def _over_windows(xp: Any, formula: Callable, x: Any, plan: WindowPlan, mean: bool) -> Any:
    return xp.by_kernel("windows", functools.partial(formula, xp), (x,), {"plan": plan, "mean": mean})


def _largest(xp: Any, x: Any, plan: WindowPlan, mean: bool) -> Any:
    if not plan.is_small():
        return xp.window_reduce(x, "max", plan.window, *plan.numbers())
    padded = plan.padded(xp, x, _lowest(x.dtype))
    y: Any = None
    for tap in plan.taps():
        part = plan.slice_of(padded, tap)
        y = part if y is None else xp.maximum(y, part)
    return y


def _max_pool_gradient(
    xp: Any,
    g: Any,
    x: Any,
    y: Any,
    *,
    ksize: Shape,
    strides: Shape,
    padding: Nested,
    data_format: str | None,
    dilations: Shape,
) -> Any:
    """Returns the gradient of the input: each `g` goes to the first maximum of its window."""
    first = is_channels_first(data_format)
    x, y, g = (to_last(xp, each, first) for each in (x, y, g))
    plan = WindowPlan(x, ksize, strides, padding, dilations, first)
    formula = functools.partial(_gradient_of_largest, xp)
    return from_last(
        xp, xp.by_kernel("largest of windows, gradient", formula, (g, x, y), {"plan": plan}), first
    )


def _gradient_of_largest(xp: Any, g: Any, x: Any, y: Any, plan: WindowPlan) -> Any:
    if plan.is_small() or xp.name == "host":
        winner = _winner(xp, plan, x, y)
    elif plan.tiles() and plan.covers():
        winner = _winner_of_tiles(xp, plan, x)
    else:
        pull = xp.vjp(lambda x: xp.window_reduce(x, "max", plan.window, *plan.numbers()), x)[1]
        return pull(g)[0]
    if plan.tiles():
        return _tiled(xp, plan, winner, g)
    total: Any = None
    for number, tap in enumerate(plan.taps()):
        part = plan.spread(xp, xp.keep_where(winner == winner.dtype.type(number), g), tap)
        total = part if total is None else total + part
    return total


def _winner(xp: Any, plan: WindowPlan, x: Any, y: Any) -> Any:
    """Returns the number of the first tap that holds each window's maximum."""
    padded = plan.padded(xp, x, _lowest(x.dtype))
    taps = plan.taps()
    kind = np.int8 if len(taps) < 127 else np.int32  # bytes: this is memory traffic, not arithmetic
    winner = kind(len(taps))
    for number in range(len(taps) - 1, -1, -1):
        winner = xp.where(plan.slice_of(padded, taps[number]) == y, kind(number), winner)
    return winner


def _winner_of_tiles(xp: Any, plan: WindowPlan, x: Any) -> Any:
    """As `_winner`, for large windows that tile the input."""
    rank = plan.rank
    pairs = tuple(n for pair in zip(plan.out, plan.window, strict=True) for n in pair)
    split = xp.reshape(x, (x.shape[0], *pairs, x.shape[-1]))
    outer, inner = range(1, 2 * rank + 1, 2), range(2, 2 * rank + 1, 2)
    moved = xp.transpose(split, (0, *outer, *inner, 2 * rank + 1))
    flat = xp.reshape(moved, (x.shape[0], *plan.out, math.prod(plan.window), x.shape[-1]))
    return xp.argmax(flat, axis=-2).astype(np.int32)


def _tiled(xp: Any, plan: WindowPlan, winner: Any, g: Any) -> Any:
    """The gradient where windows tile the input: every element compares its number with its window's winner."""
    inner = tuple(n for pair in zip((1,) * plan.rank, plan.window, strict=True) for n in pair)
    outer = tuple(n for pair in zip(plan.out, (1,) * plan.rank, strict=True) for n in pair)
    numbers = np.arange(math.prod(plan.window), dtype=winner.dtype).reshape(1, *inner, 1)
    shape = (g.shape[0], *outer, g.shape[-1])
    spread = xp.where(xp.reshape(winner, shape) == numbers, xp.reshape(g, shape), g.dtype.type(0))
    whole = tuple(n * k for n, k in zip(plan.out, plan.window, strict=True))
    return plan.trimmed(xp, xp.reshape(spread, (g.shape[0], *whole, g.shape[-1])))


max_pool_gradient = Op("max_pool_gradient", _max_pool_gradient)
max_pool.gradient(lambda g, y, x, **attributes: max_pool_gradient(g, x, y, **attributes))


# ---- mean -------------------------------------------------------------------------------------------------------


def _counts(plan: WindowPlan, dtype: Any) -> Any:
    """Returns how many elements each window holds, padding not counted: a number, or an array (*out, 1)."""
    if not any(map(any, plan.padding)):
        return dtype.type(math.prod(plan.window))
    count: Any = np.ones((), np.int64)
    for axis in range(plan.rank):
        n, k, s, d = plan.out[axis], plan.window[axis], plan.strides[axis], plan.dilations[axis]
        position = np.arange(n)[:, None] * s + np.arange(k) * d - plan.padding[axis][0]
        inside = ((position >= 0) & (position < plan.sizes[axis])).sum(axis=1)
        count = count[..., None] * inside
    return count[..., None].astype(dtype)


@op("nn.avg_pool nn.avg_pool1d nn.avg_pool2d nn.avg_pool3d", shape=_pooled)
def avg_pool(
    xp: Any,
    input: Any,
    *,
    ksize: Shape,
    strides: Shape,
    padding: Nested = "VALID",
    data_format: str | None = None,
    dilations: Shape = None,
) -> Any:
    """Returns the mean over windows of the spatial axes; elements of the padding do not count.

    Args: as for `max_pool`.
    """
    first = is_channels_first(data_format)
    if not dtypes.is_floating(input.dtype):
        raise TypeError(
            f"expected a floating-point tensor, received {input.dtype}; use tf.cast(x, tf.float32)"
        )
    x = to_last(xp, input, first)
    plan = WindowPlan(x, ksize, strides, padding, dilations, first)
    return from_last(xp, _over_windows(xp, _mean, x, plan, mean=True), first)


def _mean(xp: Any, x: Any, plan: WindowPlan, mean: bool) -> Any:
    wide = x.astype(FLOAT32) if dtypes.is_half(x.dtype) else x
    if plan.is_small():
        padded = plan.padded(xp, wide, 0)
        total: Any = None
        for tap in plan.taps():
            part = plan.slice_of(padded, tap)
            total = part if total is None else total + part
    else:
        total = xp.window_reduce(wide, "sum", plan.window, *plan.numbers())
    return (total / _counts(plan, wide.dtype)).astype(x.dtype)


def _avg_pool_gradient(
    xp: Any,
    g: Any,
    *,
    sizes: Shape,
    ksize: Shape,
    strides: Shape,
    padding: Nested,
    data_format: str | None,
    dilations: Shape,
) -> Any:
    """Returns the gradient of an input of spatial `sizes`: each `g` is shared out evenly over its window."""
    first = is_channels_first(data_format)
    g = to_last(xp, g, first)
    plan = WindowPlan(_Shaped((g.shape[0], *sizes, g.shape[-1])), ksize, strides, padding, dilations, first)
    wide = g.astype(FLOAT32) if dtypes.is_half(g.dtype) else g
    share = wide / _counts(plan, wide.dtype)
    if plan.tiles():
        outer = tuple(n for pair in zip(plan.out, (1,) * plan.rank, strict=True) for n in pair)
        inner = tuple(n for pair in zip(plan.out, plan.window, strict=True) for n in pair)
        whole = tuple(n * k for n, k in zip(plan.out, plan.window, strict=True))
        share = xp.reshape(share, (g.shape[0], *outer, g.shape[-1]))
        spread = xp.broadcast_to(share, (g.shape[0], *inner, g.shape[-1]))
        tiled = plan.trimmed(xp, xp.reshape(spread, (g.shape[0], *whole, g.shape[-1])))
        return from_last(xp, tiled.astype(g.dtype), first)
    if not plan.is_small() and xp.name == "xla":
        like = xp.zeros((g.shape[0], *sizes, g.shape[-1]), wide.dtype)
        pull = xp.vjp(lambda x: xp.window_reduce(x, "sum", plan.window, *plan.numbers()), like)[1]
        return from_last(xp, pull(share)[0].astype(g.dtype), first)
    total: Any = None
    for tap in plan.taps():
        part = plan.spread(xp, share, tap)
        total = part if total is None else total + part
    return from_last(xp, total.astype(g.dtype), first)


class _Shaped:
    """Something with a shape, where only that is asked for."""

    def __init__(self, shape: tuple) -> None:
        self.shape = shape


def _avg_pool_rule(g: Any, y: Any, x: Any, **attributes: Any) -> Any:
    shape = tuple(x.shape)
    sizes = shape[2:] if is_channels_first(attributes["data_format"]) else shape[1:-1]
    return avg_pool_gradient(g, sizes=sizes, **attributes)


avg_pool_gradient = Op("avg_pool_gradient", _avg_pool_gradient)
avg_pool_gradient.gradient(lambda gg, out, g, sizes, **attributes: avg_pool(gg, **attributes))
avg_pool.gradient(_avg_pool_rule)


# ---- the public functions -----------------------------------------------------------------------------------------


@export("nn.pool")
def pool(
    input: Any,
    window_shape: Any,
    pooling_type: str,
    strides: Any = None,
    padding: Any = "VALID",
    data_format: str | None = None,
    dilations: Any = None,
    name: str | None = None,
) -> Any:
    """Returns the maximum ("MAX") or the mean ("AVG") over windows; strides and dilations are 1 by default."""
    kinds = {"MAX": max_pool, "AVG": avg_pool}
    if pooling_type not in kinds:
        raise ValueError(f"nn.pool: pooling_type must be 'MAX' or 'AVG', received {pooling_type!r}")
    return kinds[pooling_type](
        input,
        ksize=window_shape,
        strides=strides,
        padding=padding,
        data_format=data_format,
        dilations=dilations,
    )


def _keras_format(data_format: str | None) -> str:
    return settings.image_data_format if data_format is None else data_format


def _keras_pool(
    kind: Op, inputs: Any, pool_size: Any, strides: Any, padding: str, data_format: str | None
) -> Any:
    strides = pool_size if strides is None else strides
    return kind(
        inputs,
        ksize=pool_size,
        strides=strides,
        padding=padding.upper(),
        data_format=_keras_format(data_format),
    )


@export("ops.nn.max_pool")
def keras_max_pool(
    inputs: Any, pool_size: Any, strides: Any = None, padding: str = "valid", data_format: str | None = None
) -> Any:
    """Returns the maximum over windows; `strides` is `pool_size` by default, `data_format` Keras' setting."""
    return _keras_pool(max_pool, inputs, pool_size, strides, padding, data_format)


@export("ops.nn.average_pool")
def keras_average_pool(
    inputs: Any, pool_size: Any, strides: Any = None, padding: str = "valid", data_format: str | None = None
) -> Any:
    """Returns the mean over windows; `strides` is `pool_size` by default, `data_format` Keras' setting."""
    return _keras_pool(avg_pool, floats((inputs,))[0], pool_size, strides, padding, data_format)


def _backend_pool(
    x: Any, pool_size: Any, strides: Any, padding: str, data_format: str | None, pool_mode: str
) -> Any:
    kinds = {"max": max_pool, "avg": avg_pool}
    if pool_mode not in kinds:
        raise ValueError(f"pool_mode must be 'max' or 'avg', received {pool_mode!r}")
    return _keras_pool(kinds[pool_mode], x, pool_size, strides, padding, data_format)


@export("K.pool2d")
def pool2d(
    x: Any,
    pool_size: Any,
    strides: Any = (1, 1),
    padding: str = "valid",
    data_format: str | None = None,
    pool_mode: str = "max",
) -> Any:
    """Returns the maximum ("max") or the mean ("avg") over windows of two spatial axes."""
    return _backend_pool(x, pool_size, strides, padding, data_format, pool_mode)


@export("K.pool3d")
def pool3d(
    x: Any,
    pool_size: Any,
    strides: Any = (1, 1, 1),
    padding: str = "valid",
    data_format: str | None = None,
    pool_mode: str = "max",
) -> Any:
    """Returns the maximum ("max") or the mean ("avg") over windows of three spatial axes."""
    return _backend_pool(x, pool_size, strides, padding, data_format, pool_mode)
