"""Objects to configs and back, in Keras 3's format; configs of Keras 2 are read too.

    {"module": "keras.losses", "class_name": "Huber", "config": {"delta": 2.0}, "registered_name": None}

Loading is safe: a config can name only what `keras/registration.py` knows, nothing is imported by name, and lambdas,
which are bytecode, are refused unless the caller allows them.
"""

from __future__ import annotations

import inspect
import types
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from dovetail.base.blame import raised_in
from dovetail.base.errors import ResourceExhaustedError, UnknownObjectError, at_user_location, suggest
from dovetail.base.wording import plain
from dovetail.keras import bytecode, permission, specs
from dovetail.keras.registration import (
    CustomObjectScope,
    custom_object_names,
    custom_object_scope,
    get_custom_objects,
    get_registered_name,
    get_registered_object,
    own_name,
    own_object,
    own_object_names,
    register_keras_serializable,
)
from dovetail.tensor.dtype import DType, numpy_dtype
from dovetail.tensor.shape import TensorShape
from dovetail.tensor.spec import Placeholder, TypeSpec
from dovetail.tensor.symbolic import SymbolicTensor
from dovetail.tensor.tensor import Tensor, TensorLike

__all__ = [
    "CustomObjectScope",
    "custom_object_scope",
    "deserialize_keras_object",
    "get_custom_objects",
    "get_registered_name",
    "get_registered_object",
    "register_keras_serializable",
    "resolve",
    "serialize_keras_object",
]


# ---- objects to configs -----------------------------------------------------------------------------------------


def serialize_keras_object(obj: Any, use_legacy_format: bool = False) -> Any:
    """Returns what `json` can write and `deserialize_keras_object` can read.

    Args:
        obj: a layer, loss, ... (anything with `get_config`), a named function, a tensor, an array, a Python value, or a
            list, tuple or dict of these.
        use_legacy_format: Keras 2's short form: class name and config, and functions by their name.

    Raises:
        TypeError: an object without `get_config`.

    A lambda is written as bytecode, with a warning.

    Example:
        >>> serialize_keras_object(keras.losses.Huber(delta=2.0))["class_name"]
        'Huber'
    """
    if use_legacy_format:
        full = serialize_keras_object(obj)
        if not isinstance(full, dict) or "class_name" not in full:
            return full
        short = {key: full[key] for key in ("class_name", "config")}
        return full["config"] if full["class_name"] == "function" else short
    if obj is None or isinstance(obj, str | bool | int | float) and not isinstance(obj, np.generic):
        return obj
    if isinstance(obj, TensorShape):
        return obj.as_list() if obj.rank is not None else None
    if isinstance(obj, list | tuple):
        items = [serialize_keras_object(item) for item in obj]
        return tuple(items) if isinstance(obj, tuple) else items
    if isinstance(obj, dict):
        return {key: serialize_keras_object(value) for key, value in obj.items()}
    for kind, write in _WRITERS:
        if isinstance(obj, kind):
            return write(obj)
    return _object_config(obj)


def _marked(mark: str, **config: Any) -> dict:
    return {"class_name": mark, "config": config}


def _write_slice(obj: slice) -> dict:
    parts = {part: serialize_keras_object(getattr(obj, part)) for part in ("start", "stop", "step")}
    return _marked("__slice__", **parts)


def _write_symbolic(obj: SymbolicTensor) -> dict:
    history = getattr(obj, "_keras_history", None)
    if history is not None:
        history = [getattr(history[0], "name", history[0]), *history[1:]]
    return _marked("__keras_tensor__", shape=list(obj.shape), dtype=obj.dtype.name, keras_history=history)


_OF_STRINGS = ("string", "object")  # what dtypes of tensors and of arrays are called
_ANY_BYTE = "surrogateescape"  # how bytes that are no UTF-8 are written as text


def listed(array: np.ndarray) -> Any:
    """Returns the elements of an array as lists for a config: see `array_of`."""
    return serialize_keras_object(array.tolist()) if array.dtype.kind == "O" else array.tolist()


def _write_tensor(obj: Any) -> dict:
    return _marked("__tensor__", value=listed(np.asarray(obj)), dtype=obj.dtype.name)


