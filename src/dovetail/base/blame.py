"""Whose code an error comes from: ours, which tripped on what it was given, or the user's, which means what it says."""

from __future__ import annotations

import os

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep


def raised_in(error: BaseException, *parts: str) -> bool:
    """Returns whether the code that raised an error is in a file whose path has one of these parts; ours when none."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return False
    path = trace.tb_frame.f_code.co_filename
    return any(part in path for part in parts) if parts else path.startswith(_PACKAGE)
