"""Convolution and its transpose; `ops/conv_names.py` holds what users call.

One op convolves; its gradients are the two ops beside it, and the gradients of those are these three again.
"""

from __future__ import annotations

import math
from typing import Any

from dovetail.ops.attrs import Nested, Shape
from dovetail.ops.core import Op
from dovetail.ops.families import op
from dovetail.ops.windows import (
    explicit_padding,
    from_last,
    is_channels_first,
    output_sizes,
    spatial,
    to_last,
    with_sizes,
)

# ---- the op -----------------------------------------------------------------------------------------------------


def _conv_shape(
    x: tuple, kernel: tuple, strides: Any, padding: Any, data_format: Any, dilations: Any
) -> tuple:
    rank, first = len(kernel) - 2, is_channels_first(data_format)
    _check(x, kernel, first)
    lead, x = _lead(x, rank)
    moves = spatial(strides, rank, "strides", first)
    steps = spatial(dilations, rank, "dilations", first)
    sizes = output_sizes(x, kernel[:-2], moves, padding, steps, first)
    return (*lead, *with_sizes(x, sizes, kernel[-1], first)[1:])


def _lead(shape: tuple, rank: int) -> tuple[tuple, tuple]:
    """Splits off the batch axes: TensorFlow takes any number of them."""
    split = len(shape) - rank - 1
    lead = shape[:split]
    return lead, (lead[0] if len(lead) == 1 else None if None in lead else math.prod(lead), *shape[split:])


