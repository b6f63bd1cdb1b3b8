"""Rows of lists of tensors, as recurrent layers use them: the handle of a list is a `tf.TensorArray`."""

from __future__ import annotations

from typing import Any

from dovetail.base.errors import DataDependentShapeError, at_user_location
from dovetail.ops.tensor_array import TensorArray
from dovetail.raw_ops.row import public, raw
from dovetail.raw_ops.static import shape_of, try_known
from dovetail.tensor.convert import convert_to_tensor


@raw("TensorListReserve")
def reserve(element_shape: Any, num_elements: Any, *, element_dtype: Any) -> TensorArray:
    size = try_known(num_elements)
    return TensorArray(
        element_dtype,
        size=num_elements if size is None else int(size),
        dynamic_size=size is not None and int(size) == 0,  # it may grow: what grows begins empty
        element_shape=_shape(element_shape),
    )


@raw("EmptyTensorList")
def empty(element_shape: Any, max_num_elements: Any, *, element_dtype: Any) -> TensorArray:
    return TensorArray(element_dtype, size=0, dynamic_size=True, element_shape=_shape(element_shape))


def _shape(element_shape: Any) -> Any:
    return shape_of(element_shape)


@raw("TensorListFromTensor")
def from_tensor(tensor: Any, element_shape: Any) -> TensorArray:
    size = tensor.shape[0]
    if size is None:
        size = public("shape")(tensor)[0]
    return TensorArray(tensor.dtype, size=size, element_shape=tensor.shape[1:]).unstack(tensor)


@raw("TensorListStack")
def stack(input_handle: Any, element_shape: Any, *, element_dtype: Any, num_elements: int = -1) -> Any:
    return input_handle.stack()


@raw("TensorListGetItem")
def get_item(input_handle: Any, index: Any, element_shape: Any, *, element_dtype: Any) -> Any:
    return input_handle.read(index)


@raw("TensorListSetItem")
def set_item(
    input_handle: Any, index: Any, item: Any, *, resize_if_index_out_of_bounds: bool = False
) -> TensorArray:
    return _copy(input_handle).write(index, item)


def _copy(array: TensorArray) -> TensorArray:
    """Returns a list of its own: the handle that was there stays what it was."""
    return array._copy()


@raw("TensorListPushBack")
def push_back(input_handle: Any, tensor: Any) -> TensorArray:
    return _copy(input_handle).write(len(input_handle), tensor)


@raw("TensorListLength")
def length(input_handle: Any) -> Any:
    return convert_to_tensor(input_handle.size())


@raw("TensorListElementShape")
def element_shape(input_handle: Any, *, shape_type: Any) -> Any:
    found = input_handle.element_shape
    if not found.is_fully_defined():
        raise DataDependentShapeError(
            "TensorListElementShape", f"the shape of the elements of a list is not known{at_user_location()}"
        )
    return convert_to_tensor(found.as_list(), shape_type)


@raw("TensorListConcatV2", "tensor lengths")
def concat(input_handle: Any, element_shape: Any, leading_dims: Any, *, element_dtype: Any) -> tuple:
    rows = [public("shape")(input_handle.read(i), out_type="int64")[0] for i in range(len(input_handle))]
    return input_handle.concat(), public("stack")(rows)
