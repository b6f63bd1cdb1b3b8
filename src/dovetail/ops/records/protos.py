"""Messages of protocol buffers as tensors: `tf.io.decode_proto` and `tf.io.encode_proto`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from google.protobuf import text_format
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message

from dovetail.base.errors import DataLossError, InvalidArgumentError, at_user_location
from dovetail.engine import dtypes
from dovetail.ops.core import Op
from dovetail.ops.shapes import as_tensor, reshape
from dovetail.ops.shapes import shape as shape_of
from dovetail.ops.views import export
from dovetail.tensor import dtype as dt
from dovetail.wire import examples  # noqa: F401 - its messages are what "local://" describes
from dovetail.wire.schema import LOCAL, message_class
from dovetail.wire.varints import length_at

_INT32 = np.dtype(np.int32)
_F = FieldDescriptor
# The dtypes that hold the values of a kind of field; the first is what `encode_proto` expects.
_DTYPES = {
    _F.TYPE_DOUBLE: ("float64",),
    _F.TYPE_FLOAT: ("float32", "float64"),
    _F.TYPE_INT64: ("int64",),
    _F.TYPE_UINT64: ("uint64", "int64"),
    _F.TYPE_INT32: ("int32", "int64"),
    _F.TYPE_FIXED64: ("uint64", "int64"),
    _F.TYPE_FIXED32: ("uint32", "int64", "int32", "uint64"),
    _F.TYPE_BOOL: ("bool",),
    _F.TYPE_STRING: ("string",),
    _F.TYPE_GROUP: ("string",),
    _F.TYPE_MESSAGE: ("string",),
    _F.TYPE_BYTES: ("string",),
    _F.TYPE_UINT32: ("uint32", "int64", "int32", "uint64"),
    _F.TYPE_ENUM: ("int32",),
    _F.TYPE_SFIXED32: ("int32", "int64"),
    _F.TYPE_SFIXED64: ("int64",),
    _F.TYPE_SINT32: ("int32", "int64"),
    _F.TYPE_SINT64: ("int64",),
}
_EMPTY_STRING = b""


class Kind(NamedTuple):
    """Which messages, and which of their fields.

    Attributes:
        message_type: full name, such as "tensorflow.Example".
        source: where the descriptors are: "local://", a file with a FileDescriptorSet, or "bytes://" and such a set.
        fields: their names.
        dtypes: their dtypes' names.
    """

    message_type: str
    source: str
    fields: tuple[str, ...]
    dtypes: tuple[str, ...]

    def load(self) -> tuple[Any, list]:
        """Returns the class of the messages, and the descriptors of the fields.

        Raises:
            InvalidArgumentError: there is no such message or field, or a dtype does not hold its values.
        """
        try:
            made = message_class(self.message_type, self.source)
        except KeyError:
            raise InvalidArgumentError(
                f"No descriptor found for message type {self.message_type} in {self.source!r:.40}"
            ) from None
        except (OSError, DecodeError, TypeError) as error:
            raise InvalidArgumentError(f"descriptor_source {self.source!r:.40}: {error}") from None
        found = [self._field(made, name) for name in self.fields]
        for descriptor, dtype in zip(found, self.dtypes, strict=True):
            if dtype not in _DTYPES[descriptor.type]:
                raise InvalidArgumentError(
                    f"Unexpected output type for {self.message_type}.{descriptor.name}: {dtype}; its values are "
                    f"{' or '.join(_DTYPES[descriptor.type])}"
                )
        return made, found

    def _field(self, made: Any, name: str) -> Any:
        try:
            return made.DESCRIPTOR.fields_by_name[name]
        except KeyError:
            raise InvalidArgumentError(f"Unknown field: {name} in message type {self.message_type}") from None


def _values_of(message: Any, descriptor: Any) -> list:
    """Returns the values of a field: all of a repeated one, else one at most."""
    if _is_repeated(descriptor):
        held = getattr(message, descriptor.name)
        if _is_map(descriptor):
            return [_entry(message, descriptor.name, key) for key in sorted(held)]
        return [_plain(value) for value in held]
    if descriptor.has_presence and not message.HasField(descriptor.name):
        return []
    value = getattr(message, descriptor.name)
    if not descriptor.has_presence and value == descriptor.default_value:
        return []
    return [_plain(value)]


def _is_repeated(descriptor: Any) -> bool:
    return descriptor.is_repeated


def _is_map(descriptor: Any) -> bool:
    kind = descriptor.message_type
    return kind is not None and kind.GetOptions().map_entry


def _entry(message: Any, name: str, key: Any) -> bytes:
    """Returns one pair of a map as the serialized message that it is."""
    alone = type(message)()
    value = getattr(message, name)[key]
    if isinstance(value, Message):
        getattr(alone, name)[key].CopyFrom(value)
    else:
        getattr(alone, name)[key] = value
    data = alone.SerializeToString()
    return data[length_at(data, length_at(data, 0)[1])[1] :]  # after its number and its length


def _plain(value: Any) -> Any:
    """Returns a value as tensors hold it: messages and text as bytes."""
    if isinstance(value, Message):
        return value.SerializeToString()
    return value.encode() if isinstance(value, str) else value


def _decode(xp: Any, data: Any, *, kind: Kind, text: bool, sanitize: bool) -> list:
    made, descriptors = kind.load()
    messages = [_message(made, value, text, kind) for value in data.tolist()]
    sizes: Any = np.zeros((len(messages), len(descriptors)), _INT32)
    columns = []
    for j, (descriptor, dtype) in enumerate(zip(descriptors, kind.dtypes, strict=True)):
        rows = [_values_of(message, descriptor) for message in messages]
        sizes[:, j] = [len(row) for row in rows]
        columns.append(_padded(rows, dtype, _default(descriptor)))
    return [sizes, *columns]


def _message(made: Any, value: bytes, text: bool, kind: Kind) -> Any:
    try:
        if text:
            return text_format.Parse(value, made())
        return made.FromString(value)
    except (DecodeError, text_format.ParseError, RecursionError) as error:
        raise DataLossError(
            f"Unable to parse {'text' if text else 'binary'} protobuf: {value[:40]!r} is no {kind.message_type} "
            f"({error})"
        ) from None


def _default(descriptor: Any) -> Any:
    """Returns what fills up the values of a field."""
    value = descriptor.default_value
    return 0 if value is None or isinstance(value, list) else _plain(value)


def _padded(rows: list, dtype: str, default: Any) -> Any:
    """Returns rows of values, filled up to the longest, one value at least: (n, most)."""
    kind = dt.as_dtype(dtype).numpy_dtype
    strings = dtypes.is_host_only(kind)
    filler = default if isinstance(default, bytes) or not strings else _EMPTY_STRING
    out: Any = np.full((len(rows), max([1, *map(len, rows)])), filler, object if strings else kind)
    for i, row in enumerate(rows):
        out[i, : len(row)] = row
    return out


decoded = Op(
    "decode_proto",
    _decode,
    engine="host",
    differentiable=False,
    several=True,
    shape=lambda shape, kind, **_: [(shape[0], len(kind.fields)), *[(shape[0], None)] * len(kind.fields)],
    dtype=lambda _, kind, **__: [_INT32, *(dt.as_dtype(name).numpy_dtype for name in kind.dtypes)],
)


class DecodeProtoV2(NamedTuple):
    """What `tf.io.decode_proto` returns.

    Attributes:
        sizes: int32 (..., fields), how many values each field has.
        values: a tensor (..., most values) for each field.
    """

    sizes: Any
    values: list


@export("io.decode_proto")
def decode_proto(
    bytes: Any,
    message_type: str,
    field_names: Any,
    output_types: Any,
    descriptor_source: str = LOCAL,
    message_format: str = "binary",
    sanitize: bool = False,
    name: str | None = None,
) -> DecodeProtoV2:
    """Returns fields of serialized messages.

    Args:
        bytes: strings of any shape.
        message_type: full name, such as "tensorflow.Example".
        field_names, output_types: which fields, and their dtypes; messages inside messages come as strings.
        descriptor_source: where the message is described: "local://" (the messages of `tf.train`, and those that the
            program has imported), the path of a file with a serialized FileDescriptorSet, or "bytes://" followed by
            such a set.
        message_format: "binary", or "text".
        sanitize: accepted for compatibility; messages are always read in full.

    Returns:
        `(sizes, values)`: int32 (..., fields), and a tensor (..., most values) for each field, filled up with defaults.

    Raises:
        InvalidArgumentError: there is no such message or field, or the dtype does not hold it.
        DataLossError: a string is no such message.
    """
    if message_format not in ("binary", "text"):
        raise InvalidArgumentError(
            f"tf.io.decode_proto: message_format must be 'binary' or 'text', received {message_format!r}"
            f"{at_user_location()}"
        )
    kinds = tuple(dt.as_dtype(kind).name for kind in output_types)
    kind = Kind(_text(message_type), _text(descriptor_source), tuple(map(_text, field_names)), kinds)
    if len(kind.fields) != len(kinds):
        raise InvalidArgumentError(
            f"tf.io.decode_proto: {len(kind.fields)} field_names and {len(kinds)} output_types{at_user_location()}"
        )
    data = as_tensor(bytes)
    sizes, *values = decoded(
        reshape(data, shape=(-1,)), kind=kind, text=message_format == "text", sanitize=sanitize
    )
    if data.shape.rank == 1:
        return DecodeProtoV2(sizes, values)
    outer = shape_of(data)
    return DecodeProtoV2(_restored(sizes, data, outer), [_restored(value, data, outer) for value in values])


def _restored(value: Any, data: Any, outer: Any) -> Any:
    """Returns (n, k) as (..., k)."""
    known = data.shape.as_list() if data.shape.is_fully_defined() else [*np.asarray(outer).tolist()]
    last = value.shape[-1]
    return reshape(value, shape=(*known, -1 if last is None else last))


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


# ---- encoding


def _encode(xp: Any, sizes: Any, *values: Any, kind: Kind) -> Any:
    made, descriptors = kind.load()
    order = sorted(range(len(descriptors)), key=lambda j: descriptors[j].number)
    out: Any = np.empty(sizes.shape[:-1], object)
    for place in np.ndindex(*out.shape):
        message = made()
        for j in order:
            count = int(sizes[(*place, j)])
            if not 0 <= count <= values[j].shape[-1]:
                raise InvalidArgumentError(
                    f"sizes {sizes[place].tolist()}: field {descriptors[j].name} has {values[j].shape[-1]} values"
                )
            _set(message, descriptors[j], values[j][place][:count].tolist())
        out[place] = message.SerializeToString(deterministic=True)
    return out


def _set(message: Any, descriptor: Any, values: list) -> None:
    if not values:
        return
    name, make = descriptor.name, _maker(descriptor)
    if _is_map(descriptor):
        raise InvalidArgumentError(f"field {name} is a map, which tf.io.encode_proto cannot write")
    if _is_repeated(descriptor):
        getattr(message, name).extend([make(value) for value in values])
        return
    if len(values) > 1:
        raise InvalidArgumentError(f"field {name} is not repeated, but has {len(values)} values")
    if descriptor.message_type is not None:
        getattr(message, name).CopyFrom(make(values[0]))
        return
    setattr(message, name, make(values[0]))


def _maker(descriptor: Any) -> Callable[[Any], Any]:
    if descriptor.message_type is not None:
        return descriptor.message_type._concrete_class.FromString
    return bytes.decode if descriptor.type == _F.TYPE_STRING else lambda value: value


encoded = Op(
    "encode_proto",
    _encode,
    engine="host",
    differentiable=False,
    same_dtype=0,
    shape=lambda sizes, *_, **__: sizes[:-1],
    dtype=lambda *_, **__: dtypes.STRING,
)


@export("io.encode_proto")
def encode_proto(
    sizes: Any,
    values: Any,
    field_names: Any,
    message_type: str,
    descriptor_source: str = LOCAL,
    name: str | None = None,
) -> Any:
    """Returns serialized messages, made of the values of their fields.

    Args:
        sizes: int32 (..., fields), how many values each field has.
        values: a tensor (..., most values) for each field.
        field_names: their names.
        message_type, descriptor_source: see `tf.io.decode_proto`.

    Returns:
        Strings of shape (...).
    """
    tensors = [as_tensor(value) for value in values]
    for field, tensor in zip(field_names, tensors, strict=True):
        if tensor.shape.rank is not None and tensor.shape.rank < 2:
            raise InvalidArgumentError(
                f"Invalid shape for field {_text(field)}.  Saw shape {tensor.shape} but it should be at least a matrix."
                f"{at_user_location()}"
            )
    kinds = tuple(tensor.dtype.name for tensor in tensors)
    kind = Kind(_text(message_type), _text(descriptor_source), tuple(map(_text, field_names)), kinds)
    return encoded(as_tensor(sizes), *tensors, kind=kind)
