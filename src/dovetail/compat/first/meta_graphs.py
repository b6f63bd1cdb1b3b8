"""`.meta` files: graphs with their collections and variables, written and read by TensorFlow 1's savers."""

from __future__ import annotations

import contextlib
import os
from typing import Any

import numpy as np

from dovetail.base.atomic import make_folder, replacing
from dovetail.base.errors import DataLossError, at_user_location
from dovetail.compat.first.graph_reader import Reader
from dovetail.compat.first.graph_writer import written_graph_def
from dovetail.compat.first.keys import GraphKeys
from dovetail.graph.by_hand import default_graph
from dovetail.graph.hand_variable import HANDLE, GraphVariable
from dovetail.graph.node import Operation
from dovetail.graph.recording import recording
from dovetail.ops.protos import make_ndarray, make_tensor_proto
from dovetail.saved_model.sources import source_of
from dovetail.saved_model.writing.nodes import STRING, GrowingGraph
from dovetail.tensor.dtype import as_dtype
from dovetail.tensor.symbolic import SymbolicTensor
from dovetail.version import VERSION
from dovetail.wire.meta_graph import VariableDef
from dovetail.wire.protobuf import DecodeError
from dovetail.wire.saved_model import CollectionDef, MetaGraphDef, SaverDef

_OF_VARIABLES = (
    GraphKeys.GLOBAL_VARIABLES,
    GraphKeys.TRAINABLE_VARIABLES,
    GraphKeys.LOCAL_VARIABLES,
    GraphKeys.MODEL_VARIABLES,
    GraphKeys.MOVING_AVERAGE_VARIABLES,
    GraphKeys.METRIC_VARIABLES,
    GraphKeys.GLOBAL_STEP,
)


def _strings(values: list[str]) -> np.ndarray:
    found: Any = np.empty(len(values), object)
    found[:] = [value.encode() for value in values]
    return found


def _write_saver(graph: GrowingGraph, variables: dict[str, Any], reads: dict[str, str]) -> SaverDef:
    """Adds the operations by which TensorFlow saves and restores variables."""
    made = SaverDef(max_to_keep=5, keep_checkpoint_every_n_hours=10000.0, version=2)
    names, parts = list(variables), [""] * len(variables)
    kinds = [as_dtype(v._numpy_dtype) for v in variables.values()]
    file = graph.constant("save/filename/input", b"model")
    file = graph.add("save/filename", "PlaceholderWithDefault", [file], dtype=STRING, shape=_scalar())
    path = graph.add("save/Const", "PlaceholderWithDefault", [file], dtype=STRING, shape=_scalar())
    keys = [
        graph.constant(f"save/SaveV2/{label}", _strings(x))
        for label, x in (("names", names), ("slices", parts))
    ]
    save = graph.add("save/SaveV2", "SaveV2", [path, *keys, *[reads[name] for name in names]], dtypes=kinds)
    done = graph.add("save/control_dependency", "Identity", [path, f"^{save}"], T=STRING)
    restore = graph.add("save/RestoreV2", "RestoreV2", [path, *keys], dtypes=kinds)
    assigns = []
    for place, (variable, kind) in enumerate(zip(variables.values(), kinds, strict=True)):
        value = graph.add("save/Identity", "Identity", [f"{restore}:{place}" if place else restore], T=kind)
        given = {"dtype": kind}
        assigns.append(
            graph.add("save/AssignVariableOp", "AssignVariableOp", [variable.op.name, value], **given)
        )
    made.filename_tensor_name, made.save_tensor_name = f"{path}:0", f"{done}:0"
    made.restore_op_name = graph.add("save/restore_all", "NoOp", [f"^{one}" for one in assigns])
    return made


def _scalar() -> Any:
    return make_tensor_proto(np.zeros(())).tensor_shape


def _variable_def(variable: GraphVariable, read: str) -> bytes:
    made = VariableDef(variable_name=f"{variable.op.name}:0", snapshot_name=f"{read}:0", is_resource=True)
    made.initializer_name = getattr(variable.initializer, "name", "") or ""
    made.initial_value_name = getattr(variable.initial_value, "name", "") or ""
    made.trainable = bool(variable.trainable)
    return made.SerializeToString()


