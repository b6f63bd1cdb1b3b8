"""Writing SavedModels: objects with their variables and functions, which TensorFlow and `load` read."""

from __future__ import annotations

import functools
import inspect
import os
import re
import shutil
import uuid
from collections.abc import Sequence
from typing import Any

from dovetail.base import nest
from dovetail.base.atomic import make_folder, replacing_directory
from dovetail.base.errors import at_user_location
from dovetail.base.trackable import CONTAINERS, children, unique
from dovetail.function.concrete import ConcreteFunction
from dovetail.function.describe import arguments_of
from dovetail.function.function import Function
from dovetail.function.methods import Bound
from dovetail.saved_model.constants import (
    ASSETS_DIRECTORY,
    DEFAULT_SERVING_SIGNATURE_DEF_KEY,
    SAVED_MODEL_FILENAME_PB,
    SERVING,
    VARIABLES_DIRECTORY,
    VARIABLES_FILENAME,
)
from dovetail.saved_model.files import asset_name
from dovetail.saved_model.functions import LoadedFunction
from dovetail.saved_model.main_graph import MainGraph
from dovetail.saved_model.objects import Asset, Loaded
from dovetail.saved_model.structures import class_number
from dovetail.saved_model.writing import FunctionLibrary, FunctionWriter, write_function
from dovetail.saved_model.writing.nodes import RESOURCE, STRING, shape_message
from dovetail.saved_model.writing.tables import TableContent, filled, made
from dovetail.tensor.dtype import DType
from dovetail.tensor.shape import TensorShape
from dovetail.tensor.spec import TensorSpec, TypeSpec
from dovetail.tensor.variable import Variable
from dovetail.train import bundle
from dovetail.train.object_graph import named_children, written
from dovetail.version import VERSION
from dovetail.wire.protobuf import DecodeError
from dovetail.wire.saved_model import MetaGraphDef, SavedModel, StructuredValue

_PRODUCER = 1882  # the version of its graphs


def encoded(value: Any) -> StructuredValue:
    """Returns a structure as a message; see `structures.decoded`."""
    made = StructuredValue()
    if value is None or value is inspect.Parameter.empty:
        made.none_value.SetInParent()
    elif isinstance(value, bool):
        made.bool_value = value
    elif isinstance(value, int):
        made.int64_value = (value << 1) ^ (value >> 63)
    elif isinstance(value, float):
        made.float64_value = value
    elif isinstance(value, str):
        made.string_value = value
    elif isinstance(value, DType):
        made.tensor_dtype_value = value.as_datatype_enum
    elif isinstance(value, TensorShape):
        made.tensor_shape_value.CopyFrom(shape_message(value))
    elif isinstance(value, TensorSpec):
        made.tensor_spec_value.dtype = value.dtype.as_datatype_enum
        made.tensor_spec_value.name = value.name or ""
        made.tensor_spec_value.shape.CopyFrom(shape_message(value.shape))
    elif isinstance(value, dict):
        made.dict_value.SetInParent()
        for key, one in value.items():
            made.dict_value.entries[str(key)].CopyFrom(encoded(one))
    elif isinstance(value, list | tuple):
        into = made.list_value if isinstance(value, list) else made.tuple_value
        into.SetInParent()
        into.values.extend([encoded(one) for one in value])
    elif isinstance(value, TypeSpec) and class_number(value):
        spec = made.type_spec_value
        spec.type_spec_class = class_number(value)
        spec.type_spec_class_name = type(value).__name__
        spec.type_state.CopyFrom(encoded(value._serialize()))
        spec.num_flat_components = len(nest.flat(value))
    else:
        raise NotImplementedError(
            f"tf.saved_model.save: a function takes or gives {value!r:.80}, which is not written{at_user_location()}"
        )
    return made


def _function_spec(function: Any, into: Any) -> None:
    """Writes the parameters of a function."""
    kinds = inspect.Parameter
    is_loaded = isinstance(function, LoadedFunction)
    stated = function.__signature__ if is_loaded else inspect.signature(function.python_function)
    input_signature = None if is_loaded else function.input_signature
    parameters = list(stated.parameters.values())
    places = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    named = [p for p in parameters if p.kind is p.KEYWORD_ONLY]
    if input_signature is not None:  # nobody can pass what it does not state
        places, named = places[: len(input_signature)], []
    rest = {p.kind: p.name for p in parameters}
    facts = {
        "args": [p.name for p in places],
        "varargs": rest.get(kinds.VAR_POSITIONAL),
        "varkw": rest.get(kinds.VAR_KEYWORD),
        "defaults": tuple(p.default for p in places if p.default is not p.empty) or None,
        "kwonlyargs": [p.name for p in named],
        "kwonlydefaults": {p.name: p.default for p in named if p.default is not p.empty} or None,
        "annotations": {},
    }
    made = into.fullargspec.named_tuple_value
    made.name = "FullArgSpec"
    for key, value in facts.items():
        made.values.add(key=key, value=encoded(value))
    into.input_signature.CopyFrom(encoded(input_signature))


