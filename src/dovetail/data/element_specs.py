"""The structure of elements as bytes, as TensorFlow writes it beside a saved dataset."""

from __future__ import annotations

import collections
import functools
from typing import Any

from dovetail.base.errors import DataLossError, UnimplementedError
from dovetail.ops import table
from dovetail.tensor import TensorShape, TensorSpec, as_dtype
from dovetail.wire.protobuf import DecodeError
from dovetail.wire.saved_datasets import StructuredValue, unzigzag, zigzag

_SPARSE, _RAGGED = 1, 3  # numbers of spec classes


def encoded(spec: Any) -> bytes:
    """Returns an element_spec as bytes.

    Raises:
        UnimplementedError: the file format has no word for a part of it.
    """
    return _value(spec).SerializeToString()


def decoded(data: bytes, path: str) -> Any:
    """Returns the element_spec that bytes hold.

    Raises:
        DataLossError: they hold none.
    """
    try:
        return _spec(StructuredValue.FromString(data))
    except (DecodeError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise DataLossError(f"{path!r} holds no description of elements ({error})") from None


def _value(spec: Any) -> StructuredValue:
    made = StructuredValue()
    if spec is None:
        made.none_value = b""
    elif isinstance(spec, TensorSpec):
        part = made.tensor_spec_value
        _set_shape(part.shape, spec.shape)
        part.dtype = spec.dtype.as_datatype_enum
    elif isinstance(spec, dict):
        made.dict_value.SetInParent()
        for key, value in spec.items():
            made.dict_value.entries[str(key)] = _value(value)
    elif hasattr(spec, "_fields"):
        made.named_tuple_value.name = type(spec).__name__
        for key, value in zip(spec._fields, spec, strict=True):
            made.named_tuple_value.values.add(key=key, value=_value(value))
    elif isinstance(spec, tuple | list):
        part = made.tuple_value
        part.SetInParent()
        part.values.extend(map(_value, spec))
    else:
        _set_composite(made.type_spec_value, spec)
    return made


def _set_shape(message: Any, shape: TensorShape) -> None:
    message.SetInParent()
    if shape.rank is None:
        message.unknown_rank = True
        return
    for size in shape:
        message.dim.add(size=-1 if size is None else size)


def _set_composite(message: Any, spec: Any) -> None:
    shape, dtype = StructuredValue(), StructuredValue()
    name, number = _numbers().get(type(spec), (None, None))
    if name is None:
        raise UnimplementedError(
            f"a dataset with elements {spec} cannot be saved: the file format knows tensors, ragged and sparse ones. "
            "Map these to their tensors first"
        )
    _set_shape(shape.tensor_shape_value, spec.shape)
    dtype.tensor_dtype_value = spec.dtype.as_datatype_enum
    state, count = [shape, dtype], 3
    if number == _RAGGED:
        rank, splits = StructuredValue(), StructuredValue()
        rank.int64_value = zigzag(spec.ragged_rank)
        splits.tensor_dtype_value = spec.row_splits_dtype.as_datatype_enum
        state, count = [shape, dtype, rank, splits], 1 + spec.ragged_rank
    message.type_spec_class, message.type_spec_class_name, message.num_flat_components = number, name, count
    message.type_state.tuple_value.values.extend(state)


@functools.cache
def _numbers() -> dict[type, tuple[str, int]]:
    names = {"SparseTensorSpec": _SPARSE, "RaggedTensorSpec": _RAGGED}
    return {table.find("tf", name): (name, number) for name, number in names.items()}


def _spec(value: StructuredValue) -> Any:
    kind = value.WhichOneof("kind")
    if kind is None:
        raise ValueError("an unknown kind of value")
    part = getattr(value, kind)
    if kind == "none_value":
        return None
    if kind == "tensor_spec_value":
        return TensorSpec(_shape(part.shape), as_dtype(part.dtype))
    if kind == "dict_value":
        return {key: _spec(one) for key, one in part.entries.items()}
    if kind == "named_tuple_value":
        keys = [pair.key for pair in part.values]
        return collections.namedtuple(part.name, keys)(*(_spec(pair.value) for pair in part.values))  # type: ignore[misc]
    if kind in ("tuple_value", "list_value"):
        return tuple(map(_spec, part.values))
    if kind == "type_spec_value":
        return _composite(part)
    raise ValueError(f"{kind} is no spec")


def _composite(part: Any) -> Any:
    state = list(part.type_state.tuple_value.values)
    shape, dtype = _shape(state[0].tensor_shape_value), as_dtype(state[1].tensor_dtype_value)
    if part.type_spec_class == _SPARSE:
        return table.find("tf", "SparseTensorSpec")(shape, dtype)
    if part.type_spec_class == _RAGGED:
        rank, splits = unzigzag(state[2].int64_value), as_dtype(state[3].tensor_dtype_value)
        return table.find("tf", "RaggedTensorSpec")(shape, dtype, rank, splits)
    raise ValueError(f"elements of {part.type_spec_class_name}: pass element_spec")


def _shape(message: Any) -> TensorShape:
    if message.unknown_rank:
        return TensorShape(None)
    return TensorShape([None if dim.size == -1 else dim.size for dim in message.dim])
