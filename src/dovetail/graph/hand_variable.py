"""Variables of graphs that are written by hand: operations read, assign and initialize them, a session runs those.

The variable itself holds the value that a session gave it.  Each session has its own: `enter` changes them when another
session runs the graph.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail.base import nest
from dovetail.base.errors import FailedPreconditionError, at_user_location
from dovetail.base.own import declare
from dovetail.base.settings import state
from dovetail.graph.node import WRITE, FunctionCall, Node, _Read
from dovetail.graph.record import symbolic_outputs
from dovetail.graph.recording import FunctionGraph, RecordScope, recording
from dovetail.tensor import dtype as dt
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.shape import TensorShape
from dovetail.tensor.sharing import VariableAggregation, VariableSynchronization, named
from dovetail.tensor.spec import TensorSpec
from dovetail.tensor.symbolic import SymbolicTensor
from dovetail.tensor.tensor import Tensor, TensorLike
from dovetail.tensor.variable import Variable, _ids

_NOTHING = nest.flatten_spec(())[1]
_GLOBAL, _TRAINABLE = "variables", "trainable_variables"


class _Handle(_Read):
    """The operation that a variable is in its graph; what it gives is the value."""

    name, type = "tf.Variable", "VarHandleOp"

    def __reduce__(self) -> str:
        return "HANDLE"


HANDLE = _Handle()


@declare
class GraphVariable(Variable):
    """A variable of a graph that is written by hand; it has no value until a session runs its initializer.

    Args:
        initial_value: as `tf.Variable` takes it, or a tensor of the graph.
        full_name: its name whatever name scope is open, in place of `name`.
        collections: keys of the graph's collections that it is put in.
        others: the arguments of `tf.Variable`.

    Attributes:
        graph: the graph.
        op: its operation.
        initializer: the operation that gives it its initial value.
        initial_value: a tensor of the graph.
        is_reference: whether it is of TensorFlow 1's own kind (`use_resource=False`); it is used all the same.
    """

    is_reference = False

    def __init__(
        self,
        initial_value: Any = None,
        trainable: bool | None = None,
        validate_shape: bool = True,
        caching_device: Any = None,
        name: str | None = None,
        variable_def: Any = None,
        dtype: Any = None,
        import_scope: Any = None,
        constraint: Any = None,
        synchronization: Any = None,
        aggregation: Any = None,
        shape: Any = None,
        experimental_enable_variable_lifting: bool = True,
        collections: Any = None,
        full_name: str | None = None,
    ) -> None:
        graph: Any = recording()
        if initial_value is None:
            raise ValueError(f"tf.Variable: pass an initial_value{at_user_location()}")
        full = self._place(graph, full_name, name)
        with graph.control_dependencies(None), graph.names.entered(full):
            initial = _converted(initial_value, dtype)
            if isinstance(initial, Tensor):
                initial = graph.named("initial_value", graph.constant, initial)
        self.synchronization = named(VariableSynchronization, synchronization, VariableSynchronization.AUTO)
        self.aggregation = named(VariableAggregation, aggregation, VariableAggregation.NONE)
        self._trainable, self.constraint = True if trainable is None else bool(trainable), constraint
        declared = TensorShape(None) if not validate_shape else initial.shape
        self._state(full, declared if shape is None else TensorShape(shape), initial.dtype)
        self._declared_shape.assert_is_compatible_with(initial.shape)
        self._add_handle(graph)
        self._add_initializer(initial)
        chosen = [_GLOBAL] if collections is None else list(collections)
        if self._trainable and _TRAINABLE not in chosen:
            chosen.append(_TRAINABLE)
        graph.add_to_collections(chosen, self)

    @staticmethod
    def _place(graph: Any, full_name: str | None, name: str | None) -> str:
        """Returns its name, which nothing else has."""
        if full_name is None:
            return graph.unique_name(name or "Variable")
        with graph.names.entered(""):
            return graph.unique_name(full_name)

    @classmethod
    def declared(cls, graph: Any, name: str, shape: Any, dtype: Any) -> GraphVariable:
        """Returns a variable without an initializer; what reads its graph may give it one.

        Args:
            graph: records.
            name: in the graph, whatever scope is open.
        """
        made: Any = cls.__new__(cls)
        made.synchronization, made.aggregation = VariableSynchronization.AUTO, VariableAggregation.NONE
        made._trainable, made.constraint = True, None
        made._state(name, TensorShape(shape), dt.as_dtype(dtype))
        made.initializer = made.initial_value = None
        made._add_handle(graph)
        return made

    def _state(self, full: str, shape: TensorShape, dtype: Any) -> None:
        self._declared_shape, self._numpy_dtype = shape, np.dtype(dtype.numpy_dtype)
        self._autocast, self._name, self._unique_id = dtype.is_floating, full, next(_ids)
        self._session: Any = None  # a weak reference to the session whose value it holds
        self._put(None)

    def _add_handle(self, graph: Any) -> None:
        self.graph: Any = graph
        with graph.control_dependencies(None), graph.names.entered(self._name):
            spec = TensorSpec(self._declared_shape, self._numpy_dtype)
            self._element = symbolic_outputs(Node(HANDLE, (self,), {}), [spec])
            self.op = self._element.node
            graph._rename(self.op, self._name)
        graph.note_variable(self, written=True)

    def _add_initializer(self, initial: SymbolicTensor) -> None:
        self.initial_value: Any = initial
        with self.graph.control_dependencies(None), self.graph.names.entered(self._name):
            self.initializer: Any = Node(WRITE, (self, initial), {})
            symbolic_outputs(self.initializer, [], _NOTHING)

    @property
    def name(self) -> str:  # type: ignore[override]
        return self._name + ":0"

    # ---- its value

    def _put(self, held: Tensor | None) -> None:
        """Takes a value, None for no value yet."""
        self.has_value = held is not None
        sizes = [] if self._declared_shape.rank is None else [size or 0 for size in self._declared_shape]
        self._held = Tensor(np.zeros(sizes, self._numpy_dtype)) if held is None else held

    def enter(self, session: Any) -> None:
        """Takes the value that it has in a session, and gives the one that it has to the session it is of.

        Args:
            session: has `kept`, a dict from ids of variables to what they hold, None for those without a value, and
                `reference`, the one weak reference to it.
        """
        if self._session is session.reference:
            return
        before = None if self._session is None else self._session()
        if before is not None:
            before.kept[id(self)] = self._held if self.has_value else None
        self._put(session.kept.get(id(self)))
        self._session = session.reference

    def require_value(self) -> None:
        """Raises FailedPreconditionError when it has no value."""
        if not self.has_value:
            raise FailedPreconditionError(
                f"the variable {self._name!r} is used before it has a value. Run its initializer first, "
                f"session.run(tf.compat.v1.global_variables_initializer()), or restore it{at_user_location()}"
            )

    def is_initialized(self) -> Any:
        """Returns whether it has a value, as a tensor of the graph."""
        graph = recording()
        if graph is None:
            return self.has_value
        spec = [TensorSpec([], dt.as_dtype("bool"))]
        return host_call(lambda: [convert_to_tensor(self.has_value)], "IsVariableInitialized", (), spec)[0]

    def initialize_with(self, value: Any) -> None:
        """Makes its initializer give it another value."""
        with self.graph.as_default(), self.graph.control_dependencies(None):
            held = self.graph.constant(convert_to_tensor(value, dt.from_numpy(self._numpy_dtype)))
        self.initializer.args = (self, held)
        self.initial_value = held

    def initialized_value(self) -> SymbolicTensor:
        return self.initial_value

    def load(self, value: Any, session: Any = None) -> None:
        """Gives it a value in a session, the default one when None."""
        found = session or self.graph.default_session("Variable.load")
        found.assign(self, value)

    def eval(self, session: Any = None) -> Any:
        """Returns its value in a session, the default one when None, as an array."""
        return self._element.eval(session=session)

    # ---- in the graph

    def assign(
        self, value: Any, use_locking: bool = False, name: str | None = None, read_value: bool = True
    ) -> Any:
        """Replaces the value; in the graph, returns a tensor of the new one (an operation unless `read_value`)."""
        graph = recording()
        if graph is None or not graph.by_hand:
            return super().assign(value)
        given = self._converted(value)
        self._check_shape(given)
        node = Node(WRITE, (self, given), {})
        symbolic_outputs(node, [], _NOTHING)
        graph.note_variable(self, written=True)
        if not read_value:
            return node
        with graph.control_dependencies([node]):
            read = state.scope.tensor(self)
        if name:
            graph._rename(read.node, graph.unique_name(name))
        if given.shape.rank is not None and self._declared_shape.rank is not None:
            read.set_shape(given.shape)
        return read

    def value(self) -> Any:  # type: ignore[override]
        return self._tensor()

    @property
    def handle(self) -> GraphVariable:
        """What `tf.raw_ops` take for it."""
        return self

    def __hash__(self) -> int:
        return id(self)

    def __eq__(self, other: object) -> bool:
        return self is other

    def __ne__(self, other: object) -> bool:
        return self is not other

    def __bool__(self) -> bool:
        return True if recording() is not None else super().__bool__()

    def __repr__(self) -> str:
        return f"<tf.Variable '{self.name}' shape={self.shape} dtype={self.dtype.name}>"


class HostCall(FunctionCall):
    """A Python function that must be called each time, with values: programs that hold one run op by op."""


def host_call(function: Any, name: str, args: tuple, described: list, effect: bool = False) -> list:
    """Adds a node that calls a Python function, with values, each time it runs; returns its tensors.

    Args:
        function: called as `function(*args)`, returns a list of tensors.
        name: its type.
        args: with symbolic tensors anywhere inside.
        described: the specs of what it returns.
        effect: it returns nothing.
    """
    node = Node(HostCall(function, name, effect=effect), args, {})
    return symbolic_outputs(node, described, nest.flatten_spec(list(described))[1])


def _converted(initial_value: Any, dtype: Any) -> Any:
    value = initial_value() if callable(initial_value) else initial_value
    if isinstance(value, Variable) and recording() is not None:
        value = getattr(value, "initial_value", value)
    wanted = None if dtype is None else dt.as_dtype(dtype).base_dtype
    if isinstance(value, TensorLike):
        tensor = convert_to_tensor(value)
        return tensor if wanted is None or tensor.dtype == wanted else tensor._astype(wanted)
    return convert_to_tensor(value, wanted)


class WritingScope(RecordScope):
    """The scope of a graph that is written by hand: each read of a variable is an operation of its own."""

    variable_class = GraphVariable

    def tensor(self, variable: Variable) -> Any:
        return self.first_read(variable)

    def assign(self, variable: Variable, value: Any) -> None:
        self.graph.note_variable(variable, written=True)
        symbolic_outputs(Node(WRITE, (variable, value), {}), [], _NOTHING)


def variables_needed(nodes: list[Node]) -> list[GraphVariable]:
    """Returns the variables that nodes, in their order, read before they assign them."""
    needed: dict[int, GraphVariable] = {}
    assigned: set[int] = set()
    for node in nodes:
        if node.operation is WRITE:
            assigned.add(id(node.args[0]))
            continue
        for variable in _used(node):
            if isinstance(variable, GraphVariable) and id(variable) not in assigned:
                needed[id(variable)] = variable
    return list(needed.values())


def variables_assigned(nodes: list[Node]) -> list[GraphVariable]:
    """Returns the variables that nodes assign."""
    found: dict[int, Any] = {}
    for node in nodes:
        written = [node.args[0]] if node.operation is WRITE else []
        for graph in _graphs(node):
            written += graph.writes
        found |= {id(v): v for v in written if isinstance(v, GraphVariable)}
    return list(found.values())


def calls_host(nodes: list[Node]) -> bool:
    """Whether a `HostCall` is among nodes, or in the graphs in them."""
    return any(
        isinstance(node.operation, HostCall) or any(calls_host(graph.nodes) for graph in _graphs(node))
        for node in nodes
    )


def _graphs(node: Node) -> list[FunctionGraph]:
    return [leaf for leaf in nest.flat((node.args, node.kwargs)) if isinstance(leaf, FunctionGraph)]


def _used(node: Node) -> list:
    """Returns the variables whose values a node takes: what a graph in it only assigns is none."""
    found = [leaf for leaf in nest.flat((node.args, node.kwargs)) if isinstance(leaf, Variable)]
    for graph in _graphs(node):
        found += variables_needed(graph.nodes)
    return found
