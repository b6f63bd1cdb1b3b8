"""Models in the SavedModel directories of Keras 2: `keras_metadata.pb` holds configs, the graphs what they computed.

A model comes back from its config where the classes are known, with the state of its optimizer.  Where they are not, it
runs the graphs that were saved, and can be trained all the same.
"""

from __future__ import annotations

import json
import os
import warnings
from typing import Any

from dovetail.base import nest
from dovetail.base.errors import DataLossError, UnknownObjectError, at_user_location
from dovetail.base.own import declare
from dovetail.function.function import Function
from dovetail.keras import permission
from dovetail.keras.models.model import Model
from dovetail.keras.saving.configs import training_config
from dovetail.keras.saving.whole_h5 import compile_from
from dovetail.keras.serialization import deserialize_keras_object, serialize_keras_object
from dovetail.saved_model import (
    VARIABLES_DIRECTORY,
    VARIABLES_FILENAME,
    LoadOptions,
    contains_saved_model,
    load,
    save,
)
from dovetail.tensor.shape import TensorShape
from dovetail.tensor.spec import TensorSpec
from dovetail.train.checkpoint import Checkpoint
from dovetail.train.object_graph import named_children
from dovetail.wire.json_text import parsed
from dovetail.wire.protobuf import DecodeError
from dovetail.wire.saved_model import KerasMetadata

_METADATA = "keras_metadata.pb"


def read_model(path: str, compiled: bool = True) -> Any:
    """Returns the model of a SavedModel directory.

    Args:
        path: of the directory.
        compiled: compile the model as it was, with the state of its optimizer.

    Raises:
        ValueError: it is no SavedModel of a Keras model; or it has no values for weights of the model.
        DataLossError: it is damaged.
    """
    file = os.path.join(path, _METADATA)
    if not contains_saved_model(path) or not os.path.isfile(file):
        raise ValueError(
            f"load_model: {path!r} is a directory, but no SavedModel of Keras 2, which has the files saved_model.pb "
            f"and {_METADATA}. For others, use keras.layers.TFSMLayer({path!r}, call_endpoint='serving_default')"
            f"{at_user_location()}"
        )
    facts = _facts_of_root(file)
    model = _from_config(facts, _size_of_weights(path))
    if model is None:
        model = Revived(path, facts)
    training = facts.get("training_config") if compiled else None
    if training is not None:
        compile_from(model, training)
        model.optimizer.build(model._trained_weights())
    prefix = os.path.join(path, VARIABLES_DIRECTORY, VARIABLES_FILENAME)
    missing = Checkpoint(model).read(prefix).expect_partial().without_value(model.weights)
    if missing and not isinstance(model, Revived):
        raise ValueError(
            f"load_model: the model that the config in {path!r} makes has weights that the files hold no "
            f"values for: {missing[:8]}. Are the classes in custom_objects those that were saved?{at_user_location()}"
        )
    return model


def _size_of_weights(path: str) -> int:
    folder = os.path.join(path, VARIABLES_DIRECTORY)
    return sum(entry.stat().st_size for entry in os.scandir(folder)) if os.path.isdir(folder) else 0


def _facts_of_root(file: str) -> dict:
    """Returns what the file says of the model."""
    try:
        with open(file, "rb") as opened:
            nodes = KerasMetadata.FromString(opened.read()).nodes
        return next(parsed(node.metadata, _read) for node in nodes if node.node_id == 0)
    except (DecodeError, StopIteration, ValueError, RecursionError) as error:
        raise DataLossError(f"{file}: the description of the model is damaged: {error}") from error


def _read(value: dict) -> Any:
    """Returns a tuple, or a shape, that JSON has written as an object."""
    if value.get("class_name") in ("__tuple__", "TensorShape") and isinstance(value.get("items"), list):
        return tuple(value["items"])
    return value


def _from_config(facts: dict, stored: int) -> Any:
    """Returns the model that its config makes, built; None where its class, or one inside, is not known or allowed."""
    config = facts.get("config")
    if not isinstance(config, dict) or "class_name" not in facts or not config.get("layers"):
        return None
    try:
        with permission.sized_as(stored, "load_model"):
            model = deserialize_keras_object({"class_name": facts["class_name"], "config": config})
    except (TypeError, ValueError) as error:
        if not _is_unknown(error):
            raise
        warnings.warn(
            f"load_model: the model {facts.get('name')!r} runs the graphs that were saved, and has no config and no "
            f"layers of its own, as its config cannot be used: {error}",
            stacklevel=2,
        )
        return None
    return model if isinstance(model, Model) and model.built else None


