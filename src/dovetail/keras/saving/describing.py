"""What is in a model file: read as text and numbers, with nothing made of it and nothing run.

`_KINDS` lists the formats: how each is known, and what describes it.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import h5py
import numpy as np
from google.protobuf.message import Error as MessageError

from dovetail.base.errors import DataLossError, UnimplementedError, at_user_location
from dovetail.base.optional import optional
from dovetail.export import stablehlo
from dovetail.keras.registration import own_object
from dovetail.keras.saving import archive, legacy, orbax_files, safetensors_file, sharded
from dovetail.keras.saving.h5 import attribute, descend, opened
from dovetail.ops.reaching import FILES, OPS, PRINTING, PYTHON, TABLE_OF_FILE, TO_FILE
from dovetail.saved_model.files import contains_saved_model, read_meta_graph
from dovetail.train.bundle import index_path
from dovetail.train.reader import load_checkpoint
from dovetail.wire.json_text import parsed
from dovetail.wire.protobuf import DecodeError
from dovetail.wire.saved_model import KerasMetadata

_VALUES = "__"  # what the marks of values in configs begin with
_METADATA = "keras_metadata.pb"  # what Keras 2 writes beside a graph
_NO_WEIGHTS = ("_CHECKPOINTABLE_OBJECT_GRAPH",)
_NO_WORD = "no code: names, shapes and numbers only"


@dataclass
class Description:
    """What a file holds.

    Attributes:
        kind: the format.
        written_by: who wrote it, "" when it does not say.
        layers: (depth, class, name) of each layer.
        weights: (name, shape, dtype) of each array.
        custom: classes and functions that are not Keras' own.
        unsafe: what a program must allow, or look at, before it loads the file.
        notes: lines about the rest.
    """

    kind: str
    written_by: str = ""
    layers: list[tuple[int, str, str]] = field(default_factory=list)
    weights: list[tuple[str, tuple, str]] = field(default_factory=list)
    custom: list[str] = field(default_factory=list)
    unsafe: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def num_parameters(self) -> int:
        return sum(int(np.prod(shape, dtype=np.int64)) for _, shape, _ in self.weights)

    @property
    def verdict(self) -> str:
        """What to know before loading it, in one line."""
        if self.unsafe:
            return "unsafe: " + "; ".join(self.unsafe)
        if self.custom:
            return f"safe; needs custom_objects for {', '.join(self.custom)}"
        return f"safe; {_NO_WORD}" if not self.layers else "safe; only layers and functions of Keras"


def describe(path: str) -> Description:
    """Describes a model file: `.keras`, HDF5, safetensors, StableHLO, ONNX, a checkpoint of TensorFlow or
    Orbax, or a SavedModel directory.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is of another kind, or damaged.
    """
    for known, describing in _KINDS:
        if known(path):
            return describing(path)
    if not os.path.exists(path):
        raise FileNotFoundError(f"show: there is no file {path!r}{at_user_location()}")
    raise ValueError(
        f"show: {path!r} is no .keras, HDF5, safetensors, StableHLO, .onnx or .weights.json file, no checkpoint and no "
        f"SavedModel{at_user_location()}"
    )


# ---- configs


def _note_config(found: Description, config: Any, depth: int = 0) -> None:
    """Notes the layers of a config, and what of it is not Keras' own."""
    if isinstance(config, list):
        for item in config:
            _note_config(found, item, depth)
    if not isinstance(config, dict):
        return
    kind, inner = config.get("class_name"), config.get("config")
    if not isinstance(kind, str) or "config" not in config:
        _note_op(found, config)
        for item in config.values():
            _note_config(found, item, depth)
        return
    _note_object(found, kind, inner, config)
    below = depth
    if isinstance(inner, dict) and _is_layer(config):
        found.layers.append((depth, kind, str(config.get("name") or inner.get("name") or "")))
        below = depth + 1
    _note_config(found, inner, below)
    _note_config(found, config.get("compile_config"), below)


def _is_layer(config: dict) -> bool:
    """Returns whether a config is one of a layer: they alone say whether they train, or what they are called by."""
    inner = config["config"]
    return "inbound_nodes" in config or "trainable" in inner or "layers" in inner or "batch_shape" in inner


def _note_object(found: Description, kind: str, inner: Any, config: dict) -> None:
    name = inner if kind == "function" else config.get("registered_name") or kind
    if isinstance(inner, dict):
        _note_op(found, inner)
        for key in _PATHS.get(kind, ()):
            if isinstance(inner.get(key), str):
                _add(found.unsafe, f"{kind} would read {inner[key]!r}: load_model(safe_mode=False)")
    elif kind == "function" and isinstance(inner, str):
        _note_op(found, {"op": inner})
    if kind == "__lambda__" or (isinstance(inner, dict) and inner.get("function_type") == "lambda"):
        _add(found.unsafe, "a lambda as bytecode, which could run any code: load_model(safe_mode=False)")
    elif (
        not kind.startswith(_VALUES)
        and isinstance(name, str)
        and own_object(name.removeprefix("Custom>")) is None
    ):
        _add(found.custom, name)


