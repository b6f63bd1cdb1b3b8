"""Models of TensorFlow 1: a graph with signatures, whose variables a restoring operation fills, without objects."""

from __future__ import annotations

import inspect
import os
from typing import Any

from dovetail.base.errors import DataLossError
from dovetail.ops.protos import make_ndarray
from dovetail.raw_ops.state import Unassigned
from dovetail.raw_ops.tables import Table
from dovetail.saved_model.constants import VARIABLES_DIRECTORY, VARIABLES_FILENAME
from dovetail.saved_model.files import asset_path
from dovetail.saved_model.frames import Frames
from dovetail.saved_model.functions import LoadedConcrete
from dovetail.saved_model.library import ImportedFunction, Library, dtype_of, reference, shape_of
from dovetail.saved_model.objects import Loaded
from dovetail.saved_model.sources import source_of
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.spec import TensorSpec
from dovetail.tensor.variable import Variable
from dovetail.train.bundle import Bundle, index_path
from dovetail.wire.saved_model import VariableDef

_VARIABLES = {"VarHandleOp", "VariableV2"}
_TABLES = {"HashTableV2", "MutableHashTableV2"}
_ASSIGNING = {"Assign", "AssignVariableOp"}
_INIT = "__saved_model_init_op"


class Loaded1(Loaded):
    """A model of TensorFlow 1.

    Attributes:
        signatures: its functions by name, called with named tensors.
        variables: its variables.
    """


class Graph1:
    """A graph of TensorFlow 1 being loaded.

    Args:
        path: of the directory.
        meta: its `MetaGraphDef`.
        allow_file_access: see `LoadOptions`.
    """

    def __init__(self, path: str, meta: Any, allow_file_access: bool = False) -> None:
        self.path, self._meta, self._is_free = path, meta, allow_file_access
        self._library = Library(meta.graph_def.library.function, path, path, allow_file_access)
        self._nodes = {node.name: node for node in meta.graph_def.node}
        self._frames = Frames(self._nodes, path)
        self._held: dict[str, Any] = {**self._variables(), **self._tables(), **self._files()}
        self._initialize()

    # ---- what functions use

    def _variables(self) -> dict[str, Any]:
        """Returns the variables by the names of their nodes, with their values."""
        prefix = os.path.join(self.path, VARIABLES_DIRECTORY, VARIABLES_FILENAME)
        bundle = Bundle(prefix) if os.path.exists(index_path(prefix)) else None
        keys, trainable = self._keys(), self._trainable()
        found: dict[str, Any] = {}
        for name, node in self._nodes.items():
            if node.op not in _VARIABLES:
                continue
            dtype = dtype_of(node.attr["dtype"].type)
            if bundle is None or keys.get(name) is None:
                found[name] = Unassigned(name, dtype)
                continue
            value = bundle.read(keys[name])
            found[name] = Variable(value, name=name, dtype=dtype, trainable=name in trainable)
        return found

    def _trainable(self) -> set[str]:
        """Returns the names of variables that are trained; all, where the graph does not say."""
        stated = self._meta.collection_def.get("trainable_variables")
        if stated is None:
            return set(self._nodes)
        return {_variable_name(content) for content in stated.bytes_list.value}

    def _keys(self) -> dict[str, str]:
        """Returns the keys of variables in the checkpoint, as the operations that restore them have them."""
        keys = {}
        for node in self._nodes.values():
            if node.op not in _ASSIGNING:
                continue
            text = source_of(self._nodes, node.input[1], self.path)
            source = self._nodes[reference(text).node]
            if source.op == "RestoreV2":
                names = self._constant(source.input[1])
                keys[reference(node.input[0]).node] = names[reference(text).place].decode()
        return keys

    def _constant(self, text: str) -> Any:
        node = self._nodes[reference(source_of(self._nodes, text, self.path)).node]
        if node.op != "Const":
            raise DataLossError(f"{self.path}: the names of the variables are no constants")
        return make_ndarray(node.attr["value"].tensor).reshape(-1)

    def _tables(self) -> dict[str, Any]:
        return {
            name: Table(dtype_of(node.attr["key_dtype"].type), dtype_of(node.attr["value_dtype"].type))
            for name, node in self._nodes.items()
            if node.op in _TABLES
        }

    def _files(self) -> dict[str, Any]:
        return {
            reference(one.tensor_info.name).node: convert_to_tensor(
                asset_path(self.path, one.filename, self._is_free)
            )
            for one in self._meta.asset_file_def
        }

    def _initialize(self) -> None:
        """Runs what fills the tables."""
        names = []
        for key in ("saved_model_main_op", "legacy_init_op"):
            if key in self._meta.collection_def:
                names += [reference(one).node for one in self._meta.collection_def[key].node_list.value]
        if _INIT in self._meta.signature_def:
            names += [reference(one.name).node for one in self._meta.signature_def[_INIT].outputs.values()]
        names = [name for name in dict.fromkeys(names) if name in self._nodes]
        if names:
            self._function("the first operations", [], [], names)(*self._held.values())

    # ---- functions

    def _function(self, name: str, inputs: list, outputs: list, effects: Any = ()) -> ImportedFunction:
        arguments = [*(reference(one).node for one in inputs), *self._held]
        return ImportedFunction(self._library, name, self._frames, arguments, outputs, list(effects))

    def signature(self, name: str, message: Any) -> LoadedConcrete:
        """Returns a function by the name and the message of its signature."""
        inputs, outputs = (
            {key: half[key] for key in sorted(half)} for half in (message.inputs, message.outputs)
        )
        imported = self._function(
            name, [one.name for one in inputs.values()], [one.name for one in outputs.values()]
        )
        specs = {key: _spec(one, key) for key, one in inputs.items()}
        imported.has_strings = any(
            spec.dtype == "string" for spec in (*specs.values(), *map(_spec, outputs.values()))
        )
        parameters = [inspect.Parameter(key, inspect.Parameter.KEYWORD_ONLY) for key in inputs]
        results = {key: _spec(one) for key, one in outputs.items()}
        return LoadedConcrete(
            imported,
            name,
            ((), specs),
            results,
            inspect.Signature(parameters),
            lambda: list(self._held.values()),
        )

    def model(self) -> Loaded1:
        """Returns the model."""
        made = Loaded1()
        vars(made)["signatures"] = {
            name: self.signature(name, message)
            for name, message in self._meta.signature_def.items()
            if name != _INIT
        }
        vars(made)["variables"] = [one for one in self._held.values() if isinstance(one, Variable)]
        return made


def _variable_name(content: bytes) -> str:
    """Returns the name of the node of a variable, from what a collection of graphs holds of it."""
    found = VariableDef.FromString(content)
    return reference(found.variable_name).node


def _spec(info: Any, name: str | None = None) -> TensorSpec:
    return TensorSpec(shape_of(info.tensor_shape), dtype_of(info.dtype), name)
