"""Sums, means, extremes, and running sums: ops that reduce over axes or accumulate along one."""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail.engine import dtypes
from dovetail.engine.host_native import reduces_columns
from dovetail.ops import rules
from dovetail.ops.arithmetic import conjugated, divide_no_nan, masked, refuse_bool
from dovetail.ops.attrs import Axis, DTypeLike
from dovetail.ops.families import op, reduction, reshape_to, spread_to
from dovetail.ops.math import exp, real_dtype, refuse_complex

_BOOL, _INT32, _INT64 = np.dtype(bool), np.dtype(np.int32), np.dtype(np.int64)


def _spread(g: Any, x: Any, axis: Axis, keepdims: bool, over: int = 1) -> Any:
    """Gives each element of `x` the gradient of the element that it was summed into, divided by `over`."""
    shape = tuple(x.shape)
    if not keepdims and len(g.shape):
        g = reshape_to(g, shape=rules.reduced(shape, axis=axis, keepdims=True))
    return spread_to(g, shape=shape, over=over)


def _count(x: Any, axis: Axis) -> int:
    """Returns how many elements of `x` make one element of the result."""
    shape = tuple(x.shape)
    return rules.product(shape[i] for i in rules.normalized_axes(axis, len(shape)))


def _of_columns(x: Any, axis: Axis, **_: Any) -> bool:
    return reduces_columns(x.shape, axis)


def _by_rows(x: Any, *, axis: Any, keepdims: bool = False, **_: Any) -> str:
    """Rows are reduced, or added up along, each by itself where the first axis stays."""
    axes = (0,) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    return "whole" if 0 in axes or -x.ndim in axes else "rows"


# ---- sums --------------------------------------------------------------------------------------------------------


@reduction("reduce_sum math.reduce_sum K.sum(x)", one_pass=_of_columns)
def reduce_sum(xp: Any, input_tensor: Any, *, axis: Axis = None, keepdims: bool = False) -> Any:
    """Sums over `axis` (all axes when None), in the dtype of the input.

    Args:
        input_tensor: tensor of any numeric dtype.
        axis: an axis, a list of axes, or None; an empty list reduces nothing.
        keepdims: keep the reduced axes with size 1.
    """
    if input_tensor.dtype.kind in "bO":
        refuse_bool(input_tensor)
    return xp.sum(input_tensor, axis=axis, keepdims=keepdims)


reduce_sum.gradient(lambda g, y, x, axis, keepdims: _spread(g, x, axis, keepdims))


@reduction("reduce_mean math.reduce_mean", one_pass=_of_columns)
def reduce_mean(xp: Any, input_tensor: Any, *, axis: Axis = None, keepdims: bool = False) -> Any:
    """Averages over `axis`.  Integers give integers, rounded towards zero.

    Args:
        input_tensor: tensor of any numeric dtype.
        axis: an axis, a list of axes, or None for all.
        keepdims: keep the reduced axes with size 1.
    """
    if input_tensor.dtype.kind in "bO":
        refuse_bool(input_tensor)
    return xp.mean(input_tensor, axis=axis, keepdims=keepdims)


reduce_mean.gradient(
    lambda g, y, x, axis, keepdims: _spread(g, x, axis, keepdims, over=max(_count(x, axis), 1))
)


@reduction("reduce_prod math.reduce_prod K.prod(x)")
def reduce_prod(xp: Any, input_tensor: Any, *, axis: Axis = None, keepdims: bool = False) -> Any:
    """Multiplies over `axis`, in the dtype of the input."""
    refuse_bool(input_tensor)
    return xp.prod(input_tensor, axis=axis, keepdims=keepdims)


def _centered(xp: Any, x: Any, axis: Axis) -> Any:
    return xp.subtract(x, xp.mean(x, axis=axis, keepdims=True))


def _variance(xp: Any, x: Any, axis: Axis, keepdims: bool) -> Any:
    if x.dtype.kind in "iub":
        raise TypeError(
            f"expected floating-point or complex numbers, received {x.dtype}; use tf.cast(x, tf.float32)"
        )
    difference = _centered(xp, x, axis)
    if x.dtype.kind == "c":
        return xp.mean(
            xp.square(xp.real(difference)) + xp.square(xp.imag(difference)), axis=axis, keepdims=keepdims
        )
    return xp.mean(xp.multiply(difference, difference), axis=axis, keepdims=keepdims)


def _variance_gradient(g: Any, y: Any, x: Any, axis: Axis) -> Any:
    centered = x - reduce_mean(x, axis=axis, keepdims=True)
    scaled = g * (2.0 / max(_count(x, axis), 1))
    return centered * (scaled._astype(x.dtype) if x.dtype.is_complex else scaled)


@reduction("math.reduce_variance", _variance_gradient, dtype=real_dtype)
def reduce_variance(xp: Any, input_tensor: Any, *, axis: Axis = None, keepdims: bool = False) -> Any:
    """Returns the mean of `|x - mean(x)|^2` over `axis`."""
    return _variance(xp, input_tensor, axis, keepdims)


