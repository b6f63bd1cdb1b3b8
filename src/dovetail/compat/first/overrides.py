"""Gradients of operations by name: `tf.RegisterGradient`, and `graph.gradient_override_map`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dovetail.autodiff.custom import custom_gradient
from dovetail.base.errors import at_user_location
from dovetail.graph.by_hand import GRADIENTS


class RegisterGradient:
    """Decorator: makes a function `gradient(op, *output gradients)` the gradient of a name.

    In `with graph.gradient_override_map({"Identity": name}):`, operations of a type have it.

    Args:
        op_type: the name.
    """

    def __init__(self, op_type: str) -> None:
        if not isinstance(op_type, str):
            raise TypeError(f"op_type must be a string, received {op_type!r:.60}{at_user_location()}")
        self._name = op_type

    def __call__(self, f: Callable) -> Callable:
        if self._name in GRADIENTS:
            raise KeyError(f"the gradient {self._name!r} is registered already{at_user_location()}")
        GRADIENTS[self._name] = lambda node: _Overridden(node, f)
        return f


def no_gradient(op_type: str) -> None:
    """States that the operations of a name have no gradient."""

    def none(op: Any, *gradients: Any) -> list:
        return [None] * len(op.inputs)

    RegisterGradient(op_type)(none)


class _Call:
    """One call of an operation, as a gradient function sees it.

    Attributes:
        inputs, outputs: tensors.
        type, name: of the operation.
    """

    def __init__(self, node: Any, inputs: list, outputs: list) -> None:
        self.inputs, self.outputs, self.type, self.name = inputs, outputs, node.type, node.name
        self._attributes = dict(node.kwargs)

    def get_attr(self, name: str) -> Any:
        """Returns an attribute."""
        return self._attributes[name]


class _Overridden:
    """An operation with another gradient."""

    is_input = False

    def __init__(self, node: Any, gradient: Callable) -> None:
        self._operation, self._node, self._gradient = node.operation, node, gradient
        self.name, self.type = node.operation.name, node.operation.type

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        @custom_gradient
        def call(*inputs: Any) -> tuple:
            found = self._operation(*inputs, **kwargs)

            def gradient(*incoming: Any) -> Any:
                outputs = list(found) if isinstance(found, list | tuple) else [found]
                given = self._gradient(_Call(self._node, list(inputs), outputs), *incoming)
                return list(given) if isinstance(given, list | tuple) else given

            return found, gradient

        return call(*args)

    def __repr__(self) -> str:
        return f"<{self.name} with a gradient of its own>"


NAMES: dict[str, Any] = {
    "RegisterGradient": RegisterGradient,
    **dict.fromkeys(("NoGradient", "NotDifferentiable", "no_gradient"), no_gradient),
}
