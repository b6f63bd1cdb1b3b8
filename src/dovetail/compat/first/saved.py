"""`tf.compat.v1.saved_model`: SavedModels of graphs and sessions."""

from __future__ import annotations

import os
import shutil
from typing import Any

import numpy as np

import dovetail as tf
from dovetail.base.atomic import make_folder
from dovetail.base.errors import at_user_location
from dovetail.compat.first.keys import GraphKeys
from dovetail.compat.first.meta_graphs import Imported, meta_graph_of, write_file
from dovetail.compat.first.saver import Saver, give
from dovetail.graph.by_hand import default_graph
from dovetail.ops.protos import make_tensor_proto
from dovetail.saved_model import constants
from dovetail.saved_model.files import asset_name, asset_path, contains_saved_model, read_meta_graph
from dovetail.saved_model.writing.nodes import shape_message
from dovetail.train import bundle
from dovetail.train.bundle import Bundle
from dovetail.wire.saved_model import SavedModel, SignatureDef

MAIN_OP_KEY, LEGACY_INIT_OP_KEY = "saved_model_main_op", "legacy_init_op"
TensorInfo: Any = SignatureDef.fields["inputs"].kind


def build_tensor_info(tensor: Any) -> Any:
    """Returns what a signature holds of a tensor: its name, dtype and shape."""
    made = TensorInfo(name=tensor.name, dtype=tensor.dtype.as_datatype_enum)
    made.tensor_shape.CopyFrom(shape_message(tensor.shape))
    return made


def get_tensor_from_tensor_info(tensor_info: Any, graph: Any = None, import_scope: str | None = None) -> Any:
    """Returns the tensor of a graph that a signature names."""
    name = f"{import_scope}/{tensor_info.name}" if import_scope else tensor_info.name
    return (graph or default_graph()).get_tensor_by_name(name)


def build_signature_def(
    inputs: Any = None, outputs: Any = None, method_name: str | None = None, defaults: Any = None
) -> SignatureDef:
    """Returns a signature.

    Args:
        inputs, outputs: `build_tensor_info` of tensors, by the names that callers use.
        method_name: what kind of signature it is.
        defaults: must be left out.
    """
    if defaults:
        raise NotImplementedError(
            f"build_signature_def: defaults are not there; leave them out{at_user_location()}"
        )
    made = SignatureDef(method_name=method_name or "")
    for key, info in (inputs or {}).items():
        made.inputs[key].CopyFrom(info)
    for key, info in (outputs or {}).items():
        made.outputs[key].CopyFrom(info)
    return made


def _infos(tensors: dict) -> dict:
    return {key: build_tensor_info(tensor) for key, tensor in tensors.items()}


def predict_signature_def(inputs: dict, outputs: dict) -> SignatureDef:
    """Returns the signature of a function of named tensors."""
    if not inputs or not outputs:
        raise ValueError(f"predict_signature_def: pass inputs and outputs{at_user_location()}")
    return build_signature_def(_infos(inputs), _infos(outputs), constants.PREDICT_METHOD_NAME)


def regression_signature_def(examples: Any, predictions: Any) -> SignatureDef:
    """Returns the signature of a regression of serialized examples."""
    inputs, outputs = {constants.REGRESS_INPUTS: examples}, {constants.REGRESS_OUTPUTS: predictions}
    return build_signature_def(_infos(inputs), _infos(outputs), constants.REGRESS_METHOD_NAME)


def classification_signature_def(examples: Any, classes: Any, scores: Any) -> SignatureDef:
    """Returns the signature of a classification of serialized examples."""
    outputs = {constants.CLASSIFY_OUTPUT_CLASSES: classes, constants.CLASSIFY_OUTPUT_SCORES: scores}
    outputs = {key: tensor for key, tensor in outputs.items() if tensor is not None}
    return build_signature_def(
        _infos({constants.CLASSIFY_INPUTS: examples}), _infos(outputs), constants.CLASSIFY_METHOD_NAME
    )


def is_valid_signature(signature_def: Any) -> bool:
    """Returns whether a signature has inputs, outputs and a method."""
    return bool(signature_def.inputs and signature_def.outputs and signature_def.method_name)


