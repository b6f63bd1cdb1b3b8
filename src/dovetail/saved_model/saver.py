"""One SavedModel being written: the nodes of its objects, their functions and variables."""

from __future__ import annotations

import functools
import uuid
from collections.abc import Sequence
from typing import Any

from dovetail.base import nest
from dovetail.base.errors import at_user_location
from dovetail.function.concrete import ConcreteFunction
from dovetail.saved_model.constants import (
    SERVING,
)
from dovetail.saved_model.encoding import HANDLE, encoded, named_spec, state_no_parameters, state_parameters
from dovetail.saved_model.files import asset_name
from dovetail.saved_model.holding import functions_of, held, is_function, traces_of
from dovetail.saved_model.main_graph import MainGraph
from dovetail.saved_model.objects import Asset
from dovetail.saved_model.writing import FunctionLibrary, FunctionWriter, write_function
from dovetail.saved_model.writing.nodes import RESOURCE, STRING, shape_message
from dovetail.saved_model.writing.tables import TableContent, filled, made
from dovetail.tensor.variable import Variable
from dovetail.train.object_graph import written
from dovetail.version import VERSION
from dovetail.wire.saved_model import MetaGraphDef

_PRODUCER = 1882  # the version of its graphs


class Saver:
    """One SavedModel being written.

    Args:
        root: the object.
        signatures: concrete functions by their names.
        extra_tags: of the graph, besides "serve".

    Attributes:
        meta: the `MetaGraphDef`.
        tensors: the values of the variables, for the checkpoint beside it.
        assets: paths of files by the names that they get.
    """

    def __init__(
        self, root: Any, signatures: dict[str, ConcreteFunction], extra_tags: Sequence[str] = ()
    ) -> None:
        self.meta = MetaGraphDef()
        info = self.meta.meta_info_def
        info.tags.extend([SERVING, *extra_tags])
        info.tensorflow_version = VERSION
        self.meta.graph_def.versions.producer = _PRODUCER
        self.tensors = written(root)
        self.assets: dict[str, str] = {}
        self._main = MainGraph(self.meta)
        self._library = FunctionLibrary(self._dtype_of)
        self._nodes = self.meta.object_graph_def.nodes
        self._places: dict[int, int] = {}
        self._alive: list[Any] = []
        self._concrete: dict[int, str] = {}
        pending = [root]
        self._place(root)
        for item in pending:
            node = self._nodes[self._places[id(item)]]
            for name, child in [*held(item), *functions_of(item)]:
                is_new = id(child) not in self._places
                node.children.add(node_id=self._place(child), local_name=name)
                if is_new and not is_function(child):
                    pending.append(child)
        for item in list(self._alive):
            if isinstance(item, ConcreteFunction):
                self._write_bare(self._nodes[self._places[id(item)]].bare_concrete_function, item)
            elif is_function(item):
                self._write_function(item)
        self._write_signatures(signatures)
        self.meta.graph_def.library.function.extend(self._library.messages)
        self._main.finish(self.tensors, root)

    def _dtype_of(self, resource: Any) -> Any:
        return STRING if id(resource) in self._paths else RESOURCE

    @functools.cached_property
    def _paths(self) -> dict[int, Asset]:
        """The files of the model by the ids of the variables that hold their paths."""
        return {id(item._variable): item for item in self._alive if isinstance(item, Asset)}

    def _place(self, item: Any) -> int:
        """Returns the number of an object's node, which is made when it has none."""
        if id(item) not in self._places:
            self._places[id(item)] = len(self._nodes)
            self._alive.append(item)
            self._describe(item, self._nodes.add())
        return self._places[id(item)]

    def _describe(self, item: Any, node: Any) -> None:
        if isinstance(item, Variable):
            saved = node.variable
            saved.dtype = item.dtype.as_datatype_enum
            saved.shape.CopyFrom(shape_message(item.shape))
            saved.trainable = item.trainable
            saved.name = item.name.removesuffix(":0")
            self._main.variable(item)
        elif isinstance(item, Asset):
            self._describe_asset(item, node)
        elif isinstance(item, TableContent):
            node.resource.SetInParent()
        elif isinstance(item, ConcreteFunction):
            node.bare_concrete_function.SetInParent()
        elif is_function(item):
            node.function.SetInParent()
        else:
            kinds = {
                list: "trackable_list_wrapper",
                tuple: "trackable_tuple_wrapper",
                dict: "trackable_dict_wrapper",
            }
            saved = node.user_object
            saved.identifier = next(
                (name for kind, name in kinds.items() if isinstance(item, kind)), "_generic_user_object"
            )
            saved.version.producer = saved.version.min_consumer = 1

    def _describe_asset(self, item: Asset, node: Any) -> None:
        path = item.path
        name = asset_name(self.assets, path)
        node.asset.SetInParent()
        node.asset.asset_file_def_index = len(self.meta.asset_file_def)
        saved = self.meta.asset_file_def.add(filename=name)
        saved.tensor_info.name = self._main.asset(item._variable, path)

    # ---- functions

    def _write_function(self, function: Any) -> None:
        saved = self._nodes[self._places[id(function)]].function
        for concrete in traces_of(function):
            saved.concrete_functions.append(self._concrete_name(concrete))
        state_parameters(function, saved.function_spec)

    def _write_bare(self, saved: Any, concrete: ConcreteFunction) -> None:
        saved.concrete_function_name = self._concrete_name(concrete)
        inputs = concrete.structured_input_signature[1]
        saved.argument_keywords.extend(sorted(inputs))
        saved.allowed_positional_arguments = 1 if len(inputs) == 1 else 0
        state_parameters(concrete._owner, saved.function_spec)

    def _concrete_name(self, concrete: ConcreteFunction) -> str:
        if id(concrete) in self._concrete:
            return self._concrete[id(concrete)]
        name = f"__inference_{concrete.name.strip('<>')}_{len(self._concrete)}"
        self._concrete[id(concrete)] = name
        self._alive.append(concrete)
        made = write_function(name, concrete.graph, self._library)
        saved = self._bound(made, concrete.name)
        self._main.wrote(made)
        count = len(concrete.graph.inputs)
        labels = iter([one.name for one in made.message.signature.input_arg[:count]])
        named = nest.map_structure(lambda leaf: named_spec(leaf, labels), concrete.structured_input_signature)
        saved.canonicalized_input_signature.CopyFrom(encoded(named))
        saved.output_signature.CopyFrom(encoded(concrete.structured_outputs))
        return name

    def _bound(self, function: FunctionWriter, label: str) -> Any:
        """Returns the message of a function that was written, with the objects that it uses."""
        saved = self.meta.object_graph_def.concrete_functions[function.name]
        for resource in function.resources:
            if isinstance(resource, TableContent) and id(resource) not in self._places:
                self._write_table(resource)
            place = self._place_of(resource)
            if place is None:
                raise ValueError(
                    f"tf.saved_model.save: {label} uses the variable {resource.name!r}, which the saved object "
                    f"does not hold. Make it an attribute of the object{at_user_location()}"
                )
            saved.bound_inputs.append(place)
        return saved

    def _place_of(self, resource: Any) -> int | None:
        asset = self._paths.get(id(resource))
        return self._places.get(id(resource if asset is None else asset))

    def _write_table(self, table: TableContent) -> None:
        """Adds a table with the functions that make it and fill it."""
        number = (
            len(self._library.tables)
            if table.source is None
            else list(self._library.tables).index(id(table.source))
        )
        shared = f"table_{number}_{uuid.uuid4().hex}"
        place = self._place(table)
        self._nodes[0].children.add(node_id=place, local_name=f"_table_{number}")
        self._main.table(table, shared)
        parts = {
            "_create_resource": lambda w: w.give([made(w, table, shared)]),
            "_initialize": lambda w: filled(w, table, w.handle(table)),
            "_destroy_resource": lambda w: None,
        }
        for name, write in parts.items():
            function = FunctionWriter(f"__inference_{name}_{number}", self._library)
            write(function)
            function.finish()
            saved = self._bound(function, name)
            saved.canonicalized_input_signature.CopyFrom(encoded(((), {})))
            saved.output_signature.CopyFrom(HANDLE if name == "_create_resource" else encoded(None))
            self._nodes[place].children.add(node_id=len(self._nodes), local_name=name)
            described = self._nodes.add().function
            described.concrete_functions.append(function.name)
            state_no_parameters(described.function_spec)

    def _write_signatures(self, signatures: dict[str, ConcreteFunction]) -> None:
        place = len(self._nodes)
        owner = self._nodes.add()
        owner.user_object.identifier = "signature_map"
        owner.user_object.version.producer = owner.user_object.version.min_consumer = 1
        self._nodes[0].children.add(node_id=place, local_name="signatures")
        for name, concrete in signatures.items():
            number = len(self._nodes)
            saved = self._nodes.add().bare_concrete_function
            owner.children.add(node_id=number, local_name=name)
            self._write_bare(saved, concrete)
            inputs = concrete.structured_input_signature[1]
            order = [spec.name for spec in nest.flat(concrete.structured_input_signature)]
            self._main.signature(
                name, saved.concrete_function_name, inputs, order, concrete.structured_outputs
            )