def _spec_of_no_arguments(into: Any) -> None:
    _function_spec(Function(lambda: None, input_signature=[]), into)


def is_function(value: Any) -> bool:
    """Whether it is a function that was traced, or can be."""
    return isinstance(value, Function | Bound | LoadedFunction | ConcreteFunction)


def functions_of(owner: Any) -> list[tuple[str, Any]]:
    """Returns the `tf.function`s of an object: in its attributes, and among its methods.

    A class whose functions are made anew with its objects has an attribute `_saves_functions`, which is False.
    """
    if isinstance(owner, CONTAINERS):
        return [(name, value) for name, value in _items(owner) if is_function(value)]
    if not getattr(type(owner), "_saves_functions", True):
        return []
    own = [(name, value) for name, value in getattr(owner, "__dict__", {}).items() if is_function(value)]
    names = [name for name in dir(type(owner)) if isinstance(getattr(type(owner), name, None), Function)]
    return own + [(name, getattr(owner, name)) for name in names if name not in dict(own)]


def _items(container: Any) -> list[tuple[str, Any]]:
    pairs = container.items() if isinstance(container, dict) else enumerate(container)
    return [(str(name), value) for name, value in pairs]


def _containers_of_functions(owner: Any) -> list[tuple[str, Any]]:
    """Returns the lists and dicts with functions of an object; signatures of a loaded one are given anew."""
    if isinstance(owner, CONTAINERS) or not getattr(type(owner), "_saves_functions", True):
        return []
    held = getattr(owner, "__dict__", {}).items()
    return [
        (name, value)
        for name, value in held
        if isinstance(value, CONTAINERS)
        and not name.startswith("_")
        and not (isinstance(owner, Loaded) and name == "signatures")
        and any(is_function(one) for _, one in _items(value))
    ]


def traces_of(function: Any) -> list[ConcreteFunction]:
    """Returns the signatures that a function was traced for, or declared with."""
    if isinstance(function, LoadedFunction):
        return list(function.concrete_functions)
    if function.input_signature is not None:
        return [function.get_concrete_function()]
    calls = [arguments_of(key) for key in function._programs]
    found = [function.get_concrete_function(*args, **kwargs) for args, kwargs in calls]
    return unique([*found, *function._concrete.values()])


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
            for name, child in [*_held(item), *functions_of(item)]:
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
        _function_spec(function, saved.function_spec)

    def _write_bare(self, saved: Any, concrete: ConcreteFunction) -> None:
        saved.concrete_function_name = self._concrete_name(concrete)
        inputs = concrete.structured_input_signature[1]
        saved.argument_keywords.extend(sorted(inputs))
        saved.allowed_positional_arguments = 1 if len(inputs) == 1 else 0
        _function_spec(concrete._owner, saved.function_spec)

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
        named = nest.map_structure(lambda leaf: _named(leaf, labels), concrete.structured_input_signature)
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
            saved.output_signature.CopyFrom(_HANDLE if name == "_create_resource" else encoded(None))
            self._nodes[place].children.add(node_id=len(self._nodes), local_name=name)
            described = self._nodes.add().function
            described.concrete_functions.append(function.name)
            _spec_of_no_arguments(described.function_spec)

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


def _handle_spec() -> StructuredValue:
    made = StructuredValue()
    made.tensor_spec_value.dtype = RESOURCE
    made.tensor_spec_value.shape.SetInParent()
    return made


_HANDLE = _handle_spec()


def _named(leaf: Any, labels: Any) -> Any:
    """Returns the spec of an argument with the name of the input that it becomes."""
    if isinstance(leaf, TensorSpec):
        return TensorSpec(leaf.shape, leaf.dtype, next(labels))
    if isinstance(leaf, TypeSpec):
        for _ in nest.flat(leaf):
            next(labels)
    return leaf


def _held(owner: Any) -> list[tuple[str, Any]]:
    """Returns what an object holds that is saved: what a checkpoint holds, and files."""
    if isinstance(owner, Variable | Asset | TableContent) or is_function(owner):
        return []
    files = [(str(name), child) for name, child in children(owner) if isinstance(child, Asset)]
    found = [*named_children(owner), *files]
    known = {name for name, _ in found}
    return found + [pair for pair in _containers_of_functions(owner) if pair[0] not in known]


