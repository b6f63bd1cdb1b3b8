"""Layers in graphs that are written by hand, and in their sessions, as Keras 2 is used in TensorFlow 1.

A functional model is made there as everywhere: of symbolic tensors that no graph records.  Each of them has a twin in
the graph, the tensor that the layers compute as operations, which stands in for it wherever the graph meets it: as the
argument of an operation, as what a session fetches or is fed.  Weights are variables of the graph, whose values are
those that they have in a session; what needs them at once, such as `fit`, runs outside of the graph with the values of
the session of `get_session`.
"""

from __future__ import annotations

import functools
import importlib
import threading
from collections.abc import Callable
from contextlib import contextmanager
from typing import Any

from dovetail.base import nest
from dovetail.base.errors import OperatorNotAllowedInGraphError, at_user_location
from dovetail.base.joints import Joint
from dovetail.base.settings import settings, state
from dovetail.function import cond
from dovetail.graph.by_hand import (
    HandWritten,
    current_session,
    placeholder_with_default,
    use_twins,
    written,
)
from dovetail.graph.hand_variable import GraphVariable
from dovetail.graph.node import Node
from dovetail.graph.recording import recording
from dovetail.keras.layers.machinery.context import call_context, calls
from dovetail.tensor.symbolic import SymbolicTensor
from dovetail.tensor.variable import Variable, enter_scope

_session_class = Joint(
    "session", set_by="dovetail.compat.first.session", called_by="keras.backend.get_session"
)


def use_sessions(kind: type) -> None:
    """Tells what a session is made by."""
    _session_class.set(kind)


class _Kept:
    """What a graph keeps for Keras.

    Attributes:
        twins: by the id of a symbolic tensor, itself and its twin.
        variables: the weights that are its variables.
        phase: whether layers train, as a tensor that may be fed.
        updates: weights, each with an operation that changes it when a session runs that.
    """

    def __init__(self) -> None:
        self.twins: dict[int, tuple[SymbolicTensor, SymbolicTensor]] = {}
        self.variables: list[GraphVariable] = []
        self.phase: Any = None
        self.updates: list[tuple[GraphVariable, Node]] = []

    def forget_what_left(self, graph: HandWritten) -> None:
        """Forgets operations and tensors that the graph took back."""
        for key in [key for key, pair in self.twins.items() if not graph.has(pair[1])]:
            del self.twins[key]
        self.updates[:] = [pair for pair in self.updates if pair[1].graph is graph]


def _kept(graph: HandWritten) -> _Kept:
    return graph.belongings.setdefault("keras", _Kept())


def around() -> HandWritten | None:
    """Returns the graph in whose midst layers are made, None where there is none."""
    return calls.graph if calls.graph is not None else written()


@contextmanager
def outside(graph: HandWritten | None) -> Any:
    """Leaves the graph for a `with` block.

    Args:
        graph: the one that weights made inside are variables of; None: they are variables as everywhere.
    """
    before, calls.graph = calls.graph, graph
    try:
        with enter_scope(None):
            yield
    finally:
        calls.graph = before


@contextmanager
def building() -> Any:
    """Keeps in mind, for a `with` block that leaves it, the graph whose variables weights become."""
    before, calls.graph = calls.graph, around()
    try:
        yield
    finally:
        calls.graph = before


# ---- symbolic tensors and their twins


def mark(leaf: Any, graph: HandWritten | None) -> Any:
    """Makes the symbolic tensors of a structure ones that have twins in a graph."""
    if graph is not None:
        for tensor in nest.flat(leaf):
            if isinstance(tensor, SymbolicTensor) and not hasattr(tensor, "owner"):
                tensor.owner = graph
    return leaf


def input_for(tensor: SymbolicTensor, shape: Any, dtype: Any, name: str) -> SymbolicTensor:
    """Returns the symbolic tensor of an input whose twin is a given tensor; that one itself where it is in no graph."""
    graph = written()
    if graph is None or not graph.has(tensor):
        return tensor
    made = mark(SymbolicTensor(shape, dtype, name=name), graph)
    _kept(graph).twins[id(made)] = made, tensor
    return made


def require_made_by_layers(tensor: SymbolicTensor, what: str) -> None:
    """Raises ValueError for a tensor that operations of the graph made: no layers are known that lead to it."""
    graph = written()
    if graph is not None and graph.has(tensor):
        raise ValueError(
            f"Model: {what} must come from layers in a graph of TensorFlow 1, {tensor.name!r} is made by an operation. "
            f"Put the operation into a keras.layers.Lambda, or begin with keras.Input(tensor=...){at_user_location()}"
        )


