"""What a layer's `call` and `build` take, read off their signatures once per function."""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Callable
from typing import Any


def own_parameters(method: Callable) -> list[inspect.Parameter]:
    """Returns the parameters of a method as its class holds it, without the instance, whatever that is called."""
    parameters = list(inspect.signature(method).parameters.values())
    bound = isinstance(method, types.MethodType)
    instance = not bound and parameters and parameters[0].kind is not inspect.Parameter.VAR_POSITIONAL
    return parameters[1:] if instance else parameters


_NEVER = 1 << 30  # the position of what is given by name only


class CallSpec:
    """The parameters of a `call` method.

    Attributes:
        names: parameter names without `self`.
        accepts_training, accepts_mask: whether `call` takes them.
        masked: (position, name, name of the mask, its position) of each parameter `x` beside which `call` has `x_mask`.
        training_default: the default of `training`.
        training_position: its position, -1 when absent; beyond all arguments when it is given by name only.
        any_keyword: whether `call` has `**kwargs`.
    """

    __slots__ = (
        "accepts_mask",
        "accepts_training",
        "any_keyword",
        "masked",
        "names",
        "training_default",
        "training_position",
    )

    def __init__(self, function: Callable) -> None:
        parameters = own_parameters(function)
        kinds = inspect.Parameter
        self.any_keyword = any(p.kind is kinds.VAR_KEYWORD for p in parameters)
        named = [p for p in parameters if p.kind not in (kinds.VAR_KEYWORD, kinds.VAR_POSITIONAL)]
        self.names = [p.name for p in named]
        self.accepts_training = "training" in self.names
        self.accepts_mask = "mask" in self.names
        self.masked = tuple(
            (self.names.index(name.removesuffix("_mask")), name.removesuffix("_mask"), name, position)
            for position, name in enumerate(self.names)
            if name.endswith("_mask") and name.removesuffix("_mask") in self.names
        )
        self.training_position = self.names.index("training") if self.accepts_training else -1
        if any(p.name == "training" and p.kind is kinds.KEYWORD_ONLY for p in named):
            self.training_position = _NEVER
        default = next((p.default for p in named if p.name == "training"), None)
        self.training_default = None if default is kinds.empty else default


@functools.lru_cache(maxsize=4096)
def call_spec(function: Callable) -> CallSpec:
    """Returns the spec of a `call` function (cached)."""
    return CallSpec(function)


@functools.lru_cache(maxsize=4096)
def build_parameters(function: Callable) -> tuple[str, ...]:
    """Returns the names of a `build` method's parameters without `self`."""
    return tuple(p.name for p in own_parameters(function) if p.kind is not inspect.Parameter.VAR_KEYWORD)


def build_arguments(function: Callable, shapes: dict[str, Any], first: Any) -> dict[str, Any]:
    """Returns the keyword arguments for `build`: `<name>_shape` for each tensor argument of `call` that it names.

    Args:
        function: the `build` method.
        shapes: shape of each tensor argument of the call, by parameter name.
        first: the shape (or structure of shapes) of the first argument.
    """
    names = build_parameters(function)
    if not names:
        return {}
    if len(names) == 1:
        return {names[0]: first}
    result = {}
    for name in names:
        argument = name.removesuffix("_shape").removesuffix("_shapes")
        if argument in shapes:
            result[name] = shapes[argument]
        elif not result:
            result[name] = first
    return result
