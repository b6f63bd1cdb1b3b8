"""Loading a SavedModel: its objects, with the values of its variables, and its functions.

No code of a file is run but the operations of its graphs, which are looked up by their names in the table of raw
operations.
"""

from __future__ import annotations

import inspect
import math
import os
from typing import Any

import numpy as np

from dovetail.base.errors import DataLossError, UnimplementedError, at_user_location
from dovetail.saved_model.constants import VARIABLES_DIRECTORY, VARIABLES_FILENAME
from dovetail.saved_model.files import asset_path, read_meta_graph
from dovetail.saved_model.functions import LoadedConcrete, LoadedFunction, signature_of
from dovetail.saved_model.library import ImportedFunction, Library, dtype_of, shape_of
from dovetail.saved_model.objects import Asset, CallableLoaded, Captured, Loaded, Resource
from dovetail.saved_model.options import LoadOptions
from dovetail.saved_model.structures import decoded
from dovetail.saved_model.version1 import Graph1
from dovetail.tensor.variable import Variable
from dovetail.train.bundle import Bundle, index_path
from dovetail.train.object_graph import GRAPH_KEY, VALUE, ObjectGraph
from dovetail.wire.protobuf import DecodeError

_LISTS = {"trackable_list_wrapper", "trackable_tuple_wrapper"}
_DICTS = {"trackable_dict_wrapper", "signature_map"}

_MOST_UNSAVED = 1 << 30  # bytes of variables that no file has values for