def _write_array(obj: Any) -> Any:
    return _marked("__numpy__", value=listed(obj), dtype=obj.dtype.name) if obj.ndim else obj.item()


def _write_function(obj: Any) -> dict:
    if obj.__name__ == "<lambda>":
        warnings.warn(
            f"a lambda (defined at {obj.__code__.co_filename}:{obj.__code__.co_firstlineno}) is written as bytecode, "
            "which only this version of Python reads, and only with safe_mode=False. Define it with `def` and decorate "
            f"it with @keras.saving.register_keras_serializable(){at_user_location()}",
            stacklevel=2,
        )
        return _marked("__lambda__", **serialize_keras_object(bytecode.function_config(obj)))
    name = get_registered_name(obj)
    return {"module": "builtins", "class_name": "function", "config": name, "registered_name": "function"}


_WRITERS: tuple[tuple[Any, Callable[[Any], Any]], ...] = (
    (bytes, lambda obj: _marked("__bytes__", value=obj.decode("utf-8", _ANY_BYTE))),
    (slice, _write_slice),
    (type(Ellipsis), lambda obj: _marked("__ellipsis__")),
    (SymbolicTensor, _write_symbolic),
    (TensorLike, _write_tensor),
    (np.ndarray, _write_array),
    (np.generic, lambda obj: obj.item()),
    (DType, lambda obj: obj.name),
    (TypeSpec, specs.spec_config),
    (np.dtype, lambda obj: obj.name),
    ((types.FunctionType, types.BuiltinFunctionType), _write_function),
)


def _object_config(obj: Any) -> dict:
    if inspect.isclass(obj):
        module, name = own_name(obj) or ("builtins", get_registered_name(obj))
        return {"module": module, "class_name": "function", "config": name, "registered_name": "function"}
    if not hasattr(obj, "get_config"):
        raise TypeError(
            f"cannot serialize {str(obj)[:80]} of type {type(obj).__name__}. Give the class a get_config() that "
            f"returns the arguments of its __init__ as a dict, and a from_config(){at_user_location()}"
        )
    inner = obj.get_config()
    if not isinstance(inner, dict):
        raise TypeError(f"{type(obj).__name__}.get_config() must return a dict, it returned {inner!r:.80}")
    config = _class_reference(type(obj))
    config["config"] = serialize_keras_object(inner)
    for key, method in (("build_config", "get_build_config"), ("compile_config", "get_compile_config")):
        extra = getattr(obj, method)() if hasattr(obj, method) else None
        if extra is not None:
            config[key] = serialize_keras_object(extra)
    return config


def _class_reference(kind: type) -> dict:
    known = own_name(kind)
    if known is not None:
        return {"module": known[0], "class_name": known[1], "config": None, "registered_name": None}
    module = None if kind.__module__ == "__main__" else kind.__module__
    registered_name = get_registered_name(kind)
    return {"module": module, "class_name": kind.__name__, "config": None, "registered_name": registered_name}


# ---- configs to objects -----------------------------------------------------------------------------------------


class SymbolicReference(Placeholder):
    """A symbolic tensor that a config mentions: the functional model puts its own in place.

    Attributes:
        shape, dtype: of the tensor.
        keras_history: `[layer name, node index, tensor index]`, or None.
    """

    def __init__(self, shape: Any, dtype: str, keras_history: Any = None) -> None:
        self.shape, self.dtype, self.keras_history = shape, dtype, keras_history


def array_of(config: dict) -> np.ndarray:
    """Returns the array of a config; strings stand there as the bytes of each."""
    value, name = config["value"], config["dtype"]
    if name in _OF_STRINGS or name.startswith("str"):
        return np.asarray(deserialize_keras_object(value), object)
    return np.asarray(value, numpy_dtype(name))


_READERS: dict[str, Callable[[dict], Any]] = {
    "__bytes__": lambda config: config["value"].encode("utf-8", _ANY_BYTE),
    "__slice__": lambda config: slice(
        *(deserialize_keras_object(config[part]) for part in ("start", "stop", "step"))
    ),
    "__ellipsis__": lambda config: Ellipsis,
    "__keras_tensor__": lambda config: SymbolicReference(**config),
    "__tensor__": lambda config: Tensor(array_of(config)),
    "__numpy__": array_of,
    "__lambda__": bytecode.function_of,
    specs.MARK: specs.spec_of,
    "__tuple__": lambda config: tuple(deserialize_keras_object(config["value"])),
}


