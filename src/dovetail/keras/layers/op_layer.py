"""How a raw op shows among the layers of a functional model."""

from __future__ import annotations

from typing import Any

from dovetail.graph.construct import variables_in
from dovetail.graph.node import Node
from dovetail.keras.layers.layer import Layer


class TFOpLambda(Layer):
    """A tensor op applied to symbolic tensors.  Models make these; users do not.

    Attributes:
        function: the public function that was called, such as `tf.where`.
    """

    def __init__(self, operation: Any, node: Node, name: str) -> None:
        super().__init__(name=name)
        self.function = operation.function
        self._operation = operation
        self._nodes = [node]
        self._op_variables = variables_in((node.args, node.kwargs))
        self.built = True

    def call(self, *args: Any, **kwargs: Any) -> Any:
        return self._operation(*args, **kwargs)

    def get_config(self) -> dict:
        return {
            "name": self.name,
            "trainable": self.trainable,
            "dtype": self.dtype,
            "function": self._operation.name,
        }
