"""The messages of SavedModel directories: `saved_model.pb`, and Keras 2's `keras_metadata.pb`."""

from __future__ import annotations

from dovetail.wire.messages import GraphDef, TensorProto, TensorShapeProto
from dovetail.wire.protobuf import Field, Message


class _None(Message):
    fields = {}


class _TensorSpec(Message):
    fields = {
        "name": Field(1, "string"),
        "shape": Field(2, TensorShapeProto),
        "dtype": Field(3, "enum"),
        "minimum": Field(4, TensorProto),
        "maximum": Field(5, TensorProto),
    }


class StructuredValue(Message):
    """A Python structure with specs of tensors among its leaves."""

    fields = {
        "none_value": Field(1, _None, oneof="kind"),
        "float64_value": Field(11, "double", oneof="kind"),
        "int64_value": Field(12, "uint64", oneof="kind"),  # with the sign in the lowest bit
        "string_value": Field(13, "string", oneof="kind"),
        "bool_value": Field(14, "bool", oneof="kind"),
        "tensor_shape_value": Field(31, TensorShapeProto, oneof="kind"),
        "tensor_dtype_value": Field(32, "enum", oneof="kind"),
        "tensor_spec_value": Field(33, _TensorSpec, oneof="kind"),
        "bounded_tensor_spec_value": Field(35, _TensorSpec, oneof="kind"),
        "tensor_value": Field(55, TensorProto, oneof="kind"),
        "numpy_value": Field(56, TensorProto, oneof="kind"),
    }


class _Values(Message):
    fields = {"values": Field(1, StructuredValue, repeated=True)}


class _Fields(Message):
    fields = {"entries": Field(1, StructuredValue, key="string")}


class _Pair(Message):
    fields = {"key": Field(1, "string"), "value": Field(2, StructuredValue)}


class _NamedTuple(Message):
    fields = {"name": Field(1, "string"), "values": Field(2, _Pair, repeated=True)}


class _TypeSpec(Message):
    fields = {
        "type_spec_class": Field(1, "enum"),
        "type_state": Field(2, StructuredValue),
        "type_spec_class_name": Field(3, "string"),
        "num_flat_components": Field(4, "int32"),
    }


StructuredValue.add_field("type_spec_value", Field(34, _TypeSpec, oneof="kind"))
StructuredValue.add_field("list_value", Field(51, _Values, oneof="kind"))
StructuredValue.add_field("tuple_value", Field(52, _Values, oneof="kind"))
StructuredValue.add_field("dict_value", Field(53, _Fields, oneof="kind"))
StructuredValue.add_field("named_tuple_value", Field(54, _NamedTuple, oneof="kind"))


class _TensorInfo(Message):
    fields = {
        "name": Field(1, "string", oneof="encoding"),
        "dtype": Field(2, "enum"),
        "tensor_shape": Field(3, TensorShapeProto),
    }


class SignatureDef(Message):
    """Inputs and outputs of a function of the graph, by the names that callers use."""

    fields = {
        "inputs": Field(1, _TensorInfo, key="string"),
        "outputs": Field(2, _TensorInfo, key="string"),
        "method_name": Field(3, "string"),
    }


class _AssetFile(Message):
    fields = {"tensor_info": Field(1, _TensorInfo), "filename": Field(2, "string")}


class _MetaInfo(Message):
    fields = {
        "meta_graph_version": Field(1, "string"),
        "tags": Field(4, "string", repeated=True),
        "tensorflow_version": Field(5, "string"),
        "tensorflow_git_version": Field(6, "string"),
    }


class _Version(Message):
    fields = {"producer": Field(1, "int32"), "min_consumer": Field(2, "int32")}


class _UserObject(Message):
    fields = {
        "identifier": Field(1, "string"),
        "version": Field(2, _Version),
        "metadata": Field(3, "string"),
    }


class FunctionSpec(Message):
    """The parameters of a function."""

    fields = {
        "fullargspec": Field(1, StructuredValue),
        "is_method": Field(2, "bool"),
        "input_signature": Field(5, StructuredValue),
        "jit_compile": Field(6, "enum"),
    }


class _Function(Message):
    fields = {
        "concrete_functions": Field(1, "string", repeated=True),
        "function_spec": Field(2, FunctionSpec),
    }


class _BareFunction(Message):
    fields = {
        "concrete_function_name": Field(1, "string"),
        "argument_keywords": Field(2, "string", repeated=True),
        "allowed_positional_arguments": Field(3, "int64"),
        "function_spec": Field(4, FunctionSpec),
    }


