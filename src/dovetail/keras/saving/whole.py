"""`model.save`, `keras.models.save_model` and `load_model`: which format, and the checks that all have in common."""

from __future__ import annotations

import os
from typing import Any

import h5py

from dovetail.base.errors import at_user_location
from dovetail.keras import permission
from dovetail.keras.idiom import is_keras_2
from dovetail.keras.registration import CustomObjectScope
from dovetail.keras.saving import archive, orbax_files, whole_h5

_H5_ENDINGS = (".h5", ".hdf5")
_FORMATS = {"keras": ".keras", "h5": ".h5", "hdf5": ".h5", "tf": None, None: None}


def save_model(
    model: Any,
    filepath: Any,
    overwrite: bool = True,
    zipped: bool | None = None,
    include_optimizer: bool = True,
    save_format: str | None = None,
    **kwargs: Any,
) -> None:
    """Writes a model to a file: its architecture, weights, and, when it is compiled, what training needs to go on.

    Args:
        model: the model.
        filepath: ends in ".keras", which is as Keras 3 writes it (as Keras 2 in programs for that), or in ".h5" or
            ".hdf5" for HDF5, as Keras 2 writes it, which Keras 3 reads, too.  A model of which Keras 2 has no layer,
            argument or op is written as Keras 3 does, with a warning in programs for Keras 2.
        overwrite: replace an existing file; False raises FileExistsError instead.
        zipped: True or None; `.keras` files are archives.
        include_optimizer: False leaves out the arguments of `compile` and the optimizer's state; ".h5" files only.
        save_format: of Keras 2: "keras" or "h5" for a path without such an ending, "tf" for a directory: a SavedModel,
            of which TensorFlow runs the functions, and `load_model` makes the model again.

    The file replaces an older one only when it is whole.

    Raises:
        ValueError: the path ends in something else, or an argument does not go with the format.
        FileExistsError: the file exists and `overwrite` is False.
        NotImplementedError: for a SavedModel, a layer has operations that are not written to it yet.
    """
    path = os.fspath(filepath)
    if kwargs:
        raise TypeError(f"save_model: unknown arguments {sorted(kwargs)}{at_user_location()}")
    kind = _format_of(path, save_format)
    if zipped is False and kind != "tf":
        raise ValueError(
            f"save_model: .keras files are always archives, received zipped=False{at_user_location()}"
        )
    if not overwrite and os.path.exists(path):
        raise FileExistsError(
            f"save_model: {path!r} exists; pass overwrite=True to replace it{at_user_location()}"
        )
    if kind == "tf":
        from dovetail.keras.saving import saved_model

        saved_model.write_model(model, path, include_optimizer)
    elif kind == ".h5":
        whole_h5.write(model, path, include_optimizer)
    elif include_optimizer:
        archive.write(model, path)
    else:
        raise ValueError(
            "save_model: include_optimizer=False is for .h5 files; of a .keras file, load_model(compile=False) leaves "
            f"the optimizer out{at_user_location()}"
        )


def _format_of(path: str, save_format: str | None) -> str:
    """Returns "tf", ".keras" or ".h5", as a path and `save_format` name it.

    Raises:
        ValueError: they name none.
    """
    if save_format not in _FORMATS:
        raise ValueError(
            f"save_model: save_format must be one of {[name for name in _FORMATS if name]}, received {save_format!r}"
            f"{at_user_location()}"
        )
    ending = os.path.splitext(path)[1]
    kind = _FORMATS[save_format] or (".h5" if ending in _H5_ENDINGS else ending)
    if save_format == "tf" or (not kind and is_keras_2()):
        return "tf"
    if kind not in (".keras", ".h5"):
        raise ValueError(
            f"save_model: the path must end in '.keras', '.h5' or '.hdf5', received {path!r}{at_user_location()}"
        )
    return kind


def load_model(
    filepath: Any, custom_objects: dict[str, Any] | None = None, compile: bool = True, safe_mode: bool = True
) -> Any:
    """Returns the model of a file that `save_model`, or Keras 2 or 3, has written.

    Args:
        filepath: of a ".keras" or HDF5 file, of a SavedModel directory of Keras 2, or of a
            folder of Orbax' checkpoints.
        custom_objects: `{name: class or function}` for what is not registered.
        compile: compile the model as it was, with the state of its optimizer, so that training goes on.
        safe_mode: False allows lambdas, which files hold as bytecode and which could run any code, and configs that
            open other files (vocabularies, SavedModels) or whose ops do.  Nothing else in a file can: only layers and
            functions that are Keras' own, registered, or in `custom_objects` are used.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged, of another kind, or holds what is not known or not safe.
    """
    path = os.fspath(filepath)
    if not os.path.exists(path):
        raise FileNotFoundError(f"load_model: there is no file {path!r}{at_user_location()}")
    # Unsafe only when the call or the process says so: an enclosing scope does not count here.
    with CustomObjectScope(custom_objects or {}), permission.allowing(bool(safe_mode)):
        try:
            return _reader(path)(path, bool(compile))
        except RecursionError as error:
            raise ValueError(
                f"load_model: {path!r}: the description of the model is nested too deeply{at_user_location()}"
            ) from error


def _reader(path: str) -> Any:
    """Returns the function that reads the model at a path."""
    if orbax_files.is_checkpoint(path):
        return orbax_files.read_model
    if os.path.isdir(path):
        from dovetail.keras.saving import saved_model

        return saved_model.read_model
    if archive.is_archive(path):
        return archive.read
    if h5py.is_hdf5(path):
        return whole_h5.read_model
    raise ValueError(
        f"load_model: {path!r} is neither a .keras nor an HDF5 file, or it is damaged{at_user_location()}"
    )
