"""Native kernels on the XLA engine, under names of `engine/host_nn.py`: recurrent layers, products over rows, Adam.

The rows of the kernel table for any platform are the loops that the ops bring, or XLA's own; those for the processor
are the native kernels, where these serve.
"""

from __future__ import annotations

import contextvars
import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dovetail.engine import native, platform_kernels
from dovetail.engine.kernels import kernel

FLOAT32 = np.dtype(np.float32)
# Beyond this size the recurrent kernel does not stay in a core's cache, and XLA's products are as fast.
LARGEST_SIZE = 512
TARGETS = (
    *("dovetail_lstm", "dovetail_lstm_gradient", "dovetail_gru", "dovetail_gru_gradient"),
    *("dovetail_over_rows", "dovetail_adam", "dovetail_adam_of_rows"),
    *("dovetail_few_rows", "dovetail_over_few_rows", "dovetail_take_rows"),
    *("dovetail_many_rows", "dovetail_many_rows_transposed", "dovetail_batched_product"),
    *("dovetail_dense", "dovetail_over_rows_and_sums"),
    *("dovetail_softmax", "dovetail_softmax_gradient", "dovetail_layer_norm", "dovetail_layer_norm_gradient"),
    *("dovetail_batch_norm", "dovetail_batch_norm_gradient"),
    *("dovetail_gelu", "dovetail_gelu_gradient"),
    *("dovetail_largest", "dovetail_largest_gradient"),
    *("dovetail_label_loss", "dovetail_label_loss_gradient"),
    *(
        "dovetail_conv",
        "dovetail_conv_followed",
        "dovetail_conv_kernel",
        "dovetail_depthwise",
        "dovetail_depthwise_kernel",
    ),
)
# Below these, products over rows gain nothing.
FEWEST_ROWS, FEWEST_SUMS = 256, 2048
# Products of few rows: so few that packing the kernel would not pay, kernels that fit the core's cache, unless they are
# read for a few rows alone, and more work than a custom call costs.
ROWS, LARGEST_KERNEL, FEWEST_PRODUCTS = range(4, 257), 1 << 19, 1 << 14
READ_ONCE = range(1, 33)
LEAST_SIZE = 16  # of a kernel, for products of more rows: smaller ones leave vectors empty
FEWEST_BYTES = 512  # of a row that is taken
_TAKEN = frozenset(np.dtype(kind) for kind in ("?", *"bBhHiIlLqQefd", jnp.bfloat16))
# Elements of a variable; for fewer, XLA's loops cost less than a custom call, if it moves no others (`xla_updates.py`).
FEWEST_MOVED = 8192

# True while a step is traced that must leave the old values of variables alone.
_LEFT = contextvars.ContextVar("leaving_values", default=False)


def by_kernel(primitive: str, formula: Callable, arrays: tuple, names: dict) -> tuple:
    """Returns `formula(*arrays, **names)`, by a kernel of the platform's where it has one for the primitive."""
    return platform_kernels.run(primitive, formula, arrays, names)


def leaving_values(step: Callable) -> Callable:
    """Returns a step of an optimizer whose caller keeps the old values of the variables: nothing overwrites them."""

    @functools.wraps(step)
    def traced(*arguments: Any) -> Any:
        token = _LEFT.set(True)
        try:
            return step(*arguments)
        finally:
            _LEFT.reset(token)

    return traced


def product_over_rows(a: Any, b: Any) -> Any:
    """Returns `a.T @ b`, of the rows of two matrices: (rows, m), (rows, n) -> (m, n)."""
    return platform_kernels.run("product over rows", a, b)


def product(a: Any, b: Any) -> Any:
    """Returns `a @ b`: (rows, k), (k, n) -> (rows, n)."""
    return platform_kernels.run("product", a, b)


def product_with_rows(a: Any, b: Any) -> Any:
    """Returns `a @ b.T`: (..., k), (n, k) -> (..., n)."""
    rows = a.reshape(math.prod(a.shape[:-1]), a.shape[-1])
    return platform_kernels.run("product with rows", rows, b).reshape(*a.shape[:-1], b.shape[0])


def rows_of(array: Any, numbers: Any) -> Any:
    """Returns the rows of an array by their numbers (rows,), int32, which are those of rows that it has."""
    return platform_kernels.run("rows of", array, numbers)


def _is_usual(arrays: tuple, names: dict, kernel_at: int) -> bool:
    """True for matrices of moderate size and Keras' activations."""
    return (
        names["activation"] == "tanh"
        and names["recurrent_activation"] == "sigmoid"
        and arrays[kernel_at].ndim == 2
        and arrays[kernel_at].shape[0] <= LARGEST_SIZE
        and serves(arrays)
    )


def serves(arrays: tuple) -> bool:
    """Whether native kernels can work: for arrays of float32, and of booleans, on one device."""
    return (
        all(x is None or (x.size and x.dtype in (FLOAT32, np.bool_)) for x in arrays)
        and jax.device_count() == 1
        and _registered()
    )


