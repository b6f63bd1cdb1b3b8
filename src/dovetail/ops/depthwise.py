"""Depthwise convolution: each channel has kernels of its own."""

from __future__ import annotations

import functools
import math
from typing import Any

from dovetail.ops.attrs import Nested, Shape
from dovetail.ops.core import Op
from dovetail.ops.families import op
from dovetail.ops.windows import (
    WindowPlan,
    from_last,
    is_channels_first,
    output_sizes,
    spatial,
    to_last,
    with_sizes,
)


def _depthwise_shape(
    x: tuple, kernel: tuple, strides: Any, padding: Any, data_format: Any, dilations: Any
) -> tuple:
    first, rank = is_channels_first(data_format), len(kernel) - 2
    channels = x[1] if first else x[-1]
    if len(x) != rank + 2 or (channels is not None and channels != kernel[-2]):
        raise ValueError(
            f"the kernel of shape {kernel} expects {kernel[-2]} channels, received an input of shape {x}"
        )
    moves, steps = spatial(strides, rank, "strides", first), spatial(dilations, rank, "dilations", first)
    sizes = output_sizes(x, kernel[:-2], moves, padding, steps, first)
    return with_sizes(x, sizes, kernel[-2] * kernel[-1], first)


@op("nn.depthwise_conv2d", shape=_depthwise_shape)
def depthwise_conv(
    xp: Any,
    input: Any,
    filter: Any,
    *,
    strides: Shape = None,
    padding: Nested = "VALID",
    data_format: str | None = None,
    dilations: Shape = None,
) -> Any:
    """Convolves each channel with its own kernels.

    Args:
        input: floating tensor of shape (batch, *spatial, channels), or channels first.
        filter: kernel of shape (*spatial, channels, multiplier); output channel c * multiplier + m is input channel c
            under kernel m.
        strides, padding, data_format, dilations: as for `convolution`.
    """
    _depthwise_shape(input.shape, filter.shape, strides, padding, data_format, dilations)
    first = is_channels_first(data_format)
    x = to_last(xp, input, first)
    plan = WindowPlan(x, filter.shape[:-2], strides, padding, dilations, first)
    formula = functools.partial(_convolved, xp, plan)
    return from_last(xp, xp.by_kernel("depthwise", formula, (x, filter), {"numbers": plan.numbers()}), first)


def _convolved(xp: Any, plan: WindowPlan, x: Any, kernel: Any, numbers: tuple) -> Any:
    if xp.depthwise_by_groups(plan.window):
        flat = xp.reshape(kernel, (*plan.window, 1, math.prod(kernel.shape[-2:])))
        return xp.conv(x, flat, *numbers, kernel.shape[-2])
    padded = plan.padded(xp, x, 0)
    total: Any = None
    for tap in plan.taps():
        part = plan.slice_of(padded, tap)[..., None] * kernel[tap]  # (batch, *out, channels, multiplier)
        total = part if total is None else total + part
    return xp.reshape(total, (*total.shape[:-2], math.prod(kernel.shape[-2:])))


class _Depthwise:
    """The numbers of one depthwise convolution, for its gradients."""

    def __init__(self, xp: Any, x: Any, kernel: tuple, attributes: dict) -> None:
        self.xp, self.first = xp, is_channels_first(attributes["data_format"])
        numbers = (attributes["strides"], attributes["padding"], attributes["dilations"])
        self.plan = WindowPlan(to_last(xp, x, self.first), kernel[:-2], *numbers, self.first)
        self.kernel = kernel

    def last(self, x: Any) -> Any:
        return to_last(self.xp, x, self.first)

    def split(self, g: Any) -> Any:
        """Returns the output's gradient, channels last, as (batch, *out, channels, multiplier)."""
        return self.xp.reshape(g, (*g.shape[:-1], *self.kernel[-2:]))

    def input_gradient(self, g: Any, kernel: Any, numbers: tuple, sizes: tuple) -> Any:
        xp, plan = self.xp, self.plan
        if xp.depthwise_by_groups(plan.window):
            flat = xp.reshape(kernel, (*plan.window, 1, math.prod(kernel.shape[-2:])))
            return xp.conv_input_gradient(g, flat, sizes, *numbers, kernel.shape[-2])
        split = self.split(g)
        total: Any = None
        for tap in plan.taps():
            part = plan.spread(xp, xp.sum(split * kernel[tap], axis=-1), tap)
            total = part if total is None else total + part
        return total

    def kernel_gradient(self, x: Any, g: Any, numbers: tuple, shape: tuple) -> Any:
        xp, plan = self.xp, self.plan
        split, padded, axes = self.split(g), plan.padded(xp, x, 0), tuple(range(plan.rank + 1))
        parts = [xp.sum(plan.slice_of(padded, tap)[..., None] * split, axis=axes) for tap in plan.taps()]
        return xp.reshape(xp.stack(parts), shape)


def _depthwise_input_gradient(
    xp: Any,
    g: Any,
    x: Any,
    kernel: Any,
    *,
    strides: Shape,
    padding: Nested,
    data_format: str | None,
    dilations: Shape,
) -> Any:
    """Returns the gradient of the input."""
    numbers = {"strides": strides, "padding": padding, "data_format": data_format, "dilations": dilations}
    call = _Depthwise(xp, x, kernel.shape, numbers)
    names = {"numbers": call.plan.numbers(), "sizes": call.plan.sizes}
    out = xp.by_kernel("depthwise, input's gradient", call.input_gradient, (call.last(g), kernel), names)
    return from_last(xp, out, call.first)


def _depthwise_kernel_gradient(
    xp: Any,
    g: Any,
    x: Any,
    kernel: Any,
    *,
    strides: Shape,
    padding: Nested,
    data_format: str | None,
    dilations: Shape,
) -> Any:
    """Returns the gradient of the kernel."""
    numbers = {"strides": strides, "padding": padding, "data_format": data_format, "dilations": dilations}
    call = _Depthwise(xp, x, kernel.shape, numbers)
    names = {"numbers": call.plan.numbers(), "shape": kernel.shape}
    arrays = call.last(x), call.last(g)
    return xp.by_kernel("depthwise, kernel's gradient", call.kernel_gradient, arrays, names)


depthwise_input_gradient = Op("depthwise_input_gradient", _depthwise_input_gradient)
depthwise_kernel_gradient = Op("depthwise_kernel_gradient", _depthwise_kernel_gradient)
depthwise_conv.gradient(
    lambda g, y, x, kernel, **attributes: depthwise_input_gradient(g, x, kernel, **attributes),
    lambda g, y, x, kernel, **attributes: depthwise_kernel_gradient(g, x, kernel, **attributes),
)