# What layers, and columns, read from where their configs say.
_PATHS = {
    "IndexLookup": ("vocabulary",),
    "IntegerLookup": ("vocabulary",),
    "StringLookup": ("vocabulary",),
    "TFSMLayer": ("filepath",),
    "TextVectorization": ("vocabulary",),
    "VocabularyFileCategoricalColumn": ("vocabulary_file",),
}


def _note_op(found: Description, config: dict) -> None:
    """Notes an op that a config names, where it reaches beyond the model's tensors."""
    for key in ("op", "function"):
        name = config.get(key)
        last = name.rpartition(".")[2] if isinstance(name, str) else ""
        if last in OPS:
            _add(found.unsafe, f"the op {last} reaches outside of the model: load_model(safe_mode=False)")


def _add(names: list[str], name: str) -> None:
    if name not in names:
        names.append(name)


# ---- formats


def _keras_file(path: str) -> Description:
    config, facts = archive.read_config(path)
    found = Description(".keras file", f"Keras {facts.get('keras_version', '?')}")
    _note_config(found, config)
    with archive.opened_weights(path) as file:
        found.weights = list(_arrays(file))
    return found


def _hdf5(path: str) -> Description:
    with opened(path, path) as file:
        text = attribute(file, "model_config")
        found = Description("HDF5 model" if text is not None else "HDF5 weights")
        version = attribute(file, "keras_version")
        found.written_by = "" if version is None else f"Keras {_text(version)}"
        if text is not None:
            _note_config(found, parsed(text))
        found.weights = list(_arrays(file))
        if text is None and legacy.is_legacy(file):
            found.notes.append("by layer, as Keras 2 writes them")
    return found


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _arrays(group: Any, above: str = "") -> Iterator[tuple[str, tuple, str]]:
    for name in group:
        item = descend(group, name)
        if isinstance(item, h5py.Group):
            yield from _arrays(item, f"{above}{name}/")
        elif isinstance(item, h5py.Dataset):
            yield above + name, tuple(item.shape or ()), str(item.dtype)


def _safetensors(path: str) -> Description:
    found = Description("safetensors weights")
    found.weights = safetensors_file.header(path)
    return found


def _sharded(path: str) -> Description:
    found = Description("weights in several HDF5 files")
    names = sorted({name for names in sharded.listed(path).values() for name in names})
    for name in names:
        with opened(os.path.join(os.path.dirname(path), name), name) as file:
            found.weights += _arrays(file)
    found.notes.append(f"files: {', '.join(names)}")
    return found


def _checkpoint(path: str) -> Description:
    reader = load_checkpoint(path)
    dtypes = reader.get_variable_to_dtype_map()
    shapes = reader.get_variable_to_shape_map().items()
    found = Description("checkpoint of TensorFlow")
    found.weights = [
        (name, tuple(shape), getattr(dtypes[name], "name", str(dtypes[name])))
        for name, shape in shapes
        if name not in _NO_WEIGHTS
    ]
    return found


def _saved_model(path: str) -> Description:
    found = Description("SavedModel")
    graph = read_meta_graph(path)
    functions = graph.graph_def.library.function
    operations = [*graph.graph_def.node, *(node for function in functions for node in function.node_def)]
    found.notes += [f"signature {name!r}" for name in sorted(graph.signature_def)]
    found.notes.append(f"{len(functions)} functions of {len(operations)} operations")
    for name in sorted({node.op for node in operations if _reaches_out(node, bool(graph.asset_file_def))}):
        _add(found.unsafe, f"the operation {name} reaches outside of the model")
    if os.path.isfile(os.path.join(path, _METADATA)):
        _note_metadata(found, os.path.join(path, _METADATA))
    prefix = os.path.join(path, "variables", "variables")
    if os.path.exists(index_path(prefix)):
        found.weights = _checkpoint(prefix).weights
    return found


def _stablehlo(path: str) -> Description:
    facts = stablehlo.signature(path)
    found = Description("StableHLO programs", str(facts.get("written_by", "")))
    found.weights = [(one["name"], tuple(one["shape"]), one["dtype"]) for one in facts["weights"]]
    for name, entry in facts["functions"].items():
        takes, gives = (", ".join(map(_array_text, entry[key])) for key in ("inputs", "outputs"))
        found.notes.append(f"function {name!r}: ({takes}) -> ({gives})")
    found.notes.append(f"for {', '.join(map(str, facts.get('platforms') or ['any']))}")
    try:
        stablehlo.read(path)
    except UnimplementedError as error:
        _add(found.unsafe, str(error))
    except ImportError as error:
        found.notes.append(f"the programs were not looked at: {error}")
    return found


