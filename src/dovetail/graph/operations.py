"""What users see of a graph: operations by name and type, name scopes, order, collections (`tf.Graph`)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from dovetail.base import nest
from dovetail.base.errors import ArgumentTypeError, at_user_location, suggest
from dovetail.base.joints import Joint
from dovetail.graph.names import Names
from dovetail.graph.node import NOTHING, Node, Operation
from dovetail.tensor.symbolic import SymbolicTensor


class Placeholder(Operation):
    """The operation of a tensor that gets its value from outside."""

    type = "Placeholder"

    def __init__(self, graph: BaseGraph, name: str) -> None:
        self.graph, self.name = graph, name
        self.inputs: list = []
        self.outputs: list[SymbolicTensor] = []
        self.control_inputs: list = []


_hand_written = Joint("hand_written", set_by="dovetail.graph.by_hand", called_by="tf.Graph")


def use_hand_written(kind: type) -> None:
    """Tells which class `tf.Graph()` makes."""
    _hand_written.set(kind)


class BaseGraph:
    """Operations in the order of the program, each with a name, a type, inputs and outputs (`tf.Graph`).

    `tf.function` records graphs; `tf.Graph()` makes one to be written by hand (see `graph/by_hand.py`).

    Attributes:
        by_hand: whether a program writes it, as in TensorFlow 1: its tensors are keys of `feed_dict`s.
        finalized: whether it takes no more operations.
    """

    by_hand = False

    inputs: list[SymbolicTensor]
    captured: list[SymbolicTensor]
    nodes: list

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        return object.__new__(_hand_written.get() if cls is BaseGraph else cls)

    def __init__(self) -> None:
        self.names = Names()
        self.finalized = False
        self._operations: list = []
        self._made_by: dict[int, Placeholder] = {}
        self._collections: dict[Any, list] = {}
        self._controls: list[tuple[list, set[int]]] = []  # open blocks: what waits, and what was made inside

    # ---- operations

    def get_operations(self) -> list:
        """Returns the operations in the order in which they were made."""
        return list(self._operations)

    def operation_of(self, tensor: SymbolicTensor) -> Any:
        """Returns what makes a tensor of the graph."""
        return self._made_by[id(tensor)] if tensor.node is None else tensor.node

    @property
    def version(self) -> int:
        return len(self._operations)

    def owns(self, element: Any) -> bool:
        """True for a symbolic tensor or an operation of this graph."""
        return getattr(element, "owner" if isinstance(element, SymbolicTensor) else "graph", None) is self

    def element(self, name: str) -> Any:
        """Returns a tensor for a name such as "MatMul:0", an operation for one such as "MatMul".

        Raises:
            KeyError: there is none of that name.
        """
        return self.get_tensor_by_name(name) if ":" in name else self.get_operation_by_name(name)

    def get_operation_by_name(self, name: str) -> Any:
        """Returns an operation.

        Raises:
            KeyError: there is none of that name.
            ValueError: the name is that of a tensor.
        """
        if not isinstance(name, str):
            raise ArgumentTypeError(f"operation names are strings, received {name!r:.60}{at_user_location()}")
        if ":" in name:
            raise ValueError(f"{name!r} appears to refer to a tensor, not an operation{at_user_location()}")
        found = {operation.name: operation for operation in self._operations}
        if name not in found:
            raise KeyError(f"the graph has no operation {name!r}.{suggest(name, found)}{at_user_location()}")
        return found[name]

    def get_tensor_by_name(self, name: str) -> Any:
        """Returns a tensor by its operation and position, such as "MatMul:0".

        Raises:
            KeyError: there is none of that name.
            ValueError: the name is not of that form.
        """
        if not isinstance(name, str):
            raise ArgumentTypeError(f"tensor names are strings, received {name!r:.60}{at_user_location()}")
        operation, colon, position = name.partition(":")
        if not colon or not position.isdigit():
            raise ValueError(
                f"{name!r} is no name of a tensor, expected one like 'MatMul:0'{at_user_location()}"
            )
        outputs = self.get_operation_by_name(operation).outputs
        if int(position) >= len(outputs):
            raise KeyError(
                f"the graph has no tensor {name!r}: {operation!r} has {len(outputs)} outputs{at_user_location()}"
            )
        return outputs[int(position)]

    def as_graph_element(self, obj: Any, allow_tensor: bool = True, allow_operation: bool = True) -> Any:
        """Returns the tensor or operation that `obj` is or names.

        Raises:
            ValueError: it belongs to another graph, or is of the kind that is not allowed.
            KeyError: nothing has that name.
            TypeError: it is neither.
        """
        if isinstance(obj, str):
            by_tensor = allow_tensor and (":" in obj or not allow_operation)
            return self.get_tensor_by_name(obj) if by_tensor else self.get_operation_by_name(obj)
        is_tensor, is_operation = isinstance(obj, SymbolicTensor), isinstance(obj, Operation)
        if not (is_tensor and allow_tensor or is_operation and allow_operation):
            raise ArgumentTypeError(
                f"expected a tensor or operation of the graph, received {obj!r:.60}{at_user_location()}"
            )
        if not self.owns(obj):
            raise ValueError(f"{obj!r} is no element of this graph{at_user_location()}")
        return obj

    def finalize(self) -> None:
        """Makes the graph refuse further operations."""
        self.finalized = True

    def require_open(self) -> None:
        """Raises RuntimeError when the graph is finalized."""
        if self.finalized:
            raise RuntimeError(f"the graph is finalized and cannot be modified{at_user_location()}")

    # ---- names

    def unique_name(self, name: str, mark_as_used: bool = True) -> str:
        """Returns a name that no operation or scope of the graph has, in the open name scope."""
        return self.names.unique(name, mark_as_used)

    @contextmanager
    def name_scope(self, name: str | None) -> Iterator[str]:
        """Puts a prefix before the names of the operations made in a `with` block."""
        with self.names.entered(self.names.scope_name(name)) as full:
            yield full

    def in_scope(self, name: str, function: Callable) -> Callable:
        """Returns a function that does the same in a name scope."""

        def scoped(*args: Any, **kwargs: Any) -> Any:
            with self.name_scope(name):
                return function(*args, **kwargs)

        return scoped

    def get_name_scope(self) -> str:
        """Returns the open name scope, "" at the top."""
        return self.names.scope

    def named(self, name: str, function: Callable, /, *args: Any, **kwargs: Any) -> Any:
        """Calls a function that a program gave a name to.

        The operation that makes its result gets the name, others that it makes stand in a scope of that name.
        """
        if not isinstance(name, str):
            raise ArgumentTypeError(f"name must be a string, received {name!r:.60}{at_user_location()}")
        before, full = len(self._operations), self.names.scope_name(name)
        with self.names.entered(full):
            result = function(*args, **kwargs)
        made = self._operations[before:]
        last = [leaf for leaf in nest.flat(result) if getattr(leaf, "owner", None) is self][-1:]
        chosen = self.operation_of(last[0]) if last else made[-1] if made else None
        if any(operation is chosen for operation in made):
            self._rename(chosen, full)
        return result

    def _rename(self, operation: Any, name: str) -> None:
        operation.name = name
        for position, tensor in enumerate(operation.outputs):
            tensor._name = f"{name}:{position}"

    # ---- order

    @contextmanager
    def control_dependencies(self, control_inputs: Any) -> Iterator[None]:
        """Makes the operations of a `with` block wait for others.

        Args:
            control_inputs: operations and tensors; None: the block waits for nothing, not even for what the blocks
                around it wait for.
        """
        before = self._controls
        waited = [self._operation_like(leaf) for leaf in nest.flat(control_inputs)]
        block: tuple[list, set[int]] = ([operation for operation in waited if operation is not None], set())
        self._controls = [] if control_inputs is None else [*before, block]
        try:
            yield
        finally:
            self._controls = before

    def _operation_like(self, leaf: Any) -> Any:
        """Returns the operation that a control input stands for; None for values, which are there already."""
        if isinstance(leaf, Operation):
            return leaf if leaf.graph is self else None
        return self.operation_of(leaf) if getattr(leaf, "owner", None) is self else None

    def _waited_for(self, node: Any) -> list:
        """Returns the operations that a new one waits for, but for those that its inputs wait for already."""
        found: dict[int, Any] = {}
        sources = {id(self.operation_of(tensor)) for tensor in node.inputs}
        for waited, inside in self._controls:
            if sources.isdisjoint(inside):
                found |= {id(operation): operation for operation in waited if operation is not node}
            inside.add(id(node))
        return list(found.values())

    def group(self, inputs: list, name: str) -> Any:
        """Returns an operation that does nothing, after others have run."""
        node = Node(NOTHING[name], (), {})
        with self.control_dependencies(inputs) if inputs else self.name_scope(self.names.scope + "/"):
            self.add(node)
        return node

    def add(self, node: Any) -> None:
        """Adds an operation."""
        raise NotImplementedError

    # ---- collections

    def add_to_collection(self, name: Any, value: Any) -> None:
        """Appends a value to a collection of the graph."""
        self.require_open()
        self._collections.setdefault(name, []).append(value)

    def add_to_collections(self, names: Any, value: Any) -> None:
        """Appends a value to several collections, each once."""
        for name in [names] if isinstance(names, str) else dict.fromkeys(names):
            self.add_to_collection(name, value)

    def get_collection(self, name: Any, scope: str | None = None) -> list:
        """Returns a copy of a collection; with `scope`, the values whose names match that pattern at their start."""
        found = list(self._collections.get(name, ()))
        if scope is None:
            return found
        return [value for value in found if hasattr(value, "name") and re.match(scope, value.name)]

    def get_collection_ref(self, name: Any) -> list:
        """Returns a collection itself: what is appended to it is in it."""
        return self._collections.setdefault(name, [])

    def get_all_collection_keys(self) -> list:
        return [key for key in self._collections if isinstance(key, str)]

    @property
    def collections(self) -> list:
        return list(self._collections)

    def clear_collection(self, name: Any) -> None:
        self.require_open()
        self._collections.pop(name, None)
