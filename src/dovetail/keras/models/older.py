"""Configs that others write in forms of their own: the calls of layers in Keras 2, and raw ops in Keras 2 and 3.

Keras 2 lists the calls of a layer as `[[layer, call, output, further arguments], ...]`, and raw ops as layers of the
classes `TFOpLambda` and `SlicingOpLambda` that name the public function.  Keras 3 writes its ops as objects of the
classes of `keras.src.ops`, whose config has the arguments that are no tensors.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

from dovetail.base import nest
from dovetail.base.errors import UnknownObjectError, at_user_location
from dovetail.keras import permission
from dovetail.keras.models.keras_2_terms import CONSTANT, ELLIPSIS, OP_LAYERS
from dovetail.keras.registration import own_object
from dovetail.ops.table import find
from dovetail.tensor.symbolic import SymbolicTensor

_OPERATORS: dict[str, Callable] = {
    "__operators__.getitem": lambda tensor, slice_spec: tensor[_index(slice_spec)],
    "__operators__.add": lambda x, y: x + y,
    "__operators__.eq": lambda self, other: self == other,
    "__operators__.ne": lambda self, other: self != other,
}


class WrittenOp:
    """A raw op that a config names, in the place of a layer.

    Args:
        name: of the entry.
        function: the public function.
        given: arguments for every call.
    """

    def __init__(self, name: str, function: Callable, given: dict[str, Any]) -> None:
        self.name, self._function, self._given = name, function, given

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Applies the op to symbolic tensors.

        Raises:
            ValueError: there are none: a file may describe a computation, and not run one.
        """
        if not any(isinstance(leaf, SymbolicTensor) for leaf in nest.flat((args, kwargs))):
            raise ValueError(f"the config applies the op {self.name!r} to no tensor of the model")
        return self._function(*args, **kwargs, **self._given)


def as_layer(entry: Any) -> Any:
    """Returns the entry of a layer with the module of layers where it has none: other kinds share some names."""
    known = isinstance(entry, dict) and isinstance(entry.get("class_name"), str) and not entry.get("module")
    return (
        entry | {"module": "keras.layers"}
        if known and own_object(entry["class_name"], "keras.layers")
        else entry
    )


def op_of(entry: dict) -> WrittenOp | None:
    """Returns the raw op of an entry of "layers" that Keras has written; None when it is something else.

    Raises:
        ValueError: the op is not known here.
    """
    config = entry["config"]
    if entry["class_name"] in OP_LAYERS and "function" in config:
        function = config["function"]
        return WrittenOp(entry["name"], _OPERATORS.get(function) or _public("tf", function), {})
    if not str(entry.get("module")).startswith("keras.src.ops."):
        return None
    if entry["class_name"] == "GetItem":
        return WrittenOp(entry["name"], lambda tensor, key: tensor[_index(key)], {})
    function = _public("keras.ops", _NAMES.get(entry["class_name"]) or _snake(entry["class_name"]))
    accepted = inspect.signature(function).parameters
    # Classes of ops may keep more than their functions take, which is None then.
    given = {name: value for name, value in config.items() if name in accepted or value is not None}
    given.pop("name", None)
    return WrittenOp(entry["name"], function, given)


_NAMES = {"Relu6": "relu6"}


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def _public(namespace: str, name: str) -> Callable:
    """Returns a public function of the table of ops: nothing else can be named."""
    inner, _, last = name.removeprefix("compat.v1.").rpartition(".")
    permission.check_op(last, f"{namespace}.{name}")
    try:
        return find(f"{namespace}.{inner}" if inner else namespace, last)
    except KeyError:
        raise UnknownObjectError(
            f"the config names the op {namespace}.{name}, which is not known{at_user_location()}"
        ) from None


def _index(spec: Any) -> Any:
    """Returns what stands in the brackets of a slice."""
    if isinstance(spec, dict) and "start" in spec:
        return slice(spec["start"], spec["stop"], spec["step"])
    if isinstance(spec, list):
        return tuple(map(_index, spec))
    return Ellipsis if isinstance(spec, str | dict) and spec in ("...", ELLIPSIS) else spec