class Loader:
    """One SavedModel being loaded.

    Args:
        path: of its directory.
        meta: its `MetaGraphDef`.
        options: `LoadOptions`.
    """

    def __init__(self, path: str, meta: Any, options: LoadOptions) -> None:
        self.path, self._meta, self._options = path, meta, options
        self._nodes = list(meta.object_graph_def.nodes)
        self._library = Library(meta.graph_def.library.function, path, path, options.allow_file_access)
        self._constants: dict[str, Any] = {}
        self._concrete: dict[str, LoadedConcrete] = {}
        prefix = os.path.join(path, VARIABLES_DIRECTORY, VARIABLES_FILENAME)
        is_there = os.path.exists(index_path(prefix)) and not options.experimental_skip_checkpoint
        self._bundle = Bundle(prefix) if is_there else None
        self._unsaved_bytes = _MOST_UNSAVED
        self._keys = self._checkpoint_keys()
        self.objects = [self._make(number, node) for number, node in enumerate(self._nodes)]
        for owner, node in zip(self.objects, self._nodes, strict=True):
            self._fill(owner, node)

    def root(self) -> Any:
        """Returns the model, with the tables that it uses filled."""
        for item in self.objects:
            if isinstance(item, Resource):
                _ = item.handle
        return self.objects[0]

    def _checked(self, number: int) -> int:
        if not 0 <= number < len(self._nodes):
            raise DataLossError(
                f"{self.path}: the graph of its objects names the node {number}, which is not there"
            )
        return number

    # ---- values

    def _checkpoint_keys(self) -> dict[int, str]:
        """Returns the keys of the variables' values, by node: the graphs of both files are walked together."""
        if self._bundle is None or GRAPH_KEY not in self._bundle:
            return {}
        try:
            stored = list(ObjectGraph.FromString(self._bundle.read(GRAPH_KEY).item()).nodes)
        except DecodeError as error:
            raise DataLossError(
                f"{self._bundle.prefix}: the graph of its objects is damaged: {error}"
            ) from error
        keys, pending, seen = {}, [(0, 0)], {0}
        for number, place in pending:
            if not 0 <= place < len(stored):
                raise DataLossError(
                    f"{self._bundle.prefix}: the graph of its objects is damaged: node {place}"
                )
            node, there = self._nodes[number], stored[place]
            for attribute in there.attributes:
                if attribute.name == VALUE:
                    keys[number] = attribute.checkpoint_key
            for child, found in _pairs(node, there):
                if self._checked(child) not in seen:
                    seen.add(child)
                    pending.append((child, found))
        return keys

    def _value(self, number: int, saved: Any) -> np.ndarray:
        """Returns the value of a variable: from the checkpoint, or zeros where the caller has allowed that.

        Raises:
            DataLossError: the checkpoint has none; or it would be far larger than what the files hold.
        """
        dtype = dtype_of(saved.dtype)
        if number in self._keys and self._bundle is not None:
            return self._bundle.read(self._keys[number])
        if not (self._options.allow_partial_checkpoint or self._options.experimental_skip_checkpoint):
            raise DataLossError(
                f"{self.path}: there is no value for the variable {saved.name!r} in the model's checkpoint. Pass "
                "options=tf.saved_model.LoadOptions(allow_partial_checkpoint=True) to make it of zeros"
                f"{at_user_location()}"
            )
        shape = shape_of(saved.shape)
        sizes = [0 if size is None else size for size in shape] if shape.rank is not None else []
        self._unsaved_bytes -= math.prod(sizes) * np.dtype(dtype.as_numpy_dtype).itemsize
        if self._unsaved_bytes < 0:
            raise DataLossError(
                f"{self.path}: the variable {saved.name!r} would have the shape {tuple(sizes)}, and the files hold no "
                f"value for it: it is not made{at_user_location()}"
            )
        return np.zeros(sizes, dtype.as_numpy_dtype)

    # ---- objects

    def _make(self, number: int, node: Any) -> Any:
        kind = node.WhichOneof("kind")
        if kind is None:
            return Loaded()
        return _MAKERS[kind](self, number, getattr(node, kind))

    def _user_object(self, number: int, saved: Any) -> Any:
        if saved.identifier in _LISTS:
            return []
        if saved.identifier in _DICTS:
            return {}
        is_callable = any(child.local_name == "__call__" for child in self._nodes[number].children)
        return CallableLoaded() if is_callable else Loaded()

    def _variable(self, number: int, saved: Any) -> Variable:
        shape = shape_of(saved.shape)
        return Variable(
            self._value(number, saved),
            trainable=bool(saved.trainable),
            name=saved.name or None,
            dtype=dtype_of(saved.dtype),
            shape=shape,
        )

    def _asset(self, number: int, saved: Any) -> Asset:
        files = self._meta.asset_file_def
        if not 0 <= saved.asset_file_def_index < len(files):
            raise DataLossError(f"{self.path}: there is no asset {saved.asset_file_def_index}")
        name = files[saved.asset_file_def_index].filename
        return Asset(asset_path(self.path, name, self._options.allow_file_access))

    def _constant(self, number: int, saved: Any) -> Any:
        name = saved.operation
        if name not in self._constants:
            graph = ImportedFunction(self._library, "the graph", self._meta.graph_def.node, [], [name], [])
            self._constants[name] = graph()[0]
        return self._constants[name]

    def _function(self, number: int, saved: Any) -> LoadedFunction:
        signature = self._signature(saved.function_spec)
        concrete = [self.concrete(name, signature) for name in saved.concrete_functions]
        return LoadedFunction(concrete, signature, self._name_of(number))

    def _bare_function(self, number: int, saved: Any) -> LoadedConcrete:
        return self.concrete(saved.concrete_function_name, self._signature(saved.function_spec))

    def _resource(self, number: int, saved: Any) -> Resource:
        return Resource()

    def _captured(self, number: int, saved: Any) -> Captured:
        return Captured(saved.name, saved.concrete_function)

    def _name_of(self, number: int) -> str:
        names = (
            child.local_name for node in self._nodes for child in node.children if child.node_id == number
        )
        return next(names, "function")

    def _signature(self, spec: Any) -> inspect.Signature:
        found = decoded(spec.fullargspec)
        if found is not None and spec.is_method and found.args:
            found = found._replace(args=found.args[1:])
        return signature_of(found)

    def concrete(self, name: str, signature: inspect.Signature) -> LoadedConcrete:
        """Returns a function of the graph by its name."""
        if name not in self._concrete:
            saved = self._meta.object_graph_def.concrete_functions.get(name)
            if saved is None:
                raise DataLossError(f"{self.path}: the function {name!r} has no signature")
            called = decoded(saved.canonicalized_input_signature)
            if not isinstance(called, tuple) or len(called) != 2:
                raise DataLossError(f"{self.path}: the function {name!r} has the signature {called!r:.80}")
            args, kwargs = called
            bound = [self._checked(number) for number in saved.bound_inputs]
            self._concrete[name] = LoadedConcrete(
                self._library.function(name),
                name,
                (args, kwargs),
                decoded(saved.output_signature),
                signature,
                lambda: [_handle(self.objects[number]) for number in bound],
            )
        return self._concrete[name]

    def _fill(self, owner: Any, node: Any) -> None:
        """Gives an object what it held."""
        children = [(child.local_name, self.objects[self._checked(child.node_id)]) for child in node.children]
        if isinstance(owner, list):
            owner.extend(child for _, child in sorted(children, key=lambda pair: int(pair[0])))
        elif isinstance(owner, dict):
            owner.update(children)
        elif isinstance(owner, Loaded | Resource):
            for name, child in children:
                vars(owner)[name] = child


