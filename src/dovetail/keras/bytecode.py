"""Lambda expressions in files: their bytecode, as Keras writes it.

Bytecode can do whatever a program can.  It is read only where the caller has asked for it: by `safe_mode=False` for one
call, or by `keras.config.enable_unsafe_deserialization()` for the process, which no file can call.
"""

from __future__ import annotations

import base64
import builtins
import contextlib
import marshal
import math
import sys
import types
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location

_allowed_here: ContextVar[bool | None] = ContextVar("bytecode_allowed", default=None)
_allowed: dict[str, bool] = {"process": False}


def allow_in_process() -> None:
    """Allows bytecode from files for the rest of the process."""
    _allowed["process"] = True


@contextlib.contextmanager
def allowing(safe_mode: bool | None) -> Iterator[None]:
    """Allows bytecode inside of the block (False), refuses it (True), or leaves it as it is (None)."""
    if safe_mode is None:
        yield
        return
    token = _allowed_here.set(not safe_mode)
    try:
        yield
    finally:
        _allowed_here.reset(token)


def is_allowed() -> bool:
    """Returns whether bytecode may be read now."""
    return _allowed["process"] or bool(_allowed_here.get())


def function_config(function: types.FunctionType) -> dict:
    """Returns the parts of a function: its code in base64, defaults, and the contents of its closure."""
    closure = function.__closure__
    return {
        "code": base64.encodebytes(marshal.dumps(function.__code__)).decode("ascii"),
        "defaults": None if function.__defaults__ is None else list(function.__defaults__),
        "closure": None if closure is None else [cell.cell_contents for cell in closure],
    }


def function_of(config: Any) -> types.FunctionType:
    """Returns the function of such parts; Keras 2 has them in a list, under the keys of Keras 3 or none.

    Raises:
        ValueError: bytecode is not allowed here, or this Python does not know it.
    """
    if not is_allowed():
        raise ValueError(
            "the file holds a Python lambda as bytecode, which could run any code, and is not loaded. If you trust the "
            "file, pass safe_mode=False; better, define the function with `def`, register it with "
            f"@keras.saving.register_keras_serializable(), and save again{at_user_location()}"
        )
    parts = config.get("value", config) if isinstance(config, dict) else config
    if isinstance(parts, dict):
        parts = [parts.get(name) for name in ("code", "defaults", "closure")]
    try:
        given: Any = [parts, None, None] if isinstance(parts, str) else parts[:3]
        code, defaults, closure = given
        loaded = marshal.loads(base64.b64decode(code))
        if not isinstance(loaded, types.CodeType):
            raise TypeError(f"it holds {type(loaded).__name__}")
    except (ValueError, EOFError, TypeError) as error:
        raise ValueError(
            f"the file's bytecode is of another version of Python: {error}{at_user_location()}"
        ) from error
    cells = None if closure is None else tuple(types.CellType(value) for value in closure)
    return types.FunctionType(
        loaded, _names(), loaded.co_name, None if defaults is None else tuple(defaults), cells
    )


def _names() -> dict[str, Any]:
    """Returns the global names of such a function: those of the program that loads it, and the usual short ones."""
    package: Any = sys.modules["dovetail"]
    usual = {"tf": package, "tensorflow": package, "keras": package.keras, "K": package.keras.backend}
    known = {"np": np, "numpy": np, "math": math, **usual}
    return {**known, **vars(sys.modules["__main__"]), "__builtins__": builtins}
