"""Sessions: what runs parts of graphs, and holds the values of their variables."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import Any, NamedTuple, Self

import numpy as np

from dovetail.base import nest
from dovetail.base.bounded import Bounded
from dovetail.base.errors import ArgumentTypeError, at_user_location
from dovetail.base.settings import state
from dovetail.compat.first.fetches import expanded, shown
from dovetail.compat.first.programs import SessionProgram
from dovetail.graph.by_hand import current_session, default_graph, pop_session, push_session
from dovetail.graph.hand_variable import GraphVariable
from dovetail.graph.node import Node, Operation
from dovetail.graph.recording import recording
from dovetail.keras.layers.machinery.in_graphs import use_sessions
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.symbolic import SymbolicTensor
from dovetail.tensor.tensor import Tensor, TensorLike
from dovetail.tensor.variable import Variable, enter_scope

_MOST_PROGRAMS = 128
_KEYS = frozenset({SymbolicTensor, GraphVariable, Node})  # what is known again by its identity


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
        self._runs = Bounded(_MOST_PROGRAMS)  # what calls of `run` of one form do
        self.reference = weakref.ref(self)
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

    @staticmethod
    def reset(target: str = "", containers: Any = None, config: Any = None) -> None:
        """Accepted for TensorFlow's sake: a session keeps its variables to itself, no server has any."""

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
        key = _form_of(fetches, feed_dict)
        found = None if key is None else self._runs.get(key)
        if found is None:
            found = _Run(self, fetches, feed_dict or {})
            if key is not None:
                self._runs.put(key, found)
        if self._closed:
            raise RuntimeError(f"Session.run: attempted to use a closed session{at_user_location()}")
        result = found(feed_dict.values() if feed_dict else ())
        if run_metadata is not None:
            run_metadata.step_stats.dev_stats.add(device=self.list_devices()[0].name)
        return result

    def partial_run_setup(self, fetches: Any, feeds: Any = None) -> Any:
        """Refuses: a graph runs as a whole."""
        raise NotImplementedError(
            "Session.partial_run_setup: a run is one program here, it is not stopped on the way. Call run() for each "
            f"part, and feed the second what the first returned{at_user_location()}"
        )

    def partial_run(self, handle: Any, fetches: Any, feed_dict: Any = None) -> Any:
        """Refuses: see `partial_run_setup`."""
        self.partial_run_setup(fetches)

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
        return self.graph.inside(found)

    def _program(self, feeds: list, fetches: list) -> SessionProgram:
        key = (tuple(map(id, feeds)), tuple(map(id, fetches)))
        found = self._programs.get(key)
        if found is None:
            found = self._programs.put(key, SessionProgram(self.reference, self.graph, feeds, fetches))
        return found


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


def _form_of(fetches: Any, feed_dict: Any) -> tuple | None:
    """Returns what calls of `run` have in common that fetch and feed the same; None where that takes a closer look."""
    kind: Any = type(fetches)
    if kind in _KEYS:
        leaves: Any = (fetches,)
    elif kind is list or kind is tuple:
        leaves = fetches
    elif kind is dict:
        leaves, kind = fetches.values(), ("dict", *fetches)
    else:
        return None
    fed = feed_dict if type(feed_dict) is dict else feed_dict or ()
    for leaf in leaves:
        if type(leaf) not in _KEYS:
            return None
    for leaf in fed:
        if type(leaf) not in _KEYS:
            return None
    return kind, tuple(map(id, leaves)), tuple(map(id, fed))


