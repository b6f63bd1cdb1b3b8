"""Tensors and constants in the calls of Keras 2: `[layer, call, output, further arguments]`."""

from __future__ import annotations

from typing import Any

CONSTANT = "_CONSTANT_VALUE"  # stands where a layer's name would
ELLIPSIS = {"class_name": "__ellipsis__"}
OP_LAYERS = ("TFOpLambda", "SlicingOpLambda")


class NotInKeras2Error(ValueError):
    """A config has no form in Keras 2."""


def is_tensor(value: Any) -> bool:
    """Returns whether a value of a config is a symbolic tensor."""
    return isinstance(value, dict) and value.get("class_name") == "__keras_tensor__"


def tensor(layer: str, value: Any, kwargs: dict, shifted: set[str]) -> Any:
    """Returns a tensor among the first arguments of a call, or a constant there, or a list of these.

    Args:
        layer: that is called.
        value: in the form of Keras 3.
        kwargs: the further arguments, which stand beside each tensor.
        shifted: the names of models, whose calls are counted from 1.
    """
    if is_tensor(value):
        return [*_history(value, shifted), kwargs]
    if isinstance(value, list) and any(map(_holds_tensor, value)):
        return [tensor(layer, item, kwargs, shifted) for item in value]
    return [CONSTANT, -1, constant(value, shifted), kwargs]


def _holds_tensor(value: Any) -> bool:
    if isinstance(value, list):
        return any(map(_holds_tensor, value))
    return is_tensor(value)


def _history(value: dict, shifted: set[str]) -> list:
    name, call, output = value["config"]["keras_history"]
    return [name, call + (name in shifted), output]


def constant(value: Any, shifted: set[str]) -> Any:
    """Returns a further argument: a tensor, a number, a word, a list or dict of these.

    Raises:
        NotInKeras2Error: it is something else.
    """
    if is_tensor(value):
        return _history(value, shifted)
    if isinstance(value, list):
        return [constant(item, shifted) for item in value]
    if not isinstance(value, dict):
        return value
    kind = value.get("class_name")
    if kind is None:
        return {key: constant(item, shifted) for key, item in value.items()}
    if kind in ("__tensor__", "__numpy__"):
        return value["config"]["value"]
    if kind == ELLIPSIS["class_name"]:
        return dict(ELLIPSIS)
    raise NotInKeras2Error(f"Keras 2 has no form for {kind} among the arguments of a call")
