"""How a raw op shows among the layers of a functional model."""

from __future__ import annotations

from typing import Any

from dovetail.base.errors import at_user_location
from dovetail.graph.construct import variables_in
from dovetail.graph.node import Node
from dovetail.graph.written import operation_config, operation_of
from dovetail.keras import permission
from dovetail.keras.layers.machinery.layer import Layer

__all__ = ["SlicingOpLambda", "TFOpLambda"]


class TFOpLambda(Layer):
    """A tensor op applied to symbolic tensors, under the name that the model shows it by.  Models make these.

    A call applies the op to other tensors; it is not noted as a call of this layer.

    Args:
        name: in the model; models that share the op show it under names of their own.
        node: the application of the op, None for one that is read from a config.
        operation: the op.

    Attributes:
        function: the public function that was called, such as `tf.where`.
    """

    is_op = True

    def __init__(self, name: str, node: Node | None, operation: Any) -> None:
        super().__init__(name=name)
        object.__setattr__(self, "_operation", operation)
        self._nodes = [] if node is None else [node]
        self._op_variables = [] if node is None else variables_in((node.args, node.kwargs))
        self.built = True

    @property
    def function(self) -> Any:
        return self._operation.function  # type: ignore[attr-defined]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._operation(*args, **kwargs)  # type: ignore[attr-defined]

    def call(self, *args: Any, **kwargs: Any) -> Any:
        return self(*args, **kwargs)

    def get_config(self) -> dict:
        """Returns what finds the op again.

        Raises:
            NotImplementedError: it is a Python function that no name finds.
        """
        config = operation_config(self._operation)  # type: ignore[attr-defined]
        if config is None:
            raise unwritable(self.name, TypeError("it is a Python function"))
        return {"name": self.name, **config}

    @classmethod
    def from_config(cls, config: dict) -> TFOpLambda:
        permission.check_op(config.get("op"), config["name"])
        return cls(config["name"], None, operation_of(config))


class SlicingOpLambda(TFOpLambda):
    """Brackets after a symbolic tensor, among the layers of a model."""


def unwritable(name: str, error: Exception) -> NotImplementedError:
    """Returns the error for a raw op that a config cannot hold."""
    return NotImplementedError(
        f"the raw op {name!r} cannot be written into a config: {error}. Put it into a Layer with get_config()"
        f"{at_user_location()}"
    )
