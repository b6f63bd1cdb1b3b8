"""Rows of what makes, arranges and picks tensors."""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail.base.errors import UnimplementedError, at_user_location
from dovetail.ops.tensor_array import TensorArray
from dovetail.raw_ops.row import enter, public, raw
from dovetail.raw_ops.static import known
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.dtype import as_dtype
from dovetail.tensor.tensor import TensorLike
from dovetail.tensor.variable import Variable

_VALUES = int | float | complex | bool | str | bytes | list | tuple | np.ndarray | np.generic

enter(
    """
    StopGradient(input) = stop_gradient
    Reshape(tensor, shape) = reshape
    Shape(input; out_type='int32') = shape
    ShapeN(*input; out_type='int32') = shape_n
    Size(input; out_type='int32') = size
    Rank(input) = rank
    Fill(dims, value) = fill
    ZerosLike(x) = zeros_like
    OnesLike(x) = ones_like
    BroadcastTo(input, shape) = broadcast_to
    Tile(input, multiples) = tile
    Transpose(x, perm) = transpose
    InvertPermutation(x) = math.invert_permutation
    ReverseV2(tensor, axis) = reverse
    Slice(input, begin, size) = slice
    GatherNd(params, indices) = gather_nd
    Gather(params, indices) = gather
    ScatterNd(indices, updates, shape) = scatter_nd
    TensorScatterUpdate(tensor, indices, updates) = tensor_scatter_nd_update
    TensorScatterAdd(tensor, indices, updates) = tensor_scatter_nd_add
    TensorScatterSub(tensor, indices, updates) = tensor_scatter_nd_sub
    TensorScatterMax(tensor, indices, updates) = tensor_scatter_nd_max
    TensorScatterMin(tensor, indices, updates) = tensor_scatter_nd_min
    UnsortedSegmentSum(data, segment_ids, num_segments) = math.unsorted_segment_sum
    UnsortedSegmentMax(data, segment_ids, num_segments) = math.unsorted_segment_max
    UnsortedSegmentMin(data, segment_ids, num_segments) = math.unsorted_segment_min
    UnsortedSegmentProd(data, segment_ids, num_segments) = math.unsorted_segment_prod
    SegmentSum(data, segment_ids) = math.segment_sum
    SegmentMean(data, segment_ids) = math.segment_mean
    SegmentMax(data, segment_ids) = math.segment_max
    SegmentMin(data, segment_ids) = math.segment_min
    SegmentProd(data, segment_ids) = math.segment_prod
    DynamicPartition(data, partitions; num_partitions) = dynamic_partition
    DynamicStitch ParallelDynamicStitch(*indices, *data) = dynamic_stitch
    ReverseSequence(input, seq_lengths; seq_dim>seq_axis, batch_dim=0>batch_axis) = reverse_sequence
    Cast(x; DstT>dtype) = cast
    Bitcast(input; type) = bitcast
    Where(condition) = where
    GuaranteeConst(input) = guarantee_const
    UnravelIndex(indices, dims) = unravel_index
    UniqueWithCounts(x; out_idx='int32') = unique_with_counts
    """
)


@raw("Const")
def const(*, value: Any, dtype: Any) -> Any:
    return convert_to_tensor(value, dtype)


@raw("Empty")
def empty(shape: Any, *, dtype: Any, init: bool = False) -> Any:
    return public("zeros")(shape, as_dtype(dtype))


@raw("Identity")
def identity(input: Any) -> Any:
    """The value; handles of variables, lists and tables stay what they are."""
    is_handle = isinstance(input, Variable | TensorArray) or not isinstance(input, TensorLike | _VALUES)
    return input if is_handle else public("identity")(input)


@raw("PlaceholderWithDefault")
def placeholder_with_default(input: Any, *, shape: Any) -> Any:
    """The default: what is fed takes the place of the node."""
    return input


@raw("IdentityN")
def identity_n(input: list) -> list:
    return [identity(one) for one in input]


@raw("PreventGradient")
def prevent_gradient(input: Any, *, message: str = "") -> Any:
    return public("stop_gradient")(input)


@raw("Snapshot")
def snapshot(input: Any) -> Any:
    return public("identity")(input)


@raw("EnsureShape")
def ensure_shape(input: Any, *, shape: Any) -> Any:
    return public("ensure_shape")(input, shape)


@raw("BroadcastArgs")
def broadcast_args(s0: Any, s1: Any) -> Any:
    return public("broadcast_dynamic_shape")(s0, s1)


@raw("Pack")
def pack(values: list, *, axis: int = 0) -> Any:
    return public("stack")(values, axis=axis)


@raw("Unpack")
def unpack(value: Any, *, num: int, axis: int = 0) -> list:
    return public("unstack")(value, num=num, axis=axis)


@raw("ConcatV2")
def concat(values: list, axis: Any) -> Any:
    return public("concat")(values, axis=int(known(axis)))


@raw("Concat")
def concat_1(concat_dim: Any, values: list) -> Any:
    return public("concat")(values, axis=int(known(concat_dim)))


@raw("Split")
def split(axis: Any, value: Any, *, num_split: int) -> list:
    return public("split")(value, num_split, axis=int(known(axis)))


