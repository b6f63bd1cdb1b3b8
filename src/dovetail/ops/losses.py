"""Softmax, and the cross-entropies: TensorFlow's on logits, and Keras' on logits or probabilities.

Each is one dispatch, with a fused gradient.  16-bit inputs are computed in float32.
"""

from __future__ import annotations

import functools
from typing import Any

from dovetail.base.settings import num_replicas, settings
from dovetail.engine import dtypes
from dovetail.engine.host_native import serve
from dovetail.ops.attrs import Axis
from dovetail.ops.core import Joint, Op
from dovetail.ops.families import op, unbroadcast
from dovetail.ops.precision import FLOAT32, INT32, floating, gradient_op, in_float32
from dovetail.ops.prepared import floats, floats_then_first, last_floats
from dovetail.ops.reduction import reduce_sum
from dovetail.ops.rules import broadcast, normalized_axis, reduced
from dovetail.ops.shapes import shape as tensor_shape
from dovetail.ops.views import export
from dovetail.tensor.convert import convert_to_tensor


def _same(shape: tuple, **_: Any) -> tuple:
    return shape


# ---- softmax ----------------------------------------------------------------------------------------------------


def shares(xp: Any, x: Any, axis: Any) -> Any:
    """Returns the softmax of arrays."""
    return xp.by_kernel("softmax", functools.partial(_shares, xp), (x,), {"axis": axis})


def _shares(xp: Any, x: Any, axis: Any) -> Any:
    e = xp.exp(x - xp.max(x, axis=axis, keepdims=True))
    return e / xp.sum(e, axis=axis, keepdims=True)


def _log_softmax(xp: Any, x: Any, axis: Any) -> Any:
    return xp.by_kernel("log_softmax", functools.partial(_logs_of_shares, xp), (x,), {"axis": axis})


def _logs_of_shares(xp: Any, x: Any, axis: Any) -> Any:
    shifted = x - xp.max(x, axis=axis, keepdims=True)
    return shifted - xp.log(xp.sum(xp.exp(shifted), axis=axis, keepdims=True))


def _of_rows(logits: Any, axis: Any) -> bool:
    return axis in (-1, None, logits.ndim - 1)


def _large_rows(logits: Any, axis: Any) -> str | None:
    """The native kernel has threads of its own."""
    return "whole" if _of_rows(logits, axis) and serve(logits) else None


@op("nn.softmax math.softmax K.softmax(x)", shape=_same, one_pass=_of_rows, pieces=_large_rows)
@floating
def softmax(xp: Any, logits: Any, *, axis: Axis = -1) -> Any:
    """Returns `exp(logits) / sum(exp(logits))` along `axis`, without overflow.

    Args:
        logits: floating tensor of rank 1 or more.
        axis: the axis (a tuple of axes: normalized over all of them together); None is -1.
    """
    _needs_axis(logits)
    return shares(xp, logits, -1 if axis is None else axis)


def _needs_axis(x: Any) -> None:
    if not x.ndim:
        raise ValueError("expected a tensor of rank 1 or more, received a scalar")


@gradient_op
def _softmax_gradient(xp: Any, g: Any, y: Any, *, axis: Axis) -> Any:
    return gradient_of_shares(xp, g, y, -1 if axis is None else axis)


def gradient_of_shares(xp: Any, g: Any, y: Any, axis: Any) -> Any:
    """Returns the gradient of what `shares` was given, where it gave `y`."""
    return xp.by_kernel("softmax, gradient", functools.partial(_of_shares, xp), (g, y), {"axis": axis})


def _of_shares(xp: Any, g: Any, y: Any, axis: Any) -> Any:
    return y * (g - xp.sum(g * y, axis=axis, keepdims=True))


softmax.gradient(lambda g, y, x, axis: _softmax_gradient(g, y, axis=axis))


@op("nn.log_softmax math.log_softmax", shape=_same, one_pass=_of_rows, pieces=_large_rows)
@floating
def log_softmax(xp: Any, logits: Any, *, axis: Axis = -1) -> Any:
    """Returns `logits - log(sum(exp(logits)))` along `axis` (None is -1)."""
    _needs_axis(logits)
    return _log_softmax(xp, logits, -1 if axis is None else axis)


@gradient_op
def _log_softmax_gradient(xp: Any, g: Any, y: Any, *, axis: Axis) -> Any:
    return g - xp.exp(y) * xp.sum(g, axis=-1 if axis is None else axis, keepdims=True)


