"""The files of SavedModel directories."""

from __future__ import annotations

import os
from typing import Any

from dovetail.base.errors import DataLossError, NotFoundError, at_user_location
from dovetail.saved_model.constants import ASSETS_DIRECTORY, SAVED_MODEL_FILENAME_PB
from dovetail.wire.protobuf import DecodeError
from dovetail.wire.saved_model import SavedModel


def contains_saved_model(export_dir: Any) -> bool:
    """Returns whether a directory holds a SavedModel."""
    return os.path.isfile(os.path.join(os.fspath(export_dir), SAVED_MODEL_FILENAME_PB))


def asset_path(path: str, name: str) -> str:
    """Returns the path of a file that belongs to the model of a directory.

    Raises:
        DataLossError: it is outside of the directory.
    """
    folder = os.path.abspath(os.path.join(path, ASSETS_DIRECTORY))
    found = os.path.abspath(os.path.join(folder, name))
    if not found.startswith(folder + os.sep):
        raise DataLossError(f"{path}: the asset {name!r} is outside of the model's directory")
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
