"""Native kernels on the host engine: what NumPy does in many passes over memory, on one thread, in one call.

They take contiguous arrays of float32; all else is NumPy's.
"""

from __future__ import annotations

import functools
import importlib
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from dovetail.base.settings import settings
from dovetail.engine.kernels import TABLE, kernel

HOST = "host"
FEWEST = 1024  # elements; for fewer, NumPy's passes cost as much as a call
FEWEST_SUMMED = 4097  # sums of fewer are quick in NumPy
FEWEST_BIASED = 1 << 15
FEW_ROWS = 16  # of matrix products, as in native/few_rows.h
FEWEST_PRODUCTS = 1 << 15  # of many rows, which are packed and shared
FEWEST_PRODUCTS_OF_FEW = 1 << 10  # for fewer, no program should wait for the library
MOST_PRODUCTS_OF_FEW = 1 << 20  # they are one thread's work
_MOST_LARGEST = 32  # which are kept in order one by one
_SHORT = 16  # elements of rows that are left to NumPy
_FEWEST_OF = {"dense": 1}  # elements, where not FEWEST: a few rows have many products
_FLOAT32 = np.dtype(np.float32)
_PIXELS = (np.dtype(np.uint8), _FLOAT32)


def by_kernel(primitive: str, formula: Callable, arrays: tuple, names: dict) -> Any:
    """Returns `formula(*arrays, **names)`, by a kernel of this engine's where it has one for the primitive."""
    if arrays[0].size < _FEWEST_OF.get(
        primitive, FEWEST
    ):  # most are small, and the table takes a microsecond
        return formula(*arrays, **names)
    for row in TABLE.get((primitive, HOST), ()):
        if row.when is None or row.when(formula, arrays, names):
            return row.run(formula, arrays, names)
    return formula(*arrays, **names)


@functools.cache
def _native() -> Any:
    """`engine/native`, imported when it is first wanted: what compiles a library costs 30 ms."""
    return importlib.import_module("dovetail.engine.native")


def _host() -> Any:
    """Returns the library's functions; None where there are none, or the settings do not want them."""
    return _native().host_kernels() if settings.native else None


def is_plain(x: Any) -> bool:
    """True for arrays that the kernels take."""
    return type(x) is np.ndarray and x.dtype == _FLOAT32 and x.flags.c_contiguous


def serve(x: Any) -> bool:
    """True where a kernel can take an array, in NumPy's hands or in XLA's."""
    return x.dtype == _FLOAT32 and (type(x) is not np.ndarray or x.flags.c_contiguous) and _host() is not None


# ---- functions of elements, and reductions, which stand below the names of this engine ------------------------------


def each(function: str, x: Any) -> Any:
    """Returns a function of each element, named as in `native/on_host.py`; None where no kernel serves."""
    if x.size < FEWEST or not is_plain(x):
        return None
    host = _host()
    return None if host is None else host.each(function, x)


def reduced(how: str, x: Any, axis: Any, keepdims: bool) -> Any:
    """Returns one of REDUCTIONS over axes side by side, or all; None where no kernel serves."""
    if x.size < FEWEST or not is_plain(x):
        return None
    sizes = _sizes(x.shape, tuple(axis) if type(axis) is list else axis, bool(keepdims))
    if sizes is None or (how == "prod" and sizes[2] > 1):
        return None
    if x.size < FEWEST_SUMMED and (sizes[2] > 1 or how == "sum"):
        return None
    host = _host()
    return None if host is None else host.reduced(how, x, *sizes)


def running(x: Any, axis: int) -> Any:
    """Returns the running sums along the last axis; None where no kernel serves."""
    if x.size < FEWEST or axis not in (-1, x.ndim - 1) or not is_plain(x):
        return None
    host = _host()
    return None if host is None else host.running(x)


def few_largest(x: Any, few: int) -> Any:
    """Returns the few largest numbers of rows and their places; None where no kernel serves."""
    if not 0 < few <= _MOST_LARGEST or x.size < FEWEST // 4 or not is_plain(x):
        return None
    host = _host()
    return None if host is None else host.few_largest(x, few)


@functools.lru_cache(maxsize=1024)
def _sizes(shape: tuple, axis: Any, keepdims: bool) -> tuple | None:
    """Returns the elements before, in and after the axes, and the result's shape; None where no kernel serves."""
    rank = len(shape)
    if axis is None:
        axis = tuple(range(rank))
    axes = axis if type(axis) is tuple else (axis,)
    around = _around(shape, axes)
    if around is None:
        return None
    outer, inner = around
    result = (*outer, *(1,) * (len(shape) - len(outer) - len(inner) if keepdims else 0), *inner)
    num_outer, num_inner = math.prod(outer), math.prod(inner)
    return num_outer, math.prod(shape) // (num_outer * num_inner), num_inner, result


def reduces_columns(shape: tuple, axis: Any) -> bool:
    """True for axes that `reduced` takes."""
    return _sizes(shape, tuple(axis) if type(axis) is list else axis, False) is not None