class SavedVariable(Message):
    """A variable: what is known of it beside its value."""

    fields = {
        "dtype": Field(1, "enum"),
        "shape": Field(2, TensorShapeProto),
        "trainable": Field(3, "bool"),
        "synchronization": Field(4, "enum"),
        "aggregation": Field(5, "enum"),
        "name": Field(6, "string"),
        "device": Field(7, "string"),
    }


class _Child(Message):
    fields = {"node_id": Field(1, "int32"), "local_name": Field(2, "string")}


class _Slot(Message):
    fields = {
        "original_variable_node_id": Field(1, "int32"),
        "slot_name": Field(2, "string"),
        "slot_variable_node_id": Field(3, "int32"),
    }


class _Asset(Message):
    fields = {"asset_file_def_index": Field(1, "int32")}


class _Constant(Message):
    fields = {"operation": Field(1, "string")}


class _Resource(Message):
    fields = {"device": Field(1, "string")}


class _Captured(Message):
    fields = {"name": Field(1, "string"), "concrete_function": Field(2, "string")}


class SavedObject(Message):
    """One object: what it is, and what it holds under which names."""

    fields = {
        "children": Field(1, _Child, repeated=True),
        "dependencies": Field(15, _Child, repeated=True),
        "slot_variables": Field(3, _Slot, repeated=True),
        "user_object": Field(4, _UserObject, oneof="kind"),
        "asset": Field(5, _Asset, oneof="kind"),
        "function": Field(6, _Function, oneof="kind"),
        "variable": Field(7, SavedVariable, oneof="kind"),
        "bare_concrete_function": Field(8, _BareFunction, oneof="kind"),
        "constant": Field(9, _Constant, oneof="kind"),
        "resource": Field(10, _Resource, oneof="kind"),
        "captured_tensor": Field(12, _Captured, oneof="kind"),
        "registered_name": Field(13, "string"),
    }


class ConcreteFunctionDef(Message):
    """A function of the graph as Python calls it: its structures, and the objects that it uses."""

    fields = {
        "bound_inputs": Field(2, "int32", repeated=True),
        "canonicalized_input_signature": Field(3, StructuredValue),
        "output_signature": Field(4, StructuredValue),
    }


class SavedObjectGraph(Message):
    """The objects of a model; the first is the model."""

    fields = {
        "nodes": Field(1, SavedObject, repeated=True),
        "concrete_functions": Field(2, ConcreteFunctionDef, key="string"),
    }


class _Names(Message):
    fields = {"value": Field(1, "string", repeated=True)}


class _Contents(Message):
    fields = {"value": Field(1, "bytes", repeated=True)}


class CollectionDef(Message):
    """What a graph of TensorFlow 1 keeps under a name."""

    fields = {
        "node_list": Field(1, _Names, oneof="kind"),
        "bytes_list": Field(2, _Contents, oneof="kind"),
    }


class VariableDef(Message):
    """A variable of a graph of TensorFlow 1, in a collection."""

    fields = {"variable_name": Field(1, "string"), "is_resource": Field(5, "bool")}


class SaverDef(Message):
    """The operations of a graph that save and restore its variables."""

    fields = {
        "filename_tensor_name": Field(1, "string"),
        "save_tensor_name": Field(2, "string"),
        "restore_op_name": Field(3, "string"),
        "max_to_keep": Field(4, "int32"),
        "sharded": Field(5, "bool"),
        "keep_checkpoint_every_n_hours": Field(6, "float"),
        "version": Field(7, "enum"),
    }


class MetaGraphDef(Message):
    """A graph and what belongs to it."""

    fields = {
        "meta_info_def": Field(1, _MetaInfo),
        "graph_def": Field(2, GraphDef),
        "saver_def": Field(3, SaverDef),
        "collection_def": Field(4, CollectionDef, key="string"),
        "signature_def": Field(5, SignatureDef, key="string"),
        "asset_file_def": Field(6, _AssetFile, repeated=True),
        "object_graph_def": Field(7, SavedObjectGraph),
    }


class SavedModel(Message):
    """The file `saved_model.pb`: a graph for each set of tags."""

    fields = {
        "saved_model_schema_version": Field(1, "int64"),
        "meta_graphs": Field(2, MetaGraphDef, repeated=True),
    }


class _KerasObject(Message):
    fields = {
        "node_id": Field(2, "int32"),
        "node_path": Field(3, "string"),
        "identifier": Field(4, "string"),
        "metadata": Field(5, "string"),
    }


class KerasMetadata(Message):
    """The file `keras_metadata.pb`: configs of layers as JSON."""

    fields = {"nodes": Field(1, _KerasObject, repeated=True)}
