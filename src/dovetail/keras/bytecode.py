"""Lambda expressions in files: their bytecode, as Keras writes it.

Bytecode can do whatever a program can.  It is read only where the caller has asked for it: see `permission`.
"""

from __future__ import annotations

import base64
import builtins
import marshal
import math
import sys
import types
from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.keras import permission


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
    permission.require(
        "the file holds a Python lambda as bytecode, which could run any code",
        "Better: define the function with `def`, register it with @keras.saving.register_keras_serializable(), and "
        "save again",
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