def _check(x: tuple, kernel: tuple, first: bool) -> None:
    rank = len(kernel) - 2
    if rank < 1 or len(x) < rank + 2:
        raise ValueError(
            f"expected an input of rank {max(rank, 1) + 2} and a kernel of shape (*spatial, in, out), received shapes "
            f"{x} and {kernel}"
        )
    channels = x[-rank - 1] if first else x[-1]
    if channels is not None and kernel[-2] is not None and (not kernel[-2] or channels % kernel[-2]):
        raise ValueError(
            f"the input has {channels} channels, which is no multiple of the {kernel[-2]} that the kernel of shape "
            f"{kernel} expects"
        )
    if (
        channels is not None
        and kernel[-2]
        and kernel[-1] is not None
        and kernel[-1] % (channels // kernel[-2])
    ):
        raise ValueError(
            f"{channels // kernel[-2]} groups of channels do not divide the kernel's {kernel[-1]} outputs"
        )


@op("nn.convolution", shape=_conv_shape)
def convolution(
    xp: Any,
    input: Any,
    filters: Any,
    *,
    strides: Shape = None,
    padding: Nested = "VALID",
    data_format: str | None = None,
    dilations: Shape = None,
) -> Any:
    """Convolves over one, two or three spatial axes (the kernel is not flipped, as everywhere in deep learning).

    Args:
        input: floating tensor of shape (..., *spatial, channels), or channels first with `data_format` "NCHW" or alike.
        filters: kernel of shape (*spatial, channels / groups, outputs).
        strides: distance between windows: an int, one for each spatial axis, or one for each axis; 1 when None.
        padding: "VALID", "SAME", or a list of (before, after) pairs, one for each spatial axis or one for each axis.
        data_format: order of the axes.
        dilations: distance between the elements of the kernel, given like the strides.
    """
    first, rank = is_channels_first(data_format), filters.ndim - 2
    _check(input.shape, filters.shape, first)
    lead, flat = _lead(input.shape, rank)
    x = to_last(xp, xp.reshape(input, flat) if len(lead) != 1 else input, first)
    moves = spatial(strides, rank, "strides", first)
    steps = spatial(dilations, rank, "dilations", first)
    pairs = explicit_padding(padding, x.shape[1:-1], filters.shape[:-2], moves, steps, first)
    y = xp.conv(x, filters, moves, pairs, steps, x.shape[-1] // filters.shape[-2])
    y = from_last(xp, y, first)
    return xp.reshape(y, (*lead, *y.shape[1:])) if len(lead) != 1 else y


def _input_rule(g: Any, y: Any, x: Any, kernel: Any, **attributes: Any) -> Any:
    return convolution_input_gradient(g, kernel, input_shape=tuple(x.shape), **attributes)


def _kernel_rule(g: Any, y: Any, x: Any, kernel: Any, **attributes: Any) -> Any:
    return convolution_kernel_gradient(x, g, kernel_shape=tuple(kernel.shape), **attributes)


convolution.gradient(_input_rule, _kernel_rule)


# ---- its gradients ----------------------------------------------------------------------------------------------


class _Call:
    """The numbers of one convolution, for its gradients."""

    def __init__(
        self,
        xp: Any,
        input_shape: tuple,
        kernel_shape: tuple,
        strides: Any,
        padding: Any,
        data_format: Any,
        dilations: Any,
    ) -> None:
        self.xp, self.rank, self.first = xp, len(kernel_shape) - 2, is_channels_first(data_format)
        self.lead, flat = _lead(input_shape, self.rank)
        self.sizes = flat[2:] if self.first else flat[1:-1]
        channels = flat[1] if self.first else flat[-1]
        self.groups = channels // kernel_shape[-2]
        self.strides = spatial(strides, self.rank, "strides", self.first)
        self.dilations = spatial(dilations, self.rank, "dilations", self.first)
        self.window = kernel_shape[:-2]
        self.padding = explicit_padding(
            padding, self.sizes, self.window, self.strides, self.dilations, self.first
        )

    def numbers(self) -> tuple:
        return self.strides, self.padding, self.dilations, self.groups

    def plain(self, x: Any) -> Any:
        """Gives a tensor one batch axis, and its channels last."""
        if len(self.lead) != 1:
            x = self.xp.reshape(x, (math.prod(self.lead), *x.shape[len(self.lead) :]))
        return to_last(self.xp, x, self.first)

    def restored(self, x: Any) -> Any:
        x = from_last(self.xp, x, self.first)
        return self.xp.reshape(x, (*self.lead, *x.shape[1:])) if len(self.lead) != 1 else x


def _convolution_input_gradient(
    xp: Any,
    g: Any,
    kernel: Any,
    *,
    input_shape: Shape,
    strides: Shape,
    padding: Nested,
    data_format: str | None,
    dilations: Shape,
) -> Any:
    """Returns the gradient of the input, given that of the output: the transposed convolution."""
    call = _Call(xp, (*g.shape[:1], *input_shape[1:]), kernel.shape, strides, padding, data_format, dilations)
    return call.restored(xp.conv_input_gradient(call.plain(g), kernel, call.sizes, *call.numbers()))


def _convolution_kernel_gradient(
    xp: Any,
    x: Any,
    g: Any,
    *,
    kernel_shape: Shape,
    strides: Shape,
    padding: Nested,
    data_format: str | None,
    dilations: Shape,
) -> Any:
    """Returns the gradient of the kernel, given that of the output."""
    call = _Call(xp, x.shape, kernel_shape, strides, padding, data_format, dilations)
    return xp.conv_kernel_gradient(call.plain(x), call.plain(g), call.window, *call.numbers())


convolution_input_gradient = Op("convolution_input_gradient", _convolution_input_gradient)
convolution_kernel_gradient = Op("convolution_kernel_gradient", _convolution_kernel_gradient)


def _input_gradient_kernel(h: Any, out: Any, g: Any, kernel: Any, input_shape: Any, **attributes: Any) -> Any:
    return convolution_kernel_gradient(h, g, kernel_shape=tuple(kernel.shape), **attributes)


def _kernel_gradient_input(h: Any, out: Any, x: Any, g: Any, kernel_shape: Any, **attributes: Any) -> Any:
    return convolution_input_gradient(g, h, input_shape=tuple(x.shape), **attributes)


convolution_input_gradient.gradient(
    lambda h, out, g, kernel, input_shape, **attributes: convolution(h, kernel, **attributes),
    _input_gradient_kernel,
)
convolution_kernel_gradient.gradient(
    _kernel_gradient_input, lambda h, out, x, g, kernel_shape, **attributes: convolution(x, h, **attributes)
)


# ---- transposed convolution -------------------------------------------------------------------------------------


def _transposed_sizes(
    sizes: tuple, window: tuple, strides: tuple, padding: Any, extra: Any, dilations: tuple
) -> tuple:
    """Returns Keras' output sizes of a transposed convolution."""
    extra = (None,) * len(sizes) if extra is None else extra
    padding = padding.upper() if isinstance(padding, str) else padding
    result: list[int | None] = []
    for size, k, s, d, more in zip(sizes, window, strides, dilations, extra, strict=True):
        span = None if k is None else (k - 1) * d + 1
        if size is None or span is None:
            result.append(None)
        elif more is None:
            result.append(size * s + max(span - s, 0) if padding == "VALID" else size * s)
        else:
            trim = 2 * (span // 2) if padding == "SAME" else 0
            result.append((size - 1) * s + span - trim + more)
    return tuple(result)


def _transpose_shape(x: tuple, kernel: tuple, **attributes: Any) -> tuple:
    first = is_channels_first(attributes["data_format"])
    sizes = known_sizes(x, kernel, attributes)
    sizes = tuple(None if size == -1 else size for size in sizes)
    return with_sizes(x, sizes, kernel[-2], first)


def known_sizes(x: tuple, kernel: tuple, attributes: dict) -> tuple:
    rank, first = len(kernel) - 2, is_channels_first(attributes["data_format"])
    if len(x) != rank + 2:
        raise ValueError(f"expected an input of rank {rank + 2}, received shape {x}")
    channels = x[1] if first else x[-1]
    if None not in (channels, kernel[-1]) and channels != kernel[-1]:
        raise ValueError(
            f"the input has {channels} channels, the kernel of shape {kernel} (*spatial, out, in) wants {kernel[-1]}"
        )
    given = attributes["output_shape"]
    if given is not None:
        given = tuple(given)
        if len(given) == rank + 2:
            given = given[2:] if first else given[1:-1]
        if len(given) != rank:
            raise ValueError(f"output_shape must have {rank + 2} entries, received {given}")
        return given
    moves = spatial(attributes["strides"], rank, "strides", first)
    steps = spatial(attributes["dilations"], rank, "dilations", first)
    sizes = x[2:] if first else x[1:-1]
    return _transposed_sizes(
        sizes, kernel[:-2], moves, attributes["padding"], attributes["output_padding"], steps
    )


@op("nn.conv_transpose", shape=_transpose_shape)
def conv_transpose(
    xp: Any,
    input: Any,
    filters: Any,
    *,
    output_shape: Shape = None,
    strides: Shape = None,
    padding: Nested = "SAME",
    data_format: str | None = None,
    dilations: Shape = None,
    output_padding: Shape = None,
) -> Any:
    """Returns the transposed convolution (also called deconvolution): the gradient of a convolution's input.

    Args:
        input: floating tensor of shape (batch, *spatial, channels), or channels first.
        filters: kernel of shape (*spatial, outputs, channels).
        output_shape: sizes of the result, of all axes or of the spatial ones; by default what Keras' layers give.
        strides: factor by which the spatial axes grow.
        padding: of the convolution that this is the transpose of.
        data_format: order of the axes.
        dilations: distance between the elements of the kernel.
        output_padding: how much larger the result is along each spatial axis, without `output_shape`.
    """
    attributes = {
        "output_shape": output_shape,
        "strides": strides,
        "padding": padding,
        "data_format": data_format,
        "dilations": dilations,
        "output_padding": output_padding,
    }
    plain = as_convolution(input.shape, filters.shape, attributes)
    sizes = known_sizes(input.shape, filters.shape, attributes)
    first = is_channels_first(data_format)
    x = to_last(xp, input, first)
    y = xp.conv_input_gradient(x, filters, sizes, plain["strides"], plain["padding"], plain["dilations"], 1)
    return from_last(xp, y, first)


def _transpose_padding(
    padding: Any, sizes: tuple, small: tuple, window: tuple, strides: tuple, dilations: tuple, first: bool
) -> tuple:
    """Returns the padding with which a convolution maps `sizes` to the input's sizes `small`."""
    pairs = explicit_padding(padding, sizes, window, strides, dilations, first)
    for size, n, k, s, d, pair in zip(sizes, small, window, strides, dilations, pairs, strict=True):
        count = (size + sum(pair) - (k - 1) * d - 1) // s + 1
        if count != n:
            raise ValueError(
                f"output_shape {sizes}: a convolution with these strides and this padding makes {count} of {size}, "
                f"and the input has {n}"
            )
    return pairs


def as_convolution(x: tuple, kernel: tuple, attributes: dict) -> dict:
    """Returns the attributes of the convolution that a transposed convolution is the transpose of."""
    first, rank = is_channels_first(attributes["data_format"]), len(kernel) - 2
    sizes = known_sizes(x, kernel, attributes)
    moves = spatial(attributes["strides"], rank, "strides", first)
    steps = spatial(attributes["dilations"], rank, "dilations", first)
    small = x[2:] if first else x[1:-1]
    pairs = _transpose_padding(attributes["padding"], sizes, small, kernel[:-2], moves, steps, first)
    data_format = "channels_first" if first else None
    return {"strides": moves, "padding": pairs, "data_format": data_format, "dilations": steps}


def _transpose_input_rule(g: Any, y: Any, x: Any, kernel: Any, **attributes: Any) -> Any:
    return convolution(g, kernel, **as_convolution(tuple(x.shape), tuple(kernel.shape), attributes))


def _transpose_kernel_rule(g: Any, y: Any, x: Any, kernel: Any, **attributes: Any) -> Any:
    shape = tuple(kernel.shape)
    return convolution_kernel_gradient(
        g, x, kernel_shape=shape, **as_convolution(tuple(x.shape), shape, attributes)
    )


conv_transpose.gradient(_transpose_input_rule, _transpose_kernel_rule)