log_softmax.gradient(lambda g, y, x, axis: _log_softmax_gradient(g, y, axis=axis))


# ---- TensorFlow's cross-entropies --------------------------------------------------------------------------------


def _of_logits(*kinds: Any, **_: Any) -> Any:
    return kinds[1]


def _pair(labels: Any, logits: Any) -> tuple:
    """Returns labels and logits in the dtype to compute in: the logits', float32 for 16-bit floats."""
    if not dtypes.is_floating(logits.dtype):
        raise TypeError(f"expected floating-point logits, received {logits.dtype}")
    wide = FLOAT32 if dtypes.is_half(logits.dtype) else logits.dtype
    return labels.astype(wide), logits.astype(wide)


def _sigmoid_cross_entropy(xp: Any, z: Any, x: Any) -> Any:
    return xp.maximum(x, 0) - x * z + xp.log1p(xp.exp(-xp.abs(x)))


@op(
    "nn.sigmoid_cross_entropy_with_logits",
    same_dtype=0,
    shape=broadcast,
    dtype=_of_logits,
)
def sigmoid_cross_entropy_with_logits(xp: Any, labels: Any, logits: Any) -> Any:
    """Returns `-labels * log(sigmoid(logits)) - (1 - labels) * log(1 - sigmoid(logits))`, element by element.

    Args:
        labels: probabilities in [0, 1], shaped like the logits.
        logits: floating tensor.
    """
    if labels.shape != logits.shape:
        raise ValueError(
            f"logits and labels must have the same shape, received {logits.shape} and {labels.shape}"
        )
    z, x = _pair(labels, logits)
    return _sigmoid_cross_entropy(xp, z, x).astype(logits.dtype)


@gradient_op
def _logistic_minus(xp: Any, g: Any, labels: Any, logits: Any) -> Any:
    return g * (xp.logistic(logits) - labels.astype(logits.dtype))


@gradient_op
def _minus_product(xp: Any, g: Any, labels: Any, logits: Any) -> Any:
    return -g * logits


sigmoid_cross_entropy_with_logits.gradient(
    lambda g, y, labels, logits: _minus_product(g, labels, logits)._astype(labels.dtype),
    lambda g, y, labels, logits: _logistic_minus(g, labels, logits),
)


@op(
    "nn.weighted_cross_entropy_with_logits",
    shape=broadcast,
)
@floating
def weighted_cross_entropy_with_logits(xp: Any, labels: Any, logits: Any, pos_weight: Any) -> Any:
    """Returns the sigmoid cross-entropy with the positive term multiplied by `pos_weight`."""
    weight = 1 + (pos_weight - 1) * labels
    return (1 - labels) * logits + weight * _softplus_of_minus(xp, logits)


def _softplus_of_minus(xp: Any, logits: Any) -> Any:
    return xp.log1p(xp.exp(-xp.abs(logits))) + xp.maximum(-logits, 0)


@in_float32
def _weighted_gradient(xp: Any, g: Any, labels: Any, logits: Any, pos_weight: Any) -> tuple:
    """Returns the gradients of labels, logits and weight, before they are summed to their shapes."""
    tail = _softplus_of_minus(xp, logits)
    weight = 1 + (pos_weight - 1) * labels
    of_logits = (1 - labels) - weight * xp.logistic(-logits)
    return g * ((pos_weight - 1) * tail - logits), g * of_logits, g * labels * tail


weighted_gradient = Op("weighted_gradient", _weighted_gradient, several=True)


def _weighted_rule(g: Any, y: Any, *inputs: Any) -> list:
    return [unbroadcast(part, x) for part, x in zip(weighted_gradient(g, *inputs), inputs, strict=True)]


weighted_cross_entropy_with_logits.gradient(*[Joint(_weighted_rule)] * 3)


@op(
    "nn.softmax_cross_entropy_with_logits",
    same_dtype=0,
    shape=lambda labels, logits, axis: reduced(broadcast(labels, logits), axis=axis),
    dtype=_of_logits,
)
def softmax_cross_entropy_with_logits(xp: Any, labels: Any, logits: Any, *, axis: int = -1) -> Any:
    """Returns `-sum(labels * log_softmax(logits))` along `axis`.

    Args:
        labels: probabilities, shaped like the logits; along `axis` they should add up to 1.
        logits: floating tensor.
        axis: the class axis.

    Differs from TensorFlow: where labels do not add up to 1, the gradient is that of the formula; TensorFlow returns
    `softmax - labels` there too.
    """
    z, x = _pair(labels, logits)
    return -xp.sum(z * _log_softmax(xp, x, axis), axis=axis).astype(logits.dtype)


