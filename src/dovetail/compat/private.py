"""TensorFlow's and Keras' private module paths, which programs import from all the same.

`tensorflow.python.ops.math_ops`, `keras.src.layers.core.dense` and the like become views that look their names up in
the public namespaces.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import ModuleType
from typing import Any

from dovetail.compat import strings
from dovetail.compat.names import namespace
from dovetail.compat.private_paths import EVERYWHERE, FOLDERS, KERAS_EVERYWHERE, LATE, MODULES, OLD_KERAS
from dovetail.compat.version1 import tf_logging
from dovetail.compat.views import View


def tensorflow_private(path: str) -> ModuleType | None:
    """Returns the view for `tensorflow.python.<path>`, or None when no such module is known."""
    name = f"tensorflow.python.{path}".rstrip(".")
    leaf = path.rpartition(".")[2]
    folder = path.rpartition(".")[0]
    if not path or path in FOLDERS:
        # A module of the folder goes before a public namespace of the same name: `dtypes`, `nn`, `nest`.
        return View(name, EVERYWHERE, own=_own(path), refused=frozenset(MODULES), versions=True)
    known = leaf in MODULES or leaf.endswith("_ops")
    if not known or (folder and folder not in FOLDERS):
        return None
    late = ("dovetail.compat.first.private_names", path) if path in LATE else None
    places = (*MODULES.get(leaf, ()), *EVERYWHERE)
    return View(name, places, own=_own(path), versions=True, late=late, late_last=True)


def keras_private(path: str, name: str) -> ModuleType | None:
    """Returns the view for `keras.<path>` where that is a module of Keras' source tree, or None."""
    if path in OLD_KERAS:
        return keras_search(path, name)
    return None


def keras_search(path: str, name: str) -> View:
    """Returns a view that looks first in the namespace the path begins with, then in all of Keras."""
    first = f"keras.{path.partition('.')[0]}"
    return View(name, (f"keras.{path}", first, *KERAS_EVERYWHERE), versions=True)


def _own(path: str) -> dict[str, Any]:
    return OWN[path]() if path in OWN else {}


def _identity_decorator(*args: Any, **kwargs: Any) -> Callable:
    """Takes any arguments and returns a decorator that changes nothing."""
    return lambda target: target


def _list_local_devices(session_config: Any = None) -> list[Any]:
    config = namespace("config")
    if config is None:
        raise NotImplementedError("device_lib.list_local_devices needs tf.config, which is not there.")
    return config.list_physical_devices()


def _make_decorator(target: Callable, decorator_func: Callable, *args: Any, **kwargs: Any) -> Callable:
    return decorator_func


def _smart_cond(pred: Any, true_fn: Callable, false_fn: Callable, name: str | None = None) -> Any:
    if isinstance(pred, bool):
        return true_fn() if pred else false_fn()
    return namespace("").cond(pred, true_fn, false_fn)  # type: ignore[union-attr]


def _nest() -> dict[str, Any]:
    nest = namespace("nest")
    return {} if nest is None else {"is_sequence": nest.is_nested, "is_nested_or_composite": nest.is_nested}


def _inspect() -> dict[str, Any]:
    names = (
        "getfullargspec",
        "getcallargs",
        "getmro",
        "isclass",
        "isfunction",
        "ismethod",
        "signature",
        "getsource",
    )
    return {name: getattr(inspect, name) for name in names}


def _compat() -> dict[str, Any]:
    return {name: getattr(strings, name) for name in strings.__all__}


def _tensor_type() -> dict[str, Any]:
    return {"EagerTensor": namespace("").Tensor}  # type: ignore[union-attr]


# What private modules offer that has no public name: path below tensorflow.python -> a function that gives the names.
OWN: dict[str, Callable[[], dict[str, Any]]] = {
    "client.device_lib": lambda: {"list_local_devices": _list_local_devices},
    "framework.ops": _tensor_type,
    "framework.smart_cond": lambda: {"smart_cond": _smart_cond},
    "platform.tf_logging": tf_logging,
    "saved_model.signature_constants": lambda: {"DEFAULT_SERVING_SIGNATURE_DEF_KEY": "serving_default"},
    "saved_model.tag_constants": lambda: {
        "SERVING": "serve",
        "TRAINING": "train",
        "GPU": "gpu",
        "TPU": "tpu",
    },
    "tf2": lambda: {"enabled": lambda: True, "enable": lambda: None},
    "util.compat": _compat,
    "util.deprecation": lambda: {"deprecated": _identity_decorator, "deprecated_args": _identity_decorator},
    "util.nest": _nest,
    "util.tf_decorator": lambda: {"make_decorator": _make_decorator},
    "util.tf_export": lambda: {"tf_export": _identity_decorator, "keras_export": _identity_decorator},
    "util.tf_inspect": _inspect,
}
