"""The messages of TensorFlow's files that are read and written here: tensors, graphs, summaries and events."""

from __future__ import annotations

from dovetail.wire.protobuf import Field, Message

__all__ = [
    "AttrValue",
    "Event",
    "FunctionDef",
    "FunctionDefLibrary",
    "GraphDef",
    "HistogramProto",
    "NameAttrList",
    "NodeDef",
    "OpDef",
    "Summary",
    "SummaryMetadata",
    "TensorProto",
    "TensorShapeProto",
]


class _Dim(Message):
    fields = {"size": Field(1, "int64"), "name": Field(2, "string")}


class TensorShapeProto(Message):
    """A shape; a size of -1 is unknown."""

    Dim = _Dim
    fields = {"dim": Field(2, _Dim, repeated=True), "unknown_rank": Field(3, "bool")}


class TensorProto(Message):
    """A tensor: its dtype's number, its shape, and its values, as bytes or one by one."""

    fields = {
        "dtype": Field(1, "enum"),
        "tensor_shape": Field(2, TensorShapeProto),
        "version_number": Field(3, "int32"),
        "tensor_content": Field(4, "bytes"),
        "float_val": Field(5, "float", repeated=True),
        "double_val": Field(6, "double", repeated=True),
        "int_val": Field(7, "int32", repeated=True),
        "string_val": Field(8, "bytes", repeated=True),
        "scomplex_val": Field(9, "float", repeated=True),
        "int64_val": Field(10, "int64", repeated=True),
        "bool_val": Field(11, "bool", repeated=True),
        "dcomplex_val": Field(12, "double", repeated=True),
        "half_val": Field(13, "int32", repeated=True),
        "uint32_val": Field(16, "uint32", repeated=True),
        "uint64_val": Field(17, "uint64", repeated=True),
    }


class _ListValue(Message):
    fields = {
        "s": Field(2, "bytes", repeated=True),
        "i": Field(3, "int64", repeated=True),
        "f": Field(4, "float", repeated=True),
        "b": Field(5, "bool", repeated=True),
        "type": Field(6, "enum", repeated=True),
        "shape": Field(7, TensorShapeProto, repeated=True),
        "tensor": Field(8, TensorProto, repeated=True),
    }


class AttrValue(Message):
    """An attribute of a node: one value, or a list."""

    ListValue = _ListValue
    fields = {
        "list": Field(1, _ListValue, oneof="value"),
        "s": Field(2, "bytes", oneof="value"),
        "i": Field(3, "int64", oneof="value"),
        "f": Field(4, "float", oneof="value"),
        "b": Field(5, "bool", oneof="value"),
        "type": Field(6, "enum", oneof="value"),
        "shape": Field(7, TensorShapeProto, oneof="value"),
        "tensor": Field(8, TensorProto, oneof="value"),
        "placeholder": Field(9, "string", oneof="value"),
    }


class NameAttrList(Message):
    """A function that an operation calls."""

    fields = {"name": Field(1, "string"), "attr": Field(2, AttrValue, key="string")}


AttrValue.add_field("func", Field(10, NameAttrList, oneof="value"))
_ListValue.add_field("func", Field(9, NameAttrList, repeated=True))


class NodeDef(Message):
    """One operation of a graph; inputs are names of nodes, with ":1" for the second output, "^" for mere order."""

    fields = {
        "name": Field(1, "string"),
        "op": Field(2, "string"),
        "input": Field(3, "string", repeated=True),
        "device": Field(4, "string"),
        "attr": Field(5, AttrValue, key="string"),
    }


class _VersionDef(Message):
    fields = {
        "producer": Field(1, "int32"),
        "min_consumer": Field(2, "int32"),
        "bad_consumers": Field(3, "int32", repeated=True),
    }


class _ArgDef(Message):
    fields = {
        "name": Field(1, "string"),
        "description": Field(2, "string"),
        "type": Field(3, "enum"),
        "type_attr": Field(4, "string"),
        "number_attr": Field(5, "string"),
        "type_list_attr": Field(6, "string"),
        "is_ref": Field(16, "bool"),
    }


class _AttrDef(Message):
    fields = {
        "name": Field(1, "string"),
        "type": Field(2, "string"),
        "default_value": Field(3, AttrValue),
        "description": Field(4, "string"),
    }


