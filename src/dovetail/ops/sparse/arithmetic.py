"""Arithmetic on sparse tensors: sums, extremes, products with dense tensors, any function of the values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dovetail.base.errors import InvalidArgumentError, at_user_location
from dovetail.ops import arithmetic as dense_ops
from dovetail.ops import shapes
from dovetail.ops.arithmetic import cast
from dovetail.ops.array import concat, concat_
from dovetail.ops.create import ones_like
from dovetail.ops.dispatch import dispatches, dispatches_first, elementwise
from dovetail.ops.gather import gather_nd_, tensor_scatter
from dovetail.ops.keras_array import digitize_
from dovetail.ops.math import abs_
from dovetail.ops.segment import unsorted_segment_sum
from dovetail.ops.shapes import as_tensor
from dovetail.ops.sparse.arrange import concat_sparse, retain
from dovetail.ops.sparse.make import to_dense
from dovetail.ops.sparse.patterns import count_of, union
from dovetail.ops.sparse.tensor import SparseTensor, SparseTensorValue, rank_of, sparse_input
from dovetail.ops.views import export
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.tensor import has_value


@export("sparse.add")
def add(a: Any, b: Any, threshold: Any = 0, name: str | None = None) -> Any:
    """Adds two tensors, one of them sparse at least.

    Args:
        a, b: sparse and sparse, or sparse and dense, of one shape.
        threshold: of two sparse tensors, entries that both have are left out where the absolute value of their sum is
            smaller; 0 keeps all.

    Returns:
        A sparse tensor for two sparse ones, a dense one otherwise.
    """
    kinds = (SparseTensor, SparseTensorValue)
    if isinstance(a, kinds) and isinstance(b, kinds):
        total = _combined("tf.sparse.add", dense_ops.add, a, b)
        if isinstance(threshold, int | float) and not threshold:
            return total
        shared = _combined("tf.sparse.add", dense_ops.add, _ones(a), _ones(b)).values > 1
        size = abs_(total.values)
        return retain(total, ~shared | (size >= convert_to_tensor(threshold, dtype=size.dtype)))
    if not isinstance(a, kinds) and not isinstance(b, kinds):
        raise TypeError(f"tf.sparse.add: at least one input must be a SparseTensor{at_user_location()}")
    sparse, dense = (a, b) if isinstance(a, kinds) else (b, a)
    st = sparse_input(sparse, "tf.sparse.add")
    whole = convert_to_tensor(dense, dtype_hint=st.dtype)
    _same_shape("tf.sparse.add", st.shape, whole.shape)
    return tensor_scatter(whole, st.values, st.indices, kind="add")


@export("sparse.maximum")
def maximum(sp_a: Any, sp_b: Any, name: str | None = None) -> SparseTensor:
    """Returns the larger elements of two sparse tensors; a missing entry counts as 0."""
    return _combined("tf.sparse.maximum", dense_ops.maximum, sp_a, sp_b)


@export("sparse.minimum")
def minimum(sp_a: Any, sp_b: Any, name: str | None = None) -> SparseTensor:
    """Returns the smaller elements of two sparse tensors; a missing entry counts as 0."""
    return _combined("tf.sparse.minimum", dense_ops.minimum, sp_a, sp_b)


def _ones(sparse: Any) -> Any:
    given = sparse_input(sparse, "tf.sparse.add")
    return SparseTensor(given.indices, dense_ops.astype(ones_like(given.values), "int32"), given.dense_shape)


def _combined(label: str, function: Callable, a: Any, b: Any) -> SparseTensor:
    """Applies a function of two tensors where either has an entry."""
    a, b = sparse_input(a, label), sparse_input(b, label)
    _same_shape(label, a.shape, b.shape)
    indices, places_a, places_b = union(a.indices, b.indices)
    count = count_of(indices)
    values = function(
        unsorted_segment_sum(a.values, places_a, num_segments=count),
        unsorted_segment_sum(b.values, places_b, num_segments=count),
    )
    return SparseTensor._made(indices, values, a.dense_shape, a._shape)


def _same_shape(label: str, a: Any, b: Any) -> None:
    if not a.is_compatible_with(b):
        raise InvalidArgumentError(f"{label}: expected one shape, received {a} and {b}{at_user_location()}")


# ---- functions of the values -------------------------------------------------------------------------------------


@export("sparse.map_values")
def map_values(op: Callable, *args: Any, **kwargs: Any) -> SparseTensor:
    """Applies `op` to the values of the sparse arguments, and returns its result at the same places.

    Args:
        op: takes the arguments with vectors of values in place of sparse tensors; returns a vector of that length.
        args, kwargs: its arguments; sparse tensors among them must have the same indices.
    """
    sparse = [v for v in (*args, *kwargs.values()) if isinstance(v, SparseTensor)]
    if not sparse:
        raise ValueError(f"tf.sparse.map_values: no argument is a SparseTensor{at_user_location()}")
    for other in sparse[1:]:
        _check_same_places(sparse[0], other)
    values = op(*map(_values_of, args), **{key: _values_of(value) for key, value in kwargs.items()})
    return sparse[0].with_values(values)


def _values_of(value: Any) -> Any:
    return value.values if isinstance(value, SparseTensor) else value


def _check_same_places(a: SparseTensor, b: SparseTensor) -> None:
    _same_shape("tf.sparse.map_values", a.shape, b.shape)
    pair = a.indices, b.indices
    if pair[0] is not pair[1] and all(map(has_value, pair)) and not np.array_equal(*map(np.asarray, pair)):
        raise InvalidArgumentError(
            f"tf.sparse.map_values: the sparse arguments must have the same indices{at_user_location()}"
        )


@elementwise(SparseTensor, families=("unary",))
def _unary(api: Callable, x: Any, *rest: Any) -> SparseTensor:
    return x.with_values(api(x.values, *rest))


# ---- products with dense tensors ---------------------------------------------------------------------------------


def at_entries(dense: Any, st: SparseTensor) -> Any:
    """Returns the elements of a dense tensor, broadcast to the sparse one's shape, where that one has entries."""
    dense = convert_to_tensor(dense, dtype_hint=st.dtype)
    rank = len(dense.shape)
    if not rank:
        return dense
    first = rank_of(st) - rank
    own = st.shape[first:] if first >= 0 else None
    if own is None or any(
        None not in (n, m) and n not in (1, m) for n, m in zip(dense.shape, own, strict=True)
    ):
        raise InvalidArgumentError(
            f"a dense tensor of shape {dense.shape} does not broadcast to the sparse tensor's shape {st.shape}"
            f"{at_user_location()}"
        )
    varies = np.array([size != 1 for size in dense.shape], np.int64)
    return gather_nd_(dense, st.indices[:, first:] * as_tensor(varies))