def _around(shape: tuple, axes: tuple) -> tuple | None:
    """Returns the sizes before and after the axes; None where they do not lie side by side, or are too short."""
    rank = len(shape)
    places = sorted([one + rank if one < 0 else one for one in axes])
    if not places or places[0] < 0 or places[-1] >= rank:
        return None
    short = shape[-1] < 2 if places[-1] < rank - 1 else math.prod(shape[places[0] :]) < _SHORT
    if short or 0 in shape:
        return None
    if places != list(range(places[0], places[0] + len(places))):
        return None
    return shape[: places[0]], shape[places[-1] + 1 :]


# ---- rows of the kernel table ---------------------------------------------------------------------------------------


def _has_long_rows(formula: Callable, arrays: tuple, names: dict) -> bool:
    x = arrays[0]
    return (
        x.size >= FEWEST
        and x.shape[-1] > 1
        and names["axis"] in (-1, x.ndim - 1, (-1,), (x.ndim - 1,))
        and is_plain(x)
        and _host() is not None
    )


def _has_parameters_of_rows(formula: Callable, arrays: tuple, names: dict) -> bool:
    return _has_long_rows(formula, arrays, names) and _of_channels(arrays[0], arrays[1:])


def _of_channels(x: Any, parameters: tuple) -> bool:
    """True for parameters (channels,), each of which may be None."""
    shape = x.shape[-1:]
    return all(p is None or (p.shape == shape and is_plain(p)) for p in parameters)


@kernel("softmax", HOST, when=_has_long_rows, why="0017: one pass instead of five")
def _softmax(formula: Callable, arrays: tuple, names: dict) -> Any:
    return _host().rows("softmax", *arrays)


@kernel("log_softmax", HOST, when=_has_long_rows, why="0017: one pass instead of five")
def _log_softmax(formula: Callable, arrays: tuple, names: dict) -> Any:
    return _host().rows("log_softmax", *arrays)


@kernel("layer_norm", HOST, when=_has_parameters_of_rows, why="0017: one pass instead of seven")
def _layer_norm(formula: Callable, arrays: tuple, names: dict) -> Any:
    x, *parameters = arrays
    gamma = parameters[0] if names["scale"] else None
    beta = parameters[-1] if names["center"] else None
    return _host().rows("rms_norm" if names["rms"] else "layer_norm", x, gamma, beta, names["epsilon"])


def _has_elements(formula: Callable, arrays: tuple, names: dict) -> bool:
    return arrays[0].size >= FEWEST and is_plain(arrays[0]) and _host() is not None


@kernel("gelu", HOST, when=_has_elements, why="0017: one pass instead of five")
def _gelu(formula: Callable, arrays: tuple, names: dict) -> Any:
    return _host().each("gelu_tanh" if names["approximate"] else "gelu", *arrays)


def _has_statistics(formula: Callable, arrays: tuple, names: dict) -> bool:
    x, mean, variance, *parameters = arrays
    return (
        _has_elements(formula, arrays, names)
        and x.ndim > 1
        and mean is not None
        and variance is not None
        and _of_channels(x, arrays[1:])
    )


@kernel("batch_norm, known", HOST, when=_has_statistics, why="0017: one pass instead of two, on all threads")
def _batch_norm(formula: Callable, arrays: tuple, names: dict) -> Any:
    return _host().batch_norm(*arrays, names["variance_epsilon"])


def _has_bias(formula: Callable, arrays: tuple, names: dict) -> bool:
    return (
        arrays[0].size >= FEWEST_BIASED
        and _has_elements(formula, arrays, names)
        and _of_channels(arrays[0], arrays[1:])
    )


@kernel("bias", HOST, when=_has_bias, why="0017: all threads, and past the caches where it is much")
def _bias(formula: Callable, arrays: tuple, names: dict) -> Any:
    x, bias = arrays
    return _host().batch_norm(x, *_unit(x.shape[-1]), bias, None, 0.0)


@functools.lru_cache(maxsize=64)
def _unit(channels: int) -> tuple:
    """Returns the statistics that change nothing."""
    return np.zeros(channels, np.float32), np.ones(channels, np.float32)


def _has_groups(formula: Callable, arrays: tuple, names: dict) -> bool:
    x, *parameters = arrays
    return (
        _has_elements(formula, arrays, names)
        and x.ndim > 1
        and x.shape[-1] % names["groups"] == 0
        and _of_channels(x, tuple(parameters))
    )


@kernel("group_norm", HOST, when=_has_groups, why="0017: three passes in the cache instead of nine")
def _group_norm(formula: Callable, arrays: tuple, names: dict) -> Any:
    return _host().group_norm(*arrays, names["groups"], names["epsilon"])


def _has_images(formula: Callable, arrays: tuple, names: dict) -> bool:
    plan = names["plan"]
    return plan.rank < 3 and min(plan.out) > 0 and _has_elements(formula, arrays, names)


