"""Rows of TensorFlow 1's arrays.  The flow, which says in what order they are used, is the `tf.TensorArray`."""

from __future__ import annotations

from typing import Any

from dovetail.ops.tensor_array import TensorArray
from dovetail.raw_ops.row import public, raw
from dovetail.raw_ops.static import try_known
from dovetail.tensor.convert import convert_to_tensor


class ArrayHandle:
    """Stands for an array where the flow tells which it is."""


@raw("TensorArrayV3", "handle flow")
def array(
    size: Any,
    *,
    dtype: Any,
    element_shape: Any = None,
    dynamic_size: bool = False,
    clear_after_read: bool = True,
    identical_element_shapes: bool = False,
    tensor_array_name: str = "",
) -> tuple:
    count = try_known(size)
    made = TensorArray(
        dtype,
        size=size if count is None else int(count),
        dynamic_size=dynamic_size,
        element_shape=element_shape,
    )
    return ArrayHandle(), made


@raw("TensorArrayWriteV3")
def write(handle: Any, index: Any, value: Any, flow_in: Any) -> TensorArray:
    return flow_in._copy().write(index, value)


@raw("TensorArrayReadV3")
def read(handle: Any, index: Any, flow_in: Any, *, dtype: Any) -> Any:
    return flow_in.read(index)


@raw("TensorArrayScatterV3")
def scatter(handle: Any, indices: Any, value: Any, flow_in: Any) -> TensorArray:
    """Indices whose number is not known are those of all elements, in any order."""
    known = try_known(indices)
    if known is not None and known.tolist() == list(range(known.size)):
        return flow_in._copy().unstack(value)
    if known is not None or convert_to_tensor(indices).shape[0] is not None:
        return flow_in._copy().scatter(indices, value)
    return flow_in._copy().unstack(public("gather")(value, public("argsort")(indices)))


@raw("TensorArrayGatherV3")
def gather(handle: Any, indices: Any, flow_in: Any, *, dtype: Any, element_shape: Any = None) -> Any:
    return public("gather")(flow_in.stack(), indices)


@raw("TensorArraySizeV3")
def size(handle: Any, flow_in: Any) -> Any:
    return convert_to_tensor(flow_in.size())


@raw("TensorArrayCloseV3")
def close(handle: Any) -> None:
    """Nothing: an array lives as long as something refers to it."""