def signature(function: Any) -> ConcreteFunction:
    """Returns a function as a signature: called with named tensors, giving a dict of tensors.

    Raises:
        ValueError: it has no signature of its own.
    """
    if not isinstance(function, ConcreteFunction):
        found = traces_of(function)
        if len(found) != 1:
            raise ValueError(
                f"tf.saved_model.save: the signature {function!r:.80} has {len(found)} traces, expected one: give the "
                f"function an input_signature, or pass get_concrete_function(...){at_user_location()}"
            )
        function = found[0]
    graph = function.graph
    labels = [tensor.name.partition(":")[0].replace("/", "_") for tensor in graph.inputs]
    parameters = [inspect.Parameter(label, inspect.Parameter.KEYWORD_ONLY) for label in labels]

    def wrapper(**inputs: Any) -> dict:
        found = graph.run([inputs[label] for label in labels])
        if isinstance(found, dict):
            return found
        return {f"output_{i}": one for i, one in enumerate(nest.flat(found))}

    wrapper.__name__ = f"signature_wrapper_{function.name.strip('<>')}"
    wrapper.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    specs = {
        label: TensorSpec(tensor.shape, tensor.dtype, label)
        for label, tensor in zip(labels, graph.inputs, strict=True)
    }
    return Function(wrapper, autograph=False).get_concrete_function(**specs)


# What a SavedModel's directory holds: it is replaced as a whole where it holds nothing else, such as a user's
# assets.extra.
MEMBERS = frozenset(
    {
        SAVED_MODEL_FILENAME_PB,
        VARIABLES_DIRECTORY,
        ASSETS_DIRECTORY,
        "fingerprint.pb",
        "keras_metadata.pb",
    }
)
_OF_CHECKPOINTS = re.compile(rf"{VARIABLES_FILENAME}\.(index|data-\d+-of-\d+)")


def _own(path: str) -> frozenset[str]:
    """Returns the members of a SavedModel's directory in which nothing of others is."""
    here = set(_listed(os.path.join(path, ASSETS_DIRECTORY)))
    theirs = {ASSETS_DIRECTORY} if here - _assets_of(path) else set()
    if not all(map(_OF_CHECKPOINTS.fullmatch, _listed(os.path.join(path, VARIABLES_DIRECTORY)))):
        theirs.add(VARIABLES_DIRECTORY)
    return MEMBERS - theirs


def _listed(folder: str) -> list[str]:
    return os.listdir(folder) if os.path.isdir(folder) else []


def _assets_of(path: str) -> set[str]:
    """Returns the names of the files that a SavedModel says are its own; none where it is damaged."""
    try:
        with open(os.path.join(path, SAVED_MODEL_FILENAME_PB), "rb") as file:
            graphs = SavedModel.FromString(file.read()).meta_graphs
    except (OSError, DecodeError, RecursionError):
        return set()
    return {one.filename for graph in graphs for one in graph.asset_file_def}


def save(
    obj: Any,
    export_dir: Any,
    signatures: Any = None,
    options: Any = None,
    *,
    members: dict[str, bytes] | None = None,
) -> None:
    """Writes an object with its variables and functions to a directory, which TensorFlow and `load` read.

    Args:
        obj: a `tf.Module`, a model, or another object that holds variables and `tf.function`s.
        export_dir: the directory.
        signatures: a function, or a dict of them by name: those that are served.
        options: `SaveOptions`.
        members: further files by name.

    The directory takes the place of an older one only when it is whole.

    Functions are saved as they were traced, or declared with an `input_signature`.

    Raises:
        NotImplementedError: a function has an operation that is not written.
        ValueError: a function uses a variable that the object does not hold.

    Differs from TensorFlow: gradients that a function brings itself (`tf.custom_gradient`) are not written.
    """
    given = signatures or {}
    if not isinstance(given, dict):
        given = {DEFAULT_SERVING_SIGNATURE_DEF_KEY: given}
    tags = getattr(options, "extra_tags", None) or ()
    saver = Saver(obj, {name: signature(function) for name, function in given.items()}, tags)
    with replacing_directory(os.fspath(export_dir), _own(os.fspath(export_dir))) as path:
        _write(saver, path)
        for name, content in (members or {}).items():
            with open(os.path.join(path, name), "wb") as file:
                file.write(content)


def _write(saver: Saver, path: str) -> None:
    """Writes the files of a SavedModel into a directory."""
    bundle.write(os.path.join(path, VARIABLES_DIRECTORY, VARIABLES_FILENAME), saver.tensors)
    folder = os.path.join(path, ASSETS_DIRECTORY)
    if saver.assets:
        make_folder(folder)
    for name, given_path in saver.assets.items():
        shutil.copyfile(given_path, os.path.join(folder, name))
    model = SavedModel(saved_model_schema_version=1)
    model.meta_graphs.append(saver.meta)
    with open(os.path.join(path, SAVED_MODEL_FILENAME_PB), "wb") as file:
        file.write(model.SerializeToString())
