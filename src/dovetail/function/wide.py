"""Functions of unknown sizes: the Python code runs once, on symbolic tensors, and is recorded as a graph.

Each actual shape runs that graph without the Python code: compiled when the shape comes often, op by op on the host
engine when it does not.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from dovetail.base.bounded import Bounded
from dovetail.base.errors import DataDependentShapeError
from dovetail.base.settings import state
from dovetail.engine import dtypes, xla
from dovetail.function.frequency import Frequency
from dovetail.function.signature import SpecCall, argument_names
from dovetail.function.trace import Program, example_of, require_kept
from dovetail.graph.recording import FunctionGraph
from dovetail.ops.arithmetic import identity
from dovetail.tensor.spec import TensorSpec
from dovetail.tensor.variable import Scope, Variable, enter_scope

_MOST_PROGRAMS = 128


class _Creations(Scope):
    """The scope around a recording: notes the variables that are created."""

    def __init__(self, may_create: bool) -> None:
        super().__init__()
        self.may_create = may_create
        self.new: list[Variable] = []

    def created(self, variable: Variable) -> None:
        self.new.append(variable)


def record(
    call: SpecCall, run: Callable, python_function: Callable, may_create: bool
) -> tuple[FunctionGraph, int]:
    """Runs a Python function on symbolic tensors; returns the graph of what it did, and how often it ran.

    When it creates variables, it runs a second time, as every later call will find them.

    Args:
        call: the signature.
        run: `run(args, kwargs)` calls the function.
        python_function: the function as written, for the names of its parameters.
        may_create: whether it may create variables.

    Raises:
        VariableNotKeptError: a variable is created that nothing keeps.
        ValueError: one is created where no variable may be.
    """
    with xla("tf.function").outside_of_traces():
        return _recorded(call, run, python_function, _Creations(may_create))


def _recorded(
    call: SpecCall, run: Callable, python_function: Callable, scope: _Creations
) -> tuple[FunctionGraph, int]:
    name = getattr(python_function, "__name__", type(python_function).__name__)
    names = argument_names(python_function, call.spec)
    graph = _record(call, run, name, names, scope)
    if not scope.new:
        return graph, 1
    kept = [(weakref.ref(variable), variable.name) for variable in scope.new]
    scope.new = []
    del graph
    require_kept(kept, name)
    return _record(call, run, name, names, _Creations(may_create=False)), 2


def _record(call: SpecCall, run: Callable, name: str, names: list[str], scope: Scope) -> FunctionGraph:
    graph = FunctionGraph(name)
    inputs = []
    for place, spec in zip(call.places, call.tensors, strict=True):
        label = spec.name or "".join(c if c.isalnum() else "_" for c in names[place]).strip("_")
        inputs.append(graph.input_like(TensorSpec(spec.shape, spec.dtype, label)))
    args, kwargs = call.rebuild(inputs)
    with enter_scope(scope), graph.as_default():
        graph.finish(run(args, kwargs))
    return graph


class Wide:
    """A recorded function, and the programs for the shapes that it met.

    Args:
        frequency: decides which shapes are compiled.

    Attributes:
        key: of the calls that it serves, with unknown sizes.
        graph: what the Python function did.
        op_by_op: it cannot be compiled: shapes in it depend on values.
    """

    def __init__(self, call: SpecCall, graph: FunctionGraph, frequency: Frequency) -> None:
        self.call_spec, self.key, self.graph = call, call.key, graph
        self.op_by_op = any(
            dtypes.is_host_only(spec.dtype.numpy_dtype) for spec in call.tensors
        )  # XLA has no strings
        self.why: Exception | None = None
        self._programs: Bounded = Bounded(_MOST_PROGRAMS)
        self._frequency = frequency

    @property
    def generality(self) -> int:
        """How much is unknown: of two recordings that serve a call, the more specific one is taken."""
        return sum(100 if shape is None else shape.count(None) for shape in self.call_spec.shapes)

    def run(self, tensors: list) -> Any:
        """Replays the graph on tensors, op by op or inside a trace."""
        tapes = state.tapes
        try:
            return self.graph.run(_distinct(tensors))
        finally:
            state.tapes = tapes  # of a tape that an error has left open

    def call(self, tensors: list) -> Any:
        """Runs the function on eager tensors."""
        program = self.program_for(tensors)
        return self.run_op_by_op(tensors) if program is None else program.call(tensors)

    def run_op_by_op(self, tensors: list) -> Any:
        """Runs the function on eager tensors, on the host engine."""
        state.host_only += 1
        try:
            return self.run(tensors)
        finally:
            state.host_only -= 1

    def program_for(self, tensors: list) -> Program | None:
        """Returns the program for the tensors' shapes; None while they run op by op."""
        if self.op_by_op:
            return None
        key = tuple([tensor._value.shape for tensor in tensors])
        found = self._programs.get(key)
        if found is not None:
            return found
        family = tuple(map(len, key))
        if not self._frequency.compiles(family, key):
            return None
        try:
            program = Program(self.run, [example_of(t) for t in tensors], may_create=False)
        except DataDependentShapeError as error:
            self.op_by_op, self.why = True, error
            return None
        self._frequency.compiled(family)
        return self._programs.put(key, program)


def _distinct(tensors: list) -> list:
    """Gives a tensor that is passed twice two objects: a tape tells tensors apart by identity."""
    seen: set[int] = set()
    result = []
    for tensor in tensors:
        result.append(identity(tensor) if id(tensor) in seen else tensor)
        seen.add(id(tensor))
    return result