def are_described(args: Any, kwargs: dict) -> bool:
    """Whether a layer is called on symbolic tensors that the graph being written does not record."""
    graph = recording()
    if graph is None or not graph.by_hand:
        return False
    given = [leaf for leaf in nest.flat((args, kwargs)) if isinstance(leaf, SymbolicTensor)]
    return bool(given) and not any(map(graph.has, given))


def described(call: Callable, args: tuple, kwargs: dict) -> Any:
    """Returns what a layer gives for symbolic tensors, and lets the graph compute it as well."""
    graph: Any = recording()
    with outside(graph):
        result = call(args, kwargs)
    for tensor in nest.flat(result):
        if isinstance(tensor, SymbolicTensor):
            twin(graph, tensor)
    return result


def twin(graph: HandWritten, tensor: SymbolicTensor) -> SymbolicTensor:
    """Returns the tensor of a graph that stands for a symbolic tensor of a model."""
    twins = _kept(graph).twins
    if id(tensor) not in twins:
        with graph.as_default(), graph.control_dependencies(None), graph.names.entered(""):
            for node in _up_to(tensor):
                if any(id(leaf) not in twins for leaf in node.outputs):
                    pairs = zip(node.outputs, _computed(graph, node, twins), strict=True)
                    twins.update({id(leaf): (leaf, value) for leaf, value in pairs})
    return twins[id(tensor)][1]


def _computed(graph: HandWritten, node: Node, twins: dict) -> list:
    if node.operation.is_input:
        made = [graph.placeholder(leaf.shape, leaf.dtype, node.operation.name) for leaf in node.outputs]
        graph.inputs += made
        return made

    def stand_in(leaf: Any) -> Any:
        return twins[id(leaf)][1] if isinstance(leaf, SymbolicTensor) and id(leaf) in twins else leaf

    args, kwargs = nest.mapped(stand_in, (node.args, node.kwargs))
    return nest.flat(node.operation(*args, **kwargs))


def _up_to(tensor: SymbolicTensor) -> list[Node]:
    """Returns the nodes that a symbolic tensor is made by, each after those that it needs."""
    order: list[Node] = []
    seen: set[int] = set()
    stack = [(tensor.node, False)]
    while stack:
        node, ready = stack.pop()
        if ready:
            order.append(node)
        elif node is not None and id(node) not in seen:
            seen.add(id(node))
            stack.append((node, True))
            stack += [(leaf.node, False) for leaf in node.inputs]
    return order


use_twins(twin)


# ---- training or not


def phase() -> Any:
    """Returns whether layers train in the graph that is written here, as a tensor; None where no graph is.

    It is False where it is not fed.  In Keras 3 there is none.
    """
    graph = written()
    if graph is None or settings.keras == 3:
        return None
    kept = _kept(graph)
    if kept.phase is None:
        with graph.as_default(), graph.control_dependencies(None), graph.names.entered(""):
            kept.phase = placeholder_with_default(False, [], "keras_learning_phase")
    return kept.phase


def either(call: Callable, args: tuple, kwargs: dict, position: int, training: SymbolicTensor) -> Any:
    """Returns what a layer gives in training or not, as a tensor says when the graph runs.

    Args:
        position: that of the flag among the arguments of `call`.
    """
    graph: Any = recording()
    try:
        with graph.trying():
            return call(*args, **kwargs)  # few layers look at the flag at all
    except OperatorNotAllowedInGraphError:
        if graph.by_hand:
            _kept(graph).forget_what_left(graph)

    def run(flag: bool, changed: dict) -> Any:
        given, named = list(args), dict(kwargs)
        if len(given) > position:
            given[position] = flag
        else:
            named["training"] = flag
        with call_context(flag), _put_off(changed):
            return call(*given, **named)

    trained: dict[int, tuple[GraphVariable, Any]] = {}

    def inferred() -> tuple:
        changed: dict[int, tuple[GraphVariable, Any]] = {}
        result = run(False, changed)
        for number, (weight, _) in changed.items():
            if number not in trained:
                raise NotImplementedError(
                    f"{weight.name}: the layer assigns it in inference alone, which a graph of TensorFlow 1 cannot "
                    f"hold: assign it in training as well{at_user_location()}"
                )
        new = (changed.get(number, (weight, None))[1] for number, (weight, _) in trained.items())
        known = zip(trained.values(), new, strict=True)
        return result, [weight._tensor() if value is None else value for (weight, _), value in known]

    result, values = cond(
        training, lambda: (run(True, trained), [value for _, value in trained.values()]), inferred
    )
    if graph.by_hand:
        for (weight, _), value in zip(trained.values(), values, strict=True):
            _kept(graph).updates.append((weight, weight.assign(value, read_value=False)))
    return result