class SavedModelBuilder:
    """Writes a SavedModel of graphs, one for each set of tags, with the variables of a session.

    Args:
        export_dir: the directory, which must not be there yet, or be empty.
    """

    def __init__(self, export_dir: Any) -> None:
        self._path = os.fspath(export_dir)
        if os.path.isdir(self._path) and os.listdir(self._path):
            raise AssertionError(
                f"Export directory {self._path} already exists, and isn't empty. Please choose a different export "
                f"directory, or delete all the contents of the specified directory.{at_user_location()}"
            )
        self._model = SavedModel(saved_model_schema_version=1)
        self._has_variables = False
        self._assets: dict[str, str] = {}  # paths of files by the names of their copies

    def add_meta_graph_and_variables(
        self,
        sess: Any,
        tags: Any,
        signature_def_map: Any = None,
        assets_list: Any = None,
        clear_devices: bool = False,
        init_op: Any = None,
        train_op: Any = None,
        strip_default_attrs: bool = False,
        saver: Any = None,
        main_op: Any = None,
        legacy_init_op: Any = None,
        assets_collection: Any = None,
    ) -> None:
        """Adds the graph of a session, and the values of its variables.

        Args:
            sess: the session.
            tags: of the graph.
            signature_def_map: signatures by name.
            assets_list, assets_collection: tensors of the names of files that the graph reads: they are copied.
            clear_devices: operations name no devices.
            init_op, main_op, legacy_init_op: run when the model has been loaded.
            saver: what says which variables are saved; all when None.
            train_op, strip_default_attrs: accepted for TensorFlow's sake.

        Raises:
            AssertionError: a graph with variables has been added already.
        """
        if self._has_variables:
            raise AssertionError(
                "Graph state including variables and assets has already been saved. Please invoke `add_meta_graph()` "
                f"instead.{at_user_location()}"
            )
        with sess.graph.as_default():
            chosen = saver or Saver(allow_empty=True)
            values = {name: np.asarray(sess.run(v)) for name, v in chosen.variables().items()}
            assets = [(t, sess.run(t)) for t in assets_list or assets_collection or ()]
        if values:
            prefix = os.path.join(self._path, constants.VARIABLES_DIRECTORY, constants.VARIABLES_FILENAME)
            bundle.write(prefix, values)
        self._has_variables = True
        meta = self._add(
            sess.graph, tags, signature_def_map, clear_devices, chosen, main_op or init_op or legacy_init_op
        )
        self._copy(meta, assets)

    def add_meta_graph(
        self,
        tags: Any,
        signature_def_map: Any = None,
        assets_list: Any = None,
        clear_devices: bool = False,
        init_op: Any = None,
        train_op: Any = None,
        saver: Any = None,
        main_op: Any = None,
        legacy_init_op: Any = None,
        strip_default_attrs: bool = False,
        assets_collection: Any = None,
    ) -> None:
        """Adds the default graph under further tags: see `add_meta_graph_and_variables`, which comes first."""
        if not self._has_variables:
            raise AssertionError(
                f"Graph state including variables and assets has not been saved yet. Please invoke "
                f"`add_meta_graph_and_variables()` first.{at_user_location()}"
            )
        chosen = saver or Saver(allow_empty=True)
        first = main_op or init_op or legacy_init_op
        self._add(default_graph(), tags, signature_def_map, clear_devices, chosen, first)

    def _add(
        self, graph: Any, tags: Any, signatures: Any, clear_devices: bool, saver: Saver, main_op: Any
    ) -> Any:
        made = meta_graph_of(graph, saver.variables())
        made.meta_info_def.tags.extend(list(tags))
        for key, signature in (signatures or {}).items():
            made.signature_def[key].CopyFrom(SignatureDef.FromString(signature.SerializeToString()))
        if main_op is not None:
            made.collection_def[MAIN_OP_KEY].node_list.value.append(main_op.name)
        if clear_devices:
            for node in made.graph_def.node:
                node.device = ""
        self._model.meta_graphs.append(made)
        return made

    def _copy(self, meta: Any, assets: list[tuple[Any, Any]]) -> None:
        """Copies the files that a graph reads."""
        folder = os.path.join(self._path, constants.ASSETS_DIRECTORY)
        for tensor, path in assets:
            make_folder(folder)
            base = asset_name(self._assets, os.fsdecode(path))
            shutil.copyfile(os.fsdecode(path), os.path.join(folder, base))
            meta.asset_file_def.add(filename=base).tensor_info.CopyFrom(build_tensor_info(tensor))

    def save(self, as_text: bool = False) -> bytes:
        """Writes the model; returns the path of its file.

        Args:
            as_text: must be False.
        """
        if as_text:
            raise NotImplementedError(f"SavedModelBuilder.save: as_text is not there{at_user_location()}")
        make_folder(self._path)
        file = os.path.join(self._path, constants.SAVED_MODEL_FILENAME_PB)
        write_file(file, self._model.SerializeToString())
        return file.encode()


