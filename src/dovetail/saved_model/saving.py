"""Writing SavedModels: objects with their variables and functions, which TensorFlow and `load` read."""

from __future__ import annotations

import inspect
import os
import re
import shutil
from typing import Any

from dovetail.base import nest
from dovetail.base.atomic import make_folder, replacing_directory
from dovetail.base.errors import at_user_location
from dovetail.function.concrete import ConcreteFunction
from dovetail.function.function import Function
from dovetail.saved_model.constants import (
    ASSETS_DIRECTORY,
    DEFAULT_SERVING_SIGNATURE_DEF_KEY,
    SAVED_MODEL_FILENAME_PB,
    VARIABLES_DIRECTORY,
    VARIABLES_FILENAME,
)
from dovetail.saved_model.holding import traces_of
from dovetail.saved_model.saver import Saver
from dovetail.tensor.spec import TensorSpec
from dovetail.tensor.tensor import TensorLike
from dovetail.train import bundle
from dovetail.wire.protobuf import DecodeError
from dovetail.wire.saved_model import SavedModel


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
            _require_tensors(found, function)
            return found
        return {f"output_{i}": one for i, one in enumerate(nest.flat(found))}

    wrapper.__name__ = f"signature_wrapper_{function.name.strip('<>')}"
    wrapper.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    specs = {
        label: TensorSpec(tensor.shape, tensor.dtype, label)
        for label, tensor in zip(labels, graph.inputs, strict=True)
    }
    return Function(wrapper, autograph=False).get_concrete_function(**specs)


def _require_tensors(found: dict, function: Any) -> None:
    """Raises ValueError where a signature's dict holds more than tensors: a server gives tensors by name."""
    wrong = sorted(str(key) for key, one in found.items() if not isinstance(one, TensorLike))
    if wrong:
        raise ValueError(
            f"tf.saved_model.save: the signature {function.name!r} returns a dict whose values are tensors, received "
            f"other values for {', '.join(map(repr, wrong))}. Return each tensor under a key of its own"
            f"{at_user_location()}"
        )


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

    Functions are saved as they were traced, or declared with an `input_signature`.  What TensorFlow has no operation
    for (gradients of a `tf.GradientTape`, steps of optimizers) is written as a module of XLA, which TensorFlow runs.

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
