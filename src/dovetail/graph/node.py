"""Nodes: one application of an operation (a layer, or an op of the table) to symbolic tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dovetail.base import nest
from dovetail.base.errors import user_location
from dovetail.ops.core import Op
from dovetail.tensor.symbolic import SymbolicTensor


class Node:
    """One call in the graph.

    Attributes:
        operation: a callable with a `name`: a Keras layer or an `OpCall`.
        args, kwargs: what it was called with; symbolic tensors anywhere inside.
        outputs: the symbolic tensors it gives, flat.
        structure: how the outputs are packed.
        where: "file.py:12" of the user's line.
    """

    __slots__ = ("__weakref__", "args", "kwargs", "operation", "outputs", "structure", "where")

    def __init__(self, operation: Any, args: tuple, kwargs: dict) -> None:
        self.operation, self.args, self.kwargs = operation, args, kwargs
        self.outputs: list[SymbolicTensor] = []
        self.structure: Any = None
        self.where = user_location()

    @property
    def inputs(self) -> list[SymbolicTensor]:
        """The symbolic tensors among the arguments, in order."""
        return [leaf for leaf in nest.flatten((self.args, self.kwargs)) if isinstance(leaf, SymbolicTensor)]

    @property
    def parents(self) -> list[Node]:
        return [tensor.node for tensor in self.inputs if tensor.node is not None]

    def __repr__(self) -> str:
        return f"<Node {getattr(self.operation, 'name', self.operation)} at {self.where}>"


class OpCall:
    """An op of the table as the operation of a node.

    Attributes:
        op: the op.
        function: the public function that was called, such as `tf.where`.
        promote: mixed dtypes are promoted (`keras.ops`) instead of refused.
        name: a readable name; models make it unique ("tf.where_1").
    """

    def __init__(self, op: Op, promote: bool) -> None:
        self.op, self.promote = op, promote
        self.function: Callable = op.public or op
        module = getattr(self.function, "__module__", "") or ""
        published = module.startswith("dovetail") and not module.startswith("dovetail.ops")
        prefix = module.replace("dovetail", "tf", 1) if published else "tf"
        self.name = f"{prefix}.{getattr(self.function, '__name__', op.name)}"

    def __call__(self, *args: Any, **attributes: Any) -> Any:
        return self.op.call(args, attributes, self.promote)

    def __repr__(self) -> str:
        return f"<{self.name}>"


class FunctionCall:
    """A Python function over tensors as the operation of a node, such as `tf.cond` on a symbolic predicate."""

    def __init__(self, function: Callable, name: str) -> None:
        self.function, self.name = function, name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)