def deserialize_keras_object(
    config: Any,
    custom_objects: dict[str, Any] | None = None,
    safe_mode: bool | None = None,
    module_objects: dict[str, Any] | None = None,
    printable_module_name: str = "object",
) -> Any:
    """Rebuilds what `serialize_keras_object` wrote; reads Keras 3's and Keras 2's configs.

    Args:
        config: the config; lists and dicts of configs are rebuilt item by item.
        custom_objects: name -> class or function, for those that are not registered.
        safe_mode: False allows lambdas, which are bytecode and could run any code; None is as safe as what encloses
            the call, and the outermost is safe.
        module_objects: further names to look in (Keras 2); a plain string is then a name, too.
        printable_module_name: what to call the object in errors.

    Raises:
        ValueError: the config names an object that is not known, or holds a lambda in safe mode.
        TypeError: the config does not fit the class.
    """
    try:
        if custom_objects or safe_mode is not None:
            with CustomObjectScope(custom_objects or {}), permission.allowing(safe_mode):
                return _deserialized(config, module_objects, printable_module_name)
        return _deserialized(config, module_objects, printable_module_name)
    except RecursionError:
        raise ValueError(f"the config is nested too deeply{at_user_location()}") from None
    except MemoryError as error:
        raise ResourceExhaustedError(
            f"there is not enough memory for what the config describes: {error}{at_user_location()}"
        ) from error
    except _TRIPS as error:
        if not raised_in(error):
            raise
        raise ValueError(
            f"the config of {_label_of(config)} cannot be read: {type(error).__name__}: {error}{at_user_location()}"
        ) from error


# What our own code raises where a config lacks something, or has something else in its place.
_TRIPS = (KeyError, AttributeError, IndexError)


def _label_of(config: Any) -> str:
    return f"{config.get('class_name')!r:.80}" if isinstance(config, dict) else f"{config!r:.80}"


def _deserialized(config: Any, module_objects: dict[str, Any] | None, label: str) -> Any:
    if isinstance(config, str):
        return _from_name(config, module_objects, label)
    if module_objects is not None and label != "object" and config is not None:
        _check_config(config, label)
    if config is None or isinstance(config, bool | int | float):
        return config
    if isinstance(config, list | tuple):
        return [_deserialized(item, module_objects, "object") for item in config]
    if not isinstance(config, dict):
        raise TypeError(
            f"deserialize_keras_object: expected a config, received {config!r:.80}{at_user_location()}"
        )
    if "class_name" not in config or "config" not in config:
        return {key: _deserialized(value, None, "object") for key, value in config.items()}
    return _from_config(config, module_objects, label)


def _check_config(config: Any, label: str) -> None:
    """Raises ValueError for what cannot be the config of one object of a kind."""
    if not (isinstance(config, dict) and "class_name" in config and "config" in config):
        raise ValueError(
            f"expected the config of one {label} (a dict with 'class_name' and 'config') or a name, received "
            f"{config!r:.80}{at_user_location()}"
        )


def _from_name(name: str, module_objects: dict[str, Any] | None, label: str) -> Any:
    found = get_registered_object(name)
    if found is not None:
        return found
    if module_objects is None:
        return name
    found = module_objects.get(name)
    if found is None:
        raise unknown(name, label, module_objects)
    return found() if inspect.isclass(found) else found


def _from_config(config: dict, module_objects: dict[str, Any] | None, label: str) -> Any:
    class_name, inner = config["class_name"], config["config"]
    if not isinstance(class_name, str):
        raise TypeError(f"the config should name a {label}, it holds {class_name!r:.80}{at_user_location()}")
    if class_name in _READERS:
        return _READERS[class_name](inner)
    if class_name == "function":
        return _lookup(inner, inner, config.get("module"), module_objects, label)
    registered_name = config.get("registered_name") or class_name
    found = _lookup(class_name, registered_name, config.get("module"), module_objects, label)
    if isinstance(found, types.FunctionType):
        return found
    if not hasattr(found, "from_config"):
        raise TypeError(
            f"{class_name} has no from_config(), so it cannot be rebuilt from a config{at_user_location()}"
        )
    return _built(found, {} if inner is None else inner, config)


