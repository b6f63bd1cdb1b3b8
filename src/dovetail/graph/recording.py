"""Recording a Python function: everything it does to symbolic tensors and variables, in program order.

    graph = trace(function, (TensorSpec([None, 3]), 2.0))     # runs the Python code once
    graph.inputs       # a symbolic tensor for each tensor or spec among the arguments, flat
    graph.nodes        # in program order, effects among them: assignments and prints
    graph.outputs      # the tensors of the result, flat; graph.structured_outputs has its structure
    graph.captures     # tensors from outside: symbolic ones of what is around, and traced ones
    graph.variables    # read or assigned inside; graph.writes: those assigned
    graph.run(values)  # replays all nodes, and returns the result in its structure

`run` calls the real ops: it works on eager tensors, inside a trace, under tapes, and on symbolic tensors, which records
it again.  Variables are read and assigned when it runs, in the order of the program.  `run(values, captures)` replaces
the captured tensors.  Concrete tensors stay what they are, constants of the graph.

While a graph records, `state.scope` is its `RecordScope`, whose `graph` is the graph (`recording()` returns it).
Layers called inside are written out as their ops.  An op on concrete tensors alone runs at once, unless it draws random
numbers.  What is no op enters by `record_call` (see `graph/record.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import contextmanager
from typing import Any

from dovetail.base import nest
from dovetail.base.settings import state
from dovetail.engine import is_tracer
from dovetail.graph.names import base_name
from dovetail.graph.node import READ, WRITE, FunctionCall, Node, Operation
from dovetail.graph.operations import BaseGraph, Placeholder
from dovetail.graph.record import symbolic_outputs
from dovetail.graph.replay import Steps
from dovetail.tensor.convert import RETURNED_AS_TENSORS, convert_to_tensor
from dovetail.tensor.spec import TensorSpec
from dovetail.tensor.symbolic import SymbolicTensor
from dovetail.tensor.tensor import Tensor, TensorLike
from dovetail.tensor.variable import Scope, Variable, enter_scope


class RecordScope(Scope):
    """The scope of a function that is being recorded: reads and writes of variables become nodes."""

    def __init__(self, graph: FunctionGraph, parent: Scope | None) -> None:
        super().__init__()
        self.graph = graph
        self.parent = parent
        self.may_create = parent is None or parent.may_create

    def first_read(self, variable: Variable) -> Any:
        self.graph.note_variable(variable)
        value = TensorSpec(variable.shape, variable._numpy_dtype)
        return symbolic_outputs(Node(READ, (variable,), {}), [value])

    def assign(self, variable: Variable, value: Any) -> None:
        self.graph.note_variable(variable, written=True)
        symbolic_outputs(Node(WRITE, (variable, value), {}), [], _NOTHING)
        # What is read from here on is the variable's value, not what that was made of: tapes tell them apart.
        self.tensors.pop(id(variable), None)
        self.read[id(variable)] = self.written[id(variable)] = variable

    def assign_symbolic(self, variable: Variable, value: SymbolicTensor) -> None:
        self.assign(variable, value)

    def forget(self) -> None:
        """Lets every variable be read anew."""
        self.tensors.clear()

    def changed(self, variables: list[Variable]) -> None:
        """Forgets what variables hold: a node has assigned them."""
        for variable in variables:
            self.graph.note_variable(variable, written=True)
            self.tensors.pop(id(variable), None)
            self.written[id(variable)] = variable

    def created(self, variable: Variable) -> None:
        if self.parent is not None:
            self.parent.created(variable)


_NOTHING = nest.flatten_spec(())[1]


def recording() -> FunctionGraph | None:
    """Returns the graph that records in this thread, None when none does."""
    return None if state.scope is None else state.scope.graph


class FunctionGraph(BaseGraph):
    """A recorded function.

    Attributes:
        name: the function's name.
        outer: the graph that was recording around it, or None.
        inputs: its placeholders, flat.
        nodes: the calls, in program order.
        outputs: the tensors of the result, flat: symbolic ones, constants, variables.
        captures: the tensors of the outside that it uses; `captured` are their placeholders.
        variables, writes: the variables it reads or assigns, and those it assigns.
    """

    scope_class = RecordScope

    def __init__(self, name: str = "function") -> None:
        super().__init__()
        self.name, self.outer = name, recording()
        self.inputs: list[SymbolicTensor] = []
        self._taken: list[bool] = []  # which of the arguments, flat, are inputs
        self.nodes: list[Node] = []
        self.outputs: list = []
        self.captures: list = []
        self.captured: list[SymbolicTensor] = []
        self._variables: dict[int, Variable] = {}
        self._writes: dict[int, Variable] = {}
        self._own: dict[int, SymbolicTensor] = {}
        self._inner: dict[int, SymbolicTensor] = {}
        self._outer: dict[int, Any] = {}
        self._leaves: list = []
        self._spec: Any = None
        self._steps: Steps | None = None

    # ---- recording

    @contextmanager
    def as_default(self) -> Any:
        """Records what is done in a `with` block; tapes of the outside do not see it."""
        tapes, state.tapes = state.tapes, ()
        try:
            with enter_scope(self.scope_class(self, state.scope)):
                yield self
        finally:
            state.tapes = tapes

    def placeholder(
        self, shape: Any, dtype: Any, name: str | None = None, partial: Any = None
    ) -> SymbolicTensor:
        """Returns a new symbolic tensor of this graph that gets its value from outside."""
        self.require_open()
        made = Placeholder(self, self.unique_name(name or "Placeholder"))
        tensor = SymbolicTensor(shape, dtype, name=made.name + ":0", partial=partial)
        self.adopt(tensor)
        made.outputs.append(tensor)
        self._made_by[id(tensor)] = made
        self._operations.append(made)
        return tensor

    def adopt(self, tensor: SymbolicTensor) -> None:
        """Makes a tensor one of this graph."""
        self._own[id(tensor)] = tensor
        tensor.owner = self

    def input_like(self, leaf: Any) -> Any:
        """Returns a new input for a tensor or spec; other values as they are."""
        self._taken.append(isinstance(leaf, TensorLike | TensorSpec))
        if not self._taken[-1]:
            return leaf
        tensor = self.placeholder(leaf.shape, leaf.dtype, leaf.name if isinstance(leaf, TensorSpec) else None)
        self.inputs.append(tensor)
        return tensor

    def add(self, node: Node) -> None:
        """Adds a node that has its outputs; tensors of the outside among its arguments become captures."""
        self.require_open()
        node.args, node.kwargs = nest.mapped(self.inside, (node.args, node.kwargs))
        node.name = self.unique_name(base_name(node))
        for i, tensor in enumerate(node.outputs):
            tensor._name = f"{node.name}:{i}"
            self.adopt(tensor)
        node.graph, node.control_inputs = self, self._waited_for(node)
        self.keep(node)

    def keep(self, node: Node) -> None:
        """Puts a node that has its name at the end."""
        node.graph = self
        self.nodes.append(node)
        self._operations.append(node)
        self._steps = None

    @contextmanager
    def trying(self) -> Any:
        """Takes back the operations of a `with` block that raises, but for variables that it made."""
        before, names = len(self._operations), self.names.given()
        noted = (dict(self._variables), dict(self._writes))
        try:
            yield
        except BaseException:
            if not self._take_back(self._operations[before:]):
                self.names.take_back(names)
                self._variables, self._writes = noted
            raise

    def _take_back(self, made: list) -> set[int]:
        """Takes operations out of the graph; returns the ids of those that stay: what variables are made by."""
        nodes = {id(one) for one in made if isinstance(one, Node)}
        pending = [one for one in made if id(one) in nodes and self._stays(one)]
        staying: set[int] = set()
        while pending:
            one = pending.pop()
            if id(one) in nodes and id(one) not in staying:
                staying.add(id(one))
                pending += [*one.parents, *one.control_inputs]
        gone = nodes - staying
        self._operations = [one for one in self._operations if id(one) not in gone]
        self.nodes = [one for one in self.nodes if id(one) not in gone]
        self._steps = None
        for one in made:
            if id(one) in gone:
                self._forget(one)
        return staying

    def _forget(self, node: Node) -> None:
        node.graph = None
        for tensor in node.outputs:
            self._own.pop(id(tensor), None)

    def _stays(self, node: Node) -> bool:
        """Whether an operation is one of those that a variable is made of."""
        return False

    def call(
        self,
        function: Callable,
        name: str,
        args: tuple,
        described: list[TensorSpec] | None = None,
        changes: Iterable[Variable] = (),
    ) -> list:
        """Adds a node that calls a Python function each time the graph runs.

        Args:
            function: called as `function(*args)`, with values for the symbolic tensors anywhere in `args`.
            name: its public name.
            described: specs of the tensors that it returns, in a list or tuple; None when it returns nothing.
            changes: the variables that it reads and assigns, where that is all it does.
        """
        node = Node(FunctionCall(function, name, described is None, changes), args, {})
        structure = nest.flatten_spec(list(described or ()))[1]
        return symbolic_outputs(node, described or [], structure)

    def has(self, tensor: SymbolicTensor) -> bool:
        """Whether it records a tensor itself."""
        return id(tensor) in self._own

    def inside(self, leaf: Any) -> Any:
        """Returns what stands for a tensor inside this graph."""
        if type(leaf) is SymbolicTensor:
            return leaf if id(leaf) in self._own else self._capture(leaf)
        if isinstance(leaf, Tensor) and is_tracer(leaf._value):
            return self._capture(leaf)
        return leaf

    def _capture(self, tensor: Any) -> SymbolicTensor:
        found = self._inner.get(id(tensor))
        if found is None:
            partial = tensor.partial if type(tensor) is SymbolicTensor else None
            found = self._inner[id(tensor)] = self.placeholder(tensor.shape, tensor.dtype, "capture", partial)
            self.captures.append(tensor)
            self.captured.append(found)
            self._outer[id(found)] = tensor
        return found

    def outside(self, tensor: SymbolicTensor) -> Any:
        """Returns what a placeholder of this graph stands for in those around, None for one that is no capture."""
        return self._outer.get(id(tensor))

    def note_variable(self, variable: Variable, written: bool = False) -> None:
        self._variables.setdefault(id(variable), variable)
        if written:
            self._writes.setdefault(id(variable), variable)

    def finish(self, result: Any) -> None:
        """States the result; Python numbers in it become tensors.  Called while the graph records."""
        leaves, self._spec = nest.flatten_spec(result)
        self._leaves = [self._as_output(leaf) for leaf in leaves]
        self.outputs = [leaf for leaf in self._leaves if isinstance(leaf, TensorLike)]
        self._steps = None

    def _as_output(self, leaf: Any) -> Any:
        if isinstance(leaf, Operation):  # it has no value
            return None
        if isinstance(leaf, (*RETURNED_AS_TENSORS, Variable)):
            leaf = convert_to_tensor(leaf)
        return self.inside(leaf)

    # ---- what it is

    @property
    def structured_outputs(self) -> Any:
        """The result in its structure, with the graph's own tensors."""
        return nest.unflatten(self._spec, self._leaves)

    @property
    def variables(self) -> list[Variable]:
        return list(self._variables.values())

    @property
    def writes(self) -> list[Variable]:
        return list(self._writes.values())

    def __repr__(self) -> str:
        return f"<FunctionGraph {self.name} of {len(self.nodes)} nodes>"

    # ---- running

    def bound(self, captures: list) -> Callable:
        """Returns a function of the arguments that were recorded, with these captures."""

        def replay(*args: Any, **kwargs: Any) -> Any:
            leaves = nest.flat((args, kwargs))
            values = [leaf for leaf, taken in zip(leaves, self._taken, strict=True) if taken]
            return self.run(values, captures)

        replay.__name__ = self.name
        replay.graph, replay.captures = self, captures  # type: ignore[attr-defined]
        return replay

    def run(self, values: list, captures: list | None = None) -> Any:
        """Replays the graph.

        Args:
            values: one an input, flat.
            captures: one a captured tensor; the captured tensors themselves when None.
        """
        if self._steps is None:
            symbolic = [leaf for leaf in self._leaves if type(leaf) is SymbolicTensor]
            self._steps = Steps([*self.inputs, *self.captured], self.nodes, symbolic)
        results = iter(self._steps.run([*values, *(self.captures if captures is None else captures)]))
        leaves = [next(results) if type(leaf) is SymbolicTensor else leaf for leaf in self._leaves]
        return nest.unflatten(self._spec, leaves)


def trace(
    function: Callable, args: Any = (), kwargs: dict | None = None, name: str | None = None
) -> FunctionGraph:
    """Runs a Python function once on symbolic tensors, and returns what it did.

    Args:
        function: called as `function(*args, **kwargs)`.
        args, kwargs: each tensor or `tf.TensorSpec` in them becomes an input of the graph, in the order of
            `nest.flat((args, kwargs))`; other values are passed as they are.
        name: of the graph; the function's by default.
    """
    graph = FunctionGraph(name or str(getattr(function, "__name__", "function")))
    args, kwargs = nest.mapped(graph.input_like, (tuple(args), kwargs or {}))
    with graph.as_default():
        graph.finish(function(*args, **kwargs))
    return graph
