"""The configs in files of whole models: those of Keras 3, or those of Keras 2.

| file | in programs for Keras 2 | otherwise |
|---|---|---|
| `.keras` | of Keras 2 | of Keras 3 |
| HDF5 | of Keras 2 | of Keras 2, in the form that Keras 3 reads, too; where there is none, of Keras 3 |

A model that Keras 2 has no words for is written as Keras 3 does; a program for Keras 2 is told.
"""

from __future__ import annotations

import inspect
import warnings
from typing import Any

from dovetail.keras.idiom import is_keras_2
from dovetail.keras.models.keras_2 import as_keras_2
from dovetail.keras.models.keras_2_terms import NotInKeras2Error
from dovetail.keras.models.keras_3_ops import with_ops_of_keras_3
from dovetail.keras.registration import get_registered_name, own_object
from dovetail.keras.serialization import serialize_keras_object

# Metrics of which the loss says which they are.
_OF_THE_LOSS = ("accuracy", "acc", "crossentropy", "ce")
VERSION, OLDER_VERSION = "3.15.0", "2.15.0"


def of_archive(model: Any) -> tuple[dict, str]:
    """Returns the config in a `.keras` file, and the version of Keras whose it is."""
    config = serialize_keras_object(model)
    if not is_keras_2():
        return with_ops_of_keras_3(config), VERSION
    try:
        older = as_keras_2(config, _layer_kinds(model), whole=True)
        compiled = config.get("compile_config")
        if compiled:
            older["compile_config"] = as_keras_2(compiled)
    except NotInKeras2Error as reason:
        _tell_keras_3(model, reason)
        return config, VERSION
    return older, OLDER_VERSION


def of_hdf5(model: Any, with_state: bool) -> tuple[dict, Any, str]:
    """Returns the configs of a model and its training, and the version of Keras whose they are."""
    name = get_registered_name(type(model))
    config = {"class_name": name, "config": serialize_keras_object(model.get_config())}
    known = config | {"registered_name": name if ">" in name else None}
    training = training_config(model) if with_state else None
    try:
        for_both = not is_keras_2() and _is_read_by_keras_3(model)
        older = [as_keras_2(one, _layer_kinds(model), for_both=for_both) for one in (known, training)]
    except NotInKeras2Error as reason:
        _tell_keras_3(model, reason)
        return config, training, VERSION
    if training is not None:  # without this prefix Keras 2 finds the optimizers that it had before 2.11
        older[1]["metrics"] = _named_metrics(older[1].get("metrics"))
        optimizer = older[1]["optimizer_config"]
        optimizer["class_name"] = f"Custom>{optimizer['class_name'].removeprefix('Custom>')}"
    return older[0], older[1], OLDER_VERSION


def _is_read_by_keras_3(model: Any) -> bool:
    """Returns whether Keras 3 can read a model in an HDF5 file at all: it has no raw ops or models inside."""
    layers = model._flatten_layers(include_self=False)
    return not any(layer.is_op or hasattr(layer, "_graph_layers") for layer in layers)


def _layer_kinds(model: Any) -> dict[tuple[str, str], type]:
    """Returns the classes of a model's layers, by their own names and those of the layers."""
    return {(type(layer).__name__, layer.name): type(layer) for layer in model._flatten_layers()}


def _tell_keras_3(model: Any, reason: Exception) -> None:
    """Tells a program for Keras 2 that its file is one of Keras 3."""
    if is_keras_2():
        warnings.warn(
            f"save: {model.name!r} is written as Keras 3 does, and Keras 2 cannot read it: {reason}",
            stacklevel=4,
        )


def training_config(model: Any) -> dict:
    """Returns how a model was compiled, as Keras 2 says it."""
    config = model.get_compile_config()
    optimizer = config.pop("optimizer")
    config["optimizer_config"] = {"class_name": optimizer["class_name"], "config": optimizer["config"]}
    return config | {"loss": _whole_names(config["loss"])}


def _whole_names(value: Any) -> Any:
    """Returns losses with names that every reader knows: "mse" is "mean_squared_error"."""
    if isinstance(value, list):
        return [_whole_names(item) for item in value]
    if isinstance(value, dict) and "class_name" not in value:
        return {name: _whole_names(item) for name, item in value.items()}
    if not isinstance(value, str):
        return value
    known = own_object(value, "keras.losses")
    return getattr(known, "__name__", value)


def _named_metrics(value: Any) -> Any:
    """Returns metrics that keep their names in Keras 2: "mae" is the function "mean_absolute_error" called "mae"."""
    if isinstance(value, list):
        return [_named_metrics(item) for item in value]
    if isinstance(value, dict) and "class_name" not in value:
        return {name: _named_metrics(item) for name, item in value.items()}
    known = own_object(value, "keras.metrics") if isinstance(value, str) else None
    if known is None or value in _OF_THE_LOSS or inspect.isclass(known) or known.__name__ == value:
        return value
    config = {"name": value, "dtype": "float32", "fn": known.__name__}
    return {"class_name": "MeanMetricWrapper", "config": config}
