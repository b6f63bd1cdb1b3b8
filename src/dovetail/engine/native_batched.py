"""Products of many pairs of matrices by a native kernel, which reads and writes axes in any order."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dovetail.engine import jax_private, platform_kernels
from dovetail.engine.kernels import kernel
from dovetail.engine.xla_native import FLOAT32, product, serves, standing_for

TARGET = "dovetail_batched_product"
FEWEST_PRODUCTS = 1 << 14  # in all: a custom call costs some microseconds
_NUM_SIZES = 17  # of `Pairs`
LEAST_SIZE = 8  # of the matrices: smaller ones leave vectors empty


def batched_product(a: Any, b: Any, transpose_a: bool = False, transpose_b: bool = False) -> Any:
    """Returns `a @ b` over the last two axes, each transposed before where that is said; the others broadcast.

    A matrix on the right takes flattened rows, which products like best.
    """
    if b.ndim == 2:
        a, b = _turned(a, transpose_a), _turned(b, transpose_b)
        rows = a.reshape(math.prod(a.shape[:-1]), a.shape[-1])
        return product(rows, b).reshape(*a.shape[:-1], b.shape[-1])
    return platform_kernels.run("batched product", a, b, transpose_a, transpose_b)


@kernel("batched product")
def _matmul(a: Any, b: Any, transpose_a: bool, transpose_b: bool) -> Any:
    return jnp.matmul(_turned(a, transpose_a), _turned(b, transpose_b))


def _turned(x: Any, transpose: bool) -> Any:
    return jnp.swapaxes(x, -1, -2) if transpose else x


def _pays(a: Any, b: Any, transpose_a: bool, transpose_b: bool) -> bool:
    if a.shape[:-2] != b.shape[:-2]:
        return False
    rows, depth = a.shape[:-3:-1] if transpose_a else a.shape[-2:]
    width = b.shape[-2 if transpose_b else -1]
    return (
        min(rows, depth, width) >= LEAST_SIZE
        and math.prod(a.shape[:-2]) * rows * depth * width >= FEWEST_PRODUCTS
        and serves((a, b))
    )


@kernel("batched product", "cpu", when=_pays, why="0024: axes are read as they lie")
def _native(a: Any, b: Any, transpose_a: bool, transpose_b: bool) -> Any:
    axes = tuple(range(a.ndim))
    turned = (*axes[:-2], axes[-1], axes[-2])
    layout = turned if transpose_a else axes, turned if transpose_b else axes, axes
    return product_of_layouts(*layout)(jnp.asarray(a), jnp.asarray(b))[0]


def product_of_layouts(of_a: tuple, of_b: tuple, of_y: tuple, scale: float = 1.0) -> Any:
    """Returns a function of two arrays: transposes each, multiplies them, transposes and scales the product."""

    def call(a: Any, b: Any) -> tuple:
        shape, numbers = sizes(a.shape, b.shape, of_a, of_b, of_y, scale)
        return (jax.ffi.ffi_call(TARGET, jax.ShapeDtypeStruct(shape, FLOAT32))(a, b, numbers=numbers),)

    def own(a: Any, b: Any) -> tuple:
        product = jnp.matmul(a.transpose(of_a), b.transpose(of_b)).transpose(of_y)
        return (product if scale == 1 else product * FLOAT32.type(scale),)

    return standing_for(own, call)


def sizes(
    a: tuple, b: tuple, of_a: tuple, of_b: tuple, of_y: tuple, scale: float = 1.0
) -> tuple[tuple, np.ndarray]:
    """Returns the shape of the result, and `Pairs` in native/batched.h."""
    a_shape, b_shape = [a[axis] for axis in of_a], [b[axis] for axis in of_b]
    y_shape = [*a_shape[:-1], b_shape[-1]]
    shape = tuple(y_shape[axis] for axis in of_y)
    steps_a, steps_b = _steps(a), _steps(b)
    at_y = dict(zip(of_y, _steps(shape), strict=True))
    steps = [
        [steps_a[axis] for axis in of_a],
        [steps_b[axis] for axis in of_b],
        [at_y[axis] for axis in range(len(of_y))],
    ]
    batch, steps = _two_axes(a_shape[:-2], steps)
    of_matrices = [*batch, a_shape[-2], a_shape[-1], b_shape[-1]]
    for_kernel = [*of_matrices, *steps[0], *steps[1], *steps[2][:-1], np.float64(scale).view(np.int64)]
    return shape, np.array([*for_kernel, *of_a, *of_b, *of_y], np.int64)  # the axes: for `layouts_in`


def layouts_in(target: dict) -> tuple:
    """Returns what `product_of_layouts` was given for a custom call."""
    numbers = jax_private.numbers_of(target)
    scale, axes = float(np.int64(numbers[_NUM_SIZES - 1]).view(np.float64)), numbers[_NUM_SIZES:]
    rank = len(axes) // 3
    return tuple(axes[:rank]), tuple(axes[rank : 2 * rank]), tuple(axes[2 * rank :]), scale


def _steps(shape: tuple) -> list[int]:
    """Returns how far apart the numbers of each axis lie."""
    return [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]


def _two_axes(batch: list, steps: list) -> tuple[list, list]:
    """Returns axes of pairs, of which there can be any number, as two, with their steps in each array."""
    axes = [(n, [each[i] for each in steps]) for i, n in enumerate(batch)]
    joined: list = []
    for count, each in axes:
        if joined and all(outer == inner * count for outer, inner in zip(joined[-1][1], each, strict=True)):
            joined[-1] = (joined[-1][0] * count, each)
        else:
            joined.append((count, each))
    joined = [(1, [0] * len(steps))] * (2 - len(joined)) + joined
    if len(joined) > 2:
        raise ValueError(f"axes {batch} do not lie as two")
    sizes = [count for count, _ in joined]
    return sizes, [[*[at[i] for _, at in joined], *each[-2:]] for i, each in enumerate(steps)]
