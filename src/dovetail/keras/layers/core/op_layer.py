"""How a raw op shows among the layers of a functional model."""

from __future__ import annotations

from typing import Any

from dovetail.graph.construct import variables_in
from dovetail.graph.node import Node
from dovetail.keras.layers.machinery.layer import Layer


class TFOpLambda(Layer):
    """A tensor op applied to symbolic tensors, under the name that the model shows it by.  Models make these.

    Attributes:
        operation: the op; models that share it show it under names of their own.
        function: the public function that was called, such as `tf.where`.
    """

    _operation: Any

    def __init__(self, operation: Any, node: Node, name: str) -> None:
        super().__init__(name=name)
        object.__setattr__(self, "_operation", operation)
        self._nodes = [node]
        self._op_variables = variables_in((node.args, node.kwargs))
        self.built = True

    @property
    def operation(self) -> Any:
        return self._operation

    @property
    def function(self) -> Any:
        return self._operation.function

    def call(self, *args: Any, **kwargs: Any) -> Any:
        return self._operation(*args, **kwargs)

    def get_config(self) -> dict:
        return {
            "name": self.name,
            "trainable": self.trainable,
            "dtype": self.dtype,
            "function": self._operation.name,
        }
