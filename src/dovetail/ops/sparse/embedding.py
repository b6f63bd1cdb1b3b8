"""Look-ups of several embeddings a row, combined: `tf.nn.embedding_lookup_sparse` and its safe form."""

from __future__ import annotations

from typing import Any

from dovetail.base.errors import at_user_location
from dovetail.ops.arithmetic import cast, divide_no_nan, masked
from dovetail.ops.create import ones_like, zeros
from dovetail.ops.dispatch import dispatches
from dovetail.ops.embedding import as_ids, embedding_lookup
from dovetail.ops.logic import logical_and, logical_not
from dovetail.ops.math import sqrt
from dovetail.ops.ragged.tensor import RaggedTensor
from dovetail.ops.reduction import reduce_max, reduce_prod
from dovetail.ops.segment import num_segments_of, unsorted_segment_sum
from dovetail.ops.shapes import expand_dims, shape
from dovetail.ops.shapes import reshape as reshape_dense
from dovetail.ops.sparse.arrange import fill_empty_rows, reshape, retain
from dovetail.ops.sparse.make import to_dense
from dovetail.ops.sparse.patterns import join
from dovetail.ops.sparse.ragged import to_sparse
from dovetail.ops.sparse.tensor import SparseTensor, rank_of
from dovetail.ops.views import export
from dovetail.tensor.tensor import has_value

_COMBINERS = ("mean", "sqrtn", "sum")


@dispatches(as_ids, SparseTensor)
def _ids(values: Any) -> Any:
    """Returns the ids as a dense tensor, 0 where none is stored: a layer looks up a row for each."""
    return as_ids(to_dense(values))


@export("nn.embedding_lookup_sparse")
def embedding_lookup_sparse(
    params: Any,
    sp_ids: Any,
    sp_weights: Any,
    combiner: str | None = None,
    max_norm: float | None = None,
    name: str | None = None,
    allow_fast_lookup: bool = False,
) -> Any:
    """Looks several rows of a table up for each row of ids, and combines them.

    Args:
        params: table of embeddings.
        sp_ids: sparse matrix (or ragged tensor) of integer ids.
        sp_weights: weights of the same form, or None for ones.
        combiner: "mean" (None), "sum", or "sqrtn": the sum divided by the root of the sum of squared weights.
        max_norm: embeddings with a larger Euclidean norm are scaled down to it.
        allow_fast_lookup: no effect.

    Returns:
        A matrix with a row for each row of ids, up to the last one that has any.  As that depends on the ids, compiled
        functions run op by op; the safe form gives all rows, and is compiled.
    """
    label = "tf.nn.embedding_lookup_sparse"
    combiner = _combiner(label, combiner)
    _, rows = _flat_ids(label, sp_ids)
    return _combined(label, params, sp_ids, sp_weights, combiner, max_norm, _rows_up_to_the_last(rows, label))


def _combined(
    label: str, params: Any, sp_ids: Any, sp_weights: Any, combiner: str, max_norm: Any, count: Any
) -> Any:
    """Returns the combined embeddings of `count` rows of ids."""
    ids, rows = _flat_ids(label, sp_ids)
    if sp_weights is not None:
        weights, _ = _flat_ids(label, sp_weights)
    looked_up = embedding_lookup(params, ids, max_norm=max_norm)  # (entries, embedding)
    if sp_weights is None:
        weights = ones_like(looked_up[:, 0])
    else:
        weights = cast(weights, dtype=looked_up.dtype)
        looked_up = looked_up * expand_dims(weights, axis=1)
    total = unsorted_segment_sum(looked_up, rows, num_segments=count)
    if combiner == "sum":
        return total
    norm = unsorted_segment_sum(
        weights if combiner == "mean" else weights * weights, rows, num_segments=count
    )
    return divide_no_nan(total, expand_dims(norm if combiner == "mean" else sqrt(norm), axis=1))


def _combiner(label: str, combiner: str | None) -> str:
    combiner = "mean" if combiner is None else combiner
    if combiner not in _COMBINERS:
        raise ValueError(
            f"{label}: combiner must be one of {_COMBINERS}, received {combiner!r}{at_user_location()}"
        )
    return combiner


def _flat_ids(label: str, ids: Any) -> tuple[Any, Any]:
    """Returns the ids, and the row of each."""
    if isinstance(ids, SparseTensor):
        return ids.values, ids.indices[:, 0]
    if isinstance(ids, RaggedTensor):
        return ids.values, ids.value_rowids()
    raise TypeError(
        f"{label}: expected a SparseTensor or RaggedTensor, received {type(ids).__name__}{at_user_location()}"
    )


def _rows_up_to_the_last(rows: Any, label: str) -> Any:
    """Returns the number of rows up to the last one that has ids."""
    if has_value(rows):
        return num_segments_of(rows, label)
    return reduce_max(join([reshape_dense(rows, shape=(-1,)) + 1, zeros((1,), rows.dtype)]))


@export("nn.safe_embedding_lookup_sparse")
def safe_embedding_lookup_sparse(
    embedding_weights: Any,
    sparse_ids: Any,
    sparse_weights: Any = None,
    combiner: str = "mean",
    default_id: Any = None,
    max_norm: float | None = None,
    name: str | None = None,
    allow_fast_lookup: bool = False,
) -> Any:
    """Looks embeddings up as `tf.nn.embedding_lookup_sparse`, with rows of no or of negative ids allowed.

    Args:
        embedding_weights: table of embeddings.
        sparse_ids: sparse tensor of ids (..., any number); negative ones are left out.
        sparse_weights: their weights; for "mean" and "sqrtn" those not above 0 are left out.
        combiner: see there.
        default_id: the id that empty rows look up; None: they are zero.
        max_norm: see there.
        allow_fast_lookup: no effect.

    Returns:
        A tensor of shape (..., size of an embedding).
    """
    if isinstance(sparse_ids, RaggedTensor):
        sparse_ids = to_sparse(sparse_ids)
        sparse_weights = None if sparse_weights is None else to_sparse(sparse_weights)
    lead = sparse_ids.dense_shape[:-1]
    ids, weights = _as_matrix(sparse_ids, lead), _as_matrix(sparse_weights, lead)
    kept = ids.values >= 0
    if weights is not None and combiner != "sum":
        kept = logical_and(kept, weights.values > 0)
    ids, empty = fill_empty_rows(retain(ids, kept), 0 if default_id is None else default_id)
    if weights is not None:
        weights, _ = fill_empty_rows(retain(weights, kept), 1)
    label, combiner = (
        "tf.nn.safe_embedding_lookup_sparse",
        _combiner("tf.nn.safe_embedding_lookup_sparse", combiner),
    )
    out = _combined(label, embedding_weights, ids, weights, combiner, max_norm, ids.dense_shape[0])
    if default_id is None:
        out = masked(out, expand_dims(logical_not(empty), axis=1))
    return reshape_dense(out, shape=join([lead, shape(out, "int64")[1:]]))


def _as_matrix(st: SparseTensor | None, lead: Any) -> Any:
    """Returns a sparse tensor with its leading axes merged into one."""
    if st is None or rank_of(st) == 2:
        return st
    return reshape(st, join([reshape_dense(reduce_prod(lead), shape=(1,)), st.dense_shape[-1:]]))
