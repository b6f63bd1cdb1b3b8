"""The messages of datasets that TensorFlow has saved: the structure of the elements, and what else stands there."""

from __future__ import annotations

from dovetail.wire.messages import TensorProto, TensorShapeProto
from dovetail.wire.protobuf import Field, Message

__all__ = ["SnapshotMetadata", "StructuredValue", "VariantTensorData"]


class StructuredValue(Message):
    """A value of one of many kinds, nested structures among them.  `int64_value` is zigzag-encoded, see `zigzag`."""

    fields = {
        "none_value": Field(1, "bytes", oneof="kind"),
        "int64_value": Field(12, "int64", oneof="kind"),
        "tensor_shape_value": Field(31, TensorShapeProto, oneof="kind"),
        "tensor_dtype_value": Field(32, "enum", oneof="kind"),
    }


class TensorSpecProto(Message):
    """The spec of a tensor."""

    fields = {"name": Field(1, "string"), "shape": Field(2, TensorShapeProto), "dtype": Field(3, "enum")}


class TypeSpecProto(Message):
    """The spec of a composite tensor: of which class, and its arguments."""

    fields = {
        "type_spec_class": Field(1, "enum"),
        "type_state": Field(2, StructuredValue),
        "type_spec_class_name": Field(3, "string"),
        "num_flat_components": Field(4, "int32"),
    }


class Values(Message):
    """A list, or a tuple."""

    fields = {"values": Field(1, StructuredValue, repeated=True)}


class DictValue(Message):
    """A dict with strings for keys."""

    fields = {"entries": Field(1, StructuredValue, key="string")}


class _Pair(Message):
    fields = {"key": Field(1, "string"), "value": Field(2, StructuredValue)}


class NamedTupleValue(Message):
    """A named tuple."""

    fields = {"name": Field(1, "string"), "values": Field(2, _Pair, repeated=True)}


_NESTED = {  # kinds that hold values again
    "tensor_spec_value": Field(33, TensorSpecProto, oneof="kind"),
    "type_spec_value": Field(34, TypeSpecProto, oneof="kind"),
    "list_value": Field(51, Values, oneof="kind"),
    "tuple_value": Field(52, Values, oneof="kind"),
    "dict_value": Field(53, DictValue, oneof="kind"),
    "named_tuple_value": Field(54, NamedTupleValue, oneof="kind"),
}
StructuredValue.fields.update(_NESTED)
StructuredValue._by_number.update({field.number: (name, field) for name, field in _NESTED.items()})


class SnapshotMetadata(Message):
    """What is known of a dataset on disk; it is complete when it is `finalized`."""

    fields = {
        "graph_hash": Field(1, "string"),
        "run_id": Field(2, "string"),
        "creation_timestamp": Field(3, "int64"),
        "version": Field(4, "int64"),
        "dtype": Field(5, "enum", repeated=True),
        "num_elements": Field(6, "int64"),
        "finalized": Field(1000, "bool"),
    }


class VariantTensorData(Message):
    """A value of a type of its own, as tensors."""

    fields = {
        "type_name": Field(1, "string"),
        "metadata": Field(2, "bytes"),
        "tensors": Field(3, TensorProto, repeated=True),
    }


def zigzag(value: int) -> int:
    """Returns a number as sint64 fields hold it."""
    return value << 1 if value >= 0 else (-value << 1) - 1


def unzigzag(value: int) -> int:
    return value >> 1 if value & 1 == 0 else -((value + 1) >> 1)
