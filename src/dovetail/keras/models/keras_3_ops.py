"""Raw ops in the configs of models as Keras 3 writes them, so that it reads the files of models that have some.

An op of Keras 3 stands as an object of a class of `keras.src.ops`, whose config has the arguments that are no tensors.
What the tables do not have, or what works on other numbers than floating-point ones (whose rules in Keras differ
from those of TensorFlow), stays as it is: only Dovetail reads it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dovetail.keras.models.keras_2_terms import OP_LAYERS

_NUMPY, _NN = "keras.src.ops.numpy", "keras.src.ops.nn"
# Ops of tensors alone: the class, and its module.
_PLAIN = {
    "add": ("Add", _NUMPY),
    "subtract": ("Subtract", _NUMPY),
    "multiply": ("Multiply", _NUMPY),
    "divide": ("Divide", _NUMPY),
    "pow": ("Power", _NUMPY),
    "matmul": ("Matmul", _NUMPY),
    "maximum": ("Maximum", _NUMPY),
    "minimum": ("Minimum", _NUMPY),
    "abs": ("Absolute", _NUMPY),
    "negative": ("Negative", _NUMPY),
    "exp": ("Exp", _NUMPY),
    "square": ("Square", _NUMPY),
    "sqrt": ("Sqrt", _NUMPY),
    "tanh": ("Tanh", _NUMPY),
    "relu": ("Relu", _NN),
    "sigmoid": ("Sigmoid", _NN),
}
_REDUCING = {"reduce_mean": "Mean", "reduce_sum": "Sum", "reduce_max": "Max", "reduce_min": "Min"}
_JOINING = {"concat": "Concatenate", "stack": "Stack"}
# Ops with one argument besides: the class, its module, the argument there, here, and what it is when it is not given.
_ONE_MORE = {
    "expand_dims": ("ExpandDims", _NUMPY, "axis", "axis", -1),
    "squeeze": ("Squeeze", _NUMPY, "axis", "axis", None),
    "transpose": ("Transpose", _NUMPY, "axes", "perm", None),
    "tile": ("Tile", _NUMPY, "repeats", "multiples", None),
    "reshape": ("Reshape", _NUMPY, "newshape", "shape", None),
    "leaky_relu": ("LeakyRelu", _NN, "negative_slope", "alpha", 0.2),
}


def with_ops_of_keras_3(config: Any) -> Any:
    """Returns a config in which raw ops stand as Keras 3 writes them, where it has them; in models inside, too."""
    if isinstance(config, list):
        return [with_ops_of_keras_3(item) for item in config]
    if not isinstance(config, dict):
        return config
    if config.get("class_name") in OP_LAYERS and "inbound_nodes" in config:
        return _op(config) or config
    return {key: with_ops_of_keras_3(value) for key, value in config.items()}


def _op(entry: dict) -> dict | None:
    """Returns the entry of an op as Keras 3 writes it; None where it has none."""
    op = entry["config"].get("op")
    if len(entry["inbound_nodes"]) != 1 or op not in _WRITERS:
        return None
    call = entry["inbound_nodes"][0]
    if len({_dtype(one) for one in call["args"]}) != 1 or not str(_dtype(call["args"][0])).startswith(
        "float"
    ):
        return None
    found = _WRITERS[op](op, call["args"], call["kwargs"])
    if found is None:
        return None
    (kind, module), args, config = found
    return entry | {
        "module": module,
        "class_name": kind,
        "config": {"name": entry["name"], **config},
        "registered_name": kind,
        "inbound_nodes": [{"args": args, "kwargs": {}}],
    }


def _dtype(value: Any) -> str | None:
    """Returns the dtype of a tensor that is written down; None for what is no tensor."""
    is_tensor = isinstance(value, dict) and value.get("class_name") in ("__keras_tensor__", "__tensor__")
    return value["config"]["dtype"] if is_tensor else None


def _plain(op: str, args: list, kwargs: dict) -> tuple | None:
    return None if kwargs else (_PLAIN[op], args, {})


def _reducing(op: str, args: list, kwargs: dict) -> tuple | None:
    config = {"axis": kwargs.get("axis"), "keepdims": kwargs.get("keepdims", False)}
    if kwargs.keys() - config.keys() or len(args) != 1:
        return None
    return (_REDUCING[op], _NUMPY), args, config


def _joining(op: str, args: list, kwargs: dict) -> tuple | None:
    axis = kwargs.get("axis", 0)
    if kwargs.keys() - {"axis"} or not isinstance(axis, int):
        return None
    return (_JOINING[op], _NUMPY), [args], {"axis": axis}


def _one_more(op: str, args: list, kwargs: dict) -> tuple | None:
    kind, module, there, here, default = _ONE_MORE[op]
    value = kwargs.get(here, default)
    parts = value if isinstance(value, list | tuple) else [value]
    if len(args) != 1 or kwargs.keys() - {here} or not all(_is_plain(part) for part in parts):
        return None
    return (kind, module), args, {there: value}


def _is_plain(value: Any) -> bool:
    return value is None or type(value) in (int, float)


def _slices(op: str, args: list, kwargs: dict) -> tuple | None:
    """Writes brackets that hold no tensors."""
    spec: Any = kwargs.get("spec")
    if len(args) != 1 or kwargs.keys() != {"spec"} or not all(map(_is_known, spec)):
        return None
    return ("GetItem", _NUMPY), [args[0], [_INSIDE[part[0]](*part[1:]) for part in spec]], {}


_INSIDE: dict[str, Callable[..., Any]] = {
    "s": lambda start, stop, step: {
        "class_name": "__slice__",
        "config": {"start": start, "stop": stop, "step": step},
    },
    "i": lambda place: place,
    "n": lambda: None,
    "e": lambda: {"class_name": "__ellipsis__", "config": {}},
}


def _is_known(part: Any) -> bool:
    return part[0] in _INSIDE and all(place is None or type(place) is int for place in part[1:])


_WRITERS: dict[str, Callable[[str, list, dict], tuple | None]] = {
    **dict.fromkeys(_PLAIN, _plain),
    **dict.fromkeys(_REDUCING, _reducing),
    **dict.fromkeys(_JOINING, _joining),
    **dict.fromkeys(_ONE_MORE, _one_more),
    "getitem": _slices,
}
