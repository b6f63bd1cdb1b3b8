"""What a layer tells of the calls that put it into a model's graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dovetail.base import nest
from dovetail.graph.node import Node


class Called:
    """The half of `Layer` that answers for its symbolic calls.  Only `Layer` derives from it."""

    name: str
    _nodes: list[Node]

    @property
    def input(self) -> Any:
        return self._only_node("input", lambda node: _single(node.inputs))

    @property
    def output(self) -> Any:
        return self._only_node("output", _outputs_of)

    @property
    def input_shape(self) -> Any:
        return nest.map_structure(lambda t: tuple(t.shape), self.input)

    @property
    def output_shape(self) -> Any:
        return nest.map_structure(lambda t: tuple(t.shape), self.output)

    def _only_node(self, what: str, pick: Callable) -> Any:
        if not self._nodes:
            raise AttributeError(
                f"the layer {self.name!r} has never been called and so has no defined {what}"
            )
        return pick(self._nodes[0])

    def symbolic_call(self, *args: Any, **kwargs: Any) -> Any:
        """Calls the layer on symbolic tensors."""
        return self(*args, **kwargs)  # type: ignore[operator]

    def get_input_at(self, node_index: int) -> Any:
        return _single(self._nodes[node_index].inputs)

    def get_output_at(self, node_index: int) -> Any:
        return _outputs_of(self._nodes[node_index])


def _outputs_of(node: Node) -> Any:
    return node.outputs[0] if node.structure is None else nest.unflatten(node.structure, node.outputs)


def _single(tensors: list) -> Any:
    return tensors[0] if len(tensors) == 1 else tensors
