"""Sessions: what runs parts of graphs, and holds the values of their variables."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import Any, NamedTuple, Self

import numpy as np

from dovetail.base import nest
from dovetail.base.bounded import Bounded
from dovetail.base.errors import ArgumentTypeError, InvalidArgumentError, at_user_location
from dovetail.base.settings import state
from dovetail.compat.first.fetches import expanded, shown
from dovetail.function.function import Function
from dovetail.graph.by_hand import current_session, default_graph, pop_session, push_session
from dovetail.graph.hand_variable import (
    GraphVariable,
    HostCall,
    variables_assigned,
    variables_needed,
)
from dovetail.graph.node import Node, Operation
from dovetail.graph.recording import recording
from dovetail.graph.replay import DisconnectedError, Graph
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.symbolic import SymbolicTensor
from dovetail.tensor.tensor import Tensor, TensorLike
from dovetail.tensor.variable import Variable, enter_scope

_MOST_PROGRAMS = 128
_RUNS_BEFORE_COMPILING = 2  # what is run once or twice, such as initializers, is not worth a compilation


class DeviceAttributes(NamedTuple):
    """A device of a session."""

    name: str
    device_type: str
    memory_limit_bytes: int = 0
    incarnation: int = 0


class Session:
    """Runs parts of a graph, and holds the values of its variables.

    Args:
        target, config: accepted for TensorFlow's sake: there is one kind of session.
        graph: a `tf.Graph`; the default one when None.
    """

    def __init__(self, target: str = "", graph: Any = None, config: Any = None) -> None:
        self.graph = default_graph() if graph is None else graph
        self.sess_str, self.config = target, config
        self.kept: dict[int, Any] = {}  # what variables hold while another session has them, by their ids
        self._programs = Bounded(_MOST_PROGRAMS)  # by what is fed and what is fetched
        self._closed = False
        self._entered: list[ExitStack] = []

    @property
    def graph_def(self) -> Any:
        return self.graph.as_graph_def()

    def as_default(self) -> Any:
        """Returns a context manager in which it is the default session; it is not closed at the end."""
        return _Entered(self)

    def __enter__(self) -> Self:
        stack = ExitStack()
        stack.enter_context(_Entered(self))
        self._entered.append(stack)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._entered.pop().close()
        self.close()

    def close(self) -> None:
        """Ends the session: it runs nothing more."""
        self._closed = True

    def list_devices(self) -> list[DeviceAttributes]:
        return [DeviceAttributes("/job:localhost/replica:0/task:0/device:CPU:0", "CPU")]

    def run(self, fetches: Any, feed_dict: Any = None, options: Any = None, run_metadata: Any = None) -> Any:
        """Returns the values of tensors as NumPy arrays.

        Args:
            fetches: tensor, variable, operation (it runs, its value is None), the name of one, or a structure of them.
            feed_dict: values by tensor, or by its name; every placeholder that the fetches need.
            options: accepted for TensorFlow's sake.
            run_metadata: gets the name of the device that ran it.

        Raises:
            RuntimeError: the session is closed.
            ValueError: the graph has no such tensor or operation, or a value is of another shape.
            TypeError: a fetch, or a key of `feed_dict`, is neither a tensor nor an operation nor a name.
            InvalidArgumentError: a placeholder that is needed has no value.
            FailedPreconditionError: a variable that is needed has no value.
        """
        groups = [expanded(self._element(leaf, "fetch")) for leaf in nest.flatten(fetches)]
        wanted = [tensor for group in groups for tensor in group.tensors]
        feeds: dict[Any, Any] = {}
        for key, value in (feed_dict or {}).items():
            feeds |= expanded(self._element(key, "feed")).fed(value)
        values = iter(self._values(feeds, wanted))
        found = [group.rebuilt([next(values) for _ in group.tensors]) for group in groups]
        if run_metadata is not None:
            run_metadata.step_stats.dev_stats.add(device=self.list_devices()[0].name)
        return nest.pack_sequence_as(fetches, found)

    def make_callable(self, fetches: Any, feed_list: Any = None, accept_options: bool = False) -> Callable:
        """Returns a function of the values of `feed_list` that runs `fetches`."""
        keys = list(feed_list or ())

        def call(*values: Any, options: Any = None, run_metadata: Any = None) -> Any:
            if len(values) != len(keys):
                raise TypeError(f"expected {len(keys)} values, received {len(values)}{at_user_location()}")
            return self.run(fetches, dict(zip(keys, values, strict=True)), options, run_metadata)

        return call

    def assign(self, variable: GraphVariable, value: Any) -> None:
        """Gives a variable of the graph a value."""
        with enter_scope(None):
            variable.enter(self)
            variable.assign(value)
            variable.has_value = True

    def value_of(self, variable: GraphVariable) -> Any:
        """Returns what a variable of the graph holds, as an array."""
        return self.run(variable)

    def _element(self, what: Any, verb: str) -> Any:
        """Returns what a fetch or the key of a feed names."""
        try:
            found = self.graph.element(what) if isinstance(what, str) else what
        except KeyError as error:
            kind = TypeError if verb == "feed" else ValueError
            raise kind(f"Session.run: cannot {verb} {what!r:.60}: {error.args[0]}") from None
        if isinstance(found, GraphVariable):
            found = found._element
        if not isinstance(found, TensorLike | Operation) and not hasattr(found, "_type_spec"):
            raise TypeError(
                f"Session.run: cannot {verb} {what!r:.60}, expected tensors or operations, or their names"
                f"{at_user_location()}"
            )
        if isinstance(found, SymbolicTensor | Operation) and not self.graph.owns(found):
            raise ValueError(
                f"Session.run: cannot {verb} {what!r:.80}, it is not an element of the session's graph. Use a session "
                f"of the graph that it was made in{at_user_location()}"
            )
        return found

    def _values(self, feeds: dict, fetches: list) -> list:
        """Returns the values of tensors, as arrays, and runs the operations."""
        if self._closed:
            raise RuntimeError(f"Session.run: attempted to use a closed session{at_user_location()}")
        tapes, state.tapes = state.tapes, ()
        try:
            with enter_scope(None):
                values = [_fed(tensor, value) for tensor, value in feeds.items()]
                results = iter(self._program(list(feeds), fetches).run(values))
                return [
                    next(results) if isinstance(leaf, SymbolicTensor) else _plain(leaf) for leaf in fetches
                ]
        finally:
            state.tapes = tapes

    def _program(self, feeds: list, fetches: list) -> _Program:
        key = (tuple(map(id, feeds)), tuple(map(id, fetches)))
        found = self._programs.get(key)
        return self._programs.put(key, _Program(self, feeds, fetches)) if found is None else found


class InteractiveSession(Session):
    """A session that is the default one from when it is made until it is closed."""

    def __init__(self, target: str = "", graph: Any = None, config: Any = None) -> None:
        super().__init__(target, graph, config)
        push_session(self)

    def close(self) -> None:
        super().close()
        pop_session(self)


class _Entered:
    """A session as the default one, and its graph, for a `with` block."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def __enter__(self) -> Session:
        self._stack = ExitStack()
        if recording() is not self._session.graph:
            self._stack.enter_context(self._session.graph.as_default())
        push_session(self._session)
        self._stack.callback(pop_session, self._session)
        return self._session

    def __exit__(self, *exc: object) -> None:
        self._stack.close()


