"""Writers of what makes tensors of given sizes, takes tensors apart, and puts values in places."""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail.graph.walking import Written
from dovetail.ops.tensor_array import is_without_rows
from dovetail.saved_model.writing.arrays import shape_of, transpose
from dovetail.saved_model.writing.nodes import INT32, INT64
from dovetail.saved_model.writing.table import WRITERS, writes
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.dtype import as_dtype
from dovetail.tensor.shape import TensorShape


def _filled(w: Any, sizes: Any, value: Any, dtype: Any) -> Written:
    given = {"T": dtype, "index_type": INT32}
    return w.op("Fill", "output", [_int32(w, sizes), w.ref(value, dtype)], **given)


def _int32(w: Any, sizes: Any) -> Written:
    return w.as_int32(w.sizes(sizes))


def _whole(w: Any, value: Any) -> Written:
    """Returns a number, or a tensor of one, as int32."""
    return w.whole(value) if isinstance(value, int | np.integer) else w.as_int32(value)


@writes("zeros")
def _zeros(w: Any, *, shape: Any, dtype: Any) -> Written:
    kind = as_dtype(dtype)
    return _filled(w, shape, convert_to_tensor(np.zeros((), kind.numpy_dtype)), kind)


@writes("ones")
def _ones(w: Any, *, shape: Any, dtype: Any) -> Written:
    kind = as_dtype(dtype)
    return _filled(w, shape, convert_to_tensor(np.ones((), kind.numpy_dtype)), kind)


@writes("fill")
def _fill(w: Any, value: Any, *, dims: Any) -> Written:
    return _filled(w, dims, value, w.dtype(value))


@writes("full_like")
def _full_like(w: Any, x: Any, value: Any, *, dtype: Any) -> Written:
    kind = as_dtype(dtype)
    known = w.ref(value)
    if known.dtype != kind:
        known = w.op("Cast", "y", [known], SrcT=known.dtype, DstT=kind)
    return _filled(w, shape_of(w, x), known, kind)


@writes("broadcast_to")
def _broadcast_to(w: Any, input: Any, *, shape: Any) -> Written:
    return w.op("BroadcastTo", "output", [input, _int32(w, shape)], T=w.dtype(input), Tidx=INT32)


@writes("range")
def _range(w: Any, *, start: Any, limit: Any, delta: Any, dtype: Any) -> Written:
    kind = as_dtype(dtype)
    parts = [_of_kind(w, one, kind) for one in (start, limit, delta)]
    return w.ops("Range", {"output": kind}, parts, Tidx=kind)[0]


def _of_kind(w: Any, value: Any, kind: Any) -> Written:
    if isinstance(value, int | float | np.generic):
        return w.ref(convert_to_tensor(np.asarray(value, kind.numpy_dtype)))
    known = w.ref(value)
    return known if known.dtype == kind else w.op("Cast", "y", [known], SrcT=known.dtype, DstT=kind)


@writes("element_count")
def _size(w: Any, input: Any, out_type: Any = "int32") -> Written:
    return w.op("Size", "output", [input], T=w.dtype(input), out_type=as_dtype(out_type))


# ---- apart


@writes("unstack")
def _unstack(w: Any, value: Any, *, num: Any = None, axis: int = 0) -> list[Written]:
    count, dtype = len(w.outputs), w.dtype(value)
    return w.ops("Unpack", {"output": [dtype] * count}, [value], num=count, T=dtype, axis=int(axis))


@writes("split")
def _split(w: Any, value: Any, *, sizes: Any, axis: int = 0) -> list[Written]:
    count, dtype = len(w.outputs), w.dtype(value)
    outputs = {"output": [dtype] * count}
    if isinstance(sizes, int):
        return w.ops("Split", outputs, [w.whole(axis), value], num_split=count, T=dtype)
    parts = w.whole([-1 if size is None else int(size) for size in sizes])
    return w.ops("SplitV", outputs, [value, parts, w.whole(axis)], num_split=count, T=dtype, Tlen=INT32)


@writes("largest_entries")
def _top_k(w: Any, x: Any, *, k: int = 1, index_type: Any = "int32") -> list[Written]:
    kinds = {"values": w.dtype(x), "indices": as_dtype(index_type)}
    given = {"T": w.dtype(x), "Tk": INT32, "index_type": kinds["indices"], "sorted": True}
    return w.ops("TopKV2", kinds, [x, w.whole(k)], **given)


@writes("where_true")
def _where(w: Any, condition: Any) -> Written:
    return w.ops("Where", {"index": INT64}, [condition], T=w.dtype(condition))[0]