def _orbax(path: str) -> Description:
    found = Description("checkpoints of Orbax")
    found.weights, text = orbax_files.arrays(path, "show")
    if text is not None:
        _note_config(found, parsed(text))
    steps = sorted((name for name in os.listdir(path) if name.isdigit()), key=int)
    found.notes += [f"steps {', '.join(steps)}, of which the last is shown"] if steps else []
    return found


def _onnx(path: str) -> Description:
    onnx = optional("onnx", "an ONNX file", "onnx")
    size = os.path.getsize(path)
    if size > _MOST_ONNX_BYTES:
        raise ValueError(
            f"show: {path!r} is no ONNX file: {size} bytes are more than 2 GiB{at_user_location()}"
        )
    with open(path, "rb") as file:
        content = file.read()
    try:
        model = onnx.ModelProto.FromString(content)
    except (MessageError, RecursionError) as error:
        raise ValueError(f"show: {path!r} is no whole ONNX file: {error}{at_user_location()}") from error
    if not model.ir_version or not model.HasField("graph"):
        raise ValueError(f"show: {path!r} is no whole ONNX file: it has no graph{at_user_location()}")
    kinds = onnx.TensorProto.DataType
    found = Description("ONNX graph", f"{model.producer_name} {model.producer_version}".strip())
    for one in model.graph.initializer:
        known = one.data_type in kinds.values()
        dtype = (
            _ONNX_NAMES.get(kinds.Name(one.data_type), kinds.Name(one.data_type).lower()) if known else "?"
        )
        found.weights.append((one.name, tuple(one.dims), dtype))
        if one.data_location == onnx.TensorProto.EXTERNAL:
            _add(found.unsafe, "its weights are in another file, which it names")
    for label, parts in (("input", model.graph.input), ("output", model.graph.output)):
        found.notes += [f"{label} {_array_text(_onnx_array(one, kinds))}" for one in parts]
    found.notes += [f"operators of version {one.version}" for one in model.opset_import if not one.domain]
    for node in model.graph.node:
        if node.domain not in ("", "ai.onnx"):
            _add(found.custom, f"{node.domain}.{node.op_type}")
    return found


_MOST_ONNX_BYTES = 1 << 31  # of a message of protobuf
_ONNX_NAMES = {"FLOAT": "float32", "DOUBLE": "float64"}


def _onnx_array(one: Any, kinds: Any) -> dict:
    tensor = one.type.tensor_type
    name = kinds.Name(tensor.elem_type) if tensor.elem_type in kinds.values() else "?"
    sizes = [size.dim_param or size.dim_value for size in tensor.shape.dim]
    return {"name": one.name, "dtype": _ONNX_NAMES.get(name, name.lower()), "shape": sizes}


def _array_text(one: dict) -> str:
    return f"{one['name']}: {one['dtype']}[{', '.join(map(str, one['shape']))}]"


def _reaches_out(node: Any, has_files: bool) -> bool:
    """Returns whether an operation of a graph may open a file, or call into Python.

    Args:
        has_files: the model has files of its own, of which tables are filled.
    """
    if node.op == PRINTING:
        return (
            node.attr["output_stream"].s.startswith(TO_FILE.encode())
            if "output_stream" in node.attr
            else False
        )
    if node.op == TABLE_OF_FILE and has_files:  # which is refused, when it runs, for files of others
        return False
    return node.op in PYTHON or node.op in FILES


def _note_metadata(found: Description, file: str) -> None:
    """Notes what Keras 2 has written of a model and its layers.

    Raises:
        DataLossError: it is damaged.
    """
    try:
        with open(file, "rb") as opened_file:
            nodes = KerasMetadata.FromString(opened_file.read()).nodes
        for node in nodes:
            facts = parsed(node.metadata)
            is_root = node.node_id == 0 and isinstance(facts, dict)
            _note_config(found, {**facts, "config": facts.get("config")} if is_root else facts)
    except (DecodeError, RecursionError, ValueError) as error:
        raise DataLossError(f"{file}: the description of the model is damaged: {error}") from error


_KINDS: tuple[tuple[Callable[[str], bool], Callable[[str], Description]], ...] = (
    (lambda path: os.path.isdir(path) and contains_saved_model(path), _saved_model),
    (orbax_files.is_checkpoint, _orbax),
    (lambda path: not os.path.isfile(path) and os.path.exists(index_path(path)), _checkpoint),
    (lambda path: os.path.isfile(path) and path.endswith(safetensors_file.ENDING), _safetensors),
    (lambda path: os.path.isfile(path) and path.endswith(sharded.ENDING), _sharded),
    (stablehlo.is_file, _stablehlo),
    (lambda path: os.path.isfile(path) and path.endswith(".onnx"), _onnx),
    (lambda path: os.path.isfile(path) and zipfile.is_zipfile(path), _keras_file),
    (lambda path: os.path.isfile(path) and h5py.is_hdf5(path), _hdf5),
)
