"""Functions of unknown sizes: the Python code runs once, on symbolic tensors, and is recorded as a graph.

Each actual shape runs that graph without the Python code: compiled when the shape comes often, op by op on the host
engine when it does not.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from dovetail.base.settings import state
from dovetail.engine import dtypes, xla
from dovetail.function.frequency import Frequency
from dovetail.function.shaped import Shaped
from dovetail.function.signature import SpecCall, argument_names
from dovetail.function.split import Split
from dovetail.function.trace import Program, require_kept
from dovetail.graph.recording import FunctionGraph
from dovetail.ops.arithmetic import identity
from dovetail.tensor.spec import TensorSpec
from dovetail.tensor.variable import Scope, Variable, enter_scope


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
        call: the calls that it serves.
        graph: what the Python function did.
        make_frequency: returns what decides which shapes are compiled.

    Attributes:
        key: of the calls that it serves, with unknown sizes.
        graph: what the Python function did.
        split: what runs in its place where some of it cannot be compiled: see `function/split.py`; None: nothing does.
    """

    def __init__(self, call: SpecCall, graph: FunctionGraph, make_frequency: Callable[[], Frequency]) -> None:
        self.call_spec, self.key, self.graph = call, call.key, graph
        self._shaped = Shaped(self.run, make_frequency())
        self._make_frequency = make_frequency
        self.split: Split | None = None
        self._asked_for_split = False
        if any(dtypes.is_host_only(leaf.dtype.numpy_dtype) for leaf in (*graph.inputs, *graph.outputs)):
            self._shaped.op_by_op = True  # XLA has no strings
            self.split = Split.of(graph, make_frequency)

    @property
    def why(self) -> Exception | None:
        """What says why the function cannot be compiled."""
        return self._shaped.why

    @property
    def knows_integers(self) -> bool:
        """Whether its programs are for the values of small integer arguments as well: shapes do not tell them apart."""
        return self._shaped.knows_integers

    @property
    def generality(self) -> int:
        """How much is unknown: of two recordings that serve a call, the more specific one is taken."""
        return sum(100 if shape is None else shape.count(None) for shape in self.call_spec.shapes)

    def run(self, tensors: list) -> Any:
        """Replays the graph on tensors, op by op or inside a trace."""
        return self.graph.run(_distinct(tensors))

    def call(self, tensors: list) -> Any:
        """Runs the function on eager tensors."""
        program = None if self.split is not None else self.program_for(tensors)
        if program is not None:
            return program.call(tensors)
        if self.split is not None and not state.host_only:  # which an input pipeline says of all that it runs
            return self.split.call(_distinct(tensors) if state.tapes else tensors)
        return self.run_op_by_op(tensors)

    def run_op_by_op(self, tensors: list) -> Any:
        """Runs the function on eager tensors, on the host engine."""
        state.host_only += 1
        try:
            return self.run(tensors)
        finally:
            state.host_only -= 1

    def program_for(self, tensors: list) -> Program | None:
        """Returns the program for the tensors' shapes; None while they run op by op, or in stages."""
        found = self._shaped.program_for(tensors)
        if self._shaped.why is not None and not self._asked_for_split:
            self._asked_for_split = True
            self.split = Split.of(self.graph, self._make_frequency)
            self._shaped.why = None if self.split is not None else self._shaped.why
        return found


def _distinct(tensors: list) -> list:
    """Gives a tensor that is passed twice two objects: a tape tells tensors apart by identity."""
    seen: set[int] = set()
    result = []
    for tensor in tensors:
        result.append(identity(tensor) if id(tensor) in seen else tensor)
        seen.add(id(tensor))
    return result
