"""Configs as Keras 2 writes them, for files that it reads: the way back of `older.py`.

    {"class_name": "Dense", "config": {...}, "name": "dense", "inbound_nodes": [[["input_1", 0, 0, {}]]]}

Keras 3 reads this form too, but for raw ops and models inside of models.  What Keras 2 has no word for raises
`NotInKeras2Error`: an argument that Keras 3 has added and that is set, a class that it lacks, a raw op that is none of
TensorFlow's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dovetail.keras.layers.machinery.signature import own_parameters
from dovetail.keras.models.keras_2_ops import op_call, op_config
from dovetail.keras.models.keras_2_tables import (
    ACTIVATIONS,
    ADDED,
    ADDED_TO_OPTIMIZERS,
    DERIVED,
    FUNCTIONS,
    HIDDEN,
    MISSING,
    RENAMED,
)
from dovetail.keras.models.keras_2_terms import OP_LAYERS, NotInKeras2Error, constant, is_tensor, tensor
from dovetail.keras.registration import get_registered_object, own_object

_POLICIES = ("DTypePolicy", "Policy")
_OP_MODULE = "keras.src.layers.core.tf_op_layer"
_MODULES = {"Functional": "keras.src.engine.functional", **dict.fromkeys(OP_LAYERS, _OP_MODULE)}


def as_keras_2(
    config: Any, kinds: dict[tuple[str, str], type] | None = None, whole: bool = False, for_both: bool = False
) -> Any:
    """Returns a config of Keras 3 in the form of Keras 2.

    Args:
        config: of a model, a layer, an optimizer, a loss, or a structure of these.
        kinds: the classes of layers by class name and name, for those that are not registered.
        whole: the layers of models with modules and registered names, as in `.keras` files of Keras 2; those in HDF5
            files have class names only.
        for_both: Keras 3 must be able to read it, too.

    Raises:
        NotInKeras2Error: Keras 2 has no such thing.
    """
    return _Downgrade(kinds or {}, whole, for_both).layer_entry(config)


class _Downgrade:
    def __init__(self, kinds: dict[tuple[str, str], type], whole: bool, for_both: bool) -> None:
        self._kinds, self._whole, self._for_both = kinds, whole, for_both

    def __call__(self, value: Any) -> Any:
        if isinstance(value, list | tuple):
            return [self(item) for item in value]
        if not isinstance(value, dict):
            return value
        if "class_name" in value and "config" in value:
            return self._object(value)
        return {key: self(item) for key, item in value.items()}

    def layer_entry(self, value: Any) -> Any:
        """Returns the config of a layer or model in its place, among others or alone."""
        written = self(value)
        if self._whole or not isinstance(written, dict) or "class_name" not in written:
            return written
        name = written.get("registered_name") or written["class_name"]
        return {"class_name": name, "config": written["config"]}

    def _object(self, given: dict) -> Any:
        kind, inner = given["class_name"], given["config"]
        if kind in _POLICIES:
            return inner["name"]
        if kind.startswith("__"):  # a value, such as "__tensor__"
            return given
        if kind == "function":
            return inner if given.get("module") != "builtins" or ">" not in str(inner) else given
        ours = not given.get("registered_name") or own_object(kind) is not None
        if not isinstance(inner, dict) or kind in OP_LAYERS:
            return self._entry(given, inner)
        if ours and _is_missing(given):
            raise NotInKeras2Error(f"Keras 2 has no {kind}")
        if self._for_both and _is_read_by_one(kind, inner):
            raise NotInKeras2Error(f"Keras 2 and Keras 3 write {kind} so that the other cannot read it")
        config = self._functional(inner) if "input_layers" in inner else self._config(kind, inner, ours)
        return self._entry(given, config)

    def _entry(self, given: dict, config: dict) -> dict:
        kind, name = given["class_name"], given.get("registered_name")
        module = _MODULES.get(kind, given.get("module"))
        named = name or (kind if kind in _MODULES else None)
        entry = {"module": module, "class_name": kind, "config": config, "registered_name": named}
        shape = (given.get("build_config") or {}).get("input_shape")
        if self._whole and shape is not None and kind not in _MODULES:
            entry["build_config"] = {"input_shape": shape}
        return entry

    # ---- arguments

    def _config(self, kind: str, inner: dict, ours: bool) -> dict:
        if not ours:
            return {key: item if key != "dtype" else self(item) for key, item in inner.items()}
        if kind == "Lambda":
            return _lambda(self, inner)
        added = ADDED.get(kind, {}) | (ADDED_TO_OPTIMIZERS if "learning_rate" in inner else {})
        renamed, derived = RENAMED.get(kind, {}), DERIVED.get(kind, ())
        config = {}
        for key, item in inner.items():
            if key in added and item != added[key]:
                raise NotInKeras2Error(
                    f"{inner.get('name', kind)}: {kind} of Keras 2 has no argument {key!r}"
                )
            if key not in added and key not in derived:
                config[renamed.get(key, key)] = self._argument(key, item)
        return {key: item for key, item in config.items() if key not in HIDDEN or item != HIDDEN[key]}

    def _argument(self, key: str, value: Any) -> Any:
        if key in ACTIVATIONS:
            return _activation(value)
        return [self.layer_entry(item) for item in value] if key == "layers" else self(value)

    # ---- functional models

    def _functional(self, inner: dict) -> dict:
        shifted = {entry["name"] for entry in inner["layers"] if _starts_itself(entry)}
        layers = [self._layer(entry, shifted) for entry in inner["layers"]]
        rest = {key: self(item) for key, item in inner.items() if key not in ("layers", "dtype")}
        ends = {key: _wrapped(_shifted(inner[key], shifted)) for key in ("input_layers", "output_layers")}
        return rest | {"layers": layers} | ends

    def _layer(self, given: dict, shifted: set[str]) -> dict:
        if given["class_name"] in OP_LAYERS:
            calls = [op_call(given, call, shifted) for call in given["inbound_nodes"]]
            entry = self.layer_entry(given | {"config": op_config(given)})
        else:
            names = self._parameters(given)
            calls = [_call(given, call, names, shifted) for call in given["inbound_nodes"]]
            if self._for_both and any(map(_gives_tensors_by_name, calls)):
                raise NotInKeras2Error(
                    f"{given['name']}: it is given tensors by name, which Keras 3 does not read"
                )
            entry = self.layer_entry(given)
            if given["class_name"] == "MultiHeadAttention":
                entry["config"] |= _attention_shapes(given["inbound_nodes"])
        return entry | {"name": given["name"], "inbound_nodes": calls}

    def _parameters(self, given: dict) -> Callable[[], list[str]]:
        """Returns what tells the names of a layer's arguments, looked for when they are needed."""

        def names() -> list[str]:
            kind = given["class_name"]
            found: Any = (
                self._kinds.get((kind, given["name"]))
                or get_registered_object(given.get("registered_name") or kind)
                or own_object(kind, "keras.layers")
            )
            if found is None:
                raise NotInKeras2Error(f"{given['name']}: the arguments of {kind} have no known names")
            return [parameter.name for parameter in own_parameters(found.call)]

        return names


