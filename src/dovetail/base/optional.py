"""Packages that few programs need, which may not be installed."""

from __future__ import annotations

import importlib
from typing import Any

from dovetail.base.errors import at_user_location


def optional(module: str, needed_by: str, install: str) -> Any:
    """Returns a module of an optional package.

    Args:
        module: its dotted name.
        needed_by: the public name of what needs it, for the message.
        install: what to give to pip.

    Raises:
        ImportError: it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise ImportError(
            f"{needed_by} needs the package {package}: pip install {install}{at_user_location()}"
        ) from error
