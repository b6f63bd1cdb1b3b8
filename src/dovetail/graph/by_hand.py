"""Graphs written by hand, as in TensorFlow 1: `tf.Graph().as_default()`, placeholders, the default graph and session.

    with tf.Graph().as_default() as graph:
        x = tf.compat.v1.placeholder(tf.float32, [None])
        y = tf.reduce_sum(x * x)
    with tf.compat.v1.Session(graph=graph) as session:
        session.run(y, {x: [1.0, 2.0]})  # 5.0

Sessions are in `dovetail.compat.first.session`.
"""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from dovetail.base.errors import at_user_location
from dovetail.base.joints import Joint
from dovetail.base.settings import state
from dovetail.graph.hand_variable import GraphVariable, WritingScope
from dovetail.graph.node import CONSTANT, Node
from dovetail.graph.operations import use_hand_written
from dovetail.graph.record import symbolic_outputs
from dovetail.graph.recording import FunctionGraph, recording
from dovetail.ops.infer import Inferred, partial_of
from dovetail.ops.views import export
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.spec import TensorSpec
from dovetail.tensor.symbolic import SymbolicTensor
from dovetail.tensor.tensor import Tensor
from dovetail.tensor.variable import enter_scope

_definition = Joint(
    "graph_definition", set_by="dovetail.compat.first.graph_writer", called_by="tf.Graph.as_graph_def"
)


def use_definition(function: Callable[[Any], Any]) -> None:
    """Tells what writes a graph as a message."""
    _definition.set(function)


_twin = Joint(
    "twin",
    set_by="dovetail.keras.layers.machinery.in_graphs",
    called_by="symbolic tensors of models in graphs",
)


def use_twins(function: Callable[[Any, SymbolicTensor], SymbolicTensor]) -> None:
    """Tells what computes a symbolic tensor of a model in a graph, from the twins of its inputs."""
    _twin.set(function)


# By name, what makes the operation of a node one with another gradient.
GRADIENTS: dict[str, Callable[[Node], Any]] = {}


class HandWritten(FunctionGraph):
    """A graph that a program writes: `tf.Graph()` makes one."""

    by_hand = True
    is_default = False  # whether it takes what a program states outside of all `as_default()` blocks
    scope_class = WritingScope

    def __init__(self) -> None:
        super().__init__("graph")
        self.outer = None
        self.seed: int | None = None
        self._overrides: dict[str, str] = {}  # names of gradients by types of operations
        self.devices: dict[int, str] = {}  # of operations for which the program names one, by id
        self.belongings: dict[
            str, Any
        ] = {}  # what TensorFlow 1 keeps with a graph: variables by name, scopes

    def constant(self, value: Tensor) -> SymbolicTensor:
        """Returns a value as the output of an operation, as every tensor of such a graph is one."""
        described = Inferred(tuple(value.shape), value.dtype, partial_of(value))
        return symbolic_outputs(Node(CONSTANT, (value,), {}), [described])

    @contextmanager
    def gradient_override_map(self, op_type_map: dict[str, str]) -> Iterator[None]:
        """Gives the operations of a `with` block other gradients: names of `tf.compat.v1.RegisterGradient` by types.

        Raises:
            LookupError: no gradient has such a name.
        """
        unknown = [name for name in op_type_map.values() if name not in GRADIENTS]
        if unknown:
            raise LookupError(f"no gradient is registered as {unknown[0]!r}{at_user_location()}")
        before, self._overrides = self._overrides, {**self._overrides, **op_type_map}
        try:
            yield
        finally:
            self._overrides = before

    def keep(self, node: Node) -> None:
        if self._overrides and node.type in self._overrides:
            node.operation = GRADIENTS[self._overrides[node.type]](node)
        super().keep(node)
        if state.device is not None:
            self.devices[id(node)] = "/device:{}:{}".format(*state.device)

    def _forget(self, node: Node) -> None:
        super()._forget(node)
        self.devices.pop(id(node), None)

    def _stays(self, node: Node) -> bool:
        variable = node.args[0] if node.args else None
        return isinstance(variable, GraphVariable) and (node is variable.op or node is variable.initializer)

    def default_session(self, caller: str) -> Any:
        """Returns the session that runs what no session is named for.

        Raises:
            ValueError: there is none, or it is one of another graph.
        """
        found = current_session()
        if found is None:
            raise ValueError(
                f"{caller}: there is no default session. Pass session=, or call it in `with session:`"
                f"{at_user_location()}"
            )
        if found.graph is not self:
            raise ValueError(f"{caller}: the default session is one of another graph{at_user_location()}")
        return found

    def as_graph_def(self, from_version: int | None = None, add_shapes: bool = False) -> Any:
        """Returns the operations as a `GraphDef`, which TensorFlow and `tf.import_graph_def` read."""
        if not _definition.is_set:  # few programs write graphs, and what does costs 20 ms
            importlib.import_module(_definition.set_by)
        return _definition.target(self)

    @property
    def building_function(self) -> bool:
        return False

    def _capture(self, tensor: Any) -> SymbolicTensor:
        if getattr(tensor, "owner", None) is self:
            return _twin.target(self, tensor)
        raise ValueError(
            f"{tensor!r} must be from the same graph as what it is used with: it belongs to another one"
            f"{at_user_location()}"
        )

    def operation_of(self, tensor: SymbolicTensor) -> Any:
        return super().operation_of(self.inside(tensor))

    def __repr__(self) -> str:
        return f"<tf.Graph of {len(self.get_operations())} operations>"


