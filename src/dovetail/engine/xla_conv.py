"""Convolution as XLA's CPU compiler runs it fast; `docs/design/0003-convolution-on-the-cpu.md` has the figures.

XLA hands a float32 convolution to Eigen when it is channels-last with a kernel (*spatial, in, out).  Outside of loops
its compiler brings others into that form; inside of loops they run 20 to 200 times slower.  The gradients here are
therefore written as such convolutions, with their transposes spelled out.
"""

from __future__ import annotations

import functools
import itertools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from dovetail.engine import native_conv, platform_kernels, xla_native
from dovetail.engine.kernels import kernel as _row

LAYOUTS = {
    1: ("NWC", "WIO", "NWC"),
    2: ("NHWC", "HWIO", "NHWC"),
    3: ("NDHWC", "DHWIO", "NDHWC"),
}
# Left to itself, XLA gives 2D convolutions to YNNPACK, which runs them on one thread; dots and sums stay there.  Dots
# go one by one: what LIBRARY_FUSION_TYPE_DOT fuses with one may be a broadcast number, and is wrong then.
_WITHOUT_YNN = {
    "xla_cpu_experimental_ynn_fusion_type": ("LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT,LIBRARY_FUSION_TYPE_REDUCE")
}
_MAX_PRODUCTS = 25
_FEW_OUTPUTS = 4


def compiler_options(convolves: bool) -> dict[str, str] | None:
    """Returns the options with which XLA compiles a program, None for its own choices.

    Args:
        convolves: whether the program contains a convolution.
    """
    return _options() if convolves and platform_kernels.platform() == "cpu" else None


@functools.cache
def _options() -> dict[str, str] | None:
    """Compiles an empty program, to find out whether this XLA knows the options: not every version does."""
    try:
        jax.jit(lambda: 0, compiler_options=_WITHOUT_YNN).lower().compile()
    except jax.errors.JaxRuntimeError:
        return None
    return _WITHOUT_YNN


def convolved(x: Any, kernel: Any, strides: tuple, padding: Any, dilations: tuple, groups: int = 1) -> Any:
    """Convolves as XLA does it."""
    return lax.conv_general_dilated(
        x,
        kernel,
        strides,
        padding,
        rhs_dilation=dilations,
        dimension_numbers=LAYOUTS[len(strides)],
        feature_group_count=groups,
    )


# ---- convolution: (x, kernel, strides, padding, dilations, groups) ---------------------------------------------------


def _is_few_products(x: Any, kernel: Any, *numbers: Any) -> bool:
    """True when an output is the sum of so few products that a loop over the outputs beats packing them."""
    *window, channels, _ = kernel.shape
    few = channels <= 2 and math.prod(window) * channels <= _MAX_PRODUCTS
    return x.dtype == np.float32 and numbers[-1] == 1 and few


