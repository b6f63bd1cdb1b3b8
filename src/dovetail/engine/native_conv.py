"""Convolutions by the native kernels of `native/conv.h` and `conv_kernel.h`: for rows of the table in `xla_conv.py`."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dovetail.engine.kernels import kernel as _row
from dovetail.engine.xla_native import FLOAT32, serves, standing_for

_AXES = 3
_MOST_TAPS, _MOST_RUNS = 32, 256  # of the last axis, and in all: those of `native/conv.h`
_FEWEST_CHANNELS = 8  # that are written: fewer leave vectors empty


def _numbers_of(
    x: tuple,
    kernel: tuple,
    outer: tuple,
    strides: tuple,
    padding: Any,
    dilations: tuple,
    backwards: bool = False,
) -> np.ndarray:
    """Returns the numbers of `Convolution` in `native/conv.h`.

    Args:
        x, kernel: shapes, (batch, *spatial, channels) and (*window, channels, outputs).
        outer: the spatial sizes of the outputs.
        strides, padding, dilations: one a spatial axis.
        backwards: whether the input's gradient is wanted.
    """
    missing = _AXES - len(outer)

    def of_axes(numbers: Any, fill: int) -> list[int]:
        return [fill] * missing + [int(number) for number in numbers]

    return np.array(
        [
            x[0],
            *of_axes(x[1:-1], 1),
            *of_axes(outer, 1),
            *kernel[-2:],
            *of_axes(kernel[:-2], 1),
            *of_axes(strides, 1),
            *of_axes([before for before, _ in padding], 0),
            *of_axes(dilations, 1),
            int(backwards),
        ],
        np.int64,
    )


def outer_sizes(sizes: tuple, window: tuple, strides: tuple, padding: Any, dilations: tuple) -> tuple:
    """Returns the spatial sizes of the outputs."""
    sides = zip(sizes, window, strides, padding, dilations, strict=True)
    return tuple((n + sum(pair) - (k - 1) * d - 1) // s + 1 for n, k, s, pair, d in sides)


def _fit(window: tuple, padding: Any, groups: int, written: tuple, channels: int, *arrays: Any) -> bool:
    """Whether kernels serve: `written` and `channels` are the spatial sizes and the channels of the result's rows."""
    return (
        groups == 1
        and window[-1] <= _MOST_TAPS
        and math.prod(window) <= _MOST_RUNS
        and min(map(min, padding)) >= 0
        and min(written) > 0
        and channels >= _FEWEST_CHANNELS
        and serves(arrays)
    )


def serves_forward(x: Any, kernel: Any, strides: tuple, padding: Any, dilations: tuple, groups: int) -> bool:
    """Whether the kernel serves for a convolution."""
    outer = outer_sizes(x.shape[1:-1], kernel.shape[:-2], strides, padding, dilations)
    return _fit(kernel.shape[:-2], padding, groups, outer, kernel.shape[-1], x, kernel)


def convolved(
    formula: Callable, x: Any, kernel: Any, strides: tuple, padding: Any, dilations: tuple, groups: int
) -> Any:
    """Convolves; the derivatives are those of `formula(x, kernel)`."""
    outer = outer_sizes(x.shape[1:-1], kernel.shape[:-2], strides, padding, dilations)
    numbers = _numbers_of(x.shape, kernel.shape, outer, strides, padding, dilations)
    return _called("dovetail_conv", (x.shape[0], *outer, kernel.shape[-1]), numbers, formula, x, kernel)


def serves_kernel_gradient(
    x: Any, g: Any, window: tuple, strides: tuple, padding: Any, dilations: tuple, groups: int
) -> bool:
    """Whether the kernel serves for the gradient of a convolution's kernel."""
    return _fit(window, padding, groups, g.shape[1:-1], g.shape[-1], x, g)


def kernel_gradient(
    formula: Callable, x: Any, g: Any, window: tuple, strides: tuple, padding: Any, dilations: tuple
) -> Any:
    """Returns the gradient of the kernel; its derivatives are those of `formula(x, g)`."""
    shape = (*window, x.shape[-1], g.shape[-1])
    numbers = _numbers_of(x.shape, shape, g.shape[1:-1], strides, padding, dilations)
    return _called("dovetail_conv_kernel", shape, numbers, formula, x, g)


