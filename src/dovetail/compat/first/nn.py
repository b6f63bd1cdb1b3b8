"""What `tf.compat.v1` and `tf.compat.v1.nn` state with other arguments than TensorFlow 2."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import dovetail as tf
from dovetail.base.errors import at_user_location
from dovetail.graph.recording import recording


def _chosen(function: str, **given: Any) -> Any:
    """Returns the one of several names of an argument that is not None; all None: None.

    Raises:
        ValueError: two are given.
    """
    found = [value for value in given.values() if value is not None]
    if len(found) > 1:
        raise ValueError(f"{function}: pass only one of {list(given)}{at_user_location()}")
    return found[0] if found else None


def _reduction(name: str, path: str) -> Callable:
    def reduce(
        input_tensor: Any,
        axis: Any = None,
        keepdims: bool | None = None,
        name: str | None = None,
        reduction_indices: Any = None,
        keep_dims: bool | None = None,
    ) -> Any:
        along = _chosen(reduce.__name__, axis=axis, reduction_indices=reduction_indices)
        keeps = _chosen(reduce.__name__, keepdims=keepdims, keep_dims=keep_dims)
        return _find(path)(input_tensor, axis=along, keepdims=bool(keeps), name=name)

    reduce.__name__ = name
    reduce.__doc__ = f"`tf.{path}`, which TensorFlow 1 also gives `reduction_indices` and `keep_dims`."
    return reduce


def _find(path: str) -> Any:
    found: Any = tf
    for part in path.split("."):
        found = getattr(found, part)
    return found


_REDUCTIONS = {
    **{f"reduce_{kind}": f"reduce_{kind}" for kind in ("sum", "mean", "max", "min", "prod", "any", "all")},
    "reduce_logsumexp": "reduce_logsumexp",
}


def _arg(name: str) -> Callable:
    def function(
        input: Any,
        axis: Any = None,
        name: str | None = None,
        dimension: Any = None,
        output_type: Any = "int64",
    ) -> Any:
        along = _chosen(function.__name__, axis=axis, dimension=dimension)
        return _find(function.__name__)(input, 0 if along is None else along, output_type, name=name)

    function.__name__, function.__doc__ = name, f"`tf.{name}`, whose `axis` is also called `dimension`."
    return function


def count_nonzero(
    input_tensor: Any = None,
    axis: Any = None,
    keepdims: bool | None = None,
    dtype: Any = "int64",
    name: str | None = None,
    reduction_indices: Any = None,
    keep_dims: bool | None = None,
    input: Any = None,
) -> Any:
    """`tf.math.count_nonzero`, which TensorFlow 1 also gives `reduction_indices` and `keep_dims`."""
    along = _chosen("count_nonzero", axis=axis, reduction_indices=reduction_indices)
    keeps = bool(_chosen("count_nonzero", keepdims=keepdims, keep_dims=keep_dims))
    values = _chosen("count_nonzero", input_tensor=input_tensor, input=input)
    return tf.math.count_nonzero(values, axis=along, keepdims=keeps, dtype=dtype)


def div(x: Any, y: Any, name: str | None = None) -> Any:
    """Divides; integers are divided as in Python 2, rounded down."""
    x = tf.convert_to_tensor(x)
    y = tf.convert_to_tensor(y, dtype_hint=x.dtype)
    return x // y if x.dtype.is_integer else x / y


def where(condition: Any, x: Any = None, y: Any = None, name: str | None = None) -> Any:
    """Returns the places where a condition holds; with `x` and `y`, elements of either, whole rows for a vector."""
    if x is None and y is None:
        return tf.where(condition)
    condition, x = tf.convert_to_tensor(condition), tf.convert_to_tensor(x)
    y = tf.convert_to_tensor(y, dtype_hint=x.dtype)
    rank = condition.shape.rank
    if rank == 1 and x.shape.rank is not None and x.shape.rank > 1:
        condition = tf.reshape(condition, [-1, *[1] * (x.shape.rank - 1)])
    return tf.where(condition, x, y)


def squeeze(input: Any, axis: Any = None, name: str | None = None, squeeze_dims: Any = None) -> Any:
    """`tf.squeeze`, whose `axis` is also called `squeeze_dims`."""
    return tf.squeeze(input, _chosen("squeeze", axis=axis, squeeze_dims=squeeze_dims), name=name)


def expand_dims(input: Any, axis: Any = None, name: str | None = None, dim: Any = None) -> Any:
    """`tf.expand_dims`, whose `axis` is also called `dim`."""
    return tf.expand_dims(input, _chosen("expand_dims", axis=axis, dim=dim), name=name)


def gather(
    params: Any,
    indices: Any,
    validate_indices: Any = None,
    name: str | None = None,
    axis: Any = None,
    batch_dims: int = 0,
) -> Any:
    """`tf.gather`, along the first axis after `batch_dims`, which must not be negative, when none is said."""
    return tf.gather(
        params, indices, axis=batch_dims if axis is None else axis, batch_dims=batch_dims, name=name
    )


def confusion_matrix(
    labels: Any,
    predictions: Any,
    num_classes: Any = None,
    dtype: Any = "int32",
    name: str | None = None,
    weights: Any = None,
) -> Any:
    """`tf.math.confusion_matrix`, with its arguments in another order."""
    return tf.math.confusion_matrix(labels, predictions, num_classes, weights=weights, dtype=dtype)


def _with_message_first(name: str) -> Callable:
    def check(
        x: Any,
        y: Any,
        data: Any = None,
        summarize: Any = None,
        message: str | None = None,
        name: str | None = None,
    ) -> Any:
        function = _find(f"debugging.{check.__name__}")
        return _as_operation(lambda: function(x, y, message=message, summarize=summarize, name=name))

    check.__name__, check.__doc__ = name, f"`tf.debugging.{name}`, with its arguments in another order."
    return check


def _of_one(name: str, wanted: tuple[str, ...] = ()) -> Callable:
    """Returns a check of one tensor; `wanted` names what it is compared to."""
    names = ("x", *wanted, "data", "summarize", "message", "name")

    def check(*args: Any, **kwargs: Any) -> Any:
        if len(args) > len(names):
            raise TypeError(f"{name}: expected {names}, received {len(args)} arguments{at_user_location()}")
        given = {**dict(zip(names, args, strict=False)), **kwargs}
        given.pop("data", None)
        x = given.pop("x" if "x" in given else "tensor")
        function = _find(f"debugging.{name}")
        taken = set(inspect.signature(function).parameters)
        given = {key: value for key, value in given.items() if key in taken}
        return _as_operation(lambda: function(x, **given))

    check.__name__, check.__doc__ = name, f"`tf.debugging.{name}`, with its arguments in another order."
    return check


def _as_operation(check: Callable) -> Any:
    """Returns the operation that a check is in a graph, for what waits for it."""
    graph = recording()
    if graph is None or not graph.by_hand:
        return check()
    before = len(graph.nodes)
    check()
    return graph.nodes[-1] if len(graph.nodes) > before else tf.no_op()


_CHECKS_OF_ONE: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("negative", "non_negative", "non_positive", "positive"), ()),
    "rank": ("rank",),
    "rank_at_least": ("rank",),
    "rank_in": ("ranks",),
}
_CHECKS = ("equal", "greater", "greater_equal", "less", "less_equal", "none_equal", "near")


def assert_integer(x: Any, message: str | None = None, name: str | None = None) -> Any:
    """`tf.debugging.assert_integer`."""
    return _as_operation(lambda: tf.debugging.assert_integer(x, message=message))


def assert_scalar(tensor: Any, name: str | None = None, message: str | None = None) -> Any:
    """`tf.debugging.assert_scalar`; returns the tensor."""
    found = tf.convert_to_tensor(tensor)
    tf.debugging.assert_scalar(found, message=message)
    return found


def assert_type(tensor: Any, tf_type: Any, message: str | None = None, name: str | None = None) -> Any:
    """`tf.debugging.assert_type`."""
    return _as_operation(lambda: tf.debugging.assert_type(tensor, tf_type, message=message))


# ---- nn


def softmax(logits: Any, axis: Any = None, name: str | None = None, dim: Any = None) -> Any:
    """`tf.nn.softmax`, whose `axis` is also called `dim`."""
    along = _chosen("softmax", axis=axis, dim=dim)
    return tf.nn.softmax(logits, axis=-1 if along is None else along)


def log_softmax(logits: Any, axis: Any = None, name: str | None = None, dim: Any = None) -> Any:
    """`tf.nn.log_softmax`, whose `axis` is also called `dim`."""
    along = _chosen("log_softmax", axis=axis, dim=dim)
    return tf.nn.log_softmax(logits, axis=-1 if along is None else along)


def l2_normalize(
    x: Any, axis: Any = None, epsilon: float = 1e-12, name: str | None = None, dim: Any = None
) -> Any:
    """`tf.nn.l2_normalize`, whose `axis` is also called `dim`."""
    return tf.nn.l2_normalize(x, axis=_chosen("l2_normalize", axis=axis, dim=dim), epsilon=epsilon)


def dropout(
    x: Any,
    keep_prob: Any = None,
    noise_shape: Any = None,
    seed: int | None = None,
    name: str | None = None,
    rate: Any = None,
) -> Any:
    """`tf.nn.dropout`, with how much is kept in place of how much is dropped.

    Raises:
        ValueError: neither, or both, of `keep_prob` and `rate` are given.
    """
    if (keep_prob is None) == (rate is None):
        raise ValueError(f"dropout: pass either keep_prob or rate{at_user_location()}")
    part = 1 - keep_prob if rate is None else rate
    return tf.nn.dropout(x, rate=part, noise_shape=noise_shape, seed=seed)


def moments(
    x: Any,
    axes: Any,
    shift: Any = None,
    name: str | None = None,
    keep_dims: bool | None = None,
    keepdims: bool | None = None,
) -> Any:
    """`tf.nn.moments`, whose `keepdims` is also called `keep_dims`; `shift` is accepted for TensorFlow's sake."""
    keeps = _chosen("moments", keep_dims=keep_dims, keepdims=keepdims)
    return tf.nn.moments(x, axes, keepdims=bool(keeps))


