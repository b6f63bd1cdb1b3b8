"""Tensors as bytes: `tf.io.serialize_tensor`, `tf.io.parse_tensor`."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np

from dovetail.base.errors import InvalidArgumentError
from dovetail.engine import dtypes
from dovetail.ops.core import Op
from dovetail.ops.protos import make_ndarray
from dovetail.ops.shapes import as_tensor
from dovetail.ops.views import export
from dovetail.tensor import dtype as dt
from dovetail.wire.messages import TensorProto
from dovetail.wire.protobuf import DecodeError, varint

_MOST_SHOWN = 60


def message_of(array: Any, whole_strings: bool = False) -> bytes:
    """Returns an array as a serialized `TensorProto`: numbers as they lie in memory, strings one by one.

    Args:
        array: the array.
        whole_strings: strings are one piece: all lengths, then all bytes.
    """
    dtype = dt.as_dtype(array.dtype)
    made = TensorProto(dtype=dtype.as_datatype_enum)
    made.tensor_shape.SetInParent()
    for size in array.shape:
        made.tensor_shape.dim.add(size=size)
    if dtype == dt.string:
        strings = array.reshape(-1).tolist()
        if whole_strings:
            made.tensor_content = b"".join([*(varint(len(value)) for value in strings), *strings])
        else:
            made.string_val.extend(strings)
    else:
        made.tensor_content = np.ascontiguousarray(array).tobytes()
    return made.SerializeToString()


def array_of(data: bytes, what: str = "serialized") -> Any:
    """Returns the array that a serialized `TensorProto` holds.

    Raises:
        InvalidArgumentError: it is none, or its values do not fit its shape.
    """
    try:
        message = TensorProto.FromString(data)
        return make_ndarray(message)
    except (DecodeError, ValueError, TypeError, KeyError) as error:
        shown = base64.b64encode(data[:_MOST_SHOWN]).decode() + "..." * (len(data) > _MOST_SHOWN)
        raise InvalidArgumentError(
            f"Could not parse `{what}` as TensorProto, base64: {shown} ({len(data)} bytes: {error})"
        ) from None


def boxed(value: bytes) -> Any:
    """Returns a string as an array without axes."""
    out: Any = np.empty((), object)
    out[()] = value
    return out


serialized = Op(
    "serialize_tensor",
    lambda xp, tensor: boxed(message_of(tensor)),
    engine="host",
    differentiable=False,
    shape=lambda shape: (),
    dtype=lambda kind: dtypes.STRING,
)
serialized.__doc__ = "Returns a tensor as a serialized TensorProto, a scalar string."


def _parse(xp: Any, data: Any, *, out_type: Any) -> Any:
    array = array_of(data[()])
    if array.dtype != out_type:
        raise InvalidArgumentError(
            f"Type mismatch between parsed tensor ({dt.as_dtype(array.dtype).name}) and dtype "
            f"({dt.as_dtype(out_type).name})"
        )
    return array


parsed = Op(
    "parse_tensor",
    _parse,
    engine="host",
    differentiable=False,
    shape=lambda shape, **_: None,  # as the string will say
    dtype=lambda kind, out_type: out_type,
)
parsed.__doc__ = "Returns the tensor that a scalar string holds."


@export("io.serialize_tensor")
def serialize_tensor(tensor: Any, name: str | None = None) -> Any:
    """Returns a tensor as a scalar string, which `tf.io.parse_tensor` reads.

    Args:
        tensor: of any dtype and shape.

    Example:
        >>> tf.io.parse_tensor(tf.io.serialize_tensor([1.5, 2.0]), tf.float32).numpy().tolist()
        [1.5, 2.0]
    """
    return serialized(as_tensor(tensor))


@export("io.parse_tensor")
def parse_tensor(serialized: Any, out_type: Any, name: str | None = None) -> Any:
    """Returns the tensor that a scalar string holds: what `tf.io.serialize_tensor` makes, or a `TensorProto`'s bytes.

    Args:
        serialized: scalar string.
        out_type: dtype of the tensor.

    Raises:
        InvalidArgumentError: it is no such string, or the dtype is another.
    """
    data = as_tensor(serialized)
    if data.dtype != dt.string or data.shape.rank not in (0, None):
        raise InvalidArgumentError(
            f"Expected `serialized` to be a scalar, got shape: {data.shape}, dtype {data.dtype.name}"
        )
    return parsed(data, out_type=dt.as_dtype(out_type).numpy_dtype)