@kernel("windows", HOST, when=_has_images, why="0017: one pass instead of one a tap, on all threads")
def _windows(formula: Callable, arrays: tuple, names: dict) -> Any:
    (x,), plan = arrays, names["plan"]
    columns = (plan.sizes, plan.out, plan.window, plan.strides, plan.dilations, [p[0] for p in plan.padding])
    axes = [*[(1, 1, 1, 1, 1, 0)] * (2 - plan.rank), *zip(*columns, strict=True)]
    images = x if plan.rank == 2 else x.reshape(x.shape[0], 1, *x.shape[1:])
    made = _host().windows(names["mean"], images, axes)
    return made if plan.rank == 2 else made.reshape(x.shape[0], *plan.out, x.shape[-1])


def products_of(arrays: tuple, summed: int) -> tuple | None:
    """Returns the (depth, columns, shape) of what a dense layer computes of x, weights and perhaps a bias.

    None where no kernel serves.
    """
    x, weights = arrays[0], arrays[1]
    inner, shape = weights.shape[:summed], x.shape
    if shape[len(shape) - summed :] != inner or not x.size or not weights.size:
        return None
    depth = inner[0] if summed == 1 else math.prod(inner)
    rows = x.size // depth
    products = rows * weights.size
    if rows >= FEW_ROWS:
        fits = products >= FEWEST_PRODUCTS
    else:
        fits = FEWEST_PRODUCTS_OF_FEW <= products < MOST_PRODUCTS_OF_FEW
    if not fits:
        return None
    outer = weights.shape[summed:]
    for one in arrays:
        if not is_plain(one):
            return None
    if (len(arrays) > 2 and arrays[2].shape != outer) or _host() is None:
        return None
    return depth, weights.size // depth, shape[: len(shape) - summed] + outer


@kernel("dense", HOST, why="0017: one pass over the result, on all threads")
def _dense(formula: Callable, arrays: tuple, names: dict) -> Any:
    sizes = products_of(arrays, names["summed"])
    if sizes is None:
        return formula(*arrays, **names)
    return _host().dense(*arrays, *(None,) * (3 - len(arrays)), names["activation"], sizes)


def dense_like(arrays: tuple, summed: int, activation: str) -> Callable | None:
    """Returns the kernel's `f(x, weights, bias=None)` for contiguous arrays like these; None: no kernel serves."""
    sizes = products_of(arrays, summed)
    return None if sizes is None else _host().dense_like(activation, sizes)


def _has_plain_heads(formula: Callable, arrays: tuple, names: dict) -> bool:
    query, key, value, bias, mask = arrays
    return (
        bias is None
        and mask is None
        and names["soft_cap"] is None
        and key.size > 0
        and value.size > 0
        and key.shape[:3] == value.shape[:3]
        and (query.shape[0], *query.shape[2:]) == (key.shape[0], *key.shape[2:])
        and _has_elements(formula, arrays, names)
        and is_plain(key)
        and is_plain(value)
    )


@kernel("attention", HOST, when=_has_plain_heads, why="0017: weights stay in the cache, on all threads")
def _attention(formula: Callable, arrays: tuple, names: dict) -> Any:
    query, key, value, *_ = arrays
    scale = 1 / math.sqrt(query.shape[-1]) if names["scale"] is None else names["scale"]
    return _host().attention(query, key, value, scale, names["is_causal"])


def _is_of_images(formula: Callable, arrays: tuple, names: dict) -> bool:
    x = arrays[0]
    return (
        type(x) is np.ndarray
        and x.dtype in _PIXELS
        and x.flags.c_contiguous
        and None not in names["taps"]
        and _host() is not None
    )


@functools.cache
def _images(name: str) -> Callable:
    """Returns a function of `native/images.py`, with the library, which is there."""
    module = importlib.import_module("dovetail.engine.native.images")
    return functools.partial(getattr(module, name), _native().library())


@kernel("resize", HOST, when=_is_of_images, why="0017: one pass instead of eight")
def _resize(formula: Callable, arrays: tuple, names: dict) -> Any:
    return _images("resized")(*arrays, *names["taps"])


@kernel("resize chain", HOST, when=_is_of_images, why="0017: one pass over memory instead of one an op")
def _resize_chain(formula: Callable, arrays: tuple, names: dict) -> Any:
    image, *numbers = arrays
    return _images("resized_and_more")(image, numbers, names["steps"], *names["taps"])


def _is_mirrored(formula: Callable, arrays: tuple, names: dict) -> bool:
    (x,) = arrays
    plain = type(x) is np.ndarray and x.flags.c_contiguous and not x.dtype.hasobject
    return plain and names["axis"] % x.ndim == x.ndim - 2 and _host() is not None


@kernel("mirror", HOST, when=_is_mirrored, why="0017: pixels are moved whole, at twice NumPy's speed")
def _mirror(formula: Callable, arrays: tuple, names: dict) -> Any:
    return _images("mirrored")(*arrays)
