"""Rows of sparse tensors, which are three tensors there: places, values and a shape."""

from __future__ import annotations

from typing import Any

from dovetail.raw_ops.row import public, raw
from dovetail.raw_ops.static import known

_PARTS = "output_indices output_values output_shape"


def _sparse(indices: Any, values: Any, shape: Any) -> Any:
    return public("SparseTensor")(indices, values, shape)


def _parts(sparse: Any) -> tuple:
    return sparse.indices, sparse.values, sparse.dense_shape


def _axes(reduction_axes: Any) -> list | None:
    """Returns the axes of a reduction; none means all of them."""
    return known(reduction_axes).reshape(-1).tolist() or None


def _reducing(name: str) -> None:
    """Adds the two reductions of one kind, "sum" or "max"."""

    def dense(
        input_indices: Any,
        input_values: Any,
        input_shape: Any,
        reduction_axes: Any,
        *,
        keep_dims: bool = False,
    ) -> Any:
        whole = _sparse(input_indices, input_values, input_shape)
        return public(f"sparse.reduce_{name}")(whole, _axes(reduction_axes), keep_dims)

    def sparse(
        input_indices: Any,
        input_values: Any,
        input_shape: Any,
        reduction_axes: Any,
        *,
        keep_dims: bool = False,
    ) -> tuple:
        whole = _sparse(input_indices, input_values, input_shape)
        return _parts(public(f"sparse.reduce_{name}")(whole, _axes(reduction_axes), keep_dims, True))

    raw(f"SparseReduce{name.capitalize()}")(dense)
    raw(f"SparseReduce{name.capitalize()}Sparse", _PARTS)(sparse)


_reducing("sum")
_reducing("max")


def _pairing(name: str) -> None:
    def pair(
        a_indices: Any, a_values: Any, a_shape: Any, b_indices: Any, b_values: Any, b_shape: Any
    ) -> tuple:
        both = _sparse(a_indices, a_values, a_shape), _sparse(b_indices, b_values, b_shape)
        return _parts(public(f"sparse.{name}")(*both))[:2]

    raw(f"SparseSparse{name.capitalize()}", "output_indices output_values")(pair)


_pairing("maximum")
_pairing("minimum")


@raw("SparseAdd", "sum_indices sum_values sum_shape")
def add(
    a_indices: Any, a_values: Any, a_shape: Any, b_indices: Any, b_values: Any, b_shape: Any, thresh: Any
) -> tuple:
    both = _sparse(a_indices, a_values, a_shape), _sparse(b_indices, b_values, b_shape)
    return _parts(public("sparse.add")(*both, threshold=thresh))


@raw("SparseTensorDenseAdd")
def add_dense(a_indices: Any, a_values: Any, a_shape: Any, b: Any) -> Any:
    return public("sparse.add")(_sparse(a_indices, a_values, a_shape), b)


@raw("SparseTensorDenseMatMul")
def matmul(
    a_indices: Any, a_values: Any, a_shape: Any, b: Any, *, adjoint_a: bool = False, adjoint_b: bool = False
) -> Any:
    whole = _sparse(a_indices, a_values, a_shape)
    return public("sparse.sparse_dense_matmul")(whole, b, adjoint_a, adjoint_b)


@raw("SparseToDense")
def to_dense(sparse_indices: Any, output_shape: Any, sparse_values: Any, default_value: Any) -> Any:
    """The tensor; places may be a scalar or a vector where the shape has one axis."""
    places, shape = public("cast")(sparse_indices, "int64"), public("cast")(output_shape, "int64")
    if len(places.shape) < 2:
        places = public("reshape")(places, [-1, 1 if len(places.shape) else shape.shape[0]])
    values = sparse_values
    if not len(values.shape):
        values = public("broadcast_to")(values, public("shape")(places)[:1])
    return public("sparse.to_dense")(_sparse(places, values, shape), default_value, validate_indices=False)


@raw("SparseConcat", _PARTS)
def concat(indices: list, values: list, shapes: list, *, concat_dim: int) -> tuple:
    return _parts(public("sparse.concat")(concat_dim, list(map(_sparse, indices, values, shapes))))


@raw("SparseReorder", "output_indices output_values")
def reorder(input_indices: Any, input_values: Any, input_shape: Any) -> tuple:
    return _parts(public("sparse.reorder")(_sparse(input_indices, input_values, input_shape)))[:2]


