"""Softmax, normalizations and losses with their gradients, by native kernels on the XLA engine."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dovetail.engine.kernels import kernel
from dovetail.engine.xla_native import FLOAT32, serves, standing_for

FEWEST = 1 << 13  # elements: a custom call costs some microseconds, and no loop is fused with it
SHORTEST = 8  # rows: shorter ones leave vectors empty
_WHY = "0024: a row stays in the cache for all passes"


def _are_rows(x: Any, axis: Any) -> bool:
    last = axis in (-1, (-1,), x.ndim - 1, (x.ndim - 1,))
    return last and x.size >= FEWEST and x.shape[-1] >= SHORTEST


def _softmax_serves(formula: Callable, arrays: tuple, names: dict) -> bool:
    return _are_rows(arrays[0], names["axis"]) and serves(arrays)


def _same_shape_serves(formula: Callable, arrays: tuple, names: dict) -> bool:
    return arrays[0].shape == arrays[1].shape and _softmax_serves(formula, arrays, names)


@kernel("softmax", "cpu", when=_softmax_serves, why=_WHY)
def _softmax(formula: Callable, arrays: tuple, names: dict) -> Any:
    return _called("dovetail_softmax", formula, arrays, names, [arrays[0].shape], _rows(arrays[0]))[0]


@kernel("softmax, gradient", "cpu", when=_same_shape_serves, why=_WHY)
def _softmax_gradient(formula: Callable, arrays: tuple, names: dict) -> Any:
    return _called("dovetail_softmax_gradient", formula, arrays, names, [arrays[0].shape], _rows(arrays[0]))[
        0
    ]


def _labels_serve(formula: Callable, arrays: tuple, names: dict) -> bool:
    *g, logits, labels = arrays
    shapes = {each.shape for each in (*g, labels)}
    return (
        labels.dtype == np.int32
        and shapes == {logits.shape[:-1]}
        and _are_rows(logits, -1)
        and serves((logits, *g))
    )


@kernel("label loss", "cpu", when=_labels_serve, why=_WHY)
def _label_loss(formula: Callable, arrays: tuple, names: dict) -> Any:
    logits, labels = arrays
    return _called("dovetail_label_loss", formula, arrays, names, [labels.shape], _rows(logits))[0]


@kernel("label loss, gradient", "cpu", when=_labels_serve, why=_WHY)
def _label_gradient(formula: Callable, arrays: tuple, names: dict) -> Any:
    logits = arrays[1]
    return _called("dovetail_label_loss_gradient", formula, arrays, names, [logits.shape], _rows(logits))[0]


def _norm_serves(formula: Callable, arrays: tuple, names: dict) -> bool:
    return _have_parameters(arrays[0], arrays[1:], names) and serves(arrays)


def _norm_gradient_serves(formula: Callable, arrays: tuple, names: dict) -> bool:
    return arrays[0].shape == arrays[1].shape and _norm_serves(formula, arrays[1:], names) and serves(arrays)


def _have_parameters(x: Any, parameters: tuple, names: dict) -> bool:
    return _are_rows(x, names["axis"]) and all(p.shape == x.shape[-1:] for p in parameters)


@kernel("layer_norm", "cpu", when=_norm_serves, why=_WHY)
def _layer_norm(formula: Callable, arrays: tuple, names: dict) -> Any:
    x = arrays[0]
    return _called("dovetail_layer_norm", formula, arrays, names, [x.shape], _norm_numbers(x, names))[0]


@kernel("layer_norm, gradient", "cpu", when=_norm_gradient_serves, why=_WHY)
def _layer_norm_gradient(formula: Callable, arrays: tuple, names: dict) -> tuple:
    _, x, *parameters = arrays
    shapes = [x.shape, *(p.shape for p in parameters)]
    return _called("dovetail_layer_norm_gradient", formula, arrays, names, shapes, _norm_numbers(x, names))


def _batch_serves(formula: Callable, arrays: tuple, names: dict) -> bool:
    return _has_channels_last(arrays[0], names) and serves(arrays)


def _has_channels_last(x: Any, names: dict) -> bool:
    axes = names["axis"]
    last = isinstance(axes, tuple) and sorted(a % x.ndim for a in axes) == list(range(x.ndim - 1))
    return last and x.ndim > 1 and x.size >= FEWEST and x.shape[-1] >= SHORTEST


def _batch_gradient_serves(formula: Callable, arrays: tuple, names: dict) -> bool:
    return arrays[0].shape == arrays[3].shape and _has_channels_last(arrays[3], names) and serves(arrays)


@kernel(
    "batch_norm", "cpu", when=_batch_serves, why="0024: statistics take one pass over memory, results another"
)
def _batch_norm(formula: Callable, arrays: tuple, names: dict) -> tuple:
    x = arrays[0]
    shapes = [x.shape, x.shape[-1:], x.shape[-1:]]
    return _called("dovetail_batch_norm", formula, arrays, names, shapes, batch_numbers(x, names))


@kernel("batch_norm, gradient", "cpu", when=_batch_gradient_serves, why="0024: two passes over memory")
def _batch_norm_gradient(formula: Callable, arrays: tuple, names: dict) -> tuple:
    x, parameters = arrays[3], arrays[6:]
    shapes = [x.shape, *(p.shape for p in parameters)]
    return _called("dovetail_batch_norm_gradient", formula, arrays, names, shapes, batch_numbers(x, names))


def batch_numbers(x: Any, names: dict, other: bool = False, floor: bool = False) -> list[int]:
    """Returns `BatchNormSizes` of native/kernels.cc."""
    flags = [int(names["scale"]), int(names["center"]), int(other), int(floor)]
    return [*_rows(x), *flags, int(np.float64(names["epsilon"]).view(np.int64))]


def _gelu_serves(formula: Callable, arrays: tuple, names: dict) -> bool:
    return arrays[0].size >= FEWEST and arrays[0].shape == arrays[-1].shape and serves(arrays)


@kernel("gelu", "cpu", when=_gelu_serves, why="0024: one pass over memory")
def _gelu(formula: Callable, arrays: tuple, names: dict) -> Any:
    return _called("dovetail_gelu", formula, arrays, names, [arrays[0].shape], [int(names["approximate"])])[0]


@kernel("gelu, gradient", "cpu", when=_gelu_serves, why="0024: one pass over memory")
def _gelu_gradient(formula: Callable, arrays: tuple, names: dict) -> Any:
    shapes, numbers = [arrays[0].shape], [int(names["approximate"])]
    return _called("dovetail_gelu_gradient", formula, arrays, names, shapes, numbers)[0]


def _tile(x: Any, plan: Any) -> bool:
    """True for images, or sequences, whose windows lie side by side and inside."""
    inside = not any(map(any, plan.padding)) and plan.rank <= 2
    return inside and plan.tiles() and x.size >= FEWEST and x.shape[-1] >= SHORTEST


def _largest_serves(formula: Callable, arrays: tuple, names: dict) -> bool:
    return not names["mean"] and _tile(arrays[0], names["plan"]) and serves(arrays)


@kernel("windows", "cpu", when=_largest_serves, why="0024: one pass over memory")
def _largest(formula: Callable, arrays: tuple, names: dict) -> Any:
    (x,), plan = arrays, names["plan"]
    shape = (x.shape[0], *plan.out, x.shape[-1])
    return _called("dovetail_largest", formula, arrays, names, [shape], _tile_numbers(x, plan))[0]


def _largest_gradient_serves(formula: Callable, arrays: tuple, names: dict) -> bool:
    return _tile(arrays[1], names["plan"]) and serves(arrays)


@kernel(
    "largest of windows, gradient", "cpu", when=_largest_gradient_serves, why="0024: one pass over memory"
)
def _largest_gradient(formula: Callable, arrays: tuple, names: dict) -> Any:
    x, numbers = arrays[1], _tile_numbers(arrays[1], names["plan"])
    return _called("dovetail_largest_gradient", formula, arrays, names, [x.shape], numbers)[0]


def _tile_numbers(x: Any, plan: Any) -> list[int]:
    """Returns `Tiles` of native/tiles.h."""
    missing = (1,) * (2 - plan.rank)
    return [x.shape[0], *missing, *x.shape[1:], *missing, *plan.window]


def _rows(x: Any) -> list[int]:
    return [math.prod(x.shape[:-1]), x.shape[-1]]


def _norm_numbers(x: Any, names: dict) -> list[int]:
    """Returns `NormSizes` of native/rows.h."""
    flags = [int(names[name]) for name in ("rms", "scale", "center")]
    return [*_rows(x), *flags, int(np.float64(names["epsilon"]).view(np.int64))]


def _called(
    target: str, formula: Callable, arrays: tuple, names: dict, shapes: list, numbers: list[int]
) -> tuple:
    """Calls a kernel; its derivatives and batches are the formula's."""

    def own(*arrays: Any) -> tuple:
        results = formula(*arrays, **names)
        return tuple(results) if isinstance(results, tuple) else (results,)

    def call(*arrays: Any) -> tuple:
        kinds = [jax.ShapeDtypeStruct(shape, FLOAT32) for shape in shapes]
        return tuple(jax.ffi.ffi_call(target, kinds)(*arrays, numbers=np.array(numbers, np.int64)))

    return standing_for(own, call)(*map(jnp.asarray, arrays))