def _collection(values: list, graph: Any, reads: dict[int, str]) -> CollectionDef | None:
    """Returns a collection as a message, None where something in it cannot be written."""
    made = CollectionDef()
    if values and all(isinstance(one, GraphVariable) and id(one) in reads for one in values):
        made.bytes_list.value.extend([_variable_def(one, reads[id(one)]) for one in values])
    elif values and all(isinstance(one, SymbolicTensor | Operation) and graph.owns(one) for one in values):
        made.node_list.value.extend([one.name for one in values])
    elif values and all(isinstance(one, str | bytes) for one in values):
        made.bytes_list.value.extend([one.encode() if isinstance(one, str) else one for one in values])
    elif values and all(isinstance(one, int) for one in values):
        made.int64_list.value.extend(values)
    elif values and all(isinstance(one, float) for one in values):
        made.float_list.value.extend(values)
    else:
        return None
    return made


def meta_graph_of(
    graph: Any, saved: dict[str, Any] | None = None, collection_list: Any = None
) -> MetaGraphDef:
    """Returns a graph, its collections and its variables as a message.

    Args:
        graph: a graph that a program has written.
        saved: the variables that its savers save, by their names in checkpoints; None: there is no saver.
        collection_list: the collections to write, all when None.

    Collections of what is no tensor, operation, variable, number or string are left out, as TensorFlow does.
    """
    made = MetaGraphDef()
    made.meta_info_def.tensorflow_version = VERSION
    growing = GrowingGraph(written_graph_def(graph))
    known = {id(node.args[0]): node.args[0] for node in graph.nodes if node.operation is HANDLE}
    reads = {
        key: growing.add(
            f"{v.op.name}/Read/ReadVariableOp", "ReadVariableOp", [v.op.name], dtype=as_dtype(v._numpy_dtype)
        )
        for key, v in known.items()
    }
    here = {name: v for name, v in (saved or {}).items() if id(v) in known}
    if here:
        made.saver_def.CopyFrom(_write_saver(growing, here, {name: reads[id(v)] for name, v in here.items()}))
    made.graph_def.CopyFrom(growing.message)
    for key in collection_list or graph.collections:
        found = _collection(graph.get_collection(key), graph, reads) if isinstance(key, str) else None
        if found is not None:
            made.collection_def[key].CopyFrom(found)
    return made


def export_meta_graph(
    filename: Any = None,
    meta_info_def: Any = None,
    graph_def: Any = None,
    saver_def: Any = None,
    collection_list: Any = None,
    as_text: bool = False,
    graph: Any = None,
    export_scope: str | None = None,
    clear_devices: bool = False,
    clear_extraneous_savers: bool = False,
    strip_default_attrs: bool = False,
    save_debug_info: bool = False,
    **kwargs: Any,
) -> MetaGraphDef:
    """Writes a graph with its collections to a file; returns the message.

    Args:
        filename: of the file; None: none is written.
        collection_list: the collections to write, all when None.
        graph: the default one when None.
        clear_devices: operations name no devices.
        as_text, export_scope, graph_def, saver_def, meta_info_def: must be left out.
        clear_extraneous_savers, strip_default_attrs, save_debug_info: accepted for TensorFlow's sake.

    Raises:
        NotImplementedError: an argument that must be left out is given.
    """
    given = {"as_text": as_text, "export_scope": export_scope, "graph_def": graph_def, "saver_def": saver_def}
    refused = [name for name, value in given.items() if value]
    if refused or kwargs:
        raise NotImplementedError(
            f"export_meta_graph: {[*refused, *kwargs]} are not there; leave them out{at_user_location()}"
        )
    chosen = graph or default_graph()
    variables = {v.op.name: v for v in chosen.get_collection(GraphKeys.GLOBAL_VARIABLES) if hasattr(v, "op")}
    made = meta_graph_of(chosen, variables, collection_list)
    if clear_devices:
        for node in made.graph_def.node:
            node.device = ""
    if filename is not None:
        write_file(os.fspath(filename), made.SerializeToString())
    return made


def write_file(path: str, content: bytes) -> None:
    """Writes a file whole or not at all."""
    with replacing(path) as partial, open(partial, "wb") as opened:
        opened.write(content)


def write_graph(graph_or_graph_def: Any, logdir: Any, name: str, as_text: bool = True) -> str:
    """Writes a graph as a `GraphDef` to a file; returns its path.

    Args:
        graph_or_graph_def: a graph, or its message.
        logdir: the folder, which is made.
        name: of the file.
        as_text: must be False.
    """
    if as_text:
        raise NotImplementedError(
            f"write_graph: pass as_text=False: no text form is there{at_user_location()}"
        )
    found = graph_or_graph_def
    message = found.as_graph_def() if hasattr(found, "as_graph_def") else found
    make_folder(logdir)
    path = os.path.join(os.fspath(logdir), name)
    write_file(path, message.SerializeToString())
    return path


