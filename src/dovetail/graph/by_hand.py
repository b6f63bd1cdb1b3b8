"""Graphs written by hand, as in TensorFlow 1: `tf.Graph().as_default()`, placeholders and sessions.

    with tf.Graph().as_default() as graph:
        x = tf.compat.v1.placeholder(tf.float32, [None])
        y = tf.reduce_sum(x * x)
    with tf.compat.v1.Session(graph=graph) as session:
        session.run(y, {x: [1.0, 2.0]})  # 5.0

A session runs what its fetches need, op by op, and what that waits for.  Variables of TensorFlow 1 and initializers are
not there yet.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any

import numpy as np

from dovetail.base import nest
from dovetail.base.bounded import Bounded
from dovetail.base.errors import InvalidArgumentError, at_user_location
from dovetail.base.settings import state
from dovetail.graph.node import CONSTANT, Node, Operation
from dovetail.graph.operations import use_hand_written
from dovetail.graph.record import symbolic_outputs
from dovetail.graph.recording import FunctionGraph, recording
from dovetail.graph.replay import DisconnectedError, Graph
from dovetail.ops.infer import Inferred, partial_of
from dovetail.ops.views import export
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.symbolic import SymbolicTensor
from dovetail.tensor.tensor import Tensor, TensorLike
from dovetail.tensor.variable import Variable, enter_scope

_MOST_PROGRAMS = 128


class HandWritten(FunctionGraph):
    """A graph that a program writes: `tf.Graph()` makes one."""

    by_hand = True

    def __init__(self) -> None:
        super().__init__("graph")

    def constant(self, value: Tensor) -> SymbolicTensor:
        """Returns a value as the output of an operation, as every tensor of such a graph is one."""
        described = Inferred(tuple(value.shape), value.dtype, partial_of(value))
        return symbolic_outputs(Node(CONSTANT, (value,), {}), [described])

    def __repr__(self) -> str:
        return f"<tf.Graph of {len(self.get_operations())} operations>"


use_hand_written(HandWritten)


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


@export("compat.v1.Session")
class Session:
    """Runs parts of a graph.

    Args:
        target, config: accepted for TensorFlow's sake: there is one kind of session.
        graph: a `tf.Graph`; the one being written when None.

    Raises:
        RuntimeError: no graph is given, and none is being written.
    """

    def __init__(self, target: str = "", graph: Any = None, config: Any = None) -> None:
        found = recording() if graph is None else graph
        if found is None:
            raise RuntimeError(
                f"tf.compat.v1.Session: pass the graph, Session(graph=graph), or enter it first{at_user_location()}"
            )
        self.graph = found
        self._programs = Bounded(_MOST_PROGRAMS)  # by what is fed and what is fetched
        self._closed = False

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the session: it runs nothing more."""
        self._closed = True

    def run(self, fetches: Any, feed_dict: Any = None, options: Any = None, run_metadata: Any = None) -> Any:
        """Returns the values of tensors as NumPy arrays.

        Args:
            fetches: tensor, operation (it runs, its value is None), the name of one, or a structure of them.
            feed_dict: values by tensor, or by its name; every placeholder that the fetches need.
            options, run_metadata: accepted for TensorFlow's sake.

        Raises:
            RuntimeError: the session is closed.
            ValueError: the graph has no such tensor or operation, or a value is of another shape.
            InvalidArgumentError: a placeholder that is needed has no value.
        """
        if self._closed:
            raise RuntimeError(f"Session.run: the session is closed{at_user_location()}")
        leaves, spec = nest.flatten_spec(fetches)
        leaves = [self._element(leaf, "fetch") for leaf in leaves]
        feeds = {self._element(key, "feed"): value for key, value in (feed_dict or {}).items()}
        results = iter(self._values(feeds, leaves))
        found = [next(results) if isinstance(leaf, SymbolicTensor) else leaf for leaf in leaves]
        return nest.unflatten(spec, [_shown(leaf) for leaf in found])

    def _element(self, what: Any, verb: str) -> Any:
        """Returns what a fetch or the key of a feed names."""
        try:
            found = self.graph.element(what) if isinstance(what, str) else what
        except KeyError as error:
            raise ValueError(f"Session.run: cannot {verb} {what!r:.60}: {error.args[0]}") from None
        if not isinstance(found, TensorLike | Operation):
            raise TypeError(
                f"Session.run: cannot {verb} {what!r:.60}, expected tensors or operations, or their names"
                f"{at_user_location()}"
            )
        if not (isinstance(found, Tensor | Variable) or self.graph.owns(found)):
            raise ValueError(
                f"Session.run: cannot {verb} {what!r:.80}, it is not an element of the session's graph. Use a session "
                f"of the graph that it was made in{at_user_location()}"
            )
        return found

    def _values(self, feeds: dict, fetches: list) -> list:
        """Returns the values of the symbolic tensors among the fetches, and runs the operations."""
        tapes, state.tapes = state.tapes, ()
        state.host_only += 1
        try:
            with enter_scope(None):
                values = [_fed(tensor, value) for tensor, value in feeds.items()]
                return self._program(list(feeds), fetches).run(values)
        finally:
            state.host_only -= 1
            state.tapes = tapes

    def _program(self, feeds: list, fetches: list) -> Graph:
        wanted = [leaf for leaf in fetches if isinstance(leaf, SymbolicTensor | Node)]
        key = (tuple(map(id, feeds)), tuple(map(id, wanted)))
        found = self._programs.get(key)
        if found is not None:
            return found
        tensors = [leaf for leaf in wanted if isinstance(leaf, SymbolicTensor)]
        try:
            made = Graph(feeds, tensors, [leaf for leaf in wanted if isinstance(leaf, Node)])
        except DisconnectedError as error:
            known = {id(tensor) for tensor in feeds}
            names = [tensor.name for tensor in self.graph.inputs if id(tensor) not in known]
            raise InvalidArgumentError(
                f"Session.run: what is fetched needs a value for one of the placeholders {names}; pass it in feed_dict"
                f"{at_user_location()}"
            ) from error
        return self._programs.put(key, made)


def _fed(tensor: SymbolicTensor, value: Any) -> Any:
    """Returns the value for a tensor; raises ValueError when its shape does not fit."""
    found = convert_to_tensor(np.asarray(value, tensor.dtype.numpy_dtype), tensor.dtype)
    if not tensor.shape.is_compatible_with(found.shape):
        raise ValueError(
            f"Session.run: the value for {tensor.name!r} has shape {found.shape}, expected {tensor.shape}"
            f"{at_user_location()}"
        )
    return found


def _shown(leaf: Any) -> Any:
    return None if isinstance(leaf, Operation) else leaf.numpy()
