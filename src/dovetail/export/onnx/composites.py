"""Ops that ONNX has not, or has in another form: written as what they are made of, in our own ops."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from dovetail.export.onnx.elementwise import reduced
from dovetail.export.onnx.table import writes
from dovetail.ops.keras.blocks import parts_of
from dovetail.raw_ops.row import public
from dovetail.tensor.dtype import as_dtype

_HIDDEN = 1e9


def _made_of(w: Any, function: Callable, *inputs: Any) -> list:
    """Writes a function of those inputs that are there; the others are None."""
    places = [place for place, one in enumerate(inputs) if one is not None]

    def run(*tensors: Any) -> Any:
        filled: list[Any] = [None] * len(inputs)
        for place, tensor in zip(places, tensors, strict=True):
            filled[place] = tensor
        return function(*filled)

    return w.inline(run, [inputs[place] for place in places])


def _mean(x: Any, axes: Any) -> Any:
    return public("reduce_mean")(x, axes, keepdims=True)


def _normal(x: Any, axes: Any, epsilon: float, centered: bool = True) -> tuple:
    """Returns `(x - mean) / sqrt(variance + epsilon)`, the mean and the variance, with their axes kept."""
    means = _mean(x, axes)
    rest = x - means if centered else x
    variances = _mean(rest * rest, axes)
    return rest * public("math.rsqrt")(variances + epsilon), means, variances


def _wide(x: Any) -> Any:
    return public("cast")(x, "float32") if x.dtype.size < 4 else x


def _axes_of(axis: Any, rank: int) -> list[int]:
    return sorted(one % rank for one in ([axis] if isinstance(axis, int) else axis))


def _along(parameter: Any, x: Any, axes: list) -> Any:
    """Returns a parameter of some axes as one that broadcasts with the tensor."""
    sizes = [x.shape[axis] if axis in axes else 1 for axis in range(x.shape.rank)]
    return public("reshape")(public("cast")(parameter, x.dtype), sizes)


@writes("layer_norm")
def _layer_norm(
    w: Any,
    x: Any,
    *parameters: Any,
    axis: Any = -1,
    epsilon: float = 1e-3,
    scale: bool = False,
    center: bool = False,
    rms: bool = False,
) -> list:
    rank, dtype = x.shape.rank, w.dtype(x)
    axes = _axes_of(axis, rank)
    if axes == [rank - 1] and scale and not rms and dtype.size >= 4:
        return [w.op("LayerNormalization", [x, *parameters], axis=-1, epsilon=float(epsilon))]

    def run(x: Any, *parameters: Any) -> Any:
        rest = list(parameters)
        found = _normal(_wide(x), axes, epsilon, not rms)[0]
        found = found * _along(rest.pop(0), found, axes) if scale else found
        found = found + _along(rest.pop(0), found, axes) if center else found
        return public("cast")(found, dtype)

    return _made_of(w, run, x, *parameters)


@writes("group_norm")
def _group_norm(
    w: Any, x: Any, gamma: Any = None, beta: Any = None, *, groups: int, epsilon: float = 1e-3
) -> list:
    shape, dtype = tuple(x.shape), w.dtype(x)
    if None in shape[1:]:
        raise w.not_written("is of tensors of unknown sizes")

    def run(x: Any, gamma: Any, beta: Any) -> Any:
        apart = public("reshape")(_wide(x), [-1, *shape[1:-1], groups, shape[-1] // groups])
        axes = [*range(1, len(shape) - 1), len(shape)]
        found = public("reshape")(_normal(apart, axes, epsilon)[0], [-1, *shape[1:]])
        found = found if gamma is None else found * public("cast")(gamma, found.dtype)
        found = found if beta is None else found + public("cast")(beta, found.dtype)
        return public("cast")(found, dtype)

    return _made_of(w, run, x, gamma, beta)


@writes("batch_norm")
def _batch_norm(
    w: Any,
    x: Any,
    *parameters: Any,
    axis: Any = None,
    epsilon: float = 1e-3,
    scale: bool = False,
    center: bool = False,
) -> list:
    """Writes a batch normalization by the statistics of the batch, and these."""
    dtype, axes = w.dtype(x), _axes_of(axis, x.shape.rank)
    kept = [one for one in range(x.shape.rank) if one not in axes]

    def run(x: Any, *parameters: Any) -> Any:
        rest = list(parameters)
        found, means, variances = _normal(_wide(x), axes, epsilon)
        found = found * _along(rest.pop(0), found, kept) if scale else found
        found = found + _along(rest.pop(0), found, kept) if center else found
        flat = [public("squeeze")(one, axes) for one in (means, variances)]
        return [public("cast")(found, dtype), *flat]

    return _made_of(w, run, x, *parameters)


@writes("batch_normalization")
def _batch_normalization(
    w: Any,
    x: Any,
    mean: Any,
    variance: Any,
    offset: Any = None,
    scale: Any = None,
    variance_epsilon: float = 0.001,
) -> list:
    def run(x: Any, mean: Any, variance: Any, offset: Any, scale: Any) -> Any:
        factor = public("math.rsqrt")(variance + variance_epsilon)
        factor = factor if scale is None else factor * scale
        found = x * factor
        shift = -mean * factor
        return found + (shift if offset is None else shift + offset)

    return _made_of(w, run, x, mean, variance, offset, scale)


@writes("moments")
def _moments(w: Any, x: Any, axes: Any = None, keepdims: bool = False) -> list:
    over = list(range(x.shape.rank)) if axes is None else _axes_of(axes, x.shape.rank)

    def run(x: Any) -> Any:
        _, means, variances = _normal(_wide(x), over, 0.0)
        found = (
            [means, variances] if keepdims else [public("squeeze")(one, over) for one in (means, variances)]
        )
        return [public("cast")(one, x.dtype) for one in found]

    return _made_of(w, run, x)


@writes("l2_normalize")
def _l2_normalize(w: Any, x: Any, axis: Any = None, epsilon: float = 1e-12) -> list:
    def run(x: Any) -> Any:
        total = public("reduce_sum")(x * x, axis, keepdims=True)
        return x * public("math.rsqrt")(public("maximum")(total, epsilon))

    return _made_of(w, run, x)


@writes("attention")
def _attention(
    w: Any,
    query: Any,
    key: Any,
    value: Any,
    bias: Any = None,
    mask: Any = None,
    scale: float | None = None,
    is_causal: bool = False,
    soft_cap: float | None = None,
) -> list:
    groups = query.shape[2] // key.shape[2]
    sizes = (query.shape[1], key.shape[1])
    if is_causal and None in sizes:
        raise w.not_written("is causal, of sequences of unknown lengths")
    factor = 1 / math.sqrt(query.shape[3]) if scale is None else scale
    heads = public("transpose")

    def run(query: Any, key: Any, value: Any, bias: Any, mask: Any) -> Any:
        if groups > 1:
            key, value = (public("repeat")(one, groups, axis=2) for one in (key, value))
        scores = public("matmul")(heads(query, (0, 2, 1, 3)) * factor, heads(key, (0, 2, 3, 1)))
        if soft_cap is not None:
            scores = public("tanh")(scores / soft_cap) * soft_cap
        scores = scores if bias is None else scores + bias
        if mask is not None:
            scores = public("where")(mask, scores, -_HIDDEN)
        if is_causal:
            scores = public("where")(np.tri(*sizes, dtype=bool), scores, -_HIDDEN)
        weights = public("nn.softmax")(scores)
        return heads(public("matmul")(weights, heads(value, (0, 2, 1, 3))), (0, 2, 1, 3))

    return _made_of(w, run, query, key, value, bias, mask)


@writes("additive_scores")
def _additive_scores(w: Any, query: Any, key: Any, scale: Any = None) -> list:
    def run(query: Any, key: Any, scale: Any) -> Any:
        fits = public("tanh")(public("expand_dims")(query, -2) + public("expand_dims")(key, -3))
        return public("reduce_sum")(fits if scale is None else fits * scale, -1)

    return _made_of(w, run, query, key, scale)


@writes("masked_softmax")
def _masked_softmax(w: Any, logits: Any, mask: Any, axis: Any = -1, zero_hidden: bool = True) -> list:
    def run(logits: Any, mask: Any) -> Any:
        allowed = mask if mask.dtype == as_dtype("bool") else mask > 0.5
        moved = public("where")(allowed, logits, logits - _HIDDEN)
        weights = public("exp")(moved - public("reduce_max")(moved, axis, keepdims=True))
        weights = weights / public("reduce_sum")(weights, axis, keepdims=True)
        return public("where")(allowed, weights, 0.0) if zero_hidden else weights

    return _made_of(w, run, logits, mask)


@writes("digitize")
def _digitize(w: Any, x: Any, bins: Any) -> list:
    def run(x: Any, bins: Any) -> Any:
        is_above = public("expand_dims")(x, -1) >= bins
        return public("reduce_sum")(public("cast")(is_above, "int32"), -1)

    return _made_of(w, run, x, bins)


@writes("look_up_integers")
def _look_up_integers(w: Any, x: Any, keys: Any, values: Any, default: Any) -> list:
    def run(x: Any, keys: Any, values: Any, default: Any) -> Any:
        is_key = public("expand_dims")(x, -1) == keys
        found = public("reduce_sum")(public("where")(is_key, values, public("zeros_like")(values)), -1)
        return public("where")(public("reduce_any")(is_key, -1), found, default)

    return _made_of(w, run, x, keys, values, default)


@writes("tokens_at")
def _tokens_at(w: Any, x: Any, tokens: Any, other: Any, first: int) -> list:
    def run(x: Any, tokens: Any, other: Any) -> Any:
        place, last = x - first, tokens.shape[0] - 1
        inside = public("logical_and")(place >= 0, place <= last)
        return public("where")(
            inside, public("gather")(tokens, public("clip_by_value")(place, 0, last)), other
        )

    return _made_of(w, run, x, tokens, other)


@writes("count_values")
def _count_values(
    w: Any, values: Any, weights: Any = None, *, size: int, dtype: Any = "int32", binary: bool = False
) -> list:
    def run(values: Any, weights: Any) -> Any:
        kind = as_dtype(dtype) if weights is None else weights.dtype
        hits = public("one_hot")(values, size, dtype=kind)
        hits = hits if weights is None else hits * public("expand_dims")(weights, -1)
        total = public("reduce_sum")(hits, -2)
        return public("cast")(total > 0, kind) if binary else total

    return _made_of(w, run, values, weights)


def _parts(w: Any, x: Any, output: Any, channels_first: bool) -> list[tuple]:
    """Returns the spatial axes with where their parts begin and end."""
    axes = range(2, 2 + len(output)) if channels_first else range(1, 1 + len(output))
    if any(x.shape[axis] is None for axis in axes):
        raise w.not_written("is of images of unknown sizes")
    return [(axis, *parts_of(x.shape[axis], parts)) for axis, parts in zip(axes, output, strict=True)]


@writes("adaptive_mean")
def _adaptive_mean(w: Any, x: Any, output: Any, channels_first: bool) -> Any:
    found, rank = w.ref(x), x.shape.rank
    for axis, start, stop in _parts(w, x, output, channels_first):
        place = np.arange(x.shape[axis])
        inside = (place >= start[:, None]) & (place < stop[:, None])
        matrix = w.constant(inside / inside.sum(1, keepdims=True), w.dtype(x))
        found = along_axis(w, found, matrix, axis, rank)
    return found


def along_axis(w: Any, x: Any, matrix: Any, axis: int, rank: int) -> Any:
    """Writes the product of a matrix (new, old) with an axis of a tensor."""
    letters = "abcdefgh"[:rank]
    result = letters.replace(letters[axis], "z")
    return w.op("Einsum", [x, matrix], equation=f"{letters},z{letters[axis]}->{result}")


@writes("adaptive_maximum")
def _adaptive_maximum(w: Any, x: Any, output: Any, channels_first: bool) -> Any:
    found = w.ref(x)
    for axis, start, stop in _parts(w, x, output, channels_first):
        places = np.minimum(start[:, None] + np.arange(int((stop - start).max())), stop[:, None] - 1)
        found = reduced(w, "ReduceMax", w.op("Gather", [found, w.ints(places)], axis=axis), axis + 1, False)
    return found