@contextmanager
def _put_off(changed: dict) -> Any:
    """Notes the new values of weights in a `with` block, in place of assigning them: in TensorFlow 1 they are updates.

    Args:
        changed: gets pairs of weights and values by the ids of the weights.
    """
    scope: Any = state.scope
    assign = scope.assign

    def note(variable: Variable, value: Any) -> None:
        if isinstance(variable, GraphVariable):
            changed[id(variable)] = variable, value
        else:
            assign(variable, value)

    scope.assign = note
    try:
        yield
    finally:
        del scope.assign


class Updates:
    """`layer.updates`: the operations that give its weights new values in the graph that is written here.

    Elsewhere there are none: weights change when they are assigned.  Layers may have an attribute of that name.
    """

    def __get__(self, layer: Any, owner: Any = None) -> Any:
        if layer is None:
            return self
        graph = written()
        known = {id(weight) for weight in layer.weights}
        return [] if graph is None else [node for weight, node in _kept(graph).updates if id(weight) in known]


# ---- variables and sessions


def variable(graph: HandWritten, make: Callable[[], Any], name: str, **facts: Any) -> GraphVariable:
    """Returns a weight that is a variable of a graph; `make` gives its initial value each time it is initialized."""
    with graph.as_default(), graph.control_dependencies(None):
        made = GraphVariable(make, full_name=name.partition(":")[0], **facts)
    _kept(graph).variables.append(made)
    return made


class _Current(threading.local):
    """The session of Keras, one a thread, as graphs are."""

    session: Any = None
    initializes = True


_current = _Current()


def get_session(op_input_list: Any = ()) -> Any:
    """Returns the session that Keras works in: the default one, the one that was set, or a new one.

    Weights that have no value in it get their initial one.

    Raises:
        RuntimeError: no graph is written here: everything has a value.
    """
    graph = around()
    if graph is None:
        raise RuntimeError(
            "K.get_session: there are no sessions; ops run when they are called. Replace `session.run(tensor)` by "
            f"`tensor.numpy()`, or by K.function(inputs, outputs) for symbolic tensors{at_user_location()}"
        )
    found = current_session()
    if found is None or found.graph is not graph:
        if _current.session is None or _current.session.graph is not graph:
            if not _session_class.is_set:
                importlib.import_module(_session_class.set_by)
            _current.session = _session_class.target(graph=graph)
        found = _current.session
    _enter(graph, found)
    return found


def _enter(graph: HandWritten, session: Any) -> None:
    """Lets weights hold what they have in a session, their initial values where they have none."""
    weights = _kept(graph).variables
    for weight in weights:
        weight.enter(session)
    missing = [weight.initializer for weight in weights if not weight.has_value]
    if missing and _current.initializes:
        session.run(missing)


def set_session(session: Any) -> None:
    """Makes a session the one that Keras works in.

    Raises:
        RuntimeError: no graph is written here: everything has a value.
    """
    if around() is None:
        raise RuntimeError(
            "K.set_session: there are no sessions. Drop the call; set up devices with tf.config, such as "
            f"tf.config.set_visible_devices([], 'GPU'){at_user_location()}"
        )
    _current.session = session


def manual_variable_initialization(value: bool) -> None:
    """Says whether the program itself initializes weights, in a session.

    Raises:
        ValueError: True where no graph is written: variables have values from the moment they are created.
    """
    if value and around() is None:
        raise ValueError(
            "K.manual_variable_initialization(True): variables are initialized when they are created and cannot wait. "
            f"Drop the call{at_user_location()}"
        )
    _current.initializes = not value


def forget_session() -> None:
    """Lets Keras begin another session."""
    _current.session, _current.initializes = None, True


def in_session(method: Callable) -> Callable:
    """Returns a method that works with values: it leaves a graph, with what weights hold in the session of Keras."""

    @functools.wraps(method)
    def with_values(*args: Any, **kwargs: Any) -> Any:
        if state.scope is None and calls.graph is None:
            return method(*args, **kwargs)
        graph = around()
        if graph is None:
            return method(*args, **kwargs)
        get_session()
        with outside(None):
            return method(*args, **kwargs)

    return with_values


def leaving_graphs(method: Callable) -> Callable:
    """Returns a method that leaves a graph: what it makes is no part of it."""

    @functools.wraps(method)
    def leaving(*args: Any, **kwargs: Any) -> Any:
        if written() is None:
            return method(*args, **kwargs)
        with outside(None):
            return method(*args, **kwargs)

    return leaving


def value_of(x: Any) -> Any:
    """Returns the value of a tensor or variable in the session of Keras, as an array."""
    if isinstance(x, Variable) and not isinstance(x, GraphVariable):
        with outside(None):
            return x.numpy()
    return get_session().run(x)
