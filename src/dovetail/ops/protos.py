"""Tensors as protocol buffers, and the messages of `tf.compat.v1`."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.ops.views import export
from dovetail.tensor import dtype as dt
from dovetail.tensor.convert import convert_to_tensor
from dovetail.wire import messages
from dovetail.wire.messages import Event, TensorProto
from dovetail.wire.records import read
from dovetail.wire.varints import length_at

for _name in messages.__all__:
    export(f"compat.v1.{_name}")(getattr(messages, _name))

_MOST_FILLED = 1 << 29  # bytes of values that a message leaves out; more would be an attack on our memory

# Where a message holds the values of a dtype one by one.
_LISTS = {
    "float32": "float_val",
    "float64": "double_val",
    "int32": "int_val",
    "int16": "int_val",
    "int8": "int_val",
    "uint8": "int_val",
    "uint16": "int_val",
    "int64": "int64_val",
    "bool": "bool_val",
    "uint32": "uint32_val",
    "uint64": "uint64_val",
    "float16": "half_val",
    "bfloat16": "half_val",
    "complex64": "scomplex_val",
    "complex128": "dcomplex_val",
    "string": "string_val",
}


@export("make_tensor_proto compat.v1.make_tensor_proto")
def make_tensor_proto(
    values: Any,
    dtype: Any = None,
    shape: Any = None,
    verify_shape: bool = False,
    allow_broadcast: bool = False,
) -> TensorProto:
    """Returns a tensor as a message.

    Args:
        values: array, tensor, nested lists, numbers or strings.
        dtype: of the tensor.
        shape: of the tensor; a single value fills it.
        verify_shape: refuse values of another shape.
        allow_broadcast: refuse values that do not broadcast to the shape.
    """
    tensor = convert_to_tensor(values, dtype=dtype)
    array = np.asarray(tensor._value)
    if shape is not None:
        array = _shaped(array, tuple(int(size) for size in shape), verify_shape or allow_broadcast)
    made = TensorProto(dtype=tensor.dtype.as_datatype_enum)
    made.tensor_shape.SetInParent()
    for size in array.shape:
        made.tensor_shape.dim.add(size=size)
    if tensor.dtype == dt.string:
        made.string_val.extend(_bytes(value) for value in array.reshape(-1).tolist())
    elif array.size > 1:
        made.tensor_content = np.ascontiguousarray(array).tobytes()
    elif array.size:
        getattr(made, _LISTS[tensor.dtype.name]).extend(_listed(array))
    return made


def _shaped(array: Any, shape: tuple, exact: bool) -> Any:
    if array.size == 1 and not exact:
        return np.broadcast_to(array.reshape(()), shape)
    if array.size != np.prod(shape, dtype=int) or (exact and array.shape != shape):
        raise TypeError(
            f"make_tensor_proto: values of shape {array.shape} do not fit the shape {shape}{at_user_location()}"
        )
    return array.reshape(shape)


def _bytes(value: Any) -> bytes:
    return value.encode() if isinstance(value, str) else bytes(value)


def _listed(array: Any) -> list:
    flat = array.reshape(-1)
    if flat.dtype.kind == "c":
        return flat.view(flat.real.dtype).tolist()
    return (
        flat.view(np.uint16).tolist()
        if flat.dtype.itemsize == 2 and flat.dtype.kind in "fV"
        else flat.tolist()
    )


@export("compat.v1.train.summary_iterator")
def summary_iterator(path: Any) -> Iterator[Event]:
    """Yields the events of an event file.

    Args:
        path: of the file.
    """
    with open(path, "rb") as file:
        for record in read(file, str(path)):
            yield Event.FromString(record)


@export("make_ndarray")
def make_ndarray(tensor: Any) -> Any:
    """Returns the NumPy array that a `TensorProto` holds; strings are bytes.

    Raises:
        ValueError: what it holds does not fit its shape.
    """
    dtype = dt.as_dtype(tensor.dtype)
    shape = tuple(int(dim.size) for dim in tensor.tensor_shape.dim)
    if any(size < 0 for size in shape):
        raise ValueError(f"make_ndarray: the shape {shape} has unknown sizes")
    if tensor.tensor_content:
        if dtype == dt.string:
            return _whole_strings(tensor.tensor_content, math.prod(shape)).reshape(shape)
        return np.frombuffer(tensor.tensor_content, dtype.as_numpy_dtype).copy().reshape(shape)
    return _filled(_held(tensor, dtype), math.prod(shape), dtype).reshape(shape)


def _whole_strings(data: bytes, count: int) -> Any:
    """Returns strings that are one piece: all lengths, then all bytes."""
    place = 0
    sizes: list[int] = []
    while len(sizes) < count and place < len(data):
        size, place = length_at(data, place)
        sizes.append(size)
    if len(sizes) < count or place + sum(sizes) != len(data):
        raise ValueError(f"make_ndarray: {len(data)} bytes are not {count} strings")
    flat: Any = np.empty(count, object)
    for i, size in enumerate(sizes):
        flat[i] = data[place : place + size]
        place += size
    return flat


def _held(tensor: Any, dtype: Any) -> Any:
    """Returns the values that stand one by one."""
    if dtype == dt.string:
        flat: Any = np.empty(len(tensor.string_val), object)
        flat[:] = list(tensor.string_val)
        return flat
    held = list(getattr(tensor, _LISTS[dtype.name]))
    if _LISTS[dtype.name] == "half_val":
        return np.array(held, np.uint16).view(dtype.as_numpy_dtype)
    if dtype.is_complex:
        return np.array(held, dtype.as_numpy_dtype(0).real.dtype).view(dtype.as_numpy_dtype)
    return np.array(held, dtype.as_numpy_dtype)


def _filled(flat: Any, size: int, dtype: Any) -> Any:
    """Returns as many values as the shape has: what is left out at the end is as the last one that is there."""
    if flat.size > size:
        raise ValueError(f"make_ndarray: {flat.size} values for a shape of {size}")
    if (size - flat.size) * flat.dtype.itemsize > _MOST_FILLED:
        raise ValueError(f"make_ndarray: {flat.size} values for a shape of {size}: too many are left out")
    if flat.size:
        whole = np.empty(size, flat.dtype)
        whole[: flat.size], whole[flat.size :] = flat, flat[-1]
        return whole
    return np.full(size, b"", object) if dtype == dt.string else np.zeros(size, dtype.as_numpy_dtype)
