"""Which module of Dovetail a module name of TensorFlow or Keras stands for.

- `tensorflow` is a view of `dovetail` with TensorFlow's version.
- `tensorflow.keras.X`, `keras.X` and `tf_keras.X` are `dovetail.keras.X`, the very same module.
- `tensorflow.X` is `dovetail.X`, the very same module.
- `tensorflow.compat.v1` and `tensorflow.compat.v2` are views.
- `tensorflow.python.X` and `keras.src.X` are views that search the public namespaces.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import dovetail
from dovetail import version
from dovetail.compat import private, private_paths, strings
from dovetail.compat.names import namespace
from dovetail.compat.version1 import v1
from dovetail.compat.views import View
from dovetail.ops.table import whole

ROOTS = frozenset({"tensorflow", "keras", "tf_keras"})
TENSORFLOW_VERSION = version.VERSION
KERAS_VERSION = "3.15.0"
DISTRIBUTIONS = {
    "tensorflow": TENSORFLOW_VERSION,
    "keras": KERAS_VERSION,
    "tf-keras": TENSORFLOW_VERSION,
}

# Prefixes under which Keras' own source tree shows its public modules once more.
KERAS_PREFIXES = ("api._v2.keras", "api._v1.keras", "_tf_keras.keras", "api", "src")


def resolve(name: str) -> ModuleType | None:
    """Returns the module that `name` ("tensorflow.keras.layers") stands for, or None when there is none.

    Raises:
        ValueError: the first part of the name is not one of ROOTS.
    """
    root, _, path = name.partition(".")
    if root not in ROOTS:
        raise ValueError(f"resolve: expected a name below {sorted(ROOTS)}, received {name!r}")
    if root != "tensorflow":
        return _resolve_keras(path, name)
    if not path:
        return View(name, ("",), root_names())
    first, _, rest = path.partition(".")
    if first == "keras":
        return _resolve_keras(rest, name)
    if first == "python":
        return _resolve_private(rest, name)
    if first == "compat":
        return _resolve_compat(rest, name)
    return namespace(path)


def search(name: str) -> View:
    """Returns the view that stands for a module that is not there.

    Below the private paths it searches the public namespaces; elsewhere it is empty, and every name in it is missing.
    """
    path = name.partition(".")[2]
    if name.startswith("tensorflow.python.keras"):
        return private.keras_search(path.removeprefix("python.keras").lstrip("."), name)
    if path == "core" or path.startswith("core."):
        return _messages(name) if name.endswith("_pb2") else _Core(name)
    if name.startswith("tensorflow.python"):
        return View(name, private_paths.EVERYWHERE, versions=True)
    keras_path = path.removeprefix("keras.") if name.startswith("tensorflow.") else path
    if any(keras_path == prefix or keras_path.startswith(prefix + ".") for prefix in KERAS_PREFIXES):
        return private.keras_search(_without_prefix(keras_path), name)
    return View(name)


class _Core(View):
    """A folder of `tensorflow.core`: of what lies there, the modules of messages."""

    def _find(self, name: str) -> Any:
        return _messages(f"{self.__name__}.{name}") if name.endswith("_pb2") else super()._find(name)


def _messages(name: str) -> View:
    return View(name, ("train",), whole("tf.compat.v1"))


def root_names() -> dict[str, Any]:
    """Returns what `tensorflow` has of its own, beside the names of `dovetail`."""
    return {
        "__version__": TENSORFLOW_VERSION,
        "__git_version__": version.GIT_VERSION,
        "__file__": dovetail.__file__,
        "compat": tf_compat,
    }


def _resolve_keras(path: str, name: str) -> ModuleType | None:
    for prefix in KERAS_PREFIXES:
        if path == prefix or path.startswith(prefix + "."):
            rest = _without_prefix(path)
            public = namespace(f"keras.{rest}") if rest and not _is_old(rest) else None
            return public or (private.keras_search(rest, name) if not rest or _is_old(rest) else None)
    if _is_old(path):
        return private.keras_private(path, name)
    return namespace(f"keras.{path}" if path else "keras")


def _is_old(path: str) -> bool:
    """True for a path of Keras' old source tree, unless that is a public namespace which Dovetail has too."""
    if path not in private_paths.OLD_KERAS:
        return False
    return path.rpartition(".")[2] not in private_paths.ALSO_PUBLIC or namespace(f"keras.{path}") is None


def _resolve_private(path: str, name: str) -> ModuleType | None:
    first, _, rest = path.partition(".")
    if first == "keras":
        if not rest or (namespace(f"keras.{rest}") is not None):
            return namespace(f"keras.{rest}" if rest else "keras")
        return _resolve_keras(rest, name)
    return private.tensorflow_private(path)


def _resolve_compat(path: str, name: str) -> ModuleType | None:
    first, _, rest = path.partition(".")
    if not path:
        return tf_compat
    if first == "v1":
        return _below_v1(rest)
    if first == "v2":
        return resolve(f"tensorflow.{rest}") if rest else v2
    return None


def _below_v1(path: str) -> ModuleType | None:
    found: Any = v1
    for part in path.split(".") if path else ():
        found = getattr(found, part, None)
    return found if isinstance(found, ModuleType) else None


def _without_prefix(path: str) -> str:
    for prefix in KERAS_PREFIXES:
        if path == prefix or path.startswith(prefix + "."):
            return path.removeprefix(prefix).lstrip(".")
    return path


v2 = View("tensorflow.compat.v2", ("",))
tf_compat = View(
    "tensorflow.compat",
    (),
    {
        "v1": v1,
        "v2": v2,
        **{name: getattr(strings, name) for name in strings.__all__},
    },
)
for _view in (v1, v2):
    _view.__dict__.update({key: value for key, value in root_names().items() if key != "__file__"})
