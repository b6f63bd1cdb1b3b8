"""Norms, normalization by them, moments, and clipping by norm."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.engine import dtypes
from dovetail.ops import rules
from dovetail.ops.arithmetic import maximum, minimum, multiply, pow_
from dovetail.ops.attrs import Axis
from dovetail.ops.attrs import axis as static_axis
from dovetail.ops.create import ones_like
from dovetail.ops.families import op, reshape_to, spread_to
from dovetail.ops.indexed_slices import IndexedSlices
from dovetail.ops.math import abs_, rsqrt
from dovetail.ops.prepared import floats
from dovetail.ops.reduction import reduce_euclidean_norm, reduce_max, reduce_sum
from dovetail.ops.views import export
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.tensor import Tensor, TensorLike

_FLOAT32 = np.dtype(np.float32)


# ---- normalization -----------------------------------------------------------------------------------------------


def _l2_normalize_gradient(g: Any, y: Any, x: Any, axis: Axis, epsilon: float) -> Any:
    squares = reduce_sum(x * x, axis=axis, keepdims=True)
    along = reduce_sum(g * y, axis=axis, keepdims=True) * (squares >= epsilon)._astype(x.dtype)
    return (g - y * along) * rsqrt(maximum(squares, epsilon))


@op("math.l2_normalize nn.l2_normalize linalg.l2_normalize K.l2_normalize", shape=lambda x, **_: x)
def l2_normalize(xp: Any, x: Any, *, axis: Axis = None, epsilon: float = 1e-12) -> Any:
    """Returns `x / sqrt(max(sum(x^2), epsilon))`, the sum over `axis`.

    Args:
        x: tensor of floats.
        axis: an axis, a list of axes, or None for all.
        epsilon: lower limit of the sum, so that zeros stay zeros.
    """
    if x.dtype.kind in "iub":
        raise TypeError(f"expected a floating-point tensor, received {x.dtype}; use tf.cast(x, tf.float32)")
    squares = xp.sum(xp.multiply(x, x), axis=axis, keepdims=True)
    return x * xp.rsqrt(xp.maximum(squares, x.dtype.type(epsilon)))


l2_normalize.gradient(_l2_normalize_gradient)


_whole_norm = reduce_euclidean_norm.fixed(axis=None, keepdims=False)


@export("norm linalg.norm")
def norm(
    tensor: Any,
    ord: Any = "euclidean",
    axis: Any = None,
    keepdims: bool | None = None,
    name: str | None = None,
) -> Any:
    """Returns the norm of vectors or matrices.

    Args:
        tensor: tensor of floats.
        ord: "euclidean", 1, 2, `np.inf` or any positive number; for matrices "euclidean" or "fro", 1, 2, `np.inf`.
        axis: None: the tensor is one long vector; an axis: vectors along it; two axes: matrices.
        keepdims: keep the reduced axes with size 1.

    Raises:
        ValueError: there is no such norm.
    """
    if axis is None and type(tensor) is Tensor and not keepdims and ord == "euclidean":
        return _whole_norm(_floating(tensor))
    axis, keepdims = static_axis(axis), bool(keepdims)
    if isinstance(axis, tuple) and len(axis) == 1:
        axis = axis[0]
    matrix = isinstance(axis, tuple)
    if ord in ("euclidean", "fro") or (ord == 2 and not matrix):
        return reduce_euclidean_norm(_floating(tensor), axis=axis, keepdims=keepdims)
    if matrix:
        return _matrix_norm(_floating(tensor), ord, axis, keepdims)
    if ord == 1:
        return reduce_sum(abs_(tensor), axis=axis, keepdims=keepdims)
    if ord == math.inf:
        return reduce_max(abs_(tensor), axis=axis, keepdims=keepdims)
    if isinstance(ord, str) or not ord > 0:
        raise ValueError(
            f"tf.norm: no vector norm {ord!r}. Use 'euclidean', 1, 2, np.inf or a positive number{at_user_location()}"
        )
    return pow_(reduce_sum(pow_(abs_(tensor), ord), axis=axis, keepdims=keepdims), 1.0 / ord)


def _floating(tensor: Any) -> Any:
    tensor = tensor if isinstance(tensor, TensorLike) else convert_to_tensor(tensor)
    if not (tensor.dtype.is_floating or tensor.dtype.is_complex):
        raise TypeError(
            f"tf.norm: expected floats, received {tensor.dtype.name}; use tf.cast(x, tf.float32){at_user_location()}"
        )
    return tensor


def _matrix_norm(tensor: Any, ord: Any, axis: tuple, keepdims: bool) -> Any:
    rank = len(tensor.shape)
    rows, columns = rules.normalized_axes(axis, rank)
    if ord == 2:
        return spectral_norm(tensor, axis=(rows, columns), keepdims=keepdims)
    if ord not in (1, math.inf):
        raise ValueError(f"tf.norm: no matrix norm {ord!r}. Use 'fro', 1, 2 or np.inf{at_user_location()}")
    first, second = (rows, columns) if ord == 1 else (columns, rows)
    sums = reduce_sum(abs_(tensor), axis=first, keepdims=True)
    largest = reduce_max(sums, axis=second, keepdims=True)
    return largest if keepdims else reduce_sum(largest, axis=(rows, columns))


@op("", shape=rules.reduced)
def spectral_norm(xp: Any, x: Any, *, axis: Axis = None, keepdims: bool = False) -> Any:
    """Returns the largest singular value of the matrices along two axes."""
    return xp.linalg.norm(x, ord=2, axis=axis, keepdims=keepdims)


@export("linalg.normalize")
def normalize(tensor: Any, ord: Any = "euclidean", axis: Any = None, name: str | None = None) -> tuple:
    """Returns `(tensor / norm, norm)`, the norm as in `tf.norm` with its axes kept."""
    tensor = _floating(tensor)
    length = norm(tensor, ord, axis, keepdims=True)
    return tensor / length, length


# ---- moments -----------------------------------------------------------------------------------------------------


def _moments_shape(x: tuple, axes: Axis, keepdims: bool) -> list:
    return [rules.reduced(x, axes, keepdims)] * 2


@op("", shape=_moments_shape)
def moments(xp: Any, x: Any, *, axes: Axis = None, keepdims: bool = False) -> Any:
    """Returns mean and variance over `axes`; 16-bit floats are computed in float32."""
    wide = x.astype(_FLOAT32) if dtypes.is_half(x.dtype) else x
    mean = xp.mean(wide, axis=axes, keepdims=True)
    difference = xp.subtract(wide, mean)
    variance = xp.mean(xp.multiply(difference, difference), axis=axes, keepdims=keepdims)
    mean = mean if keepdims else xp.reshape(mean, rules.reduced(x.shape, axes))
    return mean.astype(x.dtype), variance.astype(x.dtype)


def _moments_gradient(g: Any, y: Any, x: Any, axes: Axis, keepdims: bool) -> Any:
    shape = tuple(x.shape)
    kept = rules.reduced(shape, axes, True)
    count = max(rules.product(shape[i] for i in rules.normalized_axes(axes, len(shape))), 1)
    g_mean, g_variance, mean = (_reshaped(t, kept) for t in (g[0], g[1], y[0]))
    return (x - mean) * (g_variance * (2.0 / count)) + spread_to(g_mean / count, shape=shape)


def _reshaped(tensor: Any, shape: tuple) -> Any:
    return tensor if tuple(tensor.shape) == shape else reshape_to(tensor, shape=shape)


moments.gradient(_moments_gradient)


@export("nn.moments")
def nn_moments(
    x: Any, axes: Any, shift: Any = None, keepdims: bool = False, name: str | None = None
) -> tuple:
    """Returns the mean and the variance of `x` over `axes`.

    Args:
        x: tensor of floats.
        axes: the axes to reduce.
        shift: has no effect, as in TensorFlow.
        keepdims: keep the reduced axes with size 1.
    """
    return moments(x, axes=axes, keepdims=keepdims)


@export("ops.nn.moments")
def ops_moments(x: Any, axes: Any, keepdims: bool = False, synchronized: bool = False) -> tuple:
    """Returns the mean and the variance of `x` over `axes`.

    Raises:
        ValueError: `synchronized`, which needs several devices.
    """
    if synchronized:
        raise ValueError(f"keras.ops.moments: synchronized=True is not supported{at_user_location()}")
    return moments(*floats((x,)), axes=axes, keepdims=keepdims)


@op(
    "math.zero_fraction(value) nn.zero_fraction(value)",
    shape=lambda x: (),
    dtype=lambda kind: _FLOAT32,
    differentiable=False,
)
def zero_fraction(xp: Any, x: Any) -> Any:
    """Returns which part of the elements is 0, as float32."""
    return xp.mean((x == 0).astype(_FLOAT32))


# ---- clipping ----------------------------------------------------------------------------------------------------


@export("clip_by_norm")
def clip_by_norm(t: Any, clip_norm: Any, axes: Any = None, name: str | None = None) -> Any:
    """Scales `t` down so that its Euclidean norm over `axes` is at most `clip_norm`.

    Args:
        t: tensor of floats, or `tf.IndexedSlices`, which stay slices.
        clip_norm: a positive number.
        axes: axes of the norm; None: all.
    """
    if isinstance(t, IndexedSlices):
        return t._with_values(clipped_by_norm(t.values, clip_norm, axes=axes))
    return clipped_by_norm(t, clip_norm, axes=axes)


@op("", shape=lambda t, limit, axes: t)
def clipped_by_norm(xp: Any, t: Any, clip_norm: Any, *, axes: Axis = None) -> Any:
    """Scales `t` down so that its Euclidean norm over `axes` is at most `clip_norm`.

    Args:
        t: tensor of floats.
        clip_norm: a positive number.
        axes: axes of the norm; None: all.
    """
    squares = xp.sum(xp.multiply(t, t), axis=axes, keepdims=True)
    some = squares > 0
    length = xp.where(some, xp.sqrt(xp.where(some, squares, xp.ones((), t.dtype))), squares)
    # At the limit itself the gradient is that of a scaled tensor, as in TensorFlow; a NaN stays one.
    return xp.divide(xp.multiply(t, clip_norm), xp.where(length < clip_norm, clip_norm, length))


@export("compat.v1.clip_by_average_norm")
def clip_by_average_norm(t: Any, clip_norm: Any, name: str | None = None) -> Any:
    """Scales `t` down so that its Euclidean norm divided by its number of elements is at most `clip_norm`."""
    t = t if isinstance(t, TensorLike) else convert_to_tensor(t)
    count = reduce_sum(ones_like(t)) if None in t.shape else float(rules.product(tuple(t.shape)))
    inverse = rsqrt(reduce_sum(t * t)) * count
    return t * clip_norm * minimum(inverse, 1.0 / convert_to_tensor(clip_norm, dtype_hint=t.dtype))


def _present(t_list: Any, label: str) -> list:
    if isinstance(t_list, TensorLike | str) or not isinstance(t_list, Iterable):
        raise TypeError(
            f"{label}: t_list should be a sequence of tensors, received {type(t_list)}{at_user_location()}"
        )
    return [
        None if t is None else t if isinstance(t, TensorLike | IndexedSlices) else convert_to_tensor(t)
        for t in t_list
    ]


def _values(t: Any) -> Any:
    """Returns the rows of sparse gradients, whose norm counts for that of the whole; dense tensors unchanged."""
    return t.values if isinstance(t, IndexedSlices) else t


@op("", shape=lambda *_: ())
def joint_norm(xp: Any, *tensors: Any) -> Any:
    """Returns the Euclidean norm of all tensors together."""
    total = xp.sum(xp.multiply(tensors[0], tensors[0]))
    for tensor in tensors[1:]:
        total = total + xp.sum(xp.multiply(tensor, tensor))
    return xp.sqrt(total)


joint_norm.gradient(lambda g, y, *tensors: [tensor * (g / y) for tensor in tensors])


@export("linalg.global_norm")
def global_norm(t_list: Any, name: str | None = None) -> Any:
    """Returns the Euclidean norm of all tensors of a list together; None entries are left out."""
    present = [_values(t) for t in _present(t_list, "tf.linalg.global_norm") if t is not None]
    return joint_norm(*present) if present else None


@export("clip_by_global_norm")
def clip_by_global_norm(t_list: Any, clip_norm: Any, use_norm: Any = None, name: str | None = None) -> tuple:
    """Scales all tensors by one factor so that their joint norm is at most `clip_norm`.

    Args:
        t_list: list of tensors; None entries stay None.
        clip_norm: a positive number.
        use_norm: the joint norm, if it is known already.

    Returns:
        `(list of scaled tensors, joint norm)`.  If the norm is not finite, the tensors are NaN.
    """
    tensors = _present(t_list, "tf.clip_by_global_norm")
    total = global_norm(tensors) if use_norm is None else convert_to_tensor(use_norm)
    if total is None:
        return tensors, total
    limit = convert_to_tensor(clip_norm, dtype_hint=total.dtype)
    scale = limit * minimum(1.0 / total, 1.0 / limit)
    scale = scale + (total - total)  # 0 for a finite norm, NaN otherwise
    return [None if t is None else _scaled(t, scale) for t in tensors], total


def _scaled(t: Any, factor: Any) -> Any:
    return t._with_values(multiply(t.values, factor)) if isinstance(t, IndexedSlices) else multiply(t, factor)