def simple_save(
    session: Any, export_dir: Any, inputs: dict, outputs: dict, legacy_init_op: Any = None
) -> None:
    """Writes a SavedModel with one signature, `serving_default`, under the tag "serve"."""
    builder = SavedModelBuilder(export_dir)
    builder.add_meta_graph_and_variables(
        session,
        [constants.SERVING],
        {constants.DEFAULT_SERVING_SIGNATURE_DEF_KEY: predict_signature_def(inputs, outputs)},
        assets_list=default_graph().get_collection(GraphKeys.ASSET_FILEPATHS),
        main_op=legacy_init_op,
        clear_devices=True,
    )
    builder.save()


def load(sess: Any, tags: Any, export_dir: Any, import_scope: str | None = None, **saver_kwargs: Any) -> Any:
    """Puts the graph of a SavedModel into that of a session, with the values of its variables; returns the message.

    Args:
        sess: the session.
        tags: of the graph.
        export_dir: the directory.
        import_scope: a prefix of all names.

    Raises:
        NotFoundError: there is no SavedModel.
        DataLossError: it is damaged.
        PermissionDeniedError: its graph reaches files outside of its directory.
        RuntimeError: it has no graph with these tags.
    """
    path = os.fspath(export_dir)
    try:
        meta = read_meta_graph(path, list(tags))
    except ValueError as error:
        raise RuntimeError(
            f"MetaGraphDef associated with tags {tags!r} could not be found: {error}"
        ) from None
    with sess.graph.as_default():
        _name_assets(meta, path)
        found = Imported(meta, import_scope)
        prefix = os.path.join(path, constants.VARIABLES_DIRECTORY, constants.VARIABLES_FILENAME)
        variables = found.restored()
        if variables and os.path.exists(bundle.index_path(prefix)):
            read = Bundle(prefix)
            for key, variable in variables.items():
                if key in read:
                    give(sess, variable, read.read(key))
        for key in (MAIN_OP_KEY, LEGACY_INIT_OP_KEY):
            for name in meta.collection_def[key].node_list.value if key in meta.collection_def else ():
                sess.run(found.reader.element(name))
    return meta


def _name_assets(meta: Any, path: str) -> None:
    """Writes where the files that a graph reads are into its constants."""
    nodes = {node.name: node for node in meta.graph_def.node}
    for asset in meta.asset_file_def:
        node = nodes.get(asset.tensor_info.name.partition(":")[0])
        if node is not None and node.op == "Const":
            file = asset_path(path, asset.filename)
            node.attr["value"].tensor.CopyFrom(make_tensor_proto(os.fsencode(file)))


def main_op() -> Any:
    """Returns an operation that initializes all that must not be restored."""
    v1 = tf.compat.v1
    return tf.group(
        v1.global_variables_initializer(), v1.local_variables_initializer(), v1.tables_initializer()
    )


CONSTANTS: dict[str, Any] = {
    **{name: value for name, value in vars(constants).items() if name.isupper()},
    "MAIN_OP_KEY": MAIN_OP_KEY,
    "LEGACY_INIT_OP_KEY": LEGACY_INIT_OP_KEY,
}
_BUILDERS = (
    *(build_signature_def, classification_signature_def, is_valid_signature, predict_signature_def),
    regression_signature_def,
)
SIGNATURES: dict[str, Any] = {f.__name__: f for f in _BUILDERS}
INFOS: dict[str, Any] = {f.__name__: f for f in (build_tensor_info, get_tensor_from_tensor_info)}
NAMES: dict[str, Any] = {
    **SIGNATURES,
    **INFOS,
    **CONSTANTS,
    "Builder": SavedModelBuilder,
    "load": load,
    "load_v2": tf.saved_model.load,
    "simple_save": simple_save,
    "contains_saved_model": contains_saved_model,
    "maybe_saved_model_directory": contains_saved_model,
    "main_op_with_restore": lambda restore_op_name: tf.group(main_op(), restore_op_name),
}
