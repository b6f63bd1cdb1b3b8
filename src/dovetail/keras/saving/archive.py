"""The `.keras` format: a zip archive with the configuration, the weights, and the assets of layers.

    metadata.json      the version and the date
    config.json        `serialize_keras_object(model)`: architecture, build shapes, arguments of `compile`; in programs
                       for Keras 2, in its form
    model.weights.h5   weights, the state of the optimizer
    assets/...         files that layers write in `save_assets`, in folders named like their weights

Reading trusts nothing: only these members are read, by name, their sizes are checked before, and no name in the archive
becomes a path outside of a folder of its own.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import tempfile
import zipfile
from collections.abc import Iterator
from typing import Any

from dovetail.base.atomic import replacing
from dovetail.base.errors import at_user_location
from dovetail.keras import permission
from dovetail.keras.layers.machinery.layer import Layer
from dovetail.keras.saving import configs, h5
from dovetail.keras.saving.h5_stream import Streamed
from dovetail.keras.saving.layout import places
from dovetail.keras.saving.stored import read_weights, write_weights
from dovetail.keras.serialization import deserialize_keras_object
from dovetail.wire import zipped
from dovetail.wire.json_text import parsed

_CONFIG, _METADATA, _WEIGHTS, _ASSETS = "config.json", "metadata.json", "model.weights.h5", "assets"
_MAX_CONFIG_BYTES = 256 << 20


# ---- writing


def write(model: Any, path: str) -> None:
    """Writes a model to a `.keras` file, which replaces what was there only when it is whole."""
    config, version = configs.of_archive(model)
    metadata = {
        "keras_version": version,
        "saved_by": "dovetail",
        "date_saved": datetime.datetime.now().strftime("%Y-%m-%d@%H:%M:%S"),
    }
    with replacing(path) as partial, zipfile.ZipFile(partial, "w") as archive:
        archive.writestr(_METADATA, json.dumps(metadata))
        archive.writestr(_CONFIG, json.dumps(config))
        _write_streamed(archive, model)
        for owner, folder in with_assets(model, "save_assets"):
            _write_assets(archive, owner, folder)


def _write_streamed(archive: zipfile.ZipFile, model: Any) -> None:
    """Writes an HDF5 file of the model's weights into an archive."""
    weights = Streamed()
    write_weights(model, weights.file, weights.write)
    member = zipfile.ZipInfo(_WEIGHTS, datetime.datetime.now().timetuple()[:6])
    with archive.open(member, "w", force_zip64=True) as stream:
        for piece in weights.pieces():
            stream.write(piece)


def with_assets(model: Any, method: str) -> list[tuple[Any, str]]:
    """Returns the layers that keep assets, with the folder of each in the archive."""
    return [
        (place.owner, f"{_ASSETS}/{place.path}" if place.path else _ASSETS)
        for place in places(model)
        if isinstance(place.owner, Layer)
        and getattr(type(place.owner), method, None) is not getattr(Layer, method, None)
    ]


def _write_assets(archive: zipfile.ZipFile, owner: Any, folder: str) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        owner.save_assets(temporary)
        for root, _, names in os.walk(temporary):
            for name in sorted(names):
                file = os.path.join(root, name)
                inside = os.path.relpath(file, temporary).replace(os.sep, "/")
                archive.write(file, f"{folder}/{inside}")


# ---- reading


def read(path: Any, compiled: bool = True) -> Any:
    """Returns the model of a `.keras` file.

    Args:
        path: of the file, or an open binary file.
        compiled: compile the model as it was, with the state of its optimizer.

    Raises:
        ValueError: the file is damaged, has no weights, or its parts do not belong together.
    """
    with _opened(path) as archive:
        stored = archive.getinfo(_WEIGHTS).file_size if _WEIGHTS in archive.namelist() else 0
        with permission.sized_as(stored, f"load_model: {str(path)!r}", has_all=bool(stored)):
            model = deserialize_keras_object(_config(archive, path, compiled))
        if not isinstance(model, Layer):
            raise ValueError(
                f"load_model: {str(path)!r}: {_CONFIG} describes a {type(model).__name__}, no model{at_user_location()}"
            )
        for owner, folder in with_assets(model, "load_assets"):
            _read_assets(archive, owner, folder)
        with _weights(archive, path) as stored_weights, h5.opened(stored_weights, str(path)) as file:
            read_weights(model, file)
    return model


def read_config(path: str) -> tuple[dict, dict]:
    """Returns the config and the metadata of a `.keras` file, and makes nothing of them."""
    with _opened(path) as archive:
        facts = parsed(_member(archive, _METADATA, path)) if _METADATA in archive.namelist() else {}
        return _config(archive, path, True), facts if isinstance(facts, dict) else {}


def read_weights_of(
    model: Any, path: str, skip_mismatch: bool = False, skipped: frozenset | set[int] = frozenset()
) -> None:
    """Reads the weights of a `.keras` file into a model like the one in it; arguments as of `read_weights`."""
    with opened_weights(path) as file:
        read_weights(model, file, skip_mismatch, skipped)


@contextlib.contextmanager
def opened_weights(path: str) -> Iterator[Any]:
    """Opens the weights of a `.keras` file."""
    with _opened(path) as archive, _weights(archive, path) as stored, h5.opened(stored, path) as file:
        yield file


def is_archive(path: Any) -> bool:
    """Returns whether a file is a zip archive."""
    return zipfile.is_zipfile(path)


def _opened(path: Any) -> zipfile.ZipFile:
    return zipped.opened(path, "load_model", ".keras")


def _config(archive: zipfile.ZipFile, path: Any, compiled: bool) -> dict:
    try:
        config = parsed(_member(archive, _CONFIG, path))
    except ValueError as error:
        raise ValueError(
            f"load_model: {str(path)!r}: {_CONFIG} cannot be read: {error}{at_user_location()}"
        ) from error
    if not isinstance(config, dict) or "class_name" not in config:
        raise ValueError(
            f"load_model: {str(path)!r}: {_CONFIG} does not describe a model{at_user_location()}"
        )
    if not compiled:
        config.pop("compile_config", None)
    return config


def _member(archive: zipfile.ZipFile, name: str, path: Any) -> bytes:
    return zipped.member(
        archive, name, path, "load_model", ".keras", _MAX_CONFIG_BYTES if name == _CONFIG else None
    )


def _weights(archive: zipfile.ZipFile, path: Any) -> Any:
    return zipped.file_of_member(archive, _WEIGHTS, path, "load_model", ".keras")


def _read_assets(archive: zipfile.ZipFile, owner: Any, folder: str) -> None:
    """Hands a layer its assets, in a folder of their own."""
    found = {
        name.removeprefix(f"{folder}/"): name for name in archive.namelist() if name.startswith(f"{folder}/")
    }
    with tempfile.TemporaryDirectory() as temporary:
        for inside, name in found.items():
            parts = inside.split("/")
            if not parts[-1] or any(
                part in ("", ".", "..") or os.sep in part or "\\" in part for part in parts
            ):
                continue
            target = os.path.join(temporary, *parts)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            with open(target, "wb") as file:
                file.write(_member(archive, name, archive.filename))
        if os.listdir(temporary):
            owner.load_assets(temporary)
