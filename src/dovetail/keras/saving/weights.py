"""`save_weights` and `load_weights`."""

from __future__ import annotations

import os
import zipfile
from typing import Any

import h5py

from dovetail.base.atomic import replacing
from dovetail.base.errors import at_user_location
from dovetail.keras.idiom import is_keras_2
from dovetail.keras.layers.machinery.layer import Layer
from dovetail.keras.saving import archive, legacy, orbax_files, safetensors_file, sharded
from dovetail.keras.saving.h5 import opened
from dovetail.keras.saving.stored import Loading, read_weights, write_weights
from dovetail.train.bundle import index_path
from dovetail.train.checkpoint import Checkpoint

_BY_ENDING = {
    ".weights.h5": "newer",
    ".h5": "older",
    ".hdf5": "older",
    ".ckpt": "checkpoint",
    ".tf": "checkpoint",
    sharded.ENDING: "several",
    safetensors_file.ENDING: "safetensors",
}
# Of the values of `save_format`.
_OF_KERAS_2 = {
    "tf": "checkpoint",
    "tensorflow": "checkpoint",
    "h5": "older",
    "hdf5": "older",
    "keras": "older",
}
_HDF5 = {"newer": write_weights, "older": legacy.write}


def save_weights(
    model: Any,
    filepath: Any,
    overwrite: bool = True,
    save_format: str | None = None,
    options: Any = None,
    max_shard_size: float | None = None,
) -> None:
    """Writes the weights of a model to a file.

    Args:
        model: the model.
        filepath: ends in ".weights.h5" for the format of Keras 3, which has the state of the optimizer too; in ".h5"
            for that of Keras 2, which `load_weights(by_name=True)` reads; without an ending, it is the prefix of a
            checkpoint in TensorFlow's format, as in Keras 2.
            ".weights.json" for several files of Keras 3 and a list of them; in ".safetensors" for that format.
        overwrite: replace an existing file.
        save_format: of Keras 2: "tf" for a checkpoint, "h5" for HDF5, whatever the path ends in.
        options: a `tf.train.CheckpointOptions`; of checkpoints.
        max_shard_size: GiB in one file; for paths that end in ".weights.json".

    Raises:
        ValueError: the path does not end so, `save_format` is another format, or the model is not built.
        FileExistsError: the file exists and `overwrite` is False.
    """
    path = os.fspath(filepath)
    kind = _format_of(path, save_format, max_shard_size)
    there = index_path(path) if kind == "checkpoint" else path
    if not overwrite and os.path.exists(there):
        raise FileExistsError(
            f"save_weights: {there!r} exists; pass overwrite=True to replace it{at_user_location()}"
        )
    if not _is_built(model):
        raise ValueError(
            f"save_weights: {model.name!r} has no weights yet; build it or call it on data first"
        )
    if kind == "several":
        sharded.write(model, path, max_shard_size or 0)
    elif kind == "safetensors":
        safetensors_file.write(model, path)
    elif kind == "checkpoint":
        Checkpoint(model).write_as_latest(path, options)
    else:
        with replacing(path) as partial, h5py.File(partial, "w") as file:
            _HDF5[kind](model, file)


def _format_of(path: str, save_format: str | None, max_shard_size: float | None) -> str:
    """Returns the format that the arguments of `save_weights` name together.

    Raises:
        ValueError: they name none, or different ones.
    """
    if save_format not in (None, *_OF_KERAS_2):
        raise ValueError(
            f"save_weights: save_format must be 'tf' or 'h5', received {save_format!r}{at_user_location()}"
        )
    if (max_shard_size is not None) != path.endswith(sharded.ENDING):
        raise ValueError(
            f"save_weights: max_shard_size and a path that ends in {sharded.ENDING!r} belong together, received "
            f"{max_shard_size} and {path!r}{at_user_location()}"
        )
    ending = os.path.splitext(os.path.basename(path))[1]
    found = next((kind for known, kind in _BY_ENDING.items() if path.endswith(known)), None)
    if ending == ".keras" and is_keras_2():
        found = "older"
    elif not ending or (found is None and is_keras_2()):  # such as "w-0.35"
        found = "checkpoint"
    if save_format is not None and found in ("several", "safetensors"):
        raise ValueError(
            f"save_weights: save_format={save_format!r} is another format than that of {path!r}; leave out the one, or "
            f"change the ending of the other{at_user_location()}"
        )
    if save_format is not None:
        return (
            "newer" if _OF_KERAS_2[save_format] == "older" and found == "newer" else _OF_KERAS_2[save_format]
        )
    if found is None:
        raise ValueError(
            f"save_weights: the path must end in '.weights.h5' (or in '.h5', or have no ending for a checkpoint of "
            f"TensorFlow), received {path!r}{at_user_location()}"
        )
    return found


