"""`tf.summary.experimental`: the default step, names of summaries, and events made elsewhere."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from dovetail.scopes import get_current_name_scope, name_scope
from dovetail.summary.recording import record
from dovetail.summary.writer import now

__all__ = ["get_step", "set_step", "summary_scope", "write_raw_pb"]


def get_step() -> Any:
    """Returns the default step, None where there is none."""
    return now.step


def set_step(step: Any) -> None:
    """Sets the step of summaries that give none: an integer, a variable (which is read each time), or None."""
    now.step = step


@contextlib.contextmanager
def summary_scope(name: str, default_name: str = "summary", values: Any = None) -> Iterator[tuple[str, str]]:
    """Enters a name scope, and gives the tag of a summary of this name, and the scope.

    Args:
        name: of the summary.
        default_name: where `name` is None.
        values: accepted for compatibility.
    """
    label = name or default_name
    outer = get_current_name_scope()
    with name_scope(label) as scope:
        yield f"{outer}/{label}" if outer else label, scope


def write_raw_pb(tensor: Any, step: Any = None, name: str | None = None) -> Any:
    """Writes serialized `Summary` messages, a string or several.

    Args:
        tensor: strings.
        step: see `tf.summary.write`.
        name: accepted for compatibility; names nothing.
    """
    return record("write_raw_pb", None, tensor, step)