def weighted_cross_entropy_with_logits(
    labels: Any = None,
    logits: Any = None,
    pos_weight: Any = None,
    name: str | None = None,
    targets: Any = None,
) -> Any:
    """`tf.nn.weighted_cross_entropy_with_logits`, whose `labels` are also called `targets`."""
    chosen = _chosen("weighted_cross_entropy_with_logits", labels=labels, targets=targets)
    return tf.nn.weighted_cross_entropy_with_logits(chosen, logits, pos_weight)


def softmax_cross_entropy_with_logits(
    _sentinel: Any = None,
    labels: Any = None,
    logits: Any = None,
    dim: int = -1,
    name: str | None = None,
    axis: Any = None,
) -> Any:
    """The cross-entropy of classes; labels are constants in its gradient."""
    along = dim if axis is None else axis
    labels = tf.stop_gradient(tf.convert_to_tensor(labels, dtype_hint="float32"))
    return tf.nn.softmax_cross_entropy_with_logits(labels=labels, logits=logits, axis=along)


def softmax_cross_entropy_with_logits_v2(
    labels: Any, logits: Any, axis: Any = None, name: str | None = None, dim: Any = None
) -> Any:
    """The cross-entropy of classes."""
    along = _chosen("softmax_cross_entropy_with_logits_v2", axis=axis, dim=dim)
    return tf.nn.softmax_cross_entropy_with_logits(
        labels=labels, logits=logits, axis=-1 if along is None else along
    )