@functools.cache
def _register() -> None:
    library = native.library()
    for name in TARGETS:
        jax.ffi.register_ffi_target(name, jax.ffi.pycapsule(getattr(library, name)), platform="cpu")


def _registered() -> bool:
    if native.library() is None:
        return False
    _register()
    return True


@kernel("product over rows")
def _transposed(a: Any, b: Any) -> Any:
    return jnp.matmul(a.T, b)


def _many_rows(a: Any, b: Any) -> bool:
    return a.shape[0] >= FEWEST_ROWS and a.shape[1] * b.shape[1] >= FEWEST_SUMS and serves((a, b))


@kernel("product over rows", "cpu", when=_many_rows, why="0017: two thirds of XLA's time")
def _over_rows(a: Any, b: Any) -> Any:
    return _of_two("dovetail_over_rows", (a.shape[1], b.shape[1]), _transposed, a, b)


def _of_two(target: str, shape: tuple, function: Callable, a: Any, b: Any) -> Any:
    call = jax.ffi.ffi_call(target, [jax.ShapeDtypeStruct(shape, FLOAT32)])
    return standing_for(lambda a, b: (function(a, b),), call)(jnp.asarray(a), jnp.asarray(b))[0]


def _few_rows(a: Any, b: Any) -> bool:
    """True for the rows of a batch and a kernel, or what takes its place in the kernel's gradient."""
    m, n = a.shape[1], b.shape[1]
    return (
        a.shape[0] in ROWS
        and m * n <= LARGEST_KERNEL
        and a.shape[0] * m * n >= FEWEST_PRODUCTS
        and serves((a, b))
    )


@kernel("product over rows", "cpu", when=_few_rows, why="0017: nothing is packed")
def _over_few_rows(a: Any, b: Any) -> Any:
    return _of_two("dovetail_over_few_rows", (a.shape[1], b.shape[1]), _transposed, a, b)


def _pays_to_pack(a: Any, b: Any, width: int) -> bool:
    """True for so many rows that packing the kernel pays, and sizes that fill vectors."""
    rows, depth = a.shape
    return rows > ROWS[-1] and min(depth, width) >= LEAST_SIZE and serves((a, b))


def _many_rows_of(a: Any, b: Any) -> bool:
    return _pays_to_pack(a, b, b.shape[1])


@kernel("product", "cpu", when=_many_rows_of, why="0023: half of the time of XLA's products")
def _product_of_many_rows(a: Any, b: Any) -> Any:
    return _of_two("dovetail_many_rows", (a.shape[0], b.shape[1]), _product, a, b)


def _many_rows_with(a: Any, b: Any) -> bool:
    return _pays_to_pack(a, b, b.shape[0])


@kernel("product with rows", "cpu", when=_many_rows_with, why="0023: half of the time of XLA's products")
def _product_of_many_with_rows(a: Any, b: Any) -> Any:
    return _of_two("dovetail_many_rows_transposed", (a.shape[0], b.shape[0]), _with_transposed, a, b)


@kernel("product with rows")
def _product_with_transposed(a: Any, b: Any) -> Any:
    return product(a, b.T)


def _with_transposed(a: Any, b: Any) -> Any:
    return jnp.matmul(a, b.T)


@kernel("product")
def _product(a: Any, b: Any) -> Any:
    return jnp.matmul(a, b)


def _few_rows_of_any(a: Any, b: Any) -> bool:
    of_few = a.shape[0] in READ_ONCE and a.shape[0] * b.size >= FEWEST_PRODUCTS and serves((a, b))
    return of_few or _few_rows(a, b)


@kernel("product", "cpu", when=_few_rows_of_any, why="0017: nothing is packed")
def _product_of_few_rows(a: Any, b: Any) -> Any:
    return _of_two("dovetail_few_rows", (a.shape[0], b.shape[1]), _product, a, b)


@kernel("rows of")
def _rows_of(array: Any, numbers: Any) -> Any:
    return array.at[numbers].get(mode="promise_in_bounds")


def _long_rows(array: Any, numbers: Any) -> bool:
    length = math.prod(array.shape[1:]) * array.dtype.itemsize
    kinds = array.dtype in _TAKEN and numbers.dtype == np.int32
    return kinds and numbers.size > 0 and length >= FEWEST_BYTES and jax.device_count() == 1 and _registered()


@kernel(
    "rows of",
    "cpu",
    when=_long_rows,
    why="0017: rows are copied as they lie, the next ones fetched meanwhile",
)
def _copied_rows(array: Any, numbers: Any) -> Any:
    kind = jax.ShapeDtypeStruct((numbers.size, *array.shape[1:]), array.dtype)
    return jax.ffi.ffi_call("dovetail_take_rows", kind)(array, numbers)


def _in_one_pass(formula: Callable, arrays: tuple, names: dict) -> bool:
    moved, largest = arrays[:4], arrays[4]
    enough = moved[1].size >= FEWEST_MOVED or not _LEFT.get()
    return enough and largest is None and serves(moved)


