"""Reading and writing whole files, and the names of files that match patterns."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from dovetail.base import filesystem
from dovetail.base.errors import DataDependentShapeError, InvalidArgumentError, at_user_location
from dovetail.base.settings import state
from dovetail.engine import dtypes, loaded_xla
from dovetail.ops.families import op
from dovetail.ops.shapes import as_tensor
from dovetail.ops.views import export
from dovetail.tensor.variable import Variable

_STRING = dtypes.STRING


def to_string(*_: Any, **__: Any) -> np.dtype:
    """The dtype rule of ops that give strings."""
    return _STRING


def scalar_bytes(label: str, contents: np.ndarray) -> bytes:
    """Returns what a scalar string holds.

    Raises:
        InvalidArgumentError: it is no scalar, or no string.
    """
    if contents.shape or not dtypes.is_host_only(contents.dtype):
        raise InvalidArgumentError(
            f"{label}: contents must be a scalar string tensor, received {contents.dtype} of shape "
            f"{contents.shape}; tf.map_fn decodes several{at_user_location()}"
        )
    return contents.item()


def as_string_scalar(value: bytes) -> np.ndarray:
    """Returns a scalar of dtype string."""
    made: Any = np.empty((), dtypes.STRING)
    made[()] = value
    return made


def _at_run_time(name: str) -> None:
    """Raises where a function is being traced: files are read whenever it runs, not once."""
    engine = loaded_xla()
    if state.scope is not None and state.scope.graph is None and engine is not None and engine.in_trace():
        raise DataDependentShapeError(
            name, f"tf.{name}: compiled code reads and writes no files{at_user_location()}"
        )


@op("", engine="host", differentiable=False, shape=lambda filename: (), dtype=to_string)
def read_file_(xp: Any, filename: Any) -> Any:
    """Returns the content of a file."""
    return as_string_scalar(filesystem.content(scalar_bytes("tf.io.read_file", filename)))


@export("io.read_file")
def read_file(filename: Any, name: str | None = None) -> Any:
    """Returns all that a file holds, as a scalar string.

    Args:
        filename: scalar string; URLs are opened through fsspec.

    Raises:
        NotFoundError: there is no such file.
    """
    _at_run_time("io.read_file")
    return read_file_(filename)


@op("", engine="host", differentiable=False, same_dtype=0, shape=lambda *_: [], dtype=to_string)
def write_file_(xp: Any, filename: Any, contents: Any) -> Any:
    """Writes a file."""
    path = os.fsdecode(scalar_bytes("tf.io.write_file", filename))
    folder = os.path.dirname(path)
    if folder:
        filesystem.asked(folder, "make", True)
    with filesystem.opened(path, "wb") as file, filesystem.told_of(path):
        file.write(scalar_bytes("tf.io.write_file", contents))
    return []


@export("io.write_file")
def write_file(filename: Any, contents: Any, name: str | None = None) -> None:
    """Writes a file anew, and makes the folders that are missing.

    Args:
        filename: scalar string.
        contents: scalar string.
    """
    _at_run_time("io.write_file")
    write_file_(filename, contents)


@op("", engine="host", differentiable=False, shape=lambda pattern: (None,), dtype=to_string)
def matching_files_(xp: Any, pattern: Any) -> Any:
    """Returns the names of files."""
    if pattern.ndim > 1:
        raise InvalidArgumentError(
            f"tf.io.matching_files: pattern must be a scalar or vector, received shape {pattern.shape}"
            f"{at_user_location()}"
        )
    patterns = pattern.reshape(-1).tolist()
    found = {path for one in patterns for path in filesystem.asked(one, "matching")}
    return np.array([os.fsencode(path) for path in sorted(found)], _STRING)


@export("io.matching_files")
def matching_files(pattern: Any, name: str | None = None) -> Any:
    """Returns the sorted paths that match patterns, a string tensor of shape (files,).

    Args:
        pattern: scalar or vector of strings; see `tf.io.gfile.glob`.
    """
    _at_run_time("io.matching_files")
    return matching_files_(pattern)


@export("io.match_filenames_once")
def match_filenames_once(pattern: Any, name: str | None = None) -> Any:
    """Returns a variable that holds the paths which match now; see `matching_files`."""
    return Variable(matching_files(as_tensor(pattern)), trainable=False, name=name or "matching_filenames")
