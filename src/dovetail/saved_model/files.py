"""The files of SavedModel directories."""

from __future__ import annotations

import os
from typing import Any

from dovetail.base.errors import DataLossError, NotFoundError, PermissionDeniedError, at_user_location
from dovetail.saved_model.constants import ASSETS_DIRECTORY, SAVED_MODEL_FILENAME_PB
from dovetail.wire.protobuf import DecodeError
from dovetail.wire.saved_model import SavedModel


def contains_saved_model(export_dir: Any) -> bool:
    """Returns whether a directory holds a SavedModel."""
    return os.path.isfile(os.path.join(os.fspath(export_dir), SAVED_MODEL_FILENAME_PB))


def is_inside(path: str, folder: str) -> bool:
    """Returns whether a path is one of a file in a folder, wherever links in both lead."""
    if "://" in path or "\0" in path:
        return False
    return os.path.realpath(path).startswith(os.path.realpath(folder) + os.sep)


def asset_name(taken: dict[str, str], path: str) -> str:
    """Returns a name for the copy of a file among the model's own, and notes it.

    Args:
        taken: the paths of files by the names that their copies have.
        path: of the file.
    """
    base, ending = os.path.splitext(os.path.basename(path))
    name, count = f"{base}{ending}", 0
    while taken.get(name, path) != path:
        count += 1
        name = f"{base}_{count}{ending}"
    taken[name] = path
    return name


def asset_path(path: str, name: str, allow_file_access: bool = False) -> str:
    """Returns the path of a file that belongs to the model of a directory.

    Args:
        path: of the directory.
        name: of the file.
        allow_file_access: a link may lead out of the directory; see `LoadOptions`.

    Raises:
        DataLossError: it is outside of the directory.
        PermissionDeniedError: it is a link that leads out of it.
    """
    folder = os.path.abspath(os.path.join(path, ASSETS_DIRECTORY))
    found = os.path.abspath(os.path.join(folder, name))
    if not found.startswith(folder + os.sep):
        raise DataLossError(f"{path}: the asset {name!r} is outside of the model's directory")
    if not allow_file_access and not is_inside(found, path):
        raise PermissionDeniedError(
            f"{path}: the asset {name!r} is a link to {os.path.realpath(found)!r}, outside of the model's directory, "
            "and is not read. Put the file itself there; or, if you trust the model, pass "
            "options=tf.saved_model.LoadOptions(allow_file_access=True) to tf.saved_model.load"
            f"{at_user_location()}"
        )
    return found


def read_meta_graph(path: str, tags: Any = None) -> Any:
    """Returns the graph of a SavedModel that has the tags; the only one when None.

    Raises:
        NotFoundError: there is no SavedModel.
        DataLossError: it is damaged.
        ValueError: it has no graph with these tags.
    """
    file = os.path.join(path, SAVED_MODEL_FILENAME_PB)
    if not os.path.isfile(file):
        raise NotFoundError(
            f"tf.saved_model.load: there is no SavedModel in {path!r}: no file {file!r}{at_user_location()}"
        )
    with open(file, "rb") as opened:
        content = opened.read()
    try:
        graphs = list(SavedModel.FromString(content).meta_graphs)
    except (DecodeError, RecursionError) as error:
        raise DataLossError(f"{file}: the SavedModel is damaged: {error}") from error
    if not graphs:
        raise DataLossError(f"{file}: the SavedModel is damaged: it has no graph")
    wanted = None if tags is None else {tags} if isinstance(tags, str) else set(tags)
    found = [graph for graph in graphs if wanted is None or set(graph.meta_info_def.tags) == wanted]
    if len(found) == 1:
        return found[0]
    known = [sorted(graph.meta_info_def.tags) for graph in graphs]
    raise ValueError(
        f"tf.saved_model.load: {path!r} has graphs with the tags {known}; pass tags= to choose one, received {tags!r}"
        f"{at_user_location()}"
    )