@writes("boolean_mask")
def _boolean_mask(w: Any, tensor: Any, mask: Any, *, axis: int = 0) -> Written:
    """Writes it as the entries at the places of the mask; the axes that it goes along come first meanwhile."""
    rank, count = tensor.shape.rank, mask.shape.rank
    if rank is None or count is None:
        raise w.not_written("tf.boolean_mask of tensors of unknown ranks")
    order = [*range(axis, axis + count), *range(axis), *range(axis + count, rank)]
    back = [*range(1, axis + 1), 0, *range(axis + 1, rank - count + 1)]
    given = {"Tparams": w.dtype(tensor), "Tindices": INT64}
    moved = transpose(w, tensor, order) if axis else tensor
    found = w.op("GatherNd", "output", [moved, _where(w, mask)], **given)
    return transpose(w, found, back) if axis else found


@writes("count_values")
def _count_values(
    w: Any, values: Any, weights: Any = None, *, size: int, dtype: Any = "int32", binary: bool = False
) -> Written:
    rank, known = values.shape.rank, w.dtype(values)
    if rank not in (1, 2) or known not in (INT32, INT64):
        raise w.not_written(f"counts of {known.name} along the last of {rank} axes")
    kind = as_dtype(dtype) if weights is None else w.dtype(weights)
    given = convert_to_tensor(np.zeros(0, kind.numpy_dtype)) if weights is None else weights
    inputs = [values, w.ref(convert_to_tensor(np.asarray(size, known.numpy_dtype))), given]
    return w.ops("DenseBincount", {"output": kind}, inputs, Tidx=known, T=kind, binary_output=bool(binary))[0]


# ---- in places


def _segments(kind: str) -> Any:
    def write(w: Any, data: Any, segment_ids: Any, *, num_segments: Any) -> Written:
        given = {"T": w.dtype(data), "Tindices": w.dtype(segment_ids), "Tnumsegments": INT32}
        return w.op(kind, "output", [data, segment_ids, _whole(w, num_segments)], **given)

    return write


for _name in ("sum", "prod", "max", "min"):
    WRITERS[f"unsorted_segment_{_name}"] = _segments(f"UnsortedSegment{_name.capitalize()}")


@writes("gather_nd")
def _gather_nd(w: Any, params: Any, indices: Any, *, batch_dims: int = 0) -> Written:
    if batch_dims:
        raise w.not_written("tf.gather_nd with batch_dims")
    given = {"Tparams": w.dtype(params), "Tindices": w.dtype(indices)}
    return w.op("GatherNd", "output", [params, indices], **given)


@writes("scatter_nd")
def _scatter_nd(w: Any, updates: Any, indices: Any, *, shape: Any) -> Written:
    kind = w.dtype(indices)
    sizes = w.sizes(shape)
    if sizes.dtype != kind:
        sizes = w.op("Cast", "y", [sizes], SrcT=sizes.dtype, DstT=kind)
    return w.op("ScatterNd", "output", [indices, updates, sizes], T=w.dtype(updates), Tindices=kind)


@writes("tensor_scatter")
def _tensor_scatter(w: Any, tensor: Any, updates: Any, indices: Any, *, kind: str) -> Written:
    names = {"update": "Update", "add": "Add", "sub": "Sub", "max": "Max", "min": "Min"}
    if kind not in names:
        raise w.not_written(f"the scatter {kind!r}")
    given = {"T": w.dtype(tensor), "Tindices": w.dtype(indices)}
    return w.op(f"TensorScatter{names[kind]}", "output", [tensor, indices, updates], **given)


@writes("write_row")
def _write_row(w: Any, x: Any, value: Any, index: Any) -> Written:
    """Writes a row of a buffer; of one that has no rows yet, its shape tells nothing, and all are zeros."""
    known = w.ref(x)
    if is_without_rows(tuple(known.shape)) and not is_without_rows((known.shape[0], *value.shape)):
        known = with_rows(w, known, value.shape)
    kind = w.dtype(index)
    place = w.op("Reshape", "output", [index, w.whole([1, 1])], T=kind, Tshape=INT32)
    row = w.op("ExpandDims", "output", [value, w.whole(0)], T=w.dtype(value), Tdim=INT32)
    given = {"T": known.dtype, "Tindices": kind}
    return w.op("TensorScatterUpdate", "output", [known, place, row], **given)


def with_rows(w: Any, x: Written, row: Any) -> Written:
    """Writes a buffer of rows of zeros, as many as one without rows has.

    Raises:
        NotImplementedError: the rows have sizes that are not known.
    """
    if row.rank is None or None in tuple(row):
        raise w.not_written("a tf.TensorArray whose elements have unknown sizes")
    count = w.op("Shape", "output", [x], T=x.dtype, out_type=INT32)
    parts = [w.whole(one) for one in ([0], [1], [1])]
    first = w.op("StridedSlice", "output", [count, *parts], T=INT32, Index=INT32, shrink_axis_mask=1)
    made = _filled(w, [first, *row], convert_to_tensor(np.zeros((), x.dtype.numpy_dtype)), x.dtype)
    return made._replace(shape=TensorShape([x.shape[0], *row]))