def _is_missing(given: dict) -> bool:
    module = str(given.get("module"))
    tables = [MISSING[module]] if module in MISSING else MISSING.values()
    return any(given["class_name"] in table for table in tables)


def _is_read_by_one(kind: str, config: dict) -> bool:
    """Returns whether Keras 2 and 3 have forms of a layer that the other does not read."""
    function = config.get("function")
    named = isinstance(function, dict) and function.get("class_name") == "function"
    return kind == "MultiHeadAttention" or (kind == "Lambda" and named)


def _attention_shapes(calls: list[dict]) -> dict:
    """Returns the shapes of the query, key and value, of which Keras 2 makes the weights."""
    given = dict(zip(("query", "value", "key"), calls[0]["args"])) | calls[0]["kwargs"]
    shapes = {
        name: given[name]["config"]["shape"]
        for name in ("query", "value", "key")
        if is_tensor(given.get(name))
    }
    return {f"{name}_shape": shapes.get(name, shapes.get("value")) for name in ("query", "key", "value")}


def _activation(value: Any) -> Any:
    if isinstance(value, dict) and value.get("class_name") == "function":
        value = value["config"]
    if isinstance(value, str) and value in MISSING["keras.activations"]:
        raise NotInKeras2Error(f"Keras 2 has no activation {value!r}")
    return FUNCTIONS.get(value, value) if isinstance(value, str) else value


