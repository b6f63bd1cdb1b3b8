"""`tf.compat.v1`: the names of TensorFlow 1 that mean the same in TensorFlow 2.

Graphs, sessions, collections and placeholders are not there: using one raises, and says what does its work now.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from dovetail.base.errors import user_location
from dovetail.compat import version1_records, version1_strings
from dovetail.compat.version1_renamed import RENAMED, RENAMED_IN
from dovetail.compat.views import View
from dovetail.ops.table import whole

NAME = "tensorflow.compat.v1"
_FIRST = "dovetail.compat.first.names"

# Names that both versions have and that do something else there: taking the new one silently would be wrong.
REFUSED = frozenset({"optimizers"})


def _cast_to(dtype: str) -> Callable[..., Any]:
    def cast(x: Any, name: str | None = None) -> Any:
        return v1.cast(x, dtype)

    cast.__name__ = f"to_{dtype}"
    return cast


def _nothing_to_do() -> None:
    """Does nothing: what it switches on in TensorFlow is always on here."""


_counted: dict[tuple, int] = {}


def _times(*key: Any) -> int:
    """Returns how often a statement of the program has come by here before."""
    where = (user_location(), *key)
    _counted[where] = _counted.get(where, -1) + 1
    return _counted[where]


def _log_every_n(level: int, msg: str, n: int, *args: Any) -> None:
    """Logs each `n`th time that the statement is run, the first one too."""
    _log_if(level, msg, _times("every") % n == 0, *args)


def _log_first_n(level: int, msg: str, n: int, *args: Any) -> None:
    """Logs the first `n` times that the statement is run."""
    _log_if(level, msg, _times("first") < n, *args)


def _log_if(level: int, msg: str, condition: Any, *args: Any) -> None:
    """Logs where a condition holds."""
    if condition:
        logging.getLogger("tensorflow").log(level, msg, *args)


def tf_logging() -> dict[str, Any]:
    """Returns the names of `tf.compat.v1.logging`: Python's logger "tensorflow" and the levels."""
    logger = logging.getLogger("tensorflow")
    return {
        **{name: getattr(logger, name) for name in ("debug", "info", "warning", "error", "fatal", "log")},
        **{level: getattr(logging, level) for level in ("DEBUG", "INFO", "WARN", "ERROR", "FATAL")},
        "warn": logger.warning,
        "flush": _nothing_to_do,
        "log_every_n": _log_every_n,
        "log_first_n": _log_first_n,
        "log_if": _log_if,
        "set_verbosity": logger.setLevel,
        "get_verbosity": logger.getEffectiveLevel,
    }


# TensorFlow 1's names of what `tf.io.gfile` has.
_OLD_GFILE = {
    **{
        name: f"io.gfile.{name.lower()}" for name in ("Copy", "Exists", "Glob", "MakeDirs", "MkDir", "Remove")
    },
    **{name: f"io.gfile.{name.lower()}" for name in ("Rename", "Stat", "Walk")},
    **dict.fromkeys(("FastGFile", "GFile", "Open"), "io.gfile.GFile"),
    "DeleteRecursively": "io.gfile.rmtree",
    "IsDirectory": "io.gfile.isdir",
    "ListDirectory": "io.gfile.listdir",
}
_NAMES = whole("tf.compat.v1")
_RECORDS = {name: f"io.{name}" for name in ("TFRecordOptions", "TFRecordWriter")}
# The namespaces of which this package has names of its own: where they find the others.
_SPACES: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(
        ("app", "flags", "graph_util", "initializers", "layers", "losses", "manip", "metrics", "summary"), ()
    ),
    **{
        name: (name,)
        for name in ("data", "debugging", "image", "linalg", "math", "nn", "random", "saved_model", "sets")
    },
}
OWN: dict[str, Any] = {
    **_NAMES,
    "io": View(f"{NAME}.io", ("io",), version1_records.NAMES, RENAMED_IN["io"]),
    "python_io": View(f"{NAME}.python_io", (), version1_records.NAMES, _RECORDS),
    "train": View(f"{NAME}.train", ("train",), vars(_NAMES["train"]), late=(_FIRST, "train")),
    "sparse": View(f"{NAME}.sparse", ("sparse",), renamed=RENAMED_IN["sparse"]),
    **{
        name: View(f"{NAME}.{name}", spaces, renamed=RENAMED_IN.get(name), late=(_FIRST, name))
        for name, spaces in _SPACES.items()
    },
    **version1_strings.NAMES,
    "strings": View(f"{NAME}.strings", ("strings",), version1_strings.STRINGS),
    "to_float": _cast_to("float32"),
    "to_double": _cast_to("float64"),
    "to_int32": _cast_to("int32"),
    "to_int64": _cast_to("int64"),
    "to_bfloat16": _cast_to("bfloat16"),
    "enable_control_flow_v2": _nothing_to_do,
    "enable_tensor_equality": _nothing_to_do,
    "gfile": View(f"{NAME}.gfile", (), renamed=_OLD_GFILE),
    "logging": View(f"{NAME}.logging", (), tf_logging()),
}

v1 = View(NAME, ("",), OWN, RENAMED, REFUSED, late=(_FIRST, ""))
