"""What users see of a graph: its operations, by name and type (`tf.Graph`)."""

from __future__ import annotations

from typing import Any

from dovetail.base.errors import at_user_location, suggest
from dovetail.tensor.symbolic import SymbolicTensor


class Placeholder:
    """The operation of a tensor that gets its value from outside."""

    type = "Placeholder"

    def __init__(self, tensor: SymbolicTensor) -> None:
        self.name, self.outputs = tensor.name.removesuffix(":0"), [tensor]
        self.inputs: list = []

    def __repr__(self) -> str:
        return f"<Placeholder {self.name}>"


_hand_written: list[type] = []


def use_hand_written(kind: type) -> None:
    """Tells which class `tf.Graph()` makes."""
    _hand_written[:] = [kind]


class BaseGraph:
    """Operations in the order of the program, each with a name, a type, inputs and outputs (`tf.Graph`).

    `tf.function` records graphs; `tf.Graph()` makes one to be written by hand (see `graph/by_hand.py`).

    Attributes:
        by_hand: whether a program writes it, as in TensorFlow 1: its tensors are keys of `feed_dict`s.
    """

    by_hand = False

    inputs: list[SymbolicTensor]
    captured: list[SymbolicTensor]
    nodes: list

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        return object.__new__(_hand_written[0] if cls is BaseGraph else cls)

    def get_operations(self) -> list:
        """Returns the operations: placeholders first, then what the function did, in order."""
        return [*map(Placeholder, [*self.inputs, *self.captured]), *self.nodes]

    def owns(self, element: Any) -> bool:
        """True for a symbolic tensor or an operation of this graph."""
        raise NotImplementedError

    def element(self, name: str) -> Any:
        """Returns a tensor for a name such as "MatMul:0", an operation for one such as "MatMul".

        Raises:
            KeyError: there is none of that name.
        """
        return self.get_tensor_by_name(name) if ":" in name else self.get_operation_by_name(name)

    def get_operation_by_name(self, name: str) -> Any:
        """Returns an operation; raises KeyError when there is none of that name."""
        found = {operation.name: operation for operation in self.get_operations()}
        if name not in found:
            raise KeyError(f"the graph has no operation {name!r}.{suggest(name, found)}{at_user_location()}")
        return found[name]

    def get_tensor_by_name(self, name: str) -> Any:
        """Returns a tensor by its operation and position, such as "MatMul:0"; raises KeyError when there is none."""
        operation, _, position = name.partition(":")
        outputs = self.get_operation_by_name(operation).outputs
        if not position.isdigit() or int(position) >= len(outputs):
            raise KeyError(f"the graph has no tensor {name!r}{at_user_location()}")
        return outputs[int(position)]