def _lambda(write: Callable, inner: dict) -> dict:
    """Returns the config of a `Lambda` layer, which says beside each function what kind it is."""
    if inner.get("mask") is not None:
        raise NotInKeras2Error(f"{inner['name']}: the mask of a Lambda layer is not written in Keras 2")
    config = {
        key: write(item) for key, item in inner.items() if key not in ("mask", "function", "output_shape")
    }
    for key in ("function", "output_shape"):
        config[key], config[f"{key}_type"] = _function(inner.get(key))
    config["module"] = config["output_shape_module"] = "builtins"
    return config


def _function(value: Any) -> tuple[Any, str]:
    if not isinstance(value, dict):
        return value, "raw"
    if value["class_name"] == "function":
        return value["config"], "function"
    parts = value["config"].get("value", value["config"])
    return [parts[name] for name in ("code", "defaults", "closure")], "lambda"


# ---- calls


def _starts_itself(entry: dict) -> bool:
    """Returns whether a layer is a model with inputs of its own: Keras 2 counts its making as the first call."""
    layers = entry["config"].get("layers") if isinstance(entry["config"], dict) else None
    return bool(layers) and isinstance(layers, list) and layers[0].get("class_name") == "InputLayer"


def _shifted(references: Any, shifted: set[str]) -> Any:
    if isinstance(references, dict):
        if "class_name" in references:
            raise NotInKeras2Error("the inputs or outputs of the model are composite tensors")
        return {key: _shifted(value, shifted) for key, value in references.items()}
    if references and isinstance(references[0], str):
        name, call, output = references
        return [name, call + (name in shifted), output]
    return [_shifted(value, shifted) for value in references]


def _wrapped(references: Any) -> Any:
    return [references] if isinstance(references, list) and isinstance(references[0], str) else references


def _call(entry: dict, call: dict, names: Callable[[], list[str]], shifted: set[str]) -> Any:
    """Returns one call of a layer: the first argument, with the others beside each of its tensors."""
    args = list(call["args"])
    given = {key: value for key, value in call["kwargs"].items() if value is not None}
    if not args:
        first = names()[0]
        if first not in given:
            raise NotInKeras2Error(f"{entry['name']}: it is called without its first argument")
        args = [given.pop(first)]
    if len(args) > 1:
        given |= {name: value for name, value in zip(names()[1:], args[1:]) if value is not None}
    kwargs = {key: constant(value, shifted) for key, value in given.items()}
    return _first(entry["name"], args[0], kwargs, shifted)


def _gives_tensors_by_name(call: Any) -> bool:
    first = next(iter(call.values())) if isinstance(call, dict) else call[0]
    return any(isinstance(value, list) and value for value in first[3].values())


def _first(name: str, value: Any, kwargs: dict, shifted: set[str]) -> Any:
    if isinstance(value, dict) and "class_name" not in value:
        return {key: tensor(name, item, kwargs, shifted) for key, item in value.items()}
    if is_tensor(value) or not isinstance(value, list):
        return [tensor(name, value, kwargs, shifted)]
    return [tensor(name, item, kwargs, shifted) for item in value]