use_hand_written(HandWritten)


class _Defaults(threading.local):
    """The default graph and the sessions that were entered, in this thread."""

    def __init__(self) -> None:
        self.sessions: list[Any] = []
        self.graph: HandWritten | None = None


_defaults = _Defaults()


def current_session() -> Any:
    """Returns the session that was entered last, None when there is none."""
    return _defaults.sessions[-1] if _defaults.sessions else None


def push_session(session: Any) -> None:
    """Makes a session the default one."""
    _defaults.sessions.append(session)


def pop_session(session: Any) -> None:
    """Takes a session from the default ones."""
    for position in reversed(range(len(_defaults.sessions))):
        if _defaults.sessions[position] is session:
            del _defaults.sessions[position]
            return


def default_graph() -> Any:
    """Returns the graph that records, or the one that stands for none."""
    found = recording()
    if found is not None:
        return found
    if _defaults.graph is None:
        _defaults.graph = HandWritten()
    return _defaults.graph


def written() -> HandWritten | None:
    """Returns the graph that a program writes here, loops and branches in it included, None where there is none."""
    found = None if state.scope is None else recording()
    while found is not None and not found.by_hand:
        found = found.outer
    return found  # type: ignore[return-value]


def written_graph() -> HandWritten:
    """Returns the graph that a program writes here; outside, the default one."""
    return written() or _defaults.graph or new_default_graph()


def new_default_graph() -> HandWritten:
    """Replaces the graph that stands for none."""
    _defaults.graph = HandWritten()
    return _defaults.graph


def apart() -> Any:
    """Returns a context in which a graph that is written here does not record: what is made has values at once."""
    return enter_scope(None) if getattr(recording(), "by_hand", False) else nullcontext()


def records_by_default(graph: Any) -> bool:
    """Whether a graph takes what a program states outside of all `as_default()` blocks."""
    return graph is not None and getattr(graph, "is_default", False)


def record_from_here(graph: HandWritten) -> None:
    """Makes a graph take what a program states outside of all `as_default()` blocks."""
    graph.is_default = True
    state.scope = graph.scope_class(graph, None)


@export("compat.v1.placeholder")
def placeholder(dtype: Any, shape: Any = None, name: str | None = None) -> SymbolicTensor:
    """Returns a tensor of the graph being written that `Session.run` gets a value for.

    Args:
        dtype: of the values.
        shape: of the values, None where a size, or the whole shape, is unknown.
        name: unique in the graph.

    Raises:
        RuntimeError: outside of `with tf.Graph().as_default()`, where every tensor has a value.
    """
    graph = recording()
    if graph is None:
        raise RuntimeError(
            "tf.compat.v1.placeholder: tensors have values here. Write a graph in `with tf.Graph().as_default():`, or "
            f"pass the value to a function{at_user_location()}"
        )
    tensor = graph.placeholder(shape, dtype, name)
    graph.inputs.append(tensor)
    return tensor


class _Default:
    """Gives its default, unless a session is fed another value."""

    type, name = "PlaceholderWithDefault", "tf.compat.v1.placeholder_with_default"
    is_input = False

    def __call__(self, value: Any) -> Any:
        return value

    def __reduce__(self) -> str:
        return "DEFAULT"


DEFAULT = _Default()


def placeholder_with_default(input: Any, shape: Any, name: str | None = None) -> Any:
    """Returns a tensor that has a value of its own, in whose place another one can be fed.

    Args:
        input: the value.
        shape: what may be fed; None where a size is unknown.
        name: of the operation.
    """
    graph = recording()
    value = convert_to_tensor(input)
    if graph is None:
        return value
    if not value.shape.is_compatible_with(shape):
        raise ValueError(
            f"placeholder_with_default: the value has shape {value.shape}, expected {shape}{at_user_location()}"
        )

    def make() -> Any:
        return symbolic_outputs(Node(DEFAULT, (value,), {}), [TensorSpec(shape, value.dtype)])

    return make() if name is None else graph.named(name, make)
