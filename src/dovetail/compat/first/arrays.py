"""Functions on tensors of `tf.compat.v1` that TensorFlow 2 gives other arguments, or does not have."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import contextmanager
from typing import Any

import dovetail as tf
from dovetail.base.errors import at_user_location
from dovetail.compat.first.nn import _chosen
from dovetail.graph.hand_variable import host_call
from dovetail.graph.recording import recording
from dovetail.tensor.spec import TensorSpec


def Print(
    input_: Any,
    data: Any,
    message: str | None = None,
    first_n: int | None = None,
    summarize: int | None = None,
    name: str | None = None,
) -> Any:
    """Returns a tensor that, when it is computed, prints others to the standard error.

    Args:
        input_: what is returned.
        data: list of tensors, each printed in brackets.
        message: printed before them.
        first_n: how often it prints; always when None.
        summarize: how many elements of each are shown, 3 when None.
    """
    left = [-1 if first_n is None else first_n]

    def show(*values: Any) -> None:
        if left[0] != 0:
            left[0] -= 1
            shown = [_listed(value, 3 if summarize is None else summarize) for value in values]
            tf.print((message or "") + "".join(shown))

    tensors = [tf.convert_to_tensor(one) for one in data]
    graph = recording()
    if graph is None:
        show(*tensors)
        return tf.identity(input_)
    tf.py_function(show, tensors, [])
    with graph.control_dependencies([graph.nodes[-1]]):
        return tf.identity(input_)


def _listed(value: Any, summarize: int) -> str:
    flat = value.numpy().reshape(-1)
    count = flat.size if summarize < 0 else min(summarize, flat.size)
    parts = [one.decode(errors="replace") if isinstance(one, bytes) else str(one) for one in flat[:count]]
    return "[" + " ".join(parts) + ("..." if count < flat.size else "") + "]"


def _block_op(name: str) -> Callable:
    def function(input: Any, block_size: int, name: str | None = None, data_format: str = "NHWC") -> Any:
        return getattr(tf.nn, function.__name__)(input, block_size, data_format)

    function.__name__ = name
    function.__doc__ = f"`tf.nn.{name}`, with the name before the layout."
    return function


def batch_gather(params: Any, indices: Any, name: str | None = None) -> Any:
    """Returns elements of the last axis of `indices`, one choice a batch: `tf.gather` with `batch_dims`."""
    places = tf.convert_to_tensor(indices)
    return tf.gather(params, places, batch_dims=len(places.shape) - 1, axis=len(places.shape) - 1)


def batch_to_space_nd(input: Any, block_shape: Any, crops: Any, name: str | None = None) -> Any:
    """`tf.batch_to_space`."""
    return tf.batch_to_space(input, block_shape, crops)


def multinomial(
    logits: Any, num_samples: Any, seed: int | None = None, name: str | None = None, output_dtype: Any = None
) -> Any:
    """Returns classes drawn by unnormalized log-probabilities, (batch, num_samples): `tf.random.categorical`."""
    return tf.random.categorical(logits, num_samples, dtype=output_dtype or "int64", seed=seed)


def setdiff1d(x: Any, y: Any, index_dtype: Any = "int32", name: str | None = None) -> tuple[Any, Any]:
    """Returns the elements of `x` that are not in `y`, in their order, and their places in `x`."""
    x, y = tf.convert_to_tensor(x), tf.convert_to_tensor(y)
    there = tf.reduce_any(tf.equal(x[:, None], y[None, :]), axis=1)
    places = tf.reshape(tf.where(tf.logical_not(there)), [-1])
    return tf.gather(x, places), tf.cast(places, index_dtype)


def verify_tensor_all_finite(
    t: Any = None, msg: str | None = None, name: str | None = None, x: Any = None, message: str | None = None
) -> Any:
    """Returns a tensor once it is checked to hold neither NaN nor infinity."""
    value = _chosen("verify_tensor_all_finite", t=t, x=x)
    return tf.debugging.check_numerics(
        value, _chosen("verify_tensor_all_finite", msg=msg, message=message) or ""
    )


def convert_to_tensor_or_sparse_tensor(value: Any, dtype: Any = None, name: str | None = None) -> Any:
    """Returns a sparse tensor as it is, anything else as a tensor."""
    if isinstance(value, tf.compat.v1.SparseTensorValue):
        return tf.SparseTensor(*value)
    return value if isinstance(value, tf.SparseTensor) else tf.convert_to_tensor(value, dtype)


def convert_to_tensor_or_indexed_slices(value: Any, dtype: Any = None, name: str | None = None) -> Any:
    """Returns an `IndexedSlices` as it is, anything else as a tensor."""
    return value if isinstance(value, tf.IndexedSlices) else tf.convert_to_tensor(value, dtype)


def sparse_to_dense(
    sparse_indices: Any,
    output_shape: Any,
    sparse_values: Any,
    default_value: Any = 0,
    validate_indices: bool = True,
    name: str | None = None,
) -> Any:
    """Returns a tensor with values at some places, and one value elsewhere.

    Args:
        sparse_indices: the places: a scalar, (n,) for a vector, or (n, rank).
        output_shape: of the result.
        sparse_values: (n,), or one for all places.
        default_value: elsewhere.
        validate_indices: accepted for TensorFlow's sake.
    """
    places = tf.cast(sparse_indices, "int64")
    if len(places.shape) < 2:
        places = tf.reshape(places, [-1, 1])
    values = tf.convert_to_tensor(sparse_values)
    if len(values.shape) == 0:
        values = tf.fill([tf.shape(places)[0]], values)
    whole = tf.fill(output_shape, tf.cast(default_value, values.dtype))
    return tf.tensor_scatter_nd_update(whole, places, values)


def sparse_add(a: Any, b: Any, threshold: Any = None, thresh: Any = None) -> Any:
    """`tf.sparse.add`, whose `threshold` is also called `thresh`."""
    return tf.sparse.add(a, b, _chosen("sparse_add", threshold=threshold, thresh=thresh) or 0)


def sparse_concat(
    axis: int,
    sp_inputs: Any,
    name: str | None = None,
    expand_nonconcat_dim: bool = False,
    concat_dim: Any = None,
    expand_nonconcat_dims: Any = None,
) -> Any:
    """`tf.sparse.concat`."""
    expands = bool(expand_nonconcat_dims) or expand_nonconcat_dim
    return tf.sparse.concat(axis if concat_dim is None else concat_dim, sp_inputs, expands)


def sparse_split(
    keyword_required: Any = None,
    sp_input: Any = None,
    num_split: Any = None,
    axis: Any = None,
    name: str | None = None,
    split_dim: Any = None,
) -> Any:
    """`tf.sparse.split`."""
    return tf.sparse.split(sp_input, num_split, _chosen("sparse_split", axis=axis, split_dim=split_dim))


def _sparse_reduction(name: str, is_sparse: bool) -> Callable:
    def reduce(
        sp_input: Any,
        axis: Any = None,
        keepdims: Any = None,
        reduction_axes: Any = None,
        keep_dims: Any = None,
    ) -> Any:
        along = _chosen(name, axis=axis, reduction_axes=reduction_axes)
        keeps = bool(_chosen(name, keepdims=keepdims, keep_dims=keep_dims))
        return getattr(tf.sparse, name)(sp_input, along, keeps, is_sparse)

    reduce.__doc__ = f"`tf.sparse.{name}`."
    return reduce


def timestamp(name: str | None = None) -> Any:
    """Returns the seconds since the epoch, when the graph runs."""
    if recording() is None:
        return tf.constant(time.time(), "float64")
    now = host_call(
        lambda: [tf.constant(time.time(), "float64")], "Timestamp", (), [TensorSpec([], "float64")]
    )
    return now[0]


def add_check_numerics_ops() -> Any:
    """Returns an operation that checks all floating tensors of the graph so far for NaN and infinity."""
    graph = recording()
    if graph is None:
        raise RuntimeError(f"add_check_numerics_ops works in graphs{at_user_location()}")
    floats = [t for operation in graph.get_operations() for t in operation.outputs if t.dtype.is_floating]
    return tf.group(*[tf.debugging.check_numerics(t, f"{t.name}: ") for t in floats])


@contextmanager
def colocate_with(op: Any, ignore_existing: bool = False) -> Any:
    """Accepted for TensorFlow's sake: opens a scope that changes nothing."""
    yield


