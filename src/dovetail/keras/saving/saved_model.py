"""Models in the SavedModel directories of Keras 2: `keras_metadata.pb` holds configs, the graphs what they computed.

A model comes back from its config where the classes are known, with the state of its optimizer.  Where they are not, it
runs the graphs that were saved, and can be trained all the same.
"""

from __future__ import annotations

import json
import os
from typing import Any

from dovetail.base.errors import DataLossError, at_user_location
from dovetail.keras.models.model import Model
from dovetail.keras.saving.whole_h5 import compile_from
from dovetail.keras.serialization import deserialize_keras_object
from dovetail.saved_model import VARIABLES_DIRECTORY, VARIABLES_FILENAME, contains_saved_model, load
from dovetail.train.checkpoint import Checkpoint
from dovetail.wire.protobuf import DecodeError
from dovetail.wire.saved_model import KerasMetadata

_METADATA = "keras_metadata.pb"


def read_model(path: str, compiled: bool = True) -> Any:
    """Returns the model of a SavedModel directory.

    Args:
        path: of the directory.
        compiled: compile the model as it was, with the state of its optimizer.

    Raises:
        ValueError: it is no SavedModel of a Keras model.
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
    model = _from_config(facts)
    if model is None:
        model = Revived(path, facts)
    training = facts.get("training_config") if compiled else None
    if training is not None:
        compile_from(model, training)
        model.optimizer.build(model._trained_weights())
    prefix = os.path.join(path, VARIABLES_DIRECTORY, VARIABLES_FILENAME)
    Checkpoint(model).read(prefix).expect_partial()
    return model


def _facts_of_root(file: str) -> dict:
    """Returns what the file says of the model."""
    try:
        with open(file, "rb") as opened:
            nodes = KerasMetadata.FromString(opened.read()).nodes
        return next(json.loads(node.metadata, object_hook=_read) for node in nodes if node.node_id == 0)
    except (DecodeError, StopIteration, ValueError, RecursionError) as error:
        raise DataLossError(f"{file}: the description of the model is damaged: {error}") from error


def _read(value: dict) -> Any:
    """Returns a tuple, or a shape, that JSON has written as an object."""
    if value.get("class_name") in ("__tuple__", "TensorShape") and isinstance(value.get("items"), list):
        return tuple(value["items"])
    return value


def _from_config(facts: dict) -> Any:
    """Returns the model that its config makes, built; None where its class, or one inside, is not known."""
    config = facts.get("config")
    if not isinstance(config, dict) or "class_name" not in facts or not config.get("layers"):
        return None
    try:
        model = deserialize_keras_object({"class_name": facts["class_name"], "config": config})
    except (TypeError, ValueError, KeyError, NotImplementedError):
        return None
    return model if isinstance(model, Model) and model.built else None


class Revived(Model):
    """A model whose class is not known: it runs the graphs that were saved.

    Args:
        path: of the SavedModel.
        facts: what Keras has written of the model.
    """

    def __init__(self, path: str, facts: dict) -> None:
        super().__init__(name=facts.get("name"))
        loaded = load(path)
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