def sigmoid_cross_entropy_with_logits(
    _sentinel: Any = None, labels: Any = None, logits: Any = None, name: str | None = None
) -> Any:
    """The cross-entropy of independent classes."""
    return tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits)


def sparse_softmax_cross_entropy_with_logits(
    _sentinel: Any = None, labels: Any = None, logits: Any = None, name: str | None = None
) -> Any:
    """The cross-entropy of classes, of which `labels` are the numbers."""
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)


def _pool(name: str, path: str) -> Callable:
    def pool(
        value: Any = None,
        ksize: Any = None,
        strides: Any = None,
        padding: Any = None,
        data_format: str = "NHWC",
        name: str | None = None,
        input: Any = None,
    ) -> Any:
        taken = _chosen(pool.__name__, value=value, input=input)
        return _find(path)(taken, ksize, strides, padding, data_format=data_format)

    pool.__name__, pool.__doc__ = name, f"`tf.{path}`, whose `input` is also called `value`."
    return pool


def conv2d(
    input: Any,
    filter: Any = None,
    strides: Any = None,
    padding: Any = None,
    use_cudnn_on_gpu: bool = True,
    data_format: str = "NHWC",
    dilations: Any = None,
    name: str | None = None,
    filters: Any = None,
) -> Any:
    """`tf.nn.conv2d`, whose `filters` are also called `filter`."""
    kernel = _chosen("conv2d", filter=filter, filters=filters)
    return tf.nn.conv2d(input, kernel, strides, padding, data_format=data_format, dilations=dilations)


def xw_plus_b(x: Any, weights: Any, biases: Any, name: str | None = None) -> Any:
    """Returns `x @ weights + biases`."""
    return tf.matmul(x, weights) + biases


def relu_layer(x: Any, weights: Any, biases: Any, name: str | None = None) -> Any:
    """Returns `relu(x @ weights + biases)`."""
    return tf.nn.relu(xw_plus_b(x, weights, biases))


NAMES: dict[str, Any] = {
    **{name: _reduction(name, path) for name, path in _REDUCTIONS.items()},
    "argmax": _arg("argmax"),
    "argmin": _arg("argmin"),
    "arg_max": _arg("argmax"),
    "arg_min": _arg("argmin"),
    **{f"assert_{kind}": _with_message_first(f"assert_{kind}") for kind in _CHECKS},
    **{f"assert_{kind}": _of_one(f"assert_{kind}", wanted) for kind, wanted in _CHECKS_OF_ONE.items()},
    **{f.__name__: f for f in (assert_integer, assert_scalar, assert_type)},
    **{f.__name__: f for f in (confusion_matrix, count_nonzero, div, expand_dims, gather, squeeze, where)},
}
NN: dict[str, Any] = {
    **{
        f.__name__: f
        for f in (
            *(conv2d, dropout, l2_normalize, log_softmax, moments, relu_layer, softmax, xw_plus_b),
            *(sigmoid_cross_entropy_with_logits, softmax_cross_entropy_with_logits),
            *(softmax_cross_entropy_with_logits_v2, sparse_softmax_cross_entropy_with_logits),
            weighted_cross_entropy_with_logits,
        )
    },
    "avg_pool": _pool("avg_pool", "nn.avg_pool2d"),
    "max_pool": _pool("max_pool", "nn.max_pool2d"),
}
