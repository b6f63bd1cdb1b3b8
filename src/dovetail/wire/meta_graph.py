"""The messages of TensorFlow 1's graphs with what belongs to them: collections, and variables in them."""

from __future__ import annotations

from dovetail.wire.protobuf import Field, Message
from dovetail.wire.saved_model import CollectionDef


class _Bytes(Message):
    fields = {"value": Field(1, "bytes", repeated=True)}


class _Integers(Message):
    fields = {"value": Field(1, "int64", repeated=True)}


class _Floats(Message):
    fields = {"value": Field(1, "float", repeated=True)}


CollectionDef.add_field("bytes_list", Field(2, _Bytes, oneof="kind"))
CollectionDef.add_field("int64_list", Field(3, _Integers, oneof="kind"))
CollectionDef.add_field("float_list", Field(4, _Floats, oneof="kind"))


class VariableDef(Message):
    """A variable of a graph: the names of its handle, its initializer and a read of it."""

    fields = {
        "variable_name": Field(1, "string"),
        "initializer_name": Field(2, "string"),
        "snapshot_name": Field(3, "string"),
        "is_resource": Field(5, "bool"),
        "initial_value_name": Field(6, "string"),
        "trainable": Field(7, "bool"),
        "synchronization": Field(8, "enum"),
        "aggregation": Field(9, "enum"),
    }