@gradient_op
def _softmax_minus_labels(xp: Any, g: Any, labels: Any, logits: Any, *, axis: int) -> Any:
    z, x = _pair(labels, logits)
    return xp.expand_dims(g, axis) * (shares(xp, x, axis) * xp.sum(z, axis=axis, keepdims=True) - z)


@gradient_op
def _minus_log_softmax(xp: Any, g: Any, logits: Any, *, axis: int) -> Any:
    return -xp.expand_dims(g, axis) * _log_softmax(xp, logits, axis)


softmax_cross_entropy_with_logits.gradient(
    lambda g, y, z, x, axis: unbroadcast(_minus_log_softmax(g, x, axis=axis), z)._astype(z.dtype),
    lambda g, y, z, x, axis: unbroadcast(_softmax_minus_labels(g, z, x, axis=axis), x),
)


def _one_hot(xp: Any, labels: Any, like: Any) -> Any:
    return (labels[..., None] == xp.arange(like.shape[-1], dtype=labels.dtype)).astype(like.dtype)


def _label_loss(xp: Any, logits: Any, labels: Any) -> Any:
    """Returns `-log_softmax(logits)[label]` of the last axis; NaN for a label that it does not have."""
    return xp.by_kernel("label loss", functools.partial(_log_share_of_label, xp), (logits, labels), {})


def _log_share_of_label(xp: Any, logits: Any, labels: Any) -> Any:
    shifted = logits - xp.max(logits, axis=-1, keepdims=True)
    return xp.log(xp.sum(xp.exp(shifted), axis=-1)) - xp.pick_labels(shifted, labels)


def _label_gradient(xp: Any, g: Any, logits: Any, labels: Any) -> Any:
    formula = functools.partial(_shares_minus_one_hot, xp)
    return xp.by_kernel("label loss, gradient", formula, (g, logits, labels), {})


def _shares_minus_one_hot(xp: Any, g: Any, logits: Any, labels: Any) -> Any:
    return xp.expand_dims(g, -1) * (shares(xp, logits, -1) - _one_hot(xp, labels, logits))


@op("nn.sparse_softmax_cross_entropy_with_logits", same_dtype=0, shape=lambda z, x: z, dtype=_of_logits)
def sparse_softmax_cross_entropy_with_logits(xp: Any, labels: Any, logits: Any) -> Any:
    """Returns `-log_softmax(logits)[label]` along the last axis.

    Args:
        labels: integer class indices of shape (...,).
        logits: floating tensor of shape (..., classes).

    Raises:
        InvalidArgumentError: a label out of range, on the host engine; compiled, the loss of that label is NaN.
    """
    if labels.dtype.kind not in "iu":
        raise TypeError(f"labels must be integers, received {labels.dtype}")
    if labels.shape != logits.shape[:-1]:
        raise ValueError(
            f"labels must have the shape of the logits without the last axis, received labels of shape {labels.shape} "
            f"and logits of shape {logits.shape}"
        )
    wide = _pair(labels, logits)[1]
    if xp.name == "host":
        return -xp.pick_labels(_log_softmax(xp, wide, -1), labels).astype(logits.dtype)
    return _label_loss(xp, wide, labels).astype(logits.dtype)


@gradient_op
def _softmax_minus_one_hot(xp: Any, g: Any, labels: Any, logits: Any) -> Any:
    return _label_gradient(xp, g, logits, labels)


sparse_softmax_cross_entropy_with_logits.gradient(
    None, lambda g, y, labels, logits: _softmax_minus_one_hot(g, labels, logits)
)


# ---- Keras' cross-entropies --------------------------------------------------------------------------------------


def _clipped(xp: Any, probabilities: Any) -> Any:
    return xp.clip(probabilities, settings.epsilon, 1 - settings.epsilon)


def _unclipped(probabilities: Any) -> Any:
    return (probabilities >= settings.epsilon) & (probabilities <= 1 - settings.epsilon)