def serves_input_gradient(
    g: Any, kernel: Any, sizes: tuple, strides: tuple, padding: Any, dilations: tuple, groups: int
) -> bool:
    """Whether the kernel serves for the gradient of a convolution's input."""
    return _fit(kernel.shape[:-2], padding, groups, sizes, kernel.shape[-2], g, kernel)


def input_gradient(
    formula: Callable, g: Any, kernel: Any, sizes: tuple, strides: tuple, padding: Any, dilations: tuple
) -> Any:
    """Returns the gradient of an input of spatial `sizes`; its derivatives are those of `formula(g, kernel)`."""
    shape = (g.shape[0], *sizes, kernel.shape[-2])
    numbers = _numbers_of(shape, kernel.shape, g.shape[1:-1], strides, padding, dilations, backwards=True)
    return _called("dovetail_conv", shape, numbers, formula, g, kernel)


# ---- each channel by itself: (formula, arrays, names) of `ops/depthwise.py` ------------------------------------------


def _each_by_itself(
    target: str, shape: tuple, seen: tuple, kernel: tuple, g: tuple, call: tuple, backwards: bool = False
) -> Any:
    """Calls a kernel for an input, a kernel and a result of these shapes; `call`: (formula, arrays, names)."""
    formula, arrays, names = call
    strides, padding, dilations = names["numbers"]
    whole = (*kernel[:-2], seen[-1], seen[-1])
    numbers = _numbers_of(seen, whole, g[1:-1], strides, padding, dilations, backwards)
    return _called(target, shape, numbers, lambda *arrays: formula(*arrays, **names), *arrays)


def _one_each(kernel: tuple, names: dict, *arrays: Any) -> bool:
    return kernel[-1] == 1 and _fit(
        kernel[:-2], names["numbers"][1], 1, arrays[-1].shape[1:-1], kernel[-2], *arrays
    )


def _serves_depthwise(formula: Callable, arrays: tuple, names: dict) -> bool:
    return _one_each(arrays[1].shape, names, *arrays[::-1])


@_row("depthwise", "cpu", _serves_depthwise, "0023: memory is read once, not once a tap")
def _depthwise(formula: Callable, arrays: tuple, names: dict) -> Any:
    x, kernel = arrays
    outer = outer_sizes(x.shape[1:-1], kernel.shape[:-2], *names["numbers"])
    shape = (x.shape[0], *outer, x.shape[-1])
    return _each_by_itself(
        "dovetail_depthwise", shape, x.shape, kernel.shape, shape, (formula, arrays, names)
    )


@_row("depthwise, input's gradient", "cpu", _serves_depthwise, "0023: memory is read once, not once a tap")
def _depthwise_input_gradient(formula: Callable, arrays: tuple, names: dict) -> Any:
    g, kernel = arrays
    shape = (g.shape[0], *names["sizes"], g.shape[-1])
    call = (formula, arrays, names)
    return _each_by_itself("dovetail_depthwise", shape, shape, kernel.shape, g.shape, call, backwards=True)


def _serves_depthwise_kernel(formula: Callable, arrays: tuple, names: dict) -> bool:
    return _one_each(names["shape"], names, *arrays)


@_row(
    "depthwise, kernel's gradient",
    "cpu",
    _serves_depthwise_kernel,
    "0023: memory is read once, not once a tap",
)
def _depthwise_kernel_gradient(formula: Callable, arrays: tuple, names: dict) -> Any:
    (x, g), shape = arrays, names["shape"]
    return _each_by_itself(
        "dovetail_depthwise_kernel", shape, x.shape, shape, g.shape, (formula, arrays, names)
    )


def _called(target: str, shape: tuple, numbers: np.ndarray, formula: Callable, *arrays: Any) -> Any:
    def call(*arrays: Any) -> tuple:
        kernel = jax.ffi.ffi_call(target, jax.ShapeDtypeStruct(shape, FLOAT32))
        return (kernel(*arrays, numbers=numbers),)

    return standing_for(lambda *arrays: (formula(*arrays),), call)(*map(jnp.asarray, arrays))[0]