def _built(kind: Any, inner: dict, config: dict) -> Any:
    try:
        instance = kind.from_config(inner)
    except TypeError as error:
        raise TypeError(
            f"{kind.__name__}.from_config: {plain(error)}. The config was {str(inner)[:300]}. Objects inside of it "
            f"must be rebuilt in from_config() with keras.saving.deserialize_keras_object(){at_user_location()}"
        ) from error
    if config.get("build_config") and not getattr(instance, "built", True):
        instance.build_from_config(config["build_config"])
    if config.get("compile_config"):
        instance.compile_from_config(config["compile_config"])
    return instance


def _lookup(name: str, registered_name: str, module: Any, objects: dict[str, Any] | None, label: str) -> Any:
    if not isinstance(name, str) or not isinstance(registered_name, str):
        raise TypeError(f"the config should name a {label}, it holds {name!r:.80}{at_user_location()}")
    if module is not None and not isinstance(module, str):
        raise TypeError(
            f"the config of {name!r:.80} should name a module, it holds {module!r:.80}{at_user_location()}"
        )
    for candidate in (registered_name, name):
        found = get_registered_object(candidate)
        if found is not None:
            return found
    is_optimizer = name.startswith("Custom>")
    name = name.removeprefix(
        "Custom>"
    )  # what Keras 2 wrote before optimizers that it did not register otherwise
    ours = module is None or module.split(".")[0] in _OUR_MODULES
    if objects and name in objects and ours:
        return objects[name]
    found = own_object(name, _namespace(module)) if ours else None
    if is_optimizer and module is None:  # not the one of this name that Keras had before it registered them
        found = own_object(name, "keras.optimizers") or found
    if found is None:
        raise unknown(
            registered_name, label, {**dict.fromkeys(own_object_names()), **(objects or {})}, module
        )
    return found


_OUR_MODULES = ("builtins", "keras", "tf_keras", "tensorflow", "dovetail")


def _namespace(module: str | None) -> str | None:
    """Returns a module's public namespace: "keras.losses" for "tf_keras.losses" and "keras.src.losses.loss"."""
    if module is None or "keras" not in module:
        return None
    parts = [part for part in module[module.rindex("keras") :].split(".") if part != "src"]
    return ".".join(parts[:2])


def unknown(name: Any, label: str, candidates: Any, module: Any = None) -> UnknownObjectError:
    """Returns the error for a name that no table has, with the nearest name that one has."""
    known = [*candidates, *custom_object_names()]
    # Of "huber" and "Huber" the one in the manner of the name is meant; `suggest` takes the last.
    known.sort(key=lambda item: str(item)[:1].isupper() == str(name)[:1].isupper())
    near = suggest(str(name), known)
    origin = f" (of the module {module!r})" if module and module not in ("builtins", name) else ""
    last = str(name).split(">")[-1]
    return UnknownObjectError(
        f"unknown {label} {name!r}{origin}.{near} For an own class or function: decorate it with "
        f"@keras.saving.register_keras_serializable() before loading, or pass custom_objects={{{last!r}: {last}}}"
        f"{at_user_location()}"
    )


# ---- `get` ------------------------------------------------------------------------------------------------------


def resolve(identifier: Any, label: str, objects: dict[str, Any]) -> Any:
    """Returns the object that a user means by a name, a config, a class, an instance or a function.

    Args:
        identifier: what the user passed; None gives None.
        label: what it should be, such as "loss"; for errors.
        objects: all names of the kind.

    Raises:
        ValueError: an unknown name, or something that cannot be a `label` at all.
    """
    if identifier is None:
        return None
    if isinstance(identifier, str):
        found = _from_name(identifier, objects, label)
    elif isinstance(identifier, dict):
        found = deserialize_keras_object(identifier, module_objects=objects, printable_module_name=label)
    else:
        found = identifier
    if inspect.isclass(found):
        return found()
    if callable(found):
        return found
    raise ValueError(
        f"expected a {label} (a name, a config, a function or an instance), received {identifier!r:.80}"
        f"{at_user_location()}"
    )
