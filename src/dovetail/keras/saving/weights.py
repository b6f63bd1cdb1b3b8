"""`save_weights` and `load_weights`."""

from __future__ import annotations

import os
import zipfile
from typing import Any

import h5py

from dovetail.base.atomic import replacing
from dovetail.base.errors import at_user_location
from dovetail.keras.saving import archive, legacy, safetensors_file, sharded
from dovetail.keras.saving.h5 import opened
from dovetail.keras.saving.stored import Loading, read_weights, write_weights
from dovetail.train.bundle import index_path
from dovetail.train.checkpoint import Checkpoint

_ENDINGS = (".h5", ".hdf5", ".keras", ".json", safetensors_file.ENDING)


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
        ValueError: the path does not end so, or the model is not built.
        FileExistsError: the file exists and `overwrite` is False.
    """
    path = os.fspath(filepath)
    if save_format not in (None, "tf", "tensorflow", "h5", "hdf5", "keras"):
        raise ValueError(
            f"save_weights: save_format must be 'tf' or 'h5', received {save_format!r}{at_user_location()}"
        )
    if (max_shard_size is not None) != path.endswith(sharded.ENDING):
        raise ValueError(
            f"save_weights: max_shard_size and a path that ends in {sharded.ENDING!r} belong together, received "
            f"{max_shard_size} and {path!r}{at_user_location()}"
        )
    ending = os.path.splitext(os.path.basename(path))[1]
    as_checkpoint = save_format in ("tf", "tensorflow") or (
        save_format is None and ending in ("", ".ckpt", ".tf")
    )
    if not as_checkpoint and save_format is None and ending not in _ENDINGS:
        raise ValueError(
            f"save_weights: the path must end in '.weights.h5' (or in '.h5', or have no ending for a checkpoint of "
            f"TensorFlow), received {path!r}{at_user_location()}"
        )
    if not overwrite and os.path.exists(path):
        raise FileExistsError(
            f"save_weights: {path!r} exists; pass overwrite=True to replace it{at_user_location()}"
        )
    if not _is_built(model):
        raise ValueError(
            f"save_weights: {model.name!r} has no weights yet; build it or call it on data first"
        )
    if max_shard_size is not None:
        sharded.write(model, path, max_shard_size)
        return
    if ending == safetensors_file.ENDING:
        safetensors_file.write(model, path)
        return
    if as_checkpoint:
        Checkpoint(model).write_as_latest(path, options)
        return
    with replacing(path) as partial, h5py.File(partial, "w") as file:
        if path.endswith(".weights.h5"):
            write_weights(model, file)
        else:
            legacy.write(model, file)


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
        filepath: a ".weights.h5" file of Keras 3 or Dovetail, an HDF5 file of Keras 2, a `.keras` file, or the
            prefix of a checkpoint, which is read into layers that are built later, too.
        skip_mismatch: leave out layers that do not fit, with a warning.
        by_name: match layers by name; files of Keras 2 only.
        objects_to_skip: layers to leave out.

    Returns:
        of a checkpoint, what `tf.train.Checkpoint.restore` returns; otherwise None.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the model is not built, or a layer's variables differ in number or shape.
    """
    path = os.fspath(filepath)
    if not os.path.isfile(path) and os.path.exists(index_path(path)):
        return Checkpoint(model).read(path)
    if not os.path.exists(path):
        raise FileNotFoundError(f"load_weights: there is no file {path!r}{at_user_location()}")
    if path.endswith((sharded.ENDING, safetensors_file.ENDING)):
        _check_built(model)
        if by_name:
            raise ValueError(f"load_weights: by_name works for files of Keras 2{at_user_location()}")
        if path.endswith(sharded.ENDING):
            sharded.read(model, path, skip_mismatch, {id(item) for item in objects_to_skip or []})
        else:
            safetensors_file.read(model, path, skip_mismatch)
    elif zipfile.is_zipfile(path):
        archive.read_weights_of(path, model, skip_mismatch)
    elif h5py.is_hdf5(path):
        _load_hdf5(model, path, skip_mismatch, by_name, {id(item) for item in objects_to_skip or []})
    else:
        raise ValueError(f"load_weights: {path!r} is neither an HDF5 nor a .keras file{at_user_location()}")
    return None


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
            loading.pairs = legacy.pairs(model, file, by_name, skip_mismatch)
            loading.apply()
        elif by_name:
            raise ValueError(
                f"load_weights: by_name works for files of Keras 2, {path!r} is one of Keras 3. Save it to a path that "
                f"ends in '.h5' without '.weights'{at_user_location()}"
            )
        else:
            read_weights(model, file, skip_mismatch, skipped)
