"""What sessions run: the part of a graph between what is fed and what is fetched, op by op at first, then compiled."""

from __future__ import annotations

import weakref
from typing import Any

from dovetail.base import nest
from dovetail.base.bounded import Bounded
from dovetail.base.errors import InvalidArgumentError, at_user_location
from dovetail.base.settings import settings, state
from dovetail.function.function import Function
from dovetail.function.host_plan import HostPlan, record
from dovetail.graph.by_hand import pop_session, push_session
from dovetail.graph.hand_variable import (
    HANDLE,
    HostCall,
    calls_host,
    variables_assigned,
    variables_needed,
)
from dovetail.graph.node import CONSTANT, NOTHING, READ, Node, OpCall
from dovetail.graph.replay import DisconnectedError, Graph
from dovetail.tensor.symbolic import SymbolicTensor

_RUNS_BEFORE_COMPILING = 2  # what is run once or twice, such as initializers, is not worth a compilation
_MOST_SHAPES = 64
_REPEATED = (READ, HANDLE, CONSTANT, *NOTHING.values())  # besides ops
# What NumPy does faster than a compiled program, whose call takes about as long as twenty of its calls.
_MOST_STEPS = 24
_MOST_ELEMENTS = 1 << 13


class SessionProgram:
    """What a set of feeds and fetches runs.

    Args:
        owner: a weak reference to the session.
        graph: the session's.
        feeds: the symbolic tensors that get values.
        fetches: what is wanted: symbolic tensors and operations among it.

    Attributes:
        compiled: by the shapes that were fed, the programs of XLA, which need no further look at the values.
    """

    def __init__(self, owner: weakref.ref, graph: Any, feeds: list, fetches: list) -> None:
        self._owner, self._fetches = owner, fetches  # which keeps their ids theirs
        tensors = [leaf for leaf in fetches if isinstance(leaf, SymbolicTensor)]
        effects = [leaf for leaf in fetches if isinstance(leaf, Node)]
        try:
            self._graph = Graph(feeds, tensors, effects)
        except DisconnectedError as error:
            raise _unfed(graph, feeds) from error
        nodes = self._graph.nodes
        self._needed, self._assigned = variables_needed(nodes), variables_assigned(nodes)
        self._variables = list({id(v): v for v in (*self._needed, *self._assigned)}.values())
        self._run = self._graph.run
        self._runs = 0
        known = all(v._declared_shape.is_fully_defined() for v in self._variables)
        # What must be called with values, and takes none, is called first: the rest is compiled.
        self._first = [node for node in nodes if isinstance(node.operation, HostCall)]
        within = calls_host([node for node in nodes if not isinstance(node.operation, HostCall)])
        waits = within or any(node.inputs or node.control_inputs for node in self._first)
        self._compiles, self._calls_host = known and not waits, within or bool(self._first)
        if self._compiles and self._first:
            made = [tensor for node in self._first for tensor in node.outputs]
            kept = [node for node in effects if not isinstance(node.operation, HostCall)]
            self._run = Graph([*feeds, *made], tensors, kept).run
        self._repeats = all(_is_repeated(node.operation) for node in nodes)
        self._function: Function | None = None
        self.compiled: Bounded = Bounded(_MOST_SHAPES)

    def run(self, values: list) -> list:
        """Returns the values of the symbolic fetches, as arrays."""
        owner = self._owner
        for variable in self._variables:
            if variable._session is not owner:
                variable.enter(owner())
        for variable in self._needed:
            if not variable.has_value:
                variable.require_value()
        results = self._in_session(values) if self._calls_host else self._results(values)
        for variable in self._assigned:
            variable.has_value = True
        return [tensor.numpy() for tensor in results]

    def _in_session(self, values: list) -> list:
        """Runs functions of Python too: they see the session as the default one."""
        session = self._owner()
        push_session(session)
        try:
            return self._results(values)
        finally:
            pop_session(session)

    def _results(self, values: list) -> list:
        if self._function is None:
            self._runs += 1
            if not self._compiles or self._runs <= _RUNS_BEFORE_COMPILING:
                return self._op_by_op(values)
            self._function = Function(self._run, autograph=False)
        given = [leaf for node in self._first for leaf in nest.flat(node.operation(*node.args))]
        values = [*values, *given] if given else values
        key = tuple([value._value.shape for value in values])
        found = self.compiled.get(key)
        if found is None or settings.run_functions_eagerly:
            return self._first_of_shapes(key, values)
        if type(found) is not HostPlan:
            return found.call([values])
        return found.run([value._value for value in values]) or self._function(values)

    def _first_of_shapes(self, key: tuple, values: list) -> list:
        """Runs values of shapes that have no program yet, and notes what serves them from here on."""
        function: Any = self._function
        plan = self._plan_for(values)
        if plan is not None:
            return self.compiled.put(key, plan).run([value._value for value in values])
        results = function(values)
        program = function.program_for(values)
        if program is not None:
            self.compiled.put(key, _Ready(program))
        return results

    def _plan_for(self, values: list) -> HostPlan | None:
        """Returns what NumPy does for these values, where that is little; None where it is not."""
        size = sum(value._value.size for value in values)
        if self._assigned or not self._repeats or size > min(_MOST_ELEMENTS, settings.active_limit):
            return None
        if len(self._graph.nodes) > 3 * _MOST_STEPS:
            return None
        state.host_only += 1
        try:
            plan = record(lambda *tensors: (self._run(list(tensors)), []), values)
        finally:
            state.host_only -= 1
        short = plan is not None and len(plan.steps) <= _MOST_STEPS and plan.num_elements <= _MOST_ELEMENTS
        return plan if short else None

    def _op_by_op(self, values: list) -> list:
        state.host_only += 1
        try:
            return self._graph.run(values)
        finally:
            state.host_only -= 1


def _is_repeated(operation: Any) -> bool:
    """Whether the same ops of the host run for an operation, whatever the values are."""
    return isinstance(operation, OpCall) or any(operation is one for one in _REPEATED)


class _Ready:
    """A program of XLA that is called with a list of tensors."""

    def __init__(self, program: Any) -> None:
        self._program = program

    def call(self, arguments: list) -> list:
        return self._program.call(arguments[0])


def _unfed(graph: Any, feeds: list) -> InvalidArgumentError:
    known = {id(tensor) for tensor in feeds}
    missing = [tensor for tensor in graph.inputs if id(tensor) not in known]
    error = InvalidArgumentError(
        "Session.run: You must feed a value for placeholder tensor "
        f"{' or '.join(repr(tensor.op.name) for tensor in missing) or '?'}; pass it in feed_dict{at_user_location()}"
    )
    error.op = missing[0].op if missing else None
    return error