@reduction(
    "math.reduce_std", lambda g, y, x, axis: _variance_gradient(g / (y * 2.0), y, x, axis), dtype=real_dtype
)
def reduce_std(xp: Any, input_tensor: Any, *, axis: Axis = None, keepdims: bool = False) -> Any:
    """Returns the standard deviation, the root of `reduce_variance`."""
    return xp.sqrt(_variance(xp, input_tensor, axis, keepdims))


@reduction("math.reduce_euclidean_norm", lambda g, y, x, axis: x * (g / conjugated(y)))
def reduce_euclidean_norm(xp: Any, input_tensor: Any, *, axis: Axis = None, keepdims: bool = False) -> Any:
    """Returns the root of the sum of squares over `axis`, in the dtype of the input."""
    x = input_tensor
    if xp.name == "host" and axis is None and x.dtype.kind == "f" and x.dtype.itemsize > 2 and not keepdims:
        flat = x.reshape(-1)
        return np.sqrt(np.dot(flat, flat)).astype(x.dtype)
    squares = xp.multiply(x, xp.conj(x) if x.dtype.kind == "c" else x)
    return xp.sqrt(xp.sum(squares, axis=axis, keepdims=keepdims)).astype(x.dtype)


@reduction("reduce_logsumexp math.reduce_logsumexp", lambda g, y, x, axis: g * exp(x - y))
def reduce_logsumexp(xp: Any, input_tensor: Any, *, axis: Axis = None, keepdims: bool = False) -> Any:
    """Returns `log(sum(exp(x)))` over `axis`, without overflow."""
    x = input_tensor
    if x.dtype.kind in "iub":
        raise TypeError(f"expected floating-point numbers, received {x.dtype}; use tf.cast(x, tf.float32)")
    top = xp.max(x, axis=axis, keepdims=True)
    top = xp.where(xp.isfinite(top), top, xp.zeros((), x.dtype))
    total = xp.log(xp.sum(xp.exp(xp.subtract(x, top)), axis=axis, keepdims=True)) + top
    return total if keepdims else xp.reshape(total, rules.reduced(x.shape, axis))


# ---- extremes ----------------------------------------------------------------------------------------------------


def _extreme_gradient(g: Any, y: Any, x: Any, axis: Axis) -> Any:
    """Splits the gradient evenly among the elements that are equal to the extreme."""
    chosen = x == y
    count = reduce_sum(chosen._astype(x.dtype), axis=axis, keepdims=True)
    return masked(g / count, chosen)


@reduction("reduce_max math.reduce_max K.max(x)", _extreme_gradient, one_pass=_of_columns)
def reduce_max(xp: Any, input_tensor: Any, *, axis: Axis = None, keepdims: bool = False) -> Any:
    """Returns the largest element over `axis`; of none, the smallest number of the dtype."""
    refuse_complex(input_tensor)
    return xp.max(input_tensor, axis=axis, keepdims=keepdims)


@reduction("reduce_min math.reduce_min K.min(x)", _extreme_gradient, one_pass=_of_columns)
def reduce_min(xp: Any, input_tensor: Any, *, axis: Axis = None, keepdims: bool = False) -> Any:
    """Returns the smallest element over `axis`; of none, the largest number of the dtype."""
    refuse_complex(input_tensor)
    return xp.min(input_tensor, axis=axis, keepdims=keepdims)


def _need_bool(x: Any) -> None:
    if x.dtype.kind != "b":
        raise TypeError(f"expected booleans, received {x.dtype}; write tf.cast(x, tf.bool)")


@reduction("reduce_all math.reduce_all", False, pieces=_by_rows)
def reduce_all(xp: Any, input_tensor: Any, *, axis: Axis = None, keepdims: bool = False) -> Any:
    """Returns whether all booleans over `axis` hold; of none, True."""
    _need_bool(input_tensor)
    return xp.all(input_tensor, axis=axis, keepdims=keepdims)


@reduction("reduce_any math.reduce_any", False, pieces=_by_rows)
def reduce_any(xp: Any, input_tensor: Any, *, axis: Axis = None, keepdims: bool = False) -> Any:
    """Returns whether any boolean over `axis` holds; of none, False."""
    _need_bool(input_tensor)
    return xp.any(input_tensor, axis=axis, keepdims=keepdims)


@op(
    "math.count_nonzero",
    shape=lambda shape, dtype, **options: rules.reduced(shape, **options),
    dtype=lambda kind, dtype, **_: dtype,
    differentiable=False,
    pieces="whole",
)
def count_nonzero(
    xp: Any, input: Any, *, axis: Axis = None, keepdims: bool = False, dtype: DTypeLike = _INT64
) -> Any:
    """Counts the elements that are not 0, of strings those that are not empty, over `axis`.

    Args:
        input: tensor.
        axis: an axis, a list of axes, or None for all.
        keepdims: keep the reduced axes with size 1.
        dtype: of the result.
    """
    nothing = b"" if dtypes.is_host_only(input.dtype) else 0
    if xp.name == "host" and axis is None and not keepdims:
        return np.array(np.count_nonzero(input != nothing), dtype)
    return xp.sum((input != nothing).astype(dtype), axis=axis, keepdims=keepdims)