class _Program:
    """What a set of feeds and fetches runs: op by op at first, compiled when it comes again."""

    def __init__(self, session: Session, feeds: list, fetches: list) -> None:
        self._session, self._fetches = session, fetches  # which keeps their ids theirs
        tensors = [leaf for leaf in fetches if isinstance(leaf, SymbolicTensor)]
        effects = [leaf for leaf in fetches if isinstance(leaf, Node)]
        try:
            self._graph = Graph(feeds, tensors, effects)
        except DisconnectedError as error:
            raise _unfed(session.graph, feeds) from error
        nodes = self._graph.nodes
        self._needed, self._assigned = variables_needed(nodes), variables_assigned(nodes)
        self._variables = list({id(v): v for v in (*self._needed, *self._assigned)}.values())
        self._run = self._graph.run
        self._runs = 0
        known = all(v._declared_shape.is_fully_defined() for v in self._variables)
        # What must be called with values, and takes none, is called first: the rest is compiled.
        self._first = [node for node in nodes if isinstance(node.operation, HostCall)]
        self._compiles = known and not any(node.inputs or node.control_inputs for node in self._first)
        if self._compiles and self._first:
            made = [tensor for node in self._first for tensor in node.outputs]
            kept = [node for node in effects if not isinstance(node.operation, HostCall)]
            self._run = Graph([*feeds, *made], tensors, kept).run

    def run(self, values: list) -> list:
        """Returns the values of the symbolic fetches, as arrays."""
        for variable in self._variables:
            variable.enter(self._session)
        for variable in self._needed:
            variable.require_value()
        self._runs += 1
        if self._compiles and self._runs > _RUNS_BEFORE_COMPILING:
            if self._runs == _RUNS_BEFORE_COMPILING + 1:
                self._run = Function(self._run, autograph=False)
            given = [leaf for node in self._first for leaf in nest.flat(node.operation(*node.args))]
            results = self._run([*values, *given])
        else:
            results = self._op_by_op(values)
        for variable in self._assigned:
            variable.has_value = True
        return [tensor.numpy() for tensor in results]

    def _op_by_op(self, values: list) -> list:
        state.host_only += 1
        try:
            return self._graph.run(values)
        finally:
            state.host_only -= 1


def _unfed(graph: Any, feeds: list) -> InvalidArgumentError:
    known = {id(tensor) for tensor in feeds}
    missing = [tensor for tensor in graph.inputs if id(tensor) not in known]
    error = InvalidArgumentError(
        "Session.run: You must feed a value for placeholder tensor "
        f"{' or '.join(repr(tensor.op.name) for tensor in missing) or '?'}; pass it in feed_dict{at_user_location()}"
    )
    error.op = missing[0].op if missing else None
    return error


def _fed(tensor: SymbolicTensor, value: Any) -> Any:
    """Returns the value for a tensor; raises ValueError when its shape does not fit."""
    if isinstance(value, SymbolicTensor | Variable):
        raise ArgumentTypeError(
            f"Session.run: the value for {tensor.name!r} is a tensor, expected numbers{at_user_location()}"
        )
    given = value.numpy() if isinstance(value, Tensor) else value
    found = convert_to_tensor(np.asarray(given, tensor.dtype.numpy_dtype), tensor.dtype)
    if not tensor.shape.is_compatible_with(found.shape):
        raise ValueError(
            f"Session.run: the value for {tensor.name!r} has shape {found.shape}, expected {tensor.shape}"
            f"{at_user_location()}"
        )
    return found


def _plain(leaf: Any) -> Any:
    return None if isinstance(leaf, Operation) else shown(leaf)


def get_default_session() -> Any:
    """Returns the session of the `with` block around, None when there is none."""
    return current_session()
