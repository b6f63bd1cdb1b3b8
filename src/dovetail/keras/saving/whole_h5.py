"""Whole models in HDF5 files: the architecture and the arguments of `compile` as JSON in attributes.

| where | what |
|---|---|
| attributes | model_config, training_config, keras_version, backend |
| model_weights | the weights, by layer |
| optimizer_weights | the state of the optimizer, in the order of its attribute "weight_names" |

Layout and configs are those of Keras 2, which Keras 3 reads, too.  A model that Keras 2 has no words for is written
with the configs of Keras 3, which Keras 2 does not read.
"""

from __future__ import annotations

import json
import os
import tempfile
import warnings
from typing import Any

import h5py
import numpy as np

from dovetail.base.atomic import replacing
from dovetail.base.blame import raised_in
from dovetail.base.errors import at_user_location
from dovetail.keras import permission
from dovetail.keras.idiom import is_keras_2
from dovetail.keras.layers.machinery.layer import Layer
from dovetail.keras.registration import own_object
from dovetail.keras.saving import legacy
from dovetail.keras.saving.archive import with_assets
from dovetail.keras.saving.configs import OLDER_VERSION, of_hdf5
from dovetail.keras.saving.h5 import attribute as stored_attribute
from dovetail.keras.saving.h5 import member, opened, read
from dovetail.keras.serialization import deserialize_keras_object
from dovetail.tensor.tensor import Tensor
from dovetail.wire.json_text import parsed

_MODEL, _TRAINING = "model_config", "training_config"
_WEIGHTS, _STATE = "model_weights", "optimizer_weights"
# What `compile` takes from a file, and where it is looked up: losses and metrics share names.
_COMPILED = {
    "loss": "keras.losses",
    "loss_weights": None,
    "metrics": "keras.metrics",
    "weighted_metrics": "keras.metrics",
}


# ---- writing


def write(model: Any, path: str, include_optimizer: bool = True) -> None:
    """Writes a model to an HDF5 file, which replaces what was there only when it is whole.

    Raises:
        NotImplementedError: a model of a class of its own has no config that these files hold; in Keras 2, nor has a
            layer with an adapted vocabulary.
    """
    _check_assets(model)
    with_state = include_optimizer and model.compiled and model.optimizer is not None
    config, training, version = of_hdf5(model, with_state)
    with replacing(path) as partial, h5py.File(partial, "w") as file:
        file.attrs["keras_version"], file.attrs["backend"] = version, "tensorflow"
        file.attrs[_MODEL] = json.dumps(config)
        legacy.write(model, file.create_group(_WEIGHTS))
        if with_state:
            file.attrs[_TRAINING] = json.dumps(training)
            _write_state(model.optimizer, version == OLDER_VERSION, file.create_group(_STATE))


def _check_assets(model: Any) -> None:
    """Tells of layers that keep what they adapted to in files of their own, for which there is no place here."""
    for owner, _ in with_assets(model, "save_assets"):
        with tempfile.TemporaryDirectory() as folder:
            owner.save_assets(folder)
            names = os.listdir(folder)
        if not names:
            continue
        message = (
            f"{owner.name}: HDF5 files do not hold the vocabulary that the layer was adapted to. Save to a path that "
            f"ends in '.keras'{at_user_location()}"
        )
        if is_keras_2():
            raise NotImplementedError(message)
        warnings.warn(message, stacklevel=2)


def _write_state(optimizer: Any, older: bool, group: Any) -> None:
    """Writes the state of an optimizer; the learning rate is none of it in Keras 2."""
    names: list[str] = []
    variables = optimizer.without_shared(optimizer.variables) if older else optimizer.variables
    for variable in variables:
        if older and _is_rate(variable):
            continue
        base = str(getattr(variable, "path", variable.name))
        name = base if base not in names else f"{base}_{len(names)}"
        group[name] = np.asarray(variable._plain()._value)
        names.append(name)
    legacy.write_names(group, "weight_names", names)


# ---- reading


def read_model(path: str, compiled: bool = True) -> Any:
    """Returns the model of an HDF5 file that Keras or `write` has written.

    Args:
        path: of the file.
        compiled: compile the model as it was, with the state of its optimizer.

    Raises:
        ValueError: the file has no model in it, or its parts do not belong together.
    """
    with opened(path, path) as file:
        config = _json(file, _MODEL)
        if config is None:
            raise ValueError(
                f"load_model: {path!r} holds weights and no model; build the model and use load_weights"
                f"{at_user_location()}"
            )
        with permission.sized_as(os.path.getsize(path), f"load_model: {path!r}", has_all=True):
            model = deserialize_keras_object(config)
        if not isinstance(model, Layer):
            raise ValueError(
                f"load_model: {path!r}: its {_MODEL} describes a {type(model).__name__}, no model{at_user_location()}"
            )
        legacy.read_into(model, file)
        training = _json(file, _TRAINING) if compiled else None
        if training is not None:
            compile_from(model, training)
            _read_state(model, file)
    return model