@raw("SparseReshape", "output_indices output_shape")
def reshape(input_indices: Any, input_shape: Any, new_shape: Any) -> tuple:
    places = public("zeros")(public("shape")(input_indices)[:1])
    found = public("sparse.reshape")(_sparse(input_indices, places, input_shape), new_shape)
    return found.indices, found.dense_shape


@raw("SparseSlice", _PARTS)
def slice_(indices: Any, values: Any, shape: Any, start: Any, size: Any) -> tuple:
    return _parts(public("sparse.slice")(_sparse(indices, values, shape), start, size))


@raw("SparseSoftmax")
def softmax(sp_indices: Any, sp_values: Any, sp_shape: Any) -> Any:
    return public("sparse.softmax")(_sparse(sp_indices, sp_values, sp_shape)).values


@raw("SparseFillEmptyRows", "output_indices output_values empty_row_indicator reverse_index_map")
def fill_empty_rows(indices: Any, values: Any, dense_shape: Any, default_value: Any) -> tuple:
    whole = _sparse(indices, values, dense_shape)
    filled, is_empty = public("sparse.fill_empty_rows")(whole, default_value)
    rows = public("cast")(whole.indices[:, 0], "int64")
    before = public("cumsum")(public("cast")(is_empty, "int64"))
    place = public("argsort")(public("argsort")(rows, stable=True), stable=True)
    return (
        filled.indices,
        filled.values,
        is_empty,
        public("cast")(place, "int64") + public("gather")(before, rows),
    )


def _counted(values: Any, weights: Any, facts: tuple) -> tuple:
    binary, least, most = facts
    limits = {"minlength": None if least < 0 else least, "maxlength": None if most < 0 else most}
    return _parts(public("sparse.bincount")(values, weights=weights, axis=-1, binary_output=binary, **limits))


_COUNTS = "output_indices output_values output_dense_shape"


@raw("DenseCountSparseOutput", _COUNTS)
def count_dense(
    values: Any, weights: Any, *, binary_output: bool, minlength: int = -1, maxlength: int = -1
) -> tuple:
    weighted = weights if weights.shape.num_elements() else None
    return _counted(values, weighted, (binary_output, minlength, maxlength))


@raw("SparseCountSparseOutput", _COUNTS)
def count_sparse(
    indices: Any,
    values: Any,
    dense_shape: Any,
    weights: Any,
    *,
    binary_output: bool,
    minlength: int = -1,
    maxlength: int = -1,
) -> tuple:
    weighted = _sparse(indices, weights, dense_shape) if weights.shape.num_elements() else None
    return _counted(_sparse(indices, values, dense_shape), weighted, (binary_output, minlength, maxlength))


@raw("SetSize")
def set_size(set_indices: Any, set_values: Any, set_shape: Any) -> Any:
    return public("sets.size")(_sparse(set_indices, set_values, set_shape))


@raw("EditDistance")
def edit_distance(
    hypothesis_indices: Any,
    hypothesis_values: Any,
    hypothesis_shape: Any,
    truth_indices: Any,
    truth_values: Any,
    truth_shape: Any,
    *,
    normalize: bool = True,
) -> Any:
    found = _sparse(hypothesis_indices, hypothesis_values, hypothesis_shape)
    truth = _sparse(truth_indices, truth_values, truth_shape)
    return public("edit_distance")(found, truth, normalize)


@raw("SerializeSparse")
def serialize(sparse_indices: Any, sparse_values: Any, sparse_shape: Any, *, out_type: Any = "string") -> Any:
    return public("io.serialize_sparse")(_sparse(sparse_indices, sparse_values, sparse_shape), out_type)


@raw("SerializeManySparse")
def serialize_many(
    sparse_indices: Any, sparse_values: Any, sparse_shape: Any, *, out_type: Any = "string"
) -> Any:
    return public("io.serialize_many_sparse")(_sparse(sparse_indices, sparse_values, sparse_shape), out_type)


@raw("DeserializeManySparse", "sparse_indices sparse_values sparse_shape")
def deserialize_many(serialized_sparse: Any, *, dtype: Any) -> tuple:
    return _parts(public("io.deserialize_many_sparse")(serialized_sparse, dtype))


@raw("RaggedRange", "rt_nested_splits rt_dense_values")
def ragged_range(starts: Any, limits: Any, deltas: Any, *, Tsplits: Any = "int64") -> tuple:
    found = public("ragged.range")(starts, limits, deltas, row_splits_dtype=Tsplits)
    return found.row_splits, found.values