def _is_unknown(error: BaseException | None) -> bool:
    """Returns whether an error is one of a class that is not known or allowed, or comes from one."""
    known = (UnknownObjectError, permission.NotAllowedError)
    return error is not None and (isinstance(error, known) or _is_unknown(error.__cause__))


@declare
class Revived(Model):
    """A model whose class is not known: it runs the graphs that were saved.

    Args:
        path: of the SavedModel.
        facts: what Keras has written of the model.
    """

    _saves_functions = False  # it is called in new traces, which contain those that were saved

    def __init__(self, path: str, facts: dict) -> None:
        super().__init__(name=facts.get("name"))
        loaded = load(path, options=LoadOptions(allow_file_access=permission.is_allowed()))
        self._run = vars(loaded).get("__call__")
        self.signatures = loaded.signatures
        if self._run is None:
            raise ValueError(f"load_model: the model in {path!r} was never called{at_user_location()}")
        self._restored = list(loaded.variables)
        self._facts = facts
        self.built = True

    def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        """Runs the trace for training, or the one for inference."""
        return self._run(inputs, training=bool(training))

    def get_config(self) -> dict:
        raise NotImplementedError(
            f"{self.name}: the class of this model is not known, so it has no config; save its weights"
        )


# ---- writing


class _Saved:
    """A model as its SavedModel has it: what it holds, its variables, and the function that calls it."""

    def __init__(self, model: Any, call: Function) -> None:
        self.children = [
            *named_children(model),
            ("variables", list(model.variables)),
            ("trainable_variables", list(model.trainable_variables)),
        ]
        vars(self)["__call__"] = call

    def __children__(self) -> list[tuple[str, Any]]:
        return self.children


def write_model(model: Any, path: str, include_optimizer: bool = True) -> None:
    """Writes a model as a SavedModel directory of Keras 2.

    Raises:
        NotImplementedError: a layer has operations that are not written.
        ValueError: the model was never called.
    """
    spec = _input_spec(model)

    def call(inputs: Any, training: Any = False) -> Any:
        return model(inputs, training=training)

    def serve(inputs: Any) -> Any:
        found = model(inputs, training=False)
        names = getattr(model, "output_names", None) or []
        leaves = nest.flat(found)
        if isinstance(found, dict) or len(names) != len(leaves):
            return found
        return dict(zip(names, leaves, strict=True))

    function = Function(call)
    function.get_concrete_function(spec, False)
    if not getattr(
        model, "inputs", None
    ):  # what has a config is built from it, and needs no trace for training
        function.get_concrete_function(spec, True)
    signature = Function(serve, input_signature=[spec])
    facts = _facts_of(model, include_optimizer)
    made = KerasMetadata()
    made.nodes.add(node_id=0, node_path="root", identifier="_tf_keras_model", metadata=json.dumps(facts))
    members = {_METADATA: made.SerializeToString()}
    save(_Saved(model, function), path, signatures=signature, members=members)


def _input_spec(model: Any) -> Any:
    """Returns specs of the inputs, for any batch size."""
    if getattr(model, "inputs", None):
        return nest.mapped(lambda one: _loose(one, one.name.partition(":")[0]), model.input)
    shape = getattr(model, "_build_shapes", None)
    if isinstance(shape, dict) and len(shape) == 1:  # by the names of the arguments of `build`
        (shape,) = shape.values()
    if isinstance(shape, TensorShape) and shape.rank is not None:
        shape = shape.as_list()
    if not isinstance(shape, list | tuple) or not all(one is None or isinstance(one, int) for one in shape):
        raise ValueError(
            f"save: the model {model.name!r} does not know its inputs; call it on data first{at_user_location()}"
        )
    dtype = model._build_dtype or "float32"
    return TensorSpec([None, *shape[1:]], dtype, "input_1")


def _loose(tensor: Any, name: str) -> TensorSpec:
    return TensorSpec([None, *tensor.shape[1:]], tensor.dtype, name)


def _facts_of(model: Any, include_optimizer: bool) -> dict:
    facts = {"name": model.name, "class_name": type(model).__name__, "keras_version": "2.15.0"}
    if getattr(model, "inputs", None):
        facts["config"] = serialize_keras_object(model.get_config())
    if include_optimizer and model.compiled and model.optimizer is not None:
        facts["training_config"] = training_config(model)
    return facts