def _json(file: Any, attribute: str) -> Any:
    text = stored_attribute(file, attribute)
    if text is None:
        return None
    try:
        return parsed(text)
    except ValueError as error:
        raise ValueError(
            f"load_model: {file.filename!r}: the attribute {attribute} cannot be read: {error}{at_user_location()}"
        ) from error


def compile_from(model: Any, training: dict) -> None:
    """Compiles a model as Keras 2 says that it was.

    Raises:
        ValueError: what a file says of that cannot be read.
    """
    try:
        _compile_from(model, training)
    except (AttributeError, KeyError, IndexError, TypeError) as error:
        if not raised_in(error):
            raise
        raise ValueError(
            f"load_model: what the file says of compile() cannot be read: {type(error).__name__}: {error}. "
            f"load_model(path, compile=False) leaves it out{at_user_location()}"
        ) from error


def _compile_from(model: Any, training: dict) -> None:
    if not isinstance(training, dict) or "optimizer_config" not in training:
        raise ValueError(
            f"load_model: the file does not say with which optimizer it was compiled{at_user_location()}"
        )
    options = {
        name: _of_outputs(_compile_argument(training.get(name), place)) for name, place in _COMPILED.items()
    }
    model.compile(optimizer=deserialize_keras_object(training["optimizer_config"]), **options)


def _of_outputs(value: Any) -> Any:
    """Returns an argument of `compile`; Keras 2 lists the metrics of the only output in a list of their own."""
    return value[0] if isinstance(value, list) and len(value) == 1 and isinstance(value[0], list) else value


def _compile_argument(value: Any, place: str | None) -> Any:
    """Returns the argument of `compile` that a config stands for: names stay names."""
    if isinstance(value, list):
        return [_compile_argument(item, place) for item in value]
    if isinstance(value, dict) and "class_name" not in value:
        return {name: _compile_argument(item, place) for name, item in value.items()}
    if not isinstance(value, dict):
        return value
    if value["class_name"] == "MeanMetricWrapper" and isinstance(value["config"].get("fn"), str):
        return (
            value["config"]["fn"]
            if value["config"]["name"] == value["config"]["fn"]
            else _wrapped(value["config"])
        )
    here = place is not None and own_object(value["class_name"], place) is not None
    return deserialize_keras_object({"module": place, **value} if here else value)


def _wrapped(config: dict) -> Any:
    """Returns a metric of Keras 2 that is the mean of a function, under the name that its program gave it."""
    function = {"module": "builtins", "class_name": "function", "config": config["fn"]}
    return deserialize_keras_object({"class_name": "MeanMetricWrapper", "config": config | {"fn": function}})


def _read_state(model: Any, file: Any) -> None:
    """Reads the state of the optimizer; warns, and leaves a new one, where the file's does not fit."""
    group = member(file, _STATE)
    if group is None or not model.built or model.optimizer is None:
        return
    found = [dataset for _, dataset in legacy.datasets(group)]
    optimizer = model.optimizer
    optimizer.build(model._trained_weights())
    variables = [v for v in optimizer.variables if len(found) == len(optimizer.variables) or not _is_rate(v)]
    least = optimizer.without_shared(v for v in optimizer.variables if not _is_rate(v))
    is_least = len(found) == len(least) < len(variables)
    variables = least if is_least else variables
    if [tuple(v.shape) for v in variables] != [dataset.shape for dataset in found]:
        warnings.warn(
            f"load_model: {file.filename!r} has {len(found)} arrays of the optimizer's state, which do not fit the "
            f"{len(variables)} of {type(optimizer).__name__}: it starts anew",
            stacklevel=4,
        )
        return
    arrays = [read(dataset, shape=tuple(v.shape)) for v, dataset in zip(variables, found, strict=True)]
    for variable, array in zip(variables, arrays, strict=True):
        variable._store(Tensor(np.asarray(array, variable._numpy_dtype)))
    if is_least:
        optimizer.catch_up()


def _is_rate(variable: Any) -> bool:
    return str(getattr(variable, "path", variable.name)).rpartition("/")[2].startswith("learning_rate")