@_row("convolution", "cpu", _is_few_products, "0003: fuses with what follows, no windows are packed")
def by_products(x: Any, kernel: Any, strides: tuple, padding: tuple, dilations: tuple, groups: int) -> Any:
    """Convolves as a sum of products of shifted inputs, which fuses with what follows."""
    window = kernel.shape[:-2]
    numbers = list(zip(window, strides, dilations, strict=True))
    if any(map(any, padding)):
        x = lax.pad(x, jnp.zeros((), x.dtype), ((0, 0, 0), *((*pair, 0) for pair in padding), (0, 0, 0)))
    out = [(size - (k - 1) * d - 1) // s + 1 for size, (k, s, d) in zip(x.shape[1:-1], numbers, strict=True)]
    total: Any = None
    for *tap, channel in itertools.product(*map(range, kernel.shape[:-1])):
        first = [t * d for t, (_, _, d) in zip(tap, numbers, strict=True)]
        last = [f + (n - 1) * s + 1 for f, n, (_, s, _) in zip(first, out, numbers, strict=True)]
        part = lax.slice(
            x, (0, *first, channel), (x.shape[0], *last, channel + 1), (1, *strides, 1)
        )  # (batch, *out, 1)
        term = part * kernel[(*tap, channel)]
        total = term if total is None else total + term
    return total


def _is_pointwise(x: Any, kernel: Any, strides: tuple, padding: tuple, dilations: tuple, groups: int) -> bool:
    """True when each output comes from one position."""
    return groups == 1 and _has_no_neighbours(kernel.shape[:-2], padding)


def _has_no_neighbours(window: tuple, padding: tuple) -> bool:
    return set(window) == {1} and not any(map(any, padding))


@_row("convolution", "cpu", _is_pointwise, "0003: a product of matrices does it")
def as_product(x: Any, kernel: Any, strides: tuple, padding: tuple, dilations: tuple, groups: int) -> Any:
    """Multiplies every position that a window sees with the kernel."""
    seen = _every(x, strides)
    rows = xla_native.product(
        seen.reshape(math.prod(seen.shape[:-1]), seen.shape[-1]), kernel.reshape(kernel.shape[-2:])
    )
    return rows.reshape(*seen.shape[:-1], kernel.shape[-1])


def _every(x: Any, strides: tuple) -> Any:
    """Returns the positions that windows of size 1 see."""
    return lax.slice(x, (0,) * x.ndim, x.shape, (1, *strides, 1))


def _has_few_outputs(
    x: Any, kernel: Any, strides: tuple, padding: tuple, dilations: tuple, groups: int
) -> bool:
    """True when Eigen would spend its time on packing windows for a product with a few columns."""
    few = kernel.dtype == np.float32 and kernel.shape[-1] <= _FEW_OUTPUTS
    return few and groups == 1 and set(strides) == {1}


@_row(
    "convolution",
    "cpu",
    _has_few_outputs,
    "0003: products first, windows then: few columns are cheap to shift",
)
def by_taps(x: Any, kernel: Any, strides: tuple, padding: Any, dilations: tuple, groups: int) -> Any:
    """Multiplies each position with the whole kernel, then sums the shifted results: for few outputs, stride 1."""
    window, outputs = kernel.shape[:-2], kernel.shape[-1]
    x = lax.pad(x, jnp.zeros((), x.dtype), ((0, 0, 0), *((*pair, 0) for pair in padding), (0, 0, 0)))
    flat = jnp.moveaxis(kernel, -2, 0).reshape(x.shape[-1], -1)  # (channels, window * outputs)
    products = x @ flat
    out = [n - (k - 1) * d for n, k, d in zip(x.shape[1:-1], window, dilations, strict=True)]
    total: Any = None
    for number, tap in enumerate(itertools.product(*map(range, window))):
        first = [t * d for t, d in zip(tap, dilations, strict=True)]
        last = [f + n for f, n in zip(first, out, strict=True)]
        start, stop = number * outputs, (number + 1) * outputs
        part = lax.slice(products, (0, *first, start), (x.shape[0], *last, stop))
        total = part if total is None else total + part
    return total


@_row("convolution", "cpu", native_conv.serves_forward, "0023: a half to two thirds of Eigen's time")
def natively(x: Any, kernel: Any, strides: tuple, padding: tuple, dilations: tuple, groups: int) -> Any:
    """Convolves by the native kernel."""
    numbers = strides, padding, dilations, groups
    return native_conv.convolved(lambda x, kernel: convolved(x, kernel, *numbers), x, kernel, *numbers)


_row("convolution")(convolved)


# ---- the kernel's gradient: (x, g, window, strides, padding, dilations, groups) --------------------------------------


def _is_pointwise_gradient(
    x: Any, g: Any, window: tuple, strides: tuple, padding: tuple, dilations: tuple, groups: int
) -> bool:
    return groups == 1 and _has_no_neighbours(window, padding)


@_row("convolution, kernel's gradient", "cpu", _is_pointwise_gradient, "0003: a product of matrices does it")
def kernel_gradient_as_product(
    x: Any, g: Any, window: tuple, strides: tuple, padding: tuple, dilations: tuple, groups: int
) -> Any:
    """Multiplies what the windows see with what they gave."""
    pairs = _every(x, strides), g
    rows, outputs = (each.reshape(math.prod(each.shape[:-1]), each.shape[-1]) for each in pairs)
    product = xla_native.product_over_rows(rows, outputs)
    return product.reshape(*window, *product.shape)


@_row(
    "convolution, kernel's gradient",
    "cpu",
    native_conv.serves_kernel_gradient,
    "0023: a half to two thirds of Eigen's time",
)
def kernel_gradient_natively(
    x: Any, g: Any, window: tuple, strides: tuple, padding: tuple, dilations: tuple, groups: int
) -> Any:
    """Sums products over pixels by the native kernel."""
    numbers = window, strides, padding, dilations
    return native_conv.kernel_gradient(lambda x, g: kernel_gradient(x, g, *numbers, groups), x, g, *numbers)


def _is_ungrouped(*arguments: Any) -> bool:
    return arguments[-1] == 1


@_row(
    "convolution, kernel's gradient", "cpu", _is_ungrouped, "0003: in the form that Eigen takes, in loops too"
)
def kernel_gradient(
    x: Any, g: Any, window: tuple, strides: tuple, padding: tuple, dilations: tuple, groups: int
) -> Any:
    """Convolves `x` with `g` as the kernel, batch and channels swapped."""
    rank, pairs = len(window), []
    sides = zip(x.shape[1:-1], g.shape[1:-1], window, strides, dilations, padding, strict=True)
    for size, n, k, s, d, (before, _) in sides:
        pairs.append((before, (k - 1) * d + (n - 1) * s + 1 - size - before))
    inner = tuple(range(1, rank + 1))
    turned = lax.transpose(x, (rank + 1, *inner, 0))  # (channels, *spatial, batch)
    kernel = lax.transpose(g, (*inner, 0, rank + 1))  # (*out, batch, outputs)
    result = convolved(turned, kernel, dilations, pairs, strides)  # (channels, *window, outputs)
    return lax.transpose(result, (*inner, 0, rank + 1))


@_row("convolution, kernel's gradient")
def kernel_gradient_transposed(
    x: Any, g: Any, window: tuple, strides: tuple, padding: tuple, dilations: tuple, groups: int
) -> Any:
    """Transposes the convolution as JAX does it."""
    like = jax.ShapeDtypeStruct((*window, x.shape[-1] // groups, g.shape[-1]), x.dtype)
    return jax.linear_transpose(
        lambda kernel: convolved(x, kernel, strides, padding, dilations, groups), like
    )(g)[0]


# ---- the input's gradient: (g, kernel, sizes, strides, padding, dilations, groups) -----------------------------------


def _is_pointwise_everywhere(
    g: Any, kernel: Any, sizes: tuple, strides: tuple, padding: tuple, dilations: tuple, groups: int
) -> bool:
    """True when each output comes from one position, and each position gives one."""
    return groups == 1 and set(strides) == {1} and _has_no_neighbours(kernel.shape[:-2], padding)


@_row(
    "convolution, input's gradient",
    "cpu",
    _is_pointwise_everywhere,
    "0003: a product of matrices does it",
)
def input_gradient_as_product(
    g: Any, kernel: Any, sizes: tuple, strides: tuple, padding: tuple, dilations: tuple, groups: int
) -> Any:
    """Multiplies the outputs' gradient with the kernel, transposed."""
    return xla_native.product_with_rows(g, kernel.reshape(kernel.shape[-2:]))


@_row(
    "convolution, input's gradient",
    "cpu",
    native_conv.serves_input_gradient,
    "0023: a half to two thirds of Eigen's time",
)
def input_gradient_natively(
    g: Any, kernel: Any, sizes: tuple, strides: tuple, padding: tuple, dilations: tuple, groups: int
) -> Any:
    """Convolves the outputs' gradient by the native kernel, without the zeros between its pixels."""
    numbers = sizes, strides, padding, dilations
    return native_conv.input_gradient(
        lambda g, kernel: input_gradient(g, kernel, *numbers, groups), g, kernel, *numbers
    )


@_row(
    "convolution, input's gradient", "cpu", _is_ungrouped, "0003: in the form that Eigen takes, in loops too"
)
def input_gradient(
    g: Any, kernel: Any, sizes: tuple, strides: tuple, padding: tuple, dilations: tuple, groups: int
) -> Any:
    """Convolves `g`, spread out by the strides, with the kernel turned around."""
    rank, pairs = len(sizes), []
    sides = zip(sizes, g.shape[1:-1], kernel.shape[:-2], strides, dilations, padding, strict=True)
    for size, n, k, s, d, (before, _) in sides:
        first = (k - 1) * d - before
        pairs.append((first, size + (k - 1) * d - first - ((n - 1) * s + 1)))
    axes = tuple(range(rank))
    turned = lax.rev(lax.transpose(kernel, (*axes, rank + 1, rank)), axes)
    if _has_few_outputs(g, turned, strides, padding, dilations, groups):
        return by_taps(g, turned, strides, pairs, dilations, groups)
    return lax.conv_general_dilated(
        g,
        turned,
        (1,) * rank,
        pairs,
        lhs_dilation=strides,
        rhs_dilation=dilations,
        dimension_numbers=LAYOUTS[rank],
    )


@_row("convolution, input's gradient")
def input_gradient_transposed(
    g: Any, kernel: Any, sizes: tuple, strides: tuple, padding: tuple, dilations: tuple, groups: int
) -> Any:
    """Transposes the convolution as JAX does it."""
    like = jax.ShapeDtypeStruct((g.shape[0], *sizes, kernel.shape[-2] * groups), g.dtype)
    return jax.linear_transpose(lambda x: convolved(x, kernel, strides, padding, dilations, groups), like)(g)[
        0
    ]
