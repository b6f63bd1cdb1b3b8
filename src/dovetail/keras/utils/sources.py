"""Where a symbolic tensor begins."""

from __future__ import annotations

from typing import Any

from dovetail.base.errors import at_user_location
from dovetail.tensor.symbolic import SymbolicTensor


def get_source_inputs(tensor: Any, layer: Any = None, node_index: int | None = None) -> list:
    """Returns the input tensors that a symbolic tensor is computed from.

    Args:
        tensor: what `keras.Input`, or a layer or op on such, gave.
        layer: begin at a call of this layer instead.
        node_index: which one of its calls.

    Example:
        >>> x = keras.Input((3,))
        >>> keras.utils.get_source_inputs(keras.layers.Dense(2)(x))[0] is x
        True
    """
    if layer is not None:
        node = layer._nodes[node_index or 0]
        return _of_node(node) or list(node.outputs)
    if not isinstance(tensor, SymbolicTensor):
        raise ValueError(
            f"get_source_inputs: expected a symbolic tensor, received {type(tensor).__name__}{at_user_location()}"
        )
    return [tensor] if tensor.node is None else _of_node(tensor.node) or list(tensor.node.outputs)


def _of_node(node: Any) -> list:
    """Returns the tensors at the beginning of all that a call depends on; none for an input's own."""
    found: list = []
    seen: set[int] = set()
    waiting = list(reversed(node.inputs))
    while waiting:
        tensor = waiting.pop()
        if id(tensor) in seen:
            continue
        seen.add(id(tensor))
        inputs = [] if tensor.node is None else tensor.node.inputs
        waiting.extend(reversed(inputs))
        if not inputs:
            found.append(tensor)
    return found