def has_calls_of_keras_2(entry: dict) -> bool:
    """Returns whether the calls of an entry of "layers" are written in the manner of Keras 2."""
    return any(not isinstance(call, dict) or "args" not in call for call in entry["inbound_nodes"])


def calls_of(entry: dict) -> list[dict]:
    """Returns the calls of an entry of Keras 2 as `{"args": ..., "kwargs": ...}` of Keras 3."""
    return [_call(call, entry["class_name"] in OP_LAYERS) for call in entry["inbound_nodes"]]


def counted_from_0(entries: list[dict], ends: list) -> tuple[list[dict], list]:
    """Returns the entries and ends of a model of Keras 2 with calls of layers that are all counted from 0.

    Keras 2 counts the making of a model with inputs of its own as its first call.

    Args:
        entries: "layers" of the config.
        ends: "input_layers" and "output_layers".
    """
    shifted = {entry["name"] for entry in entries if _has_own_inputs(entry)}
    if not shifted:
        return entries, ends
    used: list[tuple[str, int]] = []
    calls = [entry["inbound_nodes"] for entry in entries]

    def note(name: str, call: int) -> int:
        used.append((name, call))
        return call

    _mapped_tensors(note, [calls, ends])
    shifted = {name for name in shifted if (name, 0) not in used}

    def from_0(name: str, call: int) -> int:
        return call - 1 if name in shifted else call

    calls, ends = _mapped_tensors(from_0, [calls, ends])
    return [entry | {"inbound_nodes": own} for entry, own in zip(entries, calls, strict=True)], ends


def _has_own_inputs(entry: dict) -> bool:
    layers = entry["config"].get("layers") if isinstance(entry["config"], dict) else None
    return isinstance(layers, list) and bool(layers) and layers[0].get("class_name") == "InputLayer"


def _mapped_tensors(number: Callable, value: Any) -> Any:
    """Returns calls with other numbers: `number(layer's name, call) -> call`."""
    if _is_tensor(value):
        name, call, *rest = value
        return [name, number(name, call), *(_mapped_tensors(number, item) for item in rest)]
    if isinstance(value, list | tuple):
        return [_mapped_tensors(number, item) for item in value]
    return (
        {key: _mapped_tensors(number, item) for key, item in value.items()}
        if isinstance(value, dict)
        else value
    )


def _call(call: Any, of_op: bool) -> dict:
    if isinstance(call, dict):  # the first argument is a dict of tensors
        first: Any = {name: _tensor(value) for name, value in call.items()}
        kwargs: Any = next(iter(call.values()), [])[3:]  # a damaged file may name none
    elif _is_tensor(call):
        first, kwargs = _tensor(call), call[3:]
    else:
        first, kwargs = [_tensor(value) for value in call], call[0][3:] if call else []
        if len(first) == 1 and not of_op:
            first = first[0]
    given = kwargs[0] if kwargs else {}
    return {
        "args": [first],
        "kwargs": {name: _argument(value) for name, value in given.items() if name != "name"},
    }


def _is_tensor(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) in (3, 4)
        and isinstance(value[0], str)
        and type(value[1]) is int
    )


def _tensor(written: Any) -> Any:
    """Returns the config of one tensor `[layer, call, output, ...]`, or of a constant."""
    if not _is_tensor(written):
        return [_tensor(value) for value in written]
    if written[0] == CONSTANT:
        return _argument(written[2])
    config = {"shape": None, "dtype": None, "keras_history": written[:3]}
    return {"class_name": "__keras_tensor__", "config": config}


def _argument(value: Any) -> Any:
    """Returns the config of a further argument, which may hold tensors."""
    if _is_tensor(value):
        return _tensor(value)
    if isinstance(value, list):
        return [_argument(item) for item in value]
    if isinstance(value, dict) and value.get("class_name") == "TensorShape":
        return value["items"]
    return {name: _argument(item) for name, item in value.items()} if isinstance(value, dict) else value


def alone(references: Any) -> Any:
    """Returns the only tensor of a list of one, which is no list in Keras 2."""
    single = isinstance(references, list) and len(references) == 1 and _is_tensor(references[0])
    return references[0] if single else references
