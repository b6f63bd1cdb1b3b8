"""Specs (`tf.TensorSpec`, `tf.RaggedTensorSpec`, an extension type's `Spec`, ...) as configs, and back.

A config names the spec's class: one of ours by its public name, one of the user's by the name that it (for an extension
type: the type) is registered under.
"""

from __future__ import annotations

from typing import Any

from dovetail.base.errors import at_user_location
from dovetail.keras.registration import get_registered_name, get_registered_object
from dovetail.ops.table import find
from dovetail.tensor.dtype import DType, as_dtype
from dovetail.tensor.shape import TensorShape
from dovetail.tensor.spec import TensorSpec, TypeSpec

_OURS = ("TensorSpec", "RaggedTensorSpec", "SparseTensorSpec", "IndexedSlicesSpec")
MARK = "__type_spec__"


def spec_config(spec: TypeSpec) -> dict:
    """Returns what `json` can write and `spec_of` can read."""
    kind: Any = type(spec)
    facts = {"facts": _written(spec._serialize())}
    if kind.__name__ in _OURS and _our_own(kind.__name__) is kind:
        return {"class_name": MARK, "config": {"kind": kind.__name__, **facts}}
    owner = spec.value_type
    if vars(owner).get("Spec") is kind:
        return {"class_name": MARK, "config": {"spec_of": get_registered_name(owner), **facts}}
    return {"class_name": MARK, "config": {"registered_name": get_registered_name(kind), **facts}}


def spec_of(config: dict) -> Any:
    """Returns the spec of what stands under "config" in a config that `spec_config` made.

    Raises:
        ValueError: its class is not registered.
    """
    return _kind_of(config)._deserialize(_read(config["facts"]))


def _our_own(name: str) -> Any:
    return TensorSpec if name == "TensorSpec" else find("tf", name)


def _kind_of(config: dict) -> Any:
    if "kind" in config:
        return _our_own(config["kind"])
    name = config.get("spec_of") or config["registered_name"]
    found = get_registered_object(name)
    if found is None:
        raise ValueError(
            f"the config has the spec of {name!r}, a class that is not known. Pass custom_objects={{{name!r}: ...}} or "
            f"decorate the class with @keras.saving.register_keras_serializable(){at_user_location()}"
        )
    return found.Spec if "spec_of" in config else found


def _written(value: Any) -> Any:
    """Returns one of the values that `TypeSpec._serialize` may return as a pair of what it is and what `json` has."""
    if isinstance(value, TypeSpec):
        return ["spec", spec_config(value)["config"]]
    if isinstance(value, TensorShape):
        return ["shape", None if value.rank is None else value.as_list()]
    if isinstance(value, DType):
        return ["dtype", value.name]
    if isinstance(value, list | tuple):
        return ["tuple", [_written(item) for item in value]]
    if isinstance(value, dict):
        return ["dict", [[key, _written(item)] for key, item in value.items()]]
    if value is None or isinstance(value, bool | int | float | str):
        return ["value", value]
    raise TypeError(
        f"a spec with {value!r:.60} of type {type(value).__name__} cannot be written into a config"
        f"{at_user_location()}"
    )


_READ = {
    "spec": spec_of,
    "shape": TensorShape,
    "dtype": as_dtype,
    "tuple": lambda items: tuple(_read(item) for item in items),
    "dict": lambda items: {key: _read(item) for key, item in items},
    "value": lambda value: value,
}


def _read(written: Any) -> Any:
    what, value = written
    return _READ[what](value)
