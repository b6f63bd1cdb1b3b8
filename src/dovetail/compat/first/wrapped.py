"""`tf.compat.v1.wrap_function`: code of TensorFlow 1 as a function of TensorFlow 2."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dovetail.base import nest
from dovetail.base.errors import at_user_location
from dovetail.function.function import Function
from dovetail.graph.by_hand import HandWritten
from dovetail.graph.hand_variable import GraphVariable, WritingScope, calls_host
from dovetail.graph.replay import Graph
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.spec import TensorSpec
from dovetail.tensor.symbolic import SymbolicTensor
from dovetail.tensor.tensor import Tensor, TensorLike
from dovetail.tensor.variable import enter_scope


class WrappedVariable(GraphVariable):
    """A variable of a wrapped function: it has its value from the start, as in TensorFlow 2."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        with enter_scope(None):
            (value,) = Graph([], [self.initial_value]).run([])
            self._put(Tensor(value._value))

    def enter(self, session: Any) -> None:
        """Keeps its value: it is the same in all sessions."""


class _WrappingScope(WritingScope):
    variable_class = WrappedVariable


class WrappedGraph(HandWritten):
    """The graph of a wrapped function."""

    scope_class = _WrappingScope


class WrappedFunction:
    """A part of a graph as a function.

    Attributes:
        graph: the graph.
        inputs: the tensors that it takes.
        outputs: the tensors that it gives, flat.
        structured_outputs: the same in the structure of the result.
    """

    def __init__(self, graph: WrappedGraph, inputs: list, result: Any, name: str = "wrapped") -> None:
        self.graph, self.inputs, self.structured_outputs, self.name = graph, inputs, result, name
        self._leaves, self._spec = nest.flatten_spec(result)
        self.outputs = [leaf for leaf in self._leaves if isinstance(leaf, SymbolicTensor)]
        effects = [leaf for leaf in self._leaves if leaf is not None and not isinstance(leaf, TensorLike)]
        part = Graph(inputs, self.outputs, effects)
        self._run = part.run if calls_host(part.nodes) else Function(part.run, autograph=False)

    @property
    def variables(self) -> list:
        return self.graph.get_collection("variables")

    @property
    def trainable_variables(self) -> list:
        return self.graph.get_collection("trainable_variables")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Returns the result for values of the inputs, in their order or by their names."""
        given = list(args) if len(args) == len(self.inputs) else list(nest.flat(args))
        names = [tensor.name.partition(":")[0] for tensor in self.inputs]
        given += [kwargs.pop(name) for name in names[len(given) :] if name in kwargs]
        if kwargs or len(given) != len(self.inputs):
            raise TypeError(
                f"{self.name}: expected {len(names)} values, for {names}, received {len(given)}"
                f"{f' and {sorted(kwargs)}' if kwargs else ''}{at_user_location()}"
            )
        values = [convert_to_tensor(v, t.dtype) for v, t in zip(given, self.inputs, strict=True)]
        results = iter(self._run(values))
        found = [next(results) if isinstance(leaf, SymbolicTensor) else _plain(leaf) for leaf in self._leaves]
        return nest.unflatten(self._spec, found)

    def prune(
        self, feeds: Any, fetches: Any, name: str | None = None, input_signature: Any = None
    ) -> WrappedFunction:
        """Returns another part of the graph as a function.

        Args:
            feeds: tensors, or their names, that it takes; those in the middle of the graph as well.
            fetches: tensors, operations, or their names, in any structure.
            name: of the function.
            input_signature: accepted for TensorFlow's sake.
        """
        inputs = [self._element(leaf) for leaf in nest.flat(feeds)]
        result = nest.map_structure(self._element, fetches)
        return WrappedFunction(self.graph, inputs, result, name or "pruned")

    def _element(self, what: Any) -> Any:
        found = self.graph.element(what) if isinstance(what, str) else what
        return found._element if isinstance(found, GraphVariable) else found


def _plain(leaf: Any) -> Any:
    return leaf if isinstance(leaf, TensorLike) else None


def wrap_function(fn: Callable, signature: Any, name: str | None = None) -> WrappedFunction:
    """Returns a function of TensorFlow 2 that does what code of TensorFlow 1 states.

    Args:
        fn: called once, in a graph; variables that it makes belong to the function.
        signature: the `tf.TensorSpec`s of its arguments.
        name: of the function.
    """
    graph = WrappedGraph()
    with graph.as_default():
        made = nest.map_structure(lambda spec: _input(graph, spec), list(signature))
        result = nest.map_structure(_output, fn(*made))
    return WrappedFunction(graph, nest.flat(made), result, name or str(getattr(fn, "__name__", "wrapped")))


def _input(graph: WrappedGraph, spec: TensorSpec) -> SymbolicTensor:
    tensor = graph.placeholder(spec.shape, spec.dtype, spec.name)
    graph.inputs.append(tensor)
    return tensor


def _output(leaf: Any) -> Any:
    if isinstance(leaf, GraphVariable):
        return leaf._tensor()
    return convert_to_tensor(leaf) if isinstance(leaf, int | float) else leaf