@elementwise(SparseTensor, families=("binary",))
def _binary(api: Callable, x: Any, y: Any, *rest: Any) -> SparseTensor:
    name = api.__name__
    if isinstance(x, SparseTensor) and not isinstance(y, SparseTensor) and name in _DIVISIONS | _PRODUCTS:
        return x.with_values(api(x.values, at_entries(y, x), *rest))
    if isinstance(y, SparseTensor) and not isinstance(x, SparseTensor) and name in _PRODUCTS:
        return y.with_values(api(at_entries(x, y), y.values, *rest))
    raise TypeError(
        f"tf.{name}: a SparseTensor is multiplied with a dense tensor, or divided by one; for anything else use "
        f"tf.sparse.add, tf.sparse.maximum, tf.sparse.map_values or tf.sparse.to_dense{at_user_location()}"
    )


_PRODUCTS = frozenset({"multiply", "mul", "scalar_mul"})
_DIVISIONS = frozenset({"divide", "truediv", "div", "realdiv", "floordiv"})

for _method, _function in {
    "__mul__": dense_ops.multiply,
    "__rmul__": dense_ops.multiply,
    "__truediv__": dense_ops.divide,
    "__div__": dense_ops.divide,
}.items():
    setattr(SparseTensor, _method, lambda self, other, function=_function: function(self, other))


# ---- shapes ------------------------------------------------------------------------------------------------------


@dispatches(shapes.shape, SparseTensor)
def _shape(input: Any, out_type: Any = None, name: str | None = None) -> Any:
    return cast(input.dense_shape, dtype=out_type or "int32")


@dispatches(shapes.rank, SparseTensor)
def _rank(input: Any, name: str | None = None) -> Any:
    return shapes.size(input.dense_shape)


def _astype(self: SparseTensor, dtype: Any) -> Any:
    return cast(self, dtype=dtype)


SparseTensor._astype = _astype  # type: ignore[attr-defined]


@dispatches_first(digitize_, SparseTensor)
def _digitize(x: Any, bins: Any) -> SparseTensor:
    return x.with_values(digitize_(x.values, bins))


@dispatches(concat_, SparseTensor)
def _concat(values: Any, axis: int) -> Any:
    """Joins sparse tensors as one; beside a dense tensor they are made dense."""
    if all(isinstance(value, SparseTensor) for value in values):
        return concat_sparse(axis, values)
    return concat([to_dense(v) if isinstance(v, SparseTensor) else v for v in values], axis)