@op(
    "ops.nn.binary_crossentropy",
    keras=floats,
    same_dtype=0,
    shape=lambda z, x, from_logits, offset: broadcast(z, x),
    dtype=_of_logits,
)
def binary_crossentropy(
    xp: Any, target: Any, output: Any, *, from_logits: bool = False, offset: float = 0.0
) -> Any:
    """Returns `-target * log(output) - (1 - target) * log(1 - output)`, element by element.

    Args:
        target: probabilities in [0, 1], shaped like the output.
        output: probabilities (clipped to [epsilon, 1 - epsilon]), or logits with `from_logits`.
        offset: added to the probabilities whose logarithm is taken.
    """
    if len(target.shape) != len(output.shape):
        raise ValueError(
            f"target and output must have the same rank, received {target.shape} and {output.shape}"
        )
    z, x = _pair(target, output)
    if from_logits:
        return _sigmoid_cross_entropy(xp, z, x).astype(output.dtype)
    p = _clipped(xp, x)
    return (-(z * xp.log(p + offset) + (1 - z) * xp.log(1 - p + offset))).astype(output.dtype)


@gradient_op
def _binary_crossentropy_gradient(
    xp: Any, g: Any, target: Any, output: Any, *, from_logits: bool, offset: float
) -> Any:
    z, x = _pair(target, output)
    if from_logits:
        return g * (xp.logistic(x) - z)
    p = _clipped(xp, x)
    slope = (1 - z) / (1 - p + offset) - z / (p + offset)
    return xp.where(_unclipped(x), g * slope, 0)


@gradient_op
def _binary_target_gradient(
    xp: Any, g: Any, target: Any, output: Any, *, from_logits: bool, offset: float
) -> Any:
    if from_logits:
        return -g * output
    p = _clipped(xp, output)
    return g * (xp.log(1 - p + offset) - xp.log(p + offset))


binary_crossentropy.gradient(
    lambda g, y, z, x, **how: unbroadcast(_binary_target_gradient(g, z, x, **how), z),
    lambda g, y, z, x, **how: unbroadcast(_binary_crossentropy_gradient(g, z, x, **how), x),
)


@op(
    "ops.nn.categorical_crossentropy",
    keras=floats_then_first,
    same_dtype=0,
    shape=lambda z, x, from_logits, axis: reduced(broadcast(z, x), axis=axis),
    dtype=_of_logits,
)
def categorical_crossentropy(
    xp: Any, target: Any, output: Any, *, from_logits: bool = False, axis: int = -1
) -> Any:
    """Returns `-sum(target * log(output))` along the class axis.

    Args:
        target: one-hot or soft labels, shaped like the output.
        output: probabilities (normalized to sum 1, then clipped to [epsilon, 1 - epsilon]), or logits.
        axis: the class axis.
    """
    if target.shape != output.shape and len(target.shape) != len(output.shape):
        raise ValueError(
            f"target and output must have the same shape, received {target.shape} and {output.shape}"
        )
    z, x = _pair(target, output)
    if from_logits:
        return -xp.sum(z * _log_softmax(xp, x, axis), axis=axis).astype(output.dtype)
    p = _clipped(xp, x / xp.sum(x, axis=axis, keepdims=True))
    return -xp.sum(z * xp.log(p), axis=axis).astype(output.dtype)


@gradient_op
def _categorical_gradient(xp: Any, g: Any, target: Any, output: Any, *, from_logits: bool, axis: int) -> Any:
    z, x = _pair(target, output)
    g = xp.expand_dims(g, axis)
    if from_logits:
        return g * (shares(xp, x, axis) * xp.sum(z, axis=axis, keepdims=True) - z)
    total = xp.sum(x, axis=axis, keepdims=True)
    p = x / total
    each = xp.where(_unclipped(p), -z / _clipped(xp, p), 0)
    return g * (each - xp.sum(each * p, axis=axis, keepdims=True)) / total


@gradient_op
def _categorical_target_gradient(xp: Any, g: Any, output: Any, *, from_logits: bool, axis: int) -> Any:
    g = xp.expand_dims(g, axis)
    if from_logits:
        return -g * _log_softmax(xp, output, axis)
    return -g * xp.log(_clipped(xp, output / xp.sum(output, axis=axis, keepdims=True)))


categorical_crossentropy.gradient(
    lambda g, y, z, x, **attributes: unbroadcast(_categorical_target_gradient(g, x, **attributes), z),
    lambda g, y, z, x, **attributes: unbroadcast(_categorical_gradient(g, z, x, **attributes), x),
)


def _sparse_shape(z: tuple, x: tuple, from_logits: bool, axis: int, ignore_class: Any) -> tuple:
    axis = normalized_axis(axis, len(x))
    return tuple(size for i, size in enumerate(x) if i != axis)


