"""Operations of imported graphs that read or write files: a graph may read those of its own SavedModel, and no others.

A file that is loaded is run in part at once (tables are filled), and whenever its functions are called; what it opens
must not be up to it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np

from dovetail.base.errors import PermissionDeniedError, at_user_location
from dovetail.ops.attrs import is_symbolic
from dovetail.ops.reaching import FILES, PRINTING, TO_FILE
from dovetail.raw_ops.row import Row
from dovetail.saved_model.files import is_inside


def guarded(row: Row, folder: str | None, where: str) -> Row:
    """Returns a row that looks at the path before it runs; other rows as they are.

    Args:
        row: an operation of a graph.
        folder: the SavedModel's; None: the graph stands alone.
        where: the file, for errors.
    """
    if row.name == PRINTING:
        return Row(row.name, _inputs(row), row.attributes, _printing(row, where), row.outputs)
    if row.name not in FILES:
        return row
    place, only_reads = FILES[row.name]
    return Row(
        row.name, _inputs(row), row.attributes, _checked(row, place, only_reads, folder, where), row.outputs
    )


def _inputs(row: Row) -> tuple[str, ...]:
    return tuple(f"*{name}" if many else name for name, many in row._named_inputs())


def _printing(row: Row, where: str) -> Callable:
    def run(*inputs: Any, **attributes: Any) -> Any:
        stream = str(attributes.get("output_stream", ""))
        if stream.startswith(TO_FILE):
            raise _refusal(where, row, "writes", f"the file {stream!r}")
        return row.function(*inputs, **attributes)

    return run


def _refusal(where: str, row: Row, does: str, what: str) -> PermissionDeniedError:
    return PermissionDeniedError(
        f"{where}: the operation {row.name} of the graph {does} {what}, outside of the SavedModel, and is not "
        "run. If you trust the model, pass options=tf.saved_model.LoadOptions(allow_file_access=True) to "
        f"tf.saved_model.load; or read the file in the program, and feed what it holds{at_user_location()}"
    )


def _checked(row: Row, place: int, only_reads: bool, folder: str | None, where: str) -> Callable:
    def run(*inputs: Any, **attributes: Any) -> Any:
        path = _path(inputs[place])
        if path is None or not only_reads or folder is None or not is_inside(path, folder):
            what = "a file that its inputs name" if path is None else f"the file {path!r}"
            raise _refusal(where, row, "reads" if only_reads else "writes", what)
        return row.function(*inputs, **attributes)

    return run


def _path(value: Any) -> str | None:
    """Returns the path that a tensor holds, None where it has no value yet."""
    if is_symbolic(value):
        return None
    held = np.asarray(value)
    return os.fsdecode(held.item()) if held.size == 1 and held.dtype == object else None