def cast_to(dtype: str) -> Callable:
    """Returns the function that casts to a dtype."""

    def cast(x: Any, name: str | None = None) -> Any:
        return tf.cast(x, dtype)

    cast.__name__ = f"to_{dtype}"
    return cast


class AggregationMethod:
    """How gradients are summed: accepted for TensorFlow's sake, they change no value."""

    ADD_N = DEFAULT = 0
    EXPERIMENTAL_TREE, EXPERIMENTAL_ACCUMULATE_N = 1, 2


NAMES: dict[str, Any] = {
    **{
        f.__name__: f
        for f in (
            *(
                AggregationMethod,
                Print,
                add_check_numerics_ops,
                batch_gather,
                batch_to_space_nd,
                colocate_with,
            ),
            *(
                convert_to_tensor_or_indexed_slices,
                convert_to_tensor_or_sparse_tensor,
                multinomial,
                setdiff1d,
            ),
            *(sparse_add, sparse_concat, sparse_split, sparse_to_dense, timestamp, verify_tensor_all_finite),
        )
    },
    **{name: _block_op(name) for name in ("depth_to_space", "space_to_depth")},
    **{f"to_{kind}": cast_to(kind) for kind in ("complex64", "complex128")},
    "sparse_reduce_sum": _sparse_reduction("reduce_sum", False),
    "sparse_reduce_max": _sparse_reduction("reduce_max", False),
    "sparse_reduce_sum_sparse": _sparse_reduction("reduce_sum", True),
    "sparse_reduce_max_sparse": _sparse_reduction("reduce_max", True),
}