class _Run:
    """What calls of `run` of one form do, with the values that are fed.

    Args:
        session: a session.
        fetches, feed_dict: as `run` takes them; the values of the second are those of the first call.
    """

    def __init__(self, session: Session, fetches: Any, feed_dict: dict) -> None:
        self._fetches, self._keys = fetches, list(feed_dict)  # which keeps their ids theirs
        leaves, self._rebuilt = _taken_apart(fetches)
        self._groups = [expanded(session._element(leaf, "fetch")) for leaf in leaves]
        self._fed = [expanded(session._element(key, "feed")) for key in feed_dict]
        self._wanted = [tensor for group in self._groups for tensor in group.tensors]
        self._feeds = [tensor for group in self._fed for tensor in group.tensors]
        self._takers = [_Taker(tensor) for tensor in self._feeds]
        self._program: SessionProgram | None = None
        self._session = session.reference
        self._plain = all(len(group.tensors) == 1 for group in self._fed)
        self._symbolic = all(isinstance(leaf, SymbolicTensor) for leaf in self._wanted)
        self._simple = all(group.is_simple for group in self._groups)

    def __call__(self, given: Any) -> Any:
        values = list(given)
        if not self._plain:
            values = [
                part for group, value in zip(self._fed, values, strict=True) for part in group.parts(value)
            ]
        tapes, state.tapes = state.tapes, ()
        scope, state.scope = state.scope, None
        try:
            fed = [taker(value) for taker, value in zip(self._takers, values, strict=True)]
            if self._program is None:
                session: Any = self._session()
                self._program = session._program(self._feeds, self._wanted)
            found = self._program.run(fed)
        finally:
            state.tapes, state.scope = tapes, scope
        if not self._symbolic:
            results = iter(found)
            found = [next(results) if isinstance(x, SymbolicTensor) else _plain(x) for x in self._wanted]
        if not self._simple:
            results = iter(found)
            found = [group.rebuilt([next(results) for _ in group.tensors]) for group in self._groups]
        return self._rebuilt(found)


def _taken_apart(fetches: Any) -> tuple[list, Callable[[list], Any]]:
    """Returns what is fetched, flat, and the function of the values that has the structure of the fetches."""
    kind = type(fetches)
    if kind in _KEYS:
        return [fetches], lambda found: found[0]
    if kind is list and all(type(leaf) in _KEYS for leaf in fetches):
        return fetches, lambda found: found
    structure = nest.map_structure(
        lambda leaf: leaf, fetches
    )  # a copy: the caller may change the lists in it
    return nest.flatten(fetches), lambda found: nest.pack_sequence_as(structure, found)


class _Taker:
    """Makes tensors of the values that are fed for one tensor of a graph."""

    def __init__(self, tensor: SymbolicTensor) -> None:
        self._tensor, self._dtype = tensor, tensor.dtype.numpy_dtype
        self._sizes = None if tensor.shape.rank is None else tuple(tensor.shape.as_list())

    def __call__(self, value: Any) -> Any:
        """Returns the tensor for a value.

        Raises:
            ValueError: its shape does not fit.
        """
        if type(value) is np.ndarray and value.dtype == self._dtype and self._dtype.kind in "biuf":
            found = Tensor(value.copy())
        else:
            found = self._converted(value)
        shape, sizes = found._value.shape, self._sizes
        if sizes is not None and shape != sizes:
            fits = len(shape) == len(sizes)
            if not fits or any(a is not None and a != b for a, b in zip(sizes, shape, strict=True)):
                raise ValueError(
                    f"Session.run: the value for {self._tensor.name!r} has shape {shape}, expected "
                    f"{self._tensor.shape}{at_user_location()}"
                )
        return found

    def _converted(self, value: Any) -> Any:
        if isinstance(value, SymbolicTensor | Variable):
            raise ArgumentTypeError(
                f"Session.run: the value for {self._tensor.name!r} is a tensor, expected numbers{at_user_location()}"
            )
        given = value.numpy() if isinstance(value, Tensor) else value
        return convert_to_tensor(np.asarray(given, self._dtype), self._tensor.dtype)


def _plain(leaf: Any) -> Any:
    return None if isinstance(leaf, Operation) else shown(leaf)


use_sessions(Session)


def get_default_session() -> Any:
    """Returns the session of the `with` block around, None when there is none."""
    return current_session()
