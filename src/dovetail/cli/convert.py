"""`dovetail convert IN OUT`: a model, or the weights of one, from one format into another."""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any

from dovetail import keras
from dovetail.base.atomic import replacing
from dovetail.base.errors import OpError
from dovetail.keras import permission
from dovetail.keras.models.codec import LayerNotBuiltError

_MODELS = (".keras", ".h5", ".hdf5")
_SHARD_SIZE = 5.0  # GiB
_EXPORTED = {".stablehlo": "stablehlo", ".onnx": "onnx"}  # formats of `model.export`
_WEIGHTS = (".weights.h5", ".weights.json", ".safetensors", ".ckpt")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what `dovetail convert` takes to its parser."""
    parser.description = (
        "Write a model file in another format, by the ending of OUT: .keras, .h5, .weights.h5, .weights.json (several "
        "files), .safetensors, .ckpt (a checkpoint of TensorFlow), .json (the architecture), .stablehlo (a program for "
        "JAX), .onnx, and a SavedModel for a path without an ending. Weights alone need the model that they belong to."
    )
    parser.add_argument(
        "source",
        metavar="IN",
        help="a .keras or .h5 model, a SavedModel of Keras 2, Orbax' checkpoints, or weights",
    )
    parser.add_argument("target", metavar="OUT", help="the file to write")
    parser.add_argument("--model", help="the model of the weights: a .keras, .h5 or .json file")
    parser.add_argument("--shard-size", type=float, help=f"GiB in a file of .weights.json ({_SHARD_SIZE})")
    parser.add_argument("--unsafe", action="store_true", help="read lambdas, which could run any code")


def run(options: argparse.Namespace) -> int:
    """Converts; returns 0, or 1 when it cannot be done."""
    try:
        model = _loaded(options)
        _write(model, options.target, options.shard_size)
    except (
        ValueError,
        TypeError,
        OSError,
        ImportError,
        NotImplementedError,
        LayerNotBuiltError,
        OpError,
    ) as error:
        print(f"dovetail convert: {error}", file=sys.stderr)
        return 1
    return 0


def _loaded(options: argparse.Namespace) -> Any:
    """Returns the model of the source, or the one given with the weights of the source in it."""
    if options.model is None:
        return keras.models.load_model(options.source, safe_mode=not options.unsafe)
    model = _architecture(options.model, not options.unsafe)
    found = model.load_weights(options.source)
    if found is not None:
        found.assert_existing_objects_matched()
    return model


def _architecture(path: str, safe_mode: bool) -> Any:
    if not path.endswith(".json"):
        return keras.models.load_model(path, compile=False, safe_mode=safe_mode)
    with open(path, encoding="utf-8") as file, permission.allowing(safe_mode):
        return keras.models.model_from_json(file.read())


def _write(model: Any, path: str, shard_size: float | None) -> None:
    if path.endswith(".weights.json"):
        model.save_weights(path, max_shard_size=_SHARD_SIZE if shard_size is None else shard_size)
    elif shard_size is not None:
        raise ValueError(f"--shard-size goes with .weights.json, not with {path!r}")
    elif path.endswith(".ckpt"):
        model.save_weights(path, save_format="tf")
    elif path.endswith(_WEIGHTS):
        model.save_weights(path)
    elif path.endswith(_MODELS):
        model.save(path)
    elif path.endswith(tuple(_EXPORTED)):
        model.export(path, format=_EXPORTED[os.path.splitext(path)[1]])
    elif path.endswith(".json"):
        text = model.to_json()
        with replacing(path) as partial, open(partial, "w", encoding="utf-8") as file:
            file.write(text)
    elif (
        not os.path.splitext(path)[1].strip(".").strip("0123456789")
    ):  # nor is the 2 of "served-1.2" an ending
        model.export(path)
    else:
        known = ", ".join((*_MODELS, *_WEIGHTS, *_EXPORTED, ".json"))
        raise ValueError(f"{path!r} must end in one of {known}, or have no ending for a SavedModel")
