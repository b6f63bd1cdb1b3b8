"""Which code is the user's."""

from __future__ import annotations

import functools
import os
import sysconfig
import types

from dovetail.base.errors import PACKAGE_DIR

MARK = (
    "autograph_info__"  # of functions that pass the gate as they are, or whose function and instance it tells
)
_STDLIB = tuple({sysconfig.get_path("stdlib") + os.sep, sysconfig.get_path("platstdlib") + os.sep, "<frozen"})
_PACKAGES = f"-packages{os.sep}"
# Installed libraries that work on tensors of other kinds, or that call user code themselves.
_LIBRARIES = (
    "numpy",
    "scipy",
    "jax",
    "jaxlib",
    "keras",
    "tensorflow",
    "tf_keras",
    "malt",
    "optree",
    "pytest",
    "_pytest",
)
_OURS = ("dovetail", "tensorflow", "keras", "tf_keras")


def is_user_function(function: types.FunctionType) -> bool:
    """True for a Python function that is not the framework's, Python's or an installed library's.

    An installed library counts as the user's code when the module imports the framework.
    """
    filename = function.__code__.co_filename
    place = place_of(filename)
    return place == "user" or (place == "installed" and _uses_framework(function.__globals__))


@functools.lru_cache(maxsize=4096)
def place_of(filename: str) -> str:
    """Returns whose a file is: the "framework"'s, a "library"'s, "installed" with another package, the "user"'s."""
    if filename.startswith(PACKAGE_DIR + os.sep):
        return "framework"
    if _PACKAGES in filename:
        package = filename.rpartition(_PACKAGES)[2].partition(os.sep)[0].removesuffix(".py")
        return "library" if package in _LIBRARIES else "installed"
    return "library" if filename.startswith(_STDLIB) else "user"


def _uses_framework(names: dict) -> bool:
    return any(
        isinstance(value, types.ModuleType) and value.__name__.partition(".")[0] in _OURS
        for value in list(names.values())
    )