def _is_built(model: Any) -> bool:
    """Returns whether all weights are there: a model of models, with no `call` of its own, is never called itself."""
    layers = model._flatten_layers(include_self=False)
    return model.built or (bool(layers) and all(layer.built for layer in layers))


def load_weights(
    model: Any, filepath: Any, skip_mismatch: bool = False, by_name: bool = False, objects_to_skip: Any = None
) -> Any:
    """Reads weights into a built model.  Either all of them are assigned, or, on an error, none.

    Args:
        model: the model.
        filepath: a ".weights.h5" file of Keras 3 or Dovetail, an HDF5 file of Keras 2, a `.keras` file, a folder
            of Orbax' checkpoints, or the prefix of a checkpoint, which is read into layers that are built later, too.
        skip_mismatch: leave out layers that do not fit, with a warning.
        by_name: match layers by name; files of Keras 2 only.
        objects_to_skip: layers to leave out, with those inside of them.

    Returns:
        of a checkpoint, what `tf.train.Checkpoint.restore` returns; otherwise None.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the model is not built, a layer's variables differ in number or shape, or the format does not go
            with an argument: checkpoints with none of them, only HDF5 files of Keras 2 with `by_name`.
    """
    path = os.fspath(filepath)
    skipped = _ids_of(objects_to_skip or [])
    if not os.path.isfile(path) and os.path.exists(index_path(path)):
        _refuse(path, by_name=by_name, skip_mismatch=skip_mismatch, objects_to_skip=skipped)
        return Checkpoint(model).read(path)
    if not os.path.exists(path):
        raise FileNotFoundError(f"load_weights: there is no file {path!r}{at_user_location()}")
    if orbax_files.is_checkpoint(path):
        _refuse(path, by_name=by_name, skip_mismatch=skip_mismatch, objects_to_skip=skipped)
        _check_built(model)
        orbax_files.read_weights(model, path)
        return None
    reader = next((read for ending, read in _READERS.items() if path.endswith(ending)), None)
    if reader is None and zipfile.is_zipfile(path):
        reader = archive.read_weights_of
    if reader is not None:
        _refuse(path, by_name=by_name)
        _check_built(model)
        reader(model, path, skip_mismatch, skipped)
    elif h5py.is_hdf5(path):
        _load_hdf5(model, path, skip_mismatch, by_name, skipped)
    else:
        raise ValueError(f"load_weights: {path!r} is neither an HDF5 nor a .keras file{at_user_location()}")
    return None


_READERS = {sharded.ENDING: sharded.read, safetensors_file.ENDING: safetensors_file.read}


def _ids_of(objects: Any) -> set[int]:
    """Returns the ids of layers and of those inside of them."""
    found = {id(item) for item in objects}
    return found.union(
        *({id(one) for one in item._flatten_layers()} for item in objects if isinstance(item, Layer))
    )


def _refuse(path: str, **given: Any) -> None:
    """Raises ValueError for arguments that a file of this format cannot be read with."""
    names = [name for name, value in given.items() if value]
    if names:
        raise ValueError(
            f"load_weights: {', '.join(names)} cannot be used with the format of {path!r}: by_name is for HDF5 files "
            f"of Keras 2, and checkpoints are read by the objects' attributes{at_user_location()}"
        )


def _check_built(model: Any) -> None:
    if not _is_built(model):
        raise ValueError(
            f"load_weights: {model.name!r} has no weights to load into; build it or call it on data first"
            f"{at_user_location()}"
        )


def _load_hdf5(model: Any, path: str, skip_mismatch: bool, by_name: bool, skipped: set[int]) -> None:
    _check_built(model)
    with opened(path, path) as file:
        if legacy.is_legacy(file):
            loading = Loading()
            loading.pairs = legacy.pairs(model, file, by_name, skip_mismatch, skipped)
            loading.apply()
        elif by_name:
            raise ValueError(
                f"load_weights: by_name works for files of Keras 2, {path!r} is one of Keras 3. Save it to a path that "
                f"ends in '.h5' without '.weights'{at_user_location()}"
            )
        else:
            read_weights(model, file, skip_mismatch, skipped)