# ---- reading


def read_meta_graph(meta_graph_or_file: Any) -> MetaGraphDef:
    """Returns the message of a file, or that is given.

    Raises:
        OSError: there is no such file.
        DataLossError: it is damaged.
    """
    if hasattr(meta_graph_or_file, "graph_def"):
        return MetaGraphDef.FromString(meta_graph_or_file.SerializeToString())
    path = os.fspath(meta_graph_or_file)
    if not os.path.isfile(path):
        raise OSError(f"File {path} does not exist.{at_user_location()}")
    with open(path, "rb") as opened:
        content = opened.read()
    try:
        return MetaGraphDef.FromString(content)
    except (DecodeError, RecursionError) as error:
        raise DataLossError(f"{path}: Cannot parse file: {error}") from error


class Imported:
    """A meta graph in a graph that a program writes.

    Attributes:
        reader: what has become of its operations.
        variables: those that are saved, by their names in the message.
    """

    def __init__(self, meta: MetaGraphDef, import_scope: str | None = None) -> None:
        graph: Any = default_graph()
        self._graph, self._meta, self._scope = graph, meta, import_scope or ""
        with contextlib.nullcontext() if recording() is graph else graph.as_default():
            full = graph.names.scope_name(import_scope) if import_scope else graph.names.scope
            with graph.names.entered(full):
                self.reader = Reader(graph, meta.graph_def, {})
                self.reader.run()
        self.variables: dict[str, GraphVariable] = {}
        self._handles = self.reader.variables
        for key, collection in meta.collection_def.items():
            self._fill(key, collection)

    def _fill(self, key: str, collection: CollectionDef) -> None:
        kind = collection.WhichOneof("kind")
        if kind is None:
            return
        values = list(getattr(collection, kind).value)
        found = (
            [self._variable(one) if key in _OF_VARIABLES else one for one in values]
            if kind == "bytes_list"
            else ([self.reader.element(one) for one in values] if kind == "node_list" else values)
        )
        for one in found:
            if one is not None:
                self._graph.add_to_collection(key, one)
            if key == GraphKeys.GLOBAL_VARIABLES and isinstance(one, GraphVariable):
                name = next(name for name, handle in self._handles.items() if handle is one)
                self.variables[name] = one

    def _variable(self, message: bytes) -> GraphVariable | None:
        try:
            stated = VariableDef.FromString(message)
        except DecodeError as error:
            raise DataLossError(f"a variable of the graph is damaged: {error}") from error
        found = self._handles.get(stated.variable_name.partition(":")[0])
        if found is None:
            return None
        if found.initializer is None:
            found.initializer = self.reader.operations.get(stated.initializer_name)
            shown = self.reader.shown.get(stated.initial_value_name.partition(":")[0])
            found.initial_value = shown[0] if shown else None
        found.trainable = bool(stated.trainable)
        return found

    def restored(self) -> dict[str, GraphVariable]:
        """Returns the variables by their names in checkpoints: as the graph restores them, or by their own names."""
        nodes = {node.name: node for node in self._meta.graph_def.node}
        found = {}
        for node in nodes.values():
            if node.op in ("AssignVariableOp", "Assign") and len(node.input) >= 2:
                key = _key_restored(nodes, node.input[1])
                handle = self._handles.get(node.input[0].partition(":")[0])
                if key is not None and handle is not None:
                    found[key] = handle
        return found or dict(self.variables)


def _key_restored(nodes: dict[str, Any], text: str) -> str | None:
    """Returns the key in a checkpoint of what an input is restored from, None for other inputs."""
    name, _, place = source_of(nodes, text, "the imported graph").partition(":")
    node = nodes.get(name)
    if node is None or node.op != "RestoreV2":
        return None
    names = nodes.get(node.input[1].partition(":")[0])
    if names is None or names.op != "Const":
        return None
    keys = np.ravel(make_ndarray(names.attr["value"].tensor))
    index = int(place.rpartition(":")[2] or 0)
    return bytes(keys[index]).decode() if index < keys.size else None


NAMES: dict[str, Any] = {
    "SaverDef": SaverDef,
    "export_meta_graph": export_meta_graph,
    "write_graph": write_graph,
}