class OpDef(Message):
    """What an operation, or a function, takes and gives."""

    ArgDef, AttrDef = _ArgDef, _AttrDef
    fields = {
        "name": Field(1, "string"),
        "input_arg": Field(2, _ArgDef, repeated=True),
        "output_arg": Field(3, _ArgDef, repeated=True),
        "attr": Field(4, _AttrDef, repeated=True),
        "summary": Field(5, "string"),
        "description": Field(6, "string"),
        "is_stateful": Field(17, "bool"),
        "control_output": Field(20, "string", repeated=True),
    }


class FunctionDef(Message):
    """A function of a graph; inputs are names of its arguments, or "node:output argument:place in it"."""

    fields = {
        "signature": Field(1, OpDef),
        "node_def": Field(3, NodeDef, repeated=True),
        "ret": Field(4, "string", key="string"),
        "attr": Field(5, AttrValue, key="string"),
        "control_ret": Field(6, "string", key="string"),
    }


class FunctionDefLibrary(Message):
    """The functions of a graph."""

    fields = {"function": Field(1, FunctionDef, repeated=True)}


class GraphDef(Message):
    """A graph: its operations, and the functions that they call."""

    fields = {
        "node": Field(1, NodeDef, repeated=True),
        "library": Field(2, FunctionDefLibrary),
        "version": Field(3, "int32"),
        "versions": Field(4, _VersionDef),
    }


class _PluginData(Message):
    fields = {"plugin_name": Field(1, "string"), "content": Field(2, "bytes")}


class SummaryMetadata(Message):
    """What shows a summary, and how."""

    PluginData = _PluginData
    fields = {
        "plugin_data": Field(1, _PluginData),
        "display_name": Field(2, "string"),
        "summary_description": Field(3, "string"),
        "data_class": Field(4, "enum"),
    }


class HistogramProto(Message):
    """A histogram in the manner of TensorFlow 1."""

    fields = {
        "min": Field(1, "double"),
        "max": Field(2, "double"),
        "num": Field(3, "double"),
        "sum": Field(4, "double"),
        "sum_squares": Field(5, "double"),
        "bucket_limit": Field(6, "double", repeated=True),
        "bucket": Field(7, "double", repeated=True),
    }


class _Image(Message):
    fields = {
        "height": Field(1, "int32"),
        "width": Field(2, "int32"),
        "colorspace": Field(3, "int32"),
        "encoded_image_string": Field(4, "bytes"),
    }


class _Audio(Message):
    fields = {
        "sample_rate": Field(1, "float"),
        "num_channels": Field(2, "int64"),
        "length_frames": Field(3, "int64"),
        "encoded_audio_string": Field(4, "bytes"),
        "content_type": Field(5, "string"),
    }


class _Value(Message):
    fields = {
        "tag": Field(1, "string"),
        "simple_value": Field(2, "float", oneof="value"),
        "obsolete_old_style_histogram": Field(3, "bytes", oneof="value"),
        "image": Field(4, _Image, oneof="value"),
        "histo": Field(5, HistogramProto, oneof="value"),
        "audio": Field(6, _Audio, oneof="value"),
        "node_name": Field(7, "string"),
        "tensor": Field(8, TensorProto, oneof="value"),
        "metadata": Field(9, SummaryMetadata),
    }


class Summary(Message):
    """Values under their tags."""

    Value, Image, Audio = _Value, _Image, _Audio
    fields = {"value": Field(1, _Value, repeated=True)}


class _SessionLog(Message):
    fields = {
        "status": Field(1, "enum"),
        "checkpoint_path": Field(2, "string"),
        "msg": Field(3, "string"),
    }


class _TaggedRunMetadata(Message):
    fields = {"tag": Field(1, "string"), "run_metadata": Field(2, "bytes")}


class _SourceMetadata(Message):
    fields = {"writer": Field(1, "string")}


class Event(Message):
    """One record of an event file."""

    fields = {
        "wall_time": Field(1, "double"),
        "step": Field(2, "int64"),
        "file_version": Field(3, "string", oneof="what"),
        "graph_def": Field(4, "bytes", oneof="what"),
        "summary": Field(5, Summary, oneof="what"),
        "session_log": Field(7, _SessionLog, oneof="what"),
        "tagged_run_metadata": Field(8, _TaggedRunMetadata, oneof="what"),
        "meta_graph_def": Field(9, "bytes", oneof="what"),
        "source_metadata": Field(10, _SourceMetadata),
    }