@raw("SplitV")
def split_v(value: Any, size_splits: Any, axis: Any, *, num_split: int) -> list:
    return public("split")(value, known(size_splits).tolist(), axis=int(known(axis)), num=num_split)


@raw("ExpandDims")
def expand_dims(input: Any, axis: Any) -> Any:
    return public("expand_dims")(input, axis=int(known(axis).reshape(())))


@raw("Squeeze")
def squeeze(input: Any, *, axis: Any = ()) -> Any:
    return public("squeeze")(input, axis=list(axis) or None)


@raw("StridedSlice")
def strided_slice(
    input: Any,
    begin: Any,
    end: Any,
    strides: Any,
    *,
    begin_mask: int = 0,
    end_mask: int = 0,
    ellipsis_mask: int = 0,
    new_axis_mask: int = 0,
    shrink_axis_mask: int = 0,
) -> Any:
    masks = (begin_mask, end_mask, ellipsis_mask, new_axis_mask, shrink_axis_mask)
    return public("strided_slice")(input, begin, end, strides, *masks)


@raw("GatherV2")
def gather(params: Any, indices: Any, axis: Any, *, batch_dims: int = 0) -> Any:
    return public("gather")(params, indices, axis=int(known(axis)), batch_dims=batch_dims)


@raw("Select")
def select(condition: Any, x: Any, y: Any) -> Any:
    condition, x = convert_to_tensor(condition), convert_to_tensor(x)
    rank = condition.shape.rank
    if rank == 1 and (x.shape.rank or 0) > 1:  # a condition a row
        condition = public("reshape")(condition, [-1] + [1] * (x.shape.rank - 1))
    return public("where")(condition, x, y)


@raw("SelectV2")
def select_v2(condition: Any, t: Any, e: Any) -> Any:
    return public("where")(condition, t, e)


@raw("OneHot")
def one_hot(indices: Any, depth: Any, on_value: Any, off_value: Any, *, axis: int = -1) -> Any:
    return public("one_hot")(indices, int(known(depth)), on_value, off_value, axis=axis, dtype=on_value.dtype)


@raw("Range")
def range_(start: Any, limit: Any, delta: Any) -> Any:
    return public("range")(start, limit, delta, dtype=start.dtype)


@raw("Pad")
def pad(input: Any, paddings: Any) -> Any:
    return public("pad")(input, known(paddings).tolist())


@raw("PadV2")
def pad_v2(input: Any, paddings: Any, constant_values: Any) -> Any:
    return public("pad")(input, known(paddings).tolist(), constant_values=constant_values)


@raw("MirrorPad")
def mirror_pad(input: Any, paddings: Any, *, mode: str) -> Any:
    return public("pad")(input, known(paddings).tolist(), mode=mode)


@raw("Roll")
def roll(input: Any, shift: Any, axis: Any) -> Any:
    return public("roll")(input, known(shift), known(axis))


@raw("Unique", "y idx")
def unique(x: Any, *, out_idx: Any = "int32") -> Any:
    return public("unique")(x, out_idx=out_idx)


@raw("UniqueV2", "y idx")
def unique_2(x: Any, axis: Any, *, out_idx: Any = "int32") -> Any:
    return public("unique")(_vector("UniqueV2", x, axis), out_idx=out_idx)


@raw("UniqueWithCountsV2", "y idx count")
def unique_counts_2(x: Any, axis: Any, *, out_idx: Any = "int32") -> Any:
    return public("unique_with_counts")(_vector("UniqueWithCountsV2", x, axis), out_idx=out_idx)


def _vector(name: str, x: Any, axis: Any) -> Any:
    if x.shape.rank != 1:
        raise UnimplementedError(
            f"tf.raw_ops.{name}: only elements of vectors are told apart, received the shape {x.shape}"
            f"{at_user_location()}"
        )
    return x


@raw("ListDiff", "out idx")
def list_diff(x: Any, y: Any, *, out_idx: Any = "int32") -> tuple:
    there = public("reduce_any")(public("equal")(x[:, None], y[None, :]), axis=1)
    places = public("reshape")(public("where")(public("logical_not")(there)), [-1])
    return public("gather")(x, places), public("cast")(places, out_idx)


@raw("Reverse")
def reverse_1(tensor: Any, dims: Any) -> Any:
    """Reverses along the axes for which `dims` says True."""
    axes = [axis for axis, chosen in enumerate(known(dims).tolist()) if chosen]
    return public("reverse")(tensor, axes) if axes else tensor


@raw("ParallelConcat")
def parallel_concat(values: list, *, shape: Any) -> Any:
    return public("concat")(values, axis=0)


@raw("Fingerprint")
def fingerprint(data: Any, method: Any) -> Any:
    name: Any = known(method).item()
    return public("fingerprint")(data, name.decode() if isinstance(name, bytes) else name)


@raw("SpaceToBatch")
def space_to_batch(input: Any, paddings: Any, *, block_size: int) -> Any:
    return public("space_to_batch_nd")(input, [block_size, block_size], paddings)


@raw("BatchToSpace")
def batch_to_space(input: Any, crops: Any, *, block_size: int) -> Any:
    return public("batch_to_space")(input, [block_size, block_size], crops)