@kernel("adam", "cpu", when=_in_one_pass, why="0017: memory is read and written once")
def _adam(formula: Callable, arrays: tuple, names: dict) -> tuple:
    gradient, value, momentum, velocity, _, *numbers = arrays
    kinds = [jax.ShapeDtypeStruct(value.shape, FLOAT32)] * 3
    in_place = {2: 1, 3: 2} if _LEFT.get() else {1: 0, 2: 1, 3: 2}
    call = jax.ffi.ffi_call("dovetail_adam", kinds, input_output_aliases=in_place)
    own = standing_for(lambda g, w, m, v, n: tuple(formula(g, w, m, v, None, *n)[:3]), call)
    packed = jnp.stack([jnp.asarray(number, FLOAT32) for number in numbers])
    return own(*[jnp.asarray(x) for x in (gradient, value, momentum, velocity)], packed)


def _native_lstm(loop: Callable, arrays: tuple, names: dict) -> bool:
    return arrays[4] is None and _is_usual(arrays, names, kernel_at=1)


def _native_lstm_gradient(loop: Callable, arrays: tuple, names: dict) -> bool:
    return arrays[7] is None and _is_usual(arrays, names, kernel_at=2)


@kernel("lstm", "cpu", when=_native_lstm, why="0017: one call instead of 64 small products")
def _lstm(loop: Callable, arrays: tuple, names: dict) -> tuple:
    z, _, h, *_ = arrays
    sequence = (*z.shape[:2], h.shape[-1])
    shapes = [sequence, h.shape, h.shape, *([sequence, z.shape] if names["kept"] else [])]
    return _called("dovetail_lstm", shapes, loop, arrays, names)


@kernel(
    "lstm, gradient", "cpu", when=_native_lstm_gradient, why="0017: one call instead of 64 small products"
)
def _lstm_gradient(loop: Callable, arrays: tuple, names: dict) -> tuple:
    gates, c = arrays[4], arrays[5]
    return _called("dovetail_lstm_gradient", [gates.shape, c.shape, c.shape], loop, arrays, names)


def _native_gru(loop: Callable, arrays: tuple, names: dict) -> bool:
    return arrays[4] is None and names["reset_after"] and _is_usual(arrays, names, kernel_at=1)


def _native_gru_gradient(loop: Callable, arrays: tuple, names: dict) -> bool:
    return arrays[5] is None and names["reset_after"] and _is_usual(arrays, names, kernel_at=1)


@kernel("gru", "cpu", when=_native_gru, why="0017: one call instead of 64 small products")
def _gru(loop: Callable, arrays: tuple, names: dict) -> tuple:
    z, kernel, bias, h, *rest = arrays
    bias = jnp.zeros(z.shape[-1], FLOAT32) if bias is None else bias
    sequence, kept = (*z.shape[:2], h.shape[-1]), (*z.shape[:2], 4 * h.shape[-1])
    shapes = [sequence, h.shape, *([kept] if names["kept"] else [])]
    return _called("dovetail_gru", shapes, loop, (z, kernel, bias, h, *rest), names)


@kernel("gru, gradient", "cpu", when=_native_gru_gradient, why="0017: one call instead of 64 small products")
def _gru_gradient(loop: Callable, arrays: tuple, names: dict) -> tuple:
    gh, _, _, states, *_ = arrays
    of_gates = (*states.shape[:2], 3 * states.shape[-1])
    return _called("dovetail_gru_gradient", [of_gates, of_gates, gh.shape], loop, arrays, names)


def _called(target: str, shapes: list, loop: Callable, arrays: tuple, names: dict) -> tuple:
    """Calls a native kernel for the arrays that are not None; its derivatives and batches are the loop's."""
    places = [i for i, x in enumerate(arrays) if x is not None]

    def own(*given: Any) -> tuple:
        spread = dict(zip(places, given, strict=True))
        return tuple(loop(*[spread.get(i) for i in range(len(arrays))], **names))

    kinds = [jax.ShapeDtypeStruct(shape, FLOAT32) for shape in shapes]
    call = standing_for(own, jax.ffi.ffi_call(target, kinds))
    return call(*[jnp.asarray(arrays[i]) for i in places])


def standing_for(function: Callable, call: Callable) -> Callable:
    """Returns `call` with the derivatives, of any order, and the rule for batches of `function`, which it equals."""

    @jax.custom_batching.custom_vmap
    def batched(*arrays: Any) -> tuple:
        return tuple(call(*arrays))

    @batched.def_vmap
    def _(size: int, in_batched: list, *arrays: Any) -> tuple:
        axes = tuple(0 if each else None for each in in_batched)
        out = jax.vmap(function, axes, axis_size=size)(*arrays)
        return out, tuple(True for _ in out)

    smooth = jax.custom_jvp(batched)
    smooth.defjvp(functools.partial(jax.jvp, function))
    return smooth
