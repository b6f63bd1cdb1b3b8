"""The graph of a SavedModel outside of its functions: what runs it without Python, as TensorFlow Serving does.

It has a handle for each variable, placeholders and a call for each signature, the operations that restore and save the
variables, which the `SaverDef` names, and one that fills the tables.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail.base import nest
from dovetail.saved_model.constants import PREDICT_METHOD_NAME
from dovetail.saved_model.writing.nodes import (
    STRING,
    FunctionName,
    GrowingGraph,
    Kind,
    number_of,
    shape_message,
)
from dovetail.tensor.dtype import as_dtype
from dovetail.tensor.shape import TensorShape
from dovetail.train.object_graph import GRAPH_KEY, keys_of_variables

_INIT = "__saved_model_init_op"
_FORMAT = 2  # of checkpoints


class MainGraph:
    """The graph that is being written.

    Args:
        meta: the `MetaGraphDef` that it is written into.
    """

    def __init__(self, meta: Any) -> None:
        self._meta, self._graph = meta, GrowingGraph(meta.graph_def)
        self._outputs: dict[int, str] = {}
        self._variables: dict[int, Any] = {}
        self._functions: dict[str, Any] = {}
        self._initial: list[str] = []

    # ---- what functions use

    def variable(self, variable: Any) -> None:
        """Adds the handle of a variable."""
        name = "".join(
            c if c.isascii() and (c.isalnum() or c in "_/.-") else "_"
            for c in variable.name.removesuffix(":0")
        )
        shown = self._graph.names.unique(name if name[:1].isalnum() else f"Variable{name}")
        given = {
            "dtype": as_dtype(variable._numpy_dtype),
            "shape": variable.shape,
            "container": "",
            "allowed_devices": [],
        }
        self._outputs[id(variable)] = self._graph.add_as(shown, "VarHandleOp", shared_name=shown, **given)
        self._variables[id(variable)] = variable

    def asset(self, path: Any, value: str) -> str:
        """Adds the path of a file, and returns the name of its tensor."""
        self._outputs[id(path)] = name = self._graph.constant("asset", value)
        return f"{name}:0"

    def table(self, table: Any, shared: str) -> None:
        """Adds a table, and what fills it."""
        handle = self._graph.add(
            shared,
            "HashTableV2",
            shared_name=shared,
            container="",
            use_node_name_sharing=True,
            **table.dtypes,
        )
        self._outputs[id(table)] = handle
        kinds = table.dtypes
        parts = [
            handle,
            self._graph.constant(f"{shared}/keys", table.keys),
            self._graph.constant(f"{shared}/values", table.values),
        ]
        self._initial.append(
            self._graph.add(
                f"{shared}/fill",
                "LookupTableImportV2",
                parts,
                Tin=kinds["key_dtype"],
                Tout=kinds["value_dtype"],
            )
        )

    def wrote(self, function: Any) -> None:
        """Tells of a function that was written."""
        self._functions[function.name] = function

    # ---- signatures

    def signature(self, name: str, function: str, inputs: dict, order: list, results: dict) -> None:
        """Adds the placeholders and the call of a signature.

        Args:
            function: its name in the library.
            inputs: specs of the inputs by name.
            order: the names in the order of the function's arguments.
            results: specs of the outputs by name.
        """
        made, written = self._meta.signature_def[name], self._functions[function]
        made.method_name = PREDICT_METHOD_NAME
        fed, kinds = [], []
        for key in order:
            spec = inputs[key]
            fed.append(self._graph.add(f"{name}_{key}", "Placeholder", dtype=spec.dtype, shape=spec.shape))
            kinds.append(Kind(number_of(spec.dtype)))
            _describe(made.inputs[key], f"{fed[-1]}:0", spec)
        for resource in written.resources:
            fed.append(self._outputs[id(resource)])
            kinds.append(Kind(number_of(written.library.dtype_of(resource))))
        called = self._graph.add(
            "StatefulPartitionedCall",
            "StatefulPartitionedCall",
            fed,
            f=FunctionName(function),
            Tin=kinds,
            Tout=[Kind(one.type) for one in written.message.signature.output_arg],
            config="",
            config_proto="",
            executor_type="",
        )
        leaves, structure = nest.flatten_spec(results)
        for key, place in nest.unflatten(structure, range(len(leaves))).items():
            _describe(made.outputs[key], f"{called}:{place}", leaves[place])

    # ---- saving and restoring

    def finish(self, tensors: dict[str, np.ndarray], root: Any) -> None:
        """Adds what restores and saves the variables, and what a session runs first."""
        file = self._graph.add("saver_filename", "Placeholder", dtype=STRING, shape=TensorShape([]))
        keys = [(key, one) for key, one in keys_of_variables(root) if id(one) in self._variables]
        saver = self._meta.saver_def
        saver.filename_tensor_name = f"{file}:0"
        saver.restore_op_name = self._restore(file, keys)
        saver.save_tensor_name = f"{self._save(file, keys, tensors[GRAPH_KEY])}:0"
        saver.version = _FORMAT
        saver.max_to_keep = 1
        init = self._graph.add("NoOp", "NoOp", [f"^{name}" for name in self._initial])
        described = self._meta.signature_def[_INIT].outputs[_INIT]
        described.name = init
        described.tensor_shape.unknown_rank = True
        self._meta.collection_def["saved_model_main_op"].node_list.value.append(init)

    def _restore(self, file: str, keys: list) -> str:
        names = self._graph.constant("restore/tensor_names", np.array([key for key, _ in keys], object))
        slices = self._graph.constant("restore/shape_and_slices", np.array([""] * len(keys), object))
        kinds = [as_dtype(one._numpy_dtype) for _, one in keys]
        done = []
        if keys:
            found = self._graph.add("restore/RestoreV2", "RestoreV2", [file, names, slices], dtypes=kinds)
            for place, ((_, one), kind) in enumerate(zip(keys, kinds, strict=True)):
                parts = [self._outputs[id(one)], f"{found}:{place}" if place else found]
                done.append(
                    self._graph.add(
                        "restore/Assign", "AssignVariableOp", parts, dtype=kind, validate_shape=False
                    )
                )
        return self._graph.add("restore/all", "NoOp", [f"^{name}" for name in done])

    def _save(self, file: str, keys: list, graph: np.ndarray) -> str:
        every = [*(key for key, _ in keys), GRAPH_KEY]
        names = self._graph.constant("save/tensor_names", np.array(every, object))
        slices = self._graph.constant("save/shape_and_slices", np.array([""] * len(every), object))
        kinds = [as_dtype(one._numpy_dtype) for _, one in keys]
        values = [
            self._graph.add("save/Read", "ReadVariableOp", [self._outputs[id(one)]], dtype=kind)
            for (_, one), kind in zip(keys, kinds, strict=True)
        ]
        values.append(self._graph.constant("save/graph", graph))
        written = self._graph.add(
            "save/SaveV2", "SaveV2", [file, names, slices, *values], dtypes=[*kinds, STRING]
        )
        return self._graph.add("save/filename", "Identity", [file, f"^{written}"], T=STRING)


def _describe(into: Any, name: str, spec: Any) -> None:
    into.name, into.dtype = name, number_of(spec.dtype)
    into.tensor_shape.CopyFrom(shape_message(spec.shape))