@op(
    "ops.nn.sparse_categorical_crossentropy",
    keras=last_floats,
    same_dtype=0,
    shape=_sparse_shape,
    dtype=_of_logits,
)
def sparse_categorical_crossentropy(
    xp: Any,
    target: Any,
    output: Any,
    *,
    from_logits: bool = False,
    axis: int = -1,
    ignore_class: int | None = None,
) -> Any:
    """Returns `-log(output[target])` along the class axis.

    Args:
        target: class indices, shaped like the output without the class axis (or with that axis of size 1).
        output: probabilities (clipped to [epsilon, 1 - epsilon], then normalized), or logits with `from_logits`.
        axis: the class axis.
        ignore_class: elements of this class have loss 0.

    Raises:
        InvalidArgumentError: a label out of range, on the host engine; compiled, the loss of that label is NaN.
    """
    logits, labels = _sparse_pair(xp, target, output, from_logits, axis)
    if ignore_class is None:
        return _label_loss(xp, logits, labels).astype(output.dtype)
    ignored = labels == ignore_class
    loss = _label_loss(xp, logits, xp.where(ignored, 0, labels))
    return xp.where(ignored, 0, loss).astype(output.dtype)


def _classes_last(xp: Any, x: Any, axis: int) -> Any:
    return x if axis == x.ndim - 1 else xp.moveaxis(x, axis, -1)


def _sparse_pair(xp: Any, target: Any, output: Any, from_logits: bool, axis: int) -> tuple:
    """Returns the logits with the classes last, in float32 or wider, and the labels as integers."""
    axis = normalized_axis(axis, output.ndim)
    labels = target.astype(INT32) if target.dtype.kind not in "iu" else target
    if labels.ndim == output.ndim and labels.shape[axis] == 1:
        labels = xp.squeeze(labels, axis=axis)
    x = _classes_last(xp, _pair(labels, output)[1], axis)
    if labels.shape != x.shape[:-1]:
        raise ValueError(
            f"target must have the shape of the output without the class axis {axis}, received target of shape "
            f"{target.shape} and output of shape {output.shape}"
        )
    return (x if from_logits else xp.log(_clipped(xp, x))), labels


@gradient_op
def _sparse_gradient(
    xp: Any, g: Any, target: Any, output: Any, *, from_logits: bool, axis: int, ignore_class: int | None
) -> Any:
    logits, labels = _sparse_pair(xp, target, output, from_logits, axis)
    if ignore_class is not None:
        g = xp.where(labels == ignore_class, 0, g)
    each = _label_gradient(xp, g, logits, labels)
    if axis not in (-1, each.ndim - 1):
        each = xp.moveaxis(each, -1, axis)
    if from_logits:
        return each
    wide = _pair(labels, output)[1]
    return xp.where(_unclipped(wide), each / _clipped(xp, wide), 0)


sparse_categorical_crossentropy.gradient(
    None, lambda g, y, z, x, **attributes: _sparse_gradient(g, z, x, **attributes)
)


# ---- averages over a global batch --------------------------------------------------------------------------------


@export("nn.compute_average_loss")
def compute_average_loss(
    per_example_loss: Any, sample_weight: Any = None, global_batch_size: Any = None
) -> Any:
    """Returns the sum of the losses of examples divided by the size of the global batch.

    Args:
        per_example_loss: losses; the first axis is the batch.
        sample_weight: factors of the losses.
        global_batch_size: by default the size of the first axis times the number of replicas.
    """
    losses = convert_to_tensor(per_example_loss)
    if sample_weight is not None:
        losses = losses * convert_to_tensor(sample_weight)._astype(losses.dtype)
    if isinstance(global_batch_size, int) and global_batch_size < 1:
        raise ValueError(f"global_batch_size must be positive, received {global_batch_size}")
    if global_batch_size is None:
        global_batch_size = tensor_shape(losses)[0] * num_replicas() if len(losses.shape) else num_replicas()
    size = convert_to_tensor(global_batch_size)._astype(losses.dtype)
    return reduce_sum(losses) / size


@export("nn.scale_regularization_loss")
def scale_regularization_loss(regularization_loss: Any) -> Any:
    """Returns the sum of regularization losses, divided by the number of replicas."""
    return reduce_sum(convert_to_tensor(regularization_loss)) / float(num_replicas())