_MAKERS = {
    "user_object": Loader._user_object,
    "asset": Loader._asset,
    "function": Loader._function,
    "variable": Loader._variable,
    "bare_concrete_function": Loader._bare_function,
    "constant": Loader._constant,
    "resource": Loader._resource,
    "captured_tensor": Loader._captured,
}


def _pairs(node: Any, stored: Any) -> list[tuple[int, int]]:
    """Returns what an object holds in both graphs: numbers of nodes."""
    names = {child.local_name: child.node_id for child in stored.children}
    slots = {
        (slot.slot_name, slot.original_variable_node_id): slot.slot_variable_node_id
        for slot in stored.slot_variables
    }
    found = [(child.node_id, names[child.local_name]) for child in node.children if child.local_name in names]
    return found + [
        (slot.slot_variable_node_id, slots[key])
        for slot in node.slot_variables
        if (key := (slot.slot_name, slot.original_variable_node_id)) in slots
    ]


def _handle(item: Any) -> Any:
    """Returns what a function gets for an object that it uses."""
    if isinstance(item, Captured):
        raise UnimplementedError(f"{item} is used outside of it, which is not done here{at_user_location()}")
    if isinstance(item, Resource):
        return item.handle
    return item.asset_path if isinstance(item, Asset) else item


def load(export_dir: Any, tags: Any = None, options: Any = None) -> Any:
    """Returns the model of a SavedModel directory.

    Its attributes are those of the object that was saved: variables, functions, and `signatures`, a dict of functions
    that are called with named tensors and return dicts.

    Args:
        export_dir: the directory, with a file `saved_model.pb`.
        tags: the tags of the graph to load, when there are several.
        options: `tf.saved_model.LoadOptions`.

    Raises:
        NotFoundError: there is no SavedModel.
        DataLossError: it is damaged.
        ValueError: it has no graph with these tags.
        PermissionDeniedError: its graphs read or write files outside of its directory; see `LoadOptions`.

    Differs from TensorFlow: operations that are not known are told when a function that has them is called.
    """
    path = os.fspath(export_dir)
    meta = read_meta_graph(path, tags)
    chosen = LoadOptions() if options is None else options
    try:
        if meta.object_graph_def.nodes:
            loaded = Loader(path, meta, chosen).root()
        else:
            loaded = Graph1(path, meta, chosen.allow_file_access).model()
    except (RecursionError, KeyError, IndexError, TypeError) as error:
        raise DataLossError(f"{path}: the SavedModel is damaged ({error!r:.200})") from error
    if isinstance(loaded, Loaded):
        vars(loaded).setdefault("signatures", {})
        vars(loaded)["tensorflow_version"] = meta.meta_info_def.tensorflow_version
    return loaded