def _position_shape(shape: tuple, axis: Axis, **_: Any) -> tuple:
    return rules.reduced(shape, 0 if axis is None else axis)


_position = {
    "shape": _position_shape,
    "dtype": lambda kind, output_type, **_: output_type,
    "differentiable": False,
    "pieces": lambda *x, axis, **_: (
        "rows" if axis is not None and _by_rows(*x, axis=axis) == "rows" else None
    ),
}


@op("argmax math.argmax K.argmax(x,axis=-1)", **_position)
def argmax(xp: Any, input: Any, *, axis: int | None = None, output_type: DTypeLike = _INT64) -> Any:
    """Returns the position of the largest element along `axis` (0 when None); of equal ones, the first.

    Args:
        input: tensor.
        axis: one axis.
        output_type: tf.int64, tf.int32 or a 16-bit integer type.
    """
    rules.refuse_strings(input)
    return xp.argmax(input, axis=0 if axis is None else axis).astype(output_type)


@op("argmin math.argmin K.argmin(x,axis=-1)", **_position)
def argmin(xp: Any, input: Any, *, axis: int | None = None, output_type: DTypeLike = _INT64) -> Any:
    """Returns the position of the smallest element along `axis` (0 when None); of equal ones, the first.

    Args:
        input: tensor.
        axis: one axis.
        output_type: tf.int64 or tf.int32.
    """
    rules.refuse_strings(input)
    return xp.argmin(input, axis=0 if axis is None else axis).astype(output_type)


# ---- running sums ------------------------------------------------------------------------------------------------


def _running(xp: Any, x: Any, axis: int, exclusive: bool, reverse: bool, accumulate: Any, first: Any) -> Any:
    """Accumulates along an axis, from the end with `reverse`, leaving out the element itself with `exclusive`."""
    rules.refuse_strings(x)
    axis = rules.normalized_axis(axis, x.ndim)
    if reverse:
        x = xp.flip(x, axis)
    if exclusive:
        kept = x[(slice(None),) * axis + (slice(None, max(x.shape[axis] - 1, 0)),)]
        start = xp.full((*x.shape[:axis], min(x.shape[axis], 1), *x.shape[axis + 1 :]), first, x.dtype)
        x = xp.concatenate([start, kept], axis=axis)
    out = accumulate(x, axis)
    return xp.flip(out, axis) if reverse else out


def _cumsum_gradient(g: Any, y: Any, x: Any, axis: int, exclusive: bool, reverse: bool) -> Any:
    return cumsum(g, axis=axis, exclusive=exclusive, reverse=not reverse)


@op("cumsum math.cumsum K.cumsum", shape=lambda shape, **_: shape, pieces=_by_rows)
def cumsum(xp: Any, x: Any, *, axis: int = 0, exclusive: bool = False, reverse: bool = False) -> Any:
    """Returns the running sum along `axis`.

    Args:
        x: tensor of any numeric dtype.
        axis: one axis.
        exclusive: leave out the element itself: the first result is 0.
        reverse: start at the end.
    """
    return _running(xp, x, axis, exclusive, reverse, xp.cumsum, 0)


cumsum.gradient(_cumsum_gradient)


def _cumprod_gradient(g: Any, y: Any, x: Any, axis: int, exclusive: bool, reverse: bool) -> Any:
    total = cumsum(conjugated(y) * g, axis=axis, exclusive=exclusive, reverse=not reverse)
    return divide_no_nan(total, conjugated(x))


@op("math.cumprod K.cumprod", shape=lambda shape, **_: shape)
def cumprod(xp: Any, x: Any, *, axis: int = 0, exclusive: bool = False, reverse: bool = False) -> Any:
    """Returns the running product along `axis`.

    Args:
        x: tensor of any numeric dtype.
        axis: one axis.
        exclusive: leave out the element itself: the first result is 1.
        reverse: start at the end.
    """
    return _running(xp, x, axis, exclusive, reverse, xp.cumprod, 1)


cumprod.gradient(_cumprod_gradient)


@op("math.cumulative_logsumexp", shape=lambda shape, **_: shape)
def cumulative_logsumexp(
    xp: Any, x: Any, *, axis: int = 0, exclusive: bool = False, reverse: bool = False
) -> Any:
    """Returns the running `log(sum(exp(x)))` along `axis`, without overflow.

    Args:
        x: tensor of floats.
        axis: one axis.
        exclusive: leave out the element itself: the first result is -inf.
        reverse: start at the end.
    """
    return _running(xp, x, axis, exclusive, reverse, xp.cumlogsumexp, -np.inf)
